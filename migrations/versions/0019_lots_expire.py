"""Lots expire: a line says whether it takes what has expired, and what is known of a lot's date is kept as it changes.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Writes down lots that arrive, and the new dates of others: from what the writer has seen of them to what they are now.
# Who was faster and told something else makes it look again; so does stock of a lot at a site that it did not claim,
# since holds there depend on the date, too.
DATE_LOTS = """
create function ledger.date_lots(
  tenants text[], skus text[], lots text[], seen date[], seen_computed boolean[], days date[], computed boolean[],
  claimed uuid[]
) returns void language plpgsql as $$
begin
  insert into ledger.lot (tenant, sku, lot, expires_on, expiry_computed)
  select n.tenant, n.sku, n.lot, n.day, n.computed
  from unnest(tenants, skus, lots, days, computed) as n (tenant, sku, lot, day, computed)
  order by n.tenant, n.sku, n.lot
  on conflict do nothing;
  perform from ledger.lot l
  where (l.tenant, l.sku, l.lot) in (select * from unnest(tenants, skus, lots))
  order by l.tenant, l.sku, l.lot for update;
  if exists (
    select from unnest(tenants, skus, lots, seen, seen_computed, days, computed)
      as n (tenant, sku, lot, seen, seen_computed, day, computed)
    join ledger.lot l on l.tenant = n.tenant and l.sku = n.sku and l.lot = n.lot
    where (l.expires_on, l.expiry_computed) is distinct from (n.seen, n.seen_computed)
      and (l.expires_on, l.expiry_computed) is distinct from (n.day, n.computed)
  ) then
    raise exception 'a lot has got another date since it was read' using errcode = 'serialization_failure';
  end if;
  update ledger.lot l set expires_on = n.day, expiry_computed = n.computed
  from unnest(tenants, skus, lots, days, computed) as n (tenant, sku, lot, day, computed)
  where l.tenant = n.tenant and l.sku = n.sku and l.lot = n.lot
    and (l.expires_on, l.expiry_computed) is distinct from (n.day, n.computed);
  if exists (
    select from unnest(tenants, skus, lots, seen, days) as n (tenant, sku, lot, seen, day)
    join ledger.stream s on s.tenant = n.tenant and s.sku = n.sku and s.lot = n.lot and s.lot <> ''
    where n.day is distinct from n.seen and s.open and s.kind in ('storage', 'staging') and s.pool_id <> all(claimed)
  ) then
    raise exception 'a lot has come to another site' using errcode = 'object_in_use';
  end if;
end
$$
"""

# As `expect_unblocked`, which an older build asks until it is gone; and the lot expires when the writer thinks.
EXPECT_LOTS = """
create function ledger.expect_lots(tenants text[], skus text[], lots text[], days date[])
returns void language plpgsql as $$
begin
  perform ledger.expect_unblocked(tenants, skus, lots);
  if exists (
    select from unnest(tenants, skus, lots, days) as n (tenant, sku, lot, day)
    join ledger.lot l on l.tenant = n.tenant and l.sku = n.sku and l.lot = n.lot
    where l.expires_on is distinct from n.day
  ) then
    raise exception 'a lot has got another date since it was read' using errcode = 'serialization_failure';
  end if;
end
$$
"""


def upgrade() -> None:
    op.add_column(
        "order_line",
        sa.Column(
            "allow_expired",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="whether what has expired already is taken",
        ),
        schema="ledger",
    )
    op.add_column(
        "lot",
        sa.Column(
            "expiry_computed",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="from a shelf life, until somebody tells when it expires",
        ),
        schema="ledger",
    )
    describe("the last day on which it may be used, by its site's day")
    op.execute(DATE_LOTS)
    op.execute(EXPECT_LOTS)
    op.execute("grant update (expires_on, expiry_computed) on ledger.lot to stockbridge_app")


def downgrade() -> None:
    op.execute("revoke update (expires_on, expiry_computed) on ledger.lot from stockbridge_app")
    op.execute("drop function ledger.expect_lots(text[], text[], text[], date[])")
    op.execute("drop function ledger.date_lots(text[], text[], text[], date[], boolean[], date[], boolean[], uuid[])")
    describe(None)
    op.drop_column("lot", "expiry_computed", schema="ledger")
    op.drop_column("order_line", "allow_expired", schema="ledger")


def describe(expires_on: str | None) -> None:
    """Say what the column holds."""
    op.alter_column(
        "lot", "expires_on", existing_type=sa.Date(), existing_nullable=True, comment=expires_on, schema="ledger"
    )
