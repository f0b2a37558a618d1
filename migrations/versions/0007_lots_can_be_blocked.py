"""A lot can be blocked: what arrives of it is quarantined; and lots and serial numbers are found by name.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Whoever brings stock of a lot that it takes for unblocked waits here for who is blocking it, and is refused then. It
# keeps the lot's row until it has committed, so that who blocks it sees what has come.
EXPECT_UNBLOCKED = """
create function ledger.expect_unblocked(tenants text[], skus text[], lots text[])
returns void language plpgsql as $$
begin
  perform from ledger.lot l
  where (l.tenant, l.sku, l.lot) in (select * from unnest(tenants, skus, lots))
  order by l.tenant, l.sku, l.lot for share;
  if exists (
    select from ledger.lot l
    where l.block_no is not null and (l.tenant, l.sku, l.lot) in (select * from unnest(tenants, skus, lots))
  ) then
    raise exception 'a lot has been blocked since it was read' using errcode = 'serialization_failure';
  end if;
end
$$
"""

# Blocks lots, or lifts their blocks (a number of NULL). Stock may have come to a site that had not known the sku;
# then who blocks has to look again.
MARK_LOTS = """
create function ledger.mark_lots(tenants text[], skus text[], lots text[], block_nos text[], claimed uuid[])
returns void language plpgsql as $$
begin
  update ledger.lot l set block_no = n.block_no
  from unnest(tenants, skus, lots, block_nos) as n (tenant, sku, lot, block_no)
  where l.tenant = n.tenant and l.sku = n.sku and l.lot = n.lot;
  if exists (
    select from unnest(tenants, skus, lots, block_nos) as n (tenant, sku, lot, block_no)
    join ledger.stream s on s.tenant = n.tenant and s.sku = n.sku and s.lot = n.lot and s.lot <> ''
    where n.block_no is not null and s.open and s.stock_status = 'available' and s.kind in ('storage', 'staging')
      and s.pool_id <> all(claimed)
  ) then
    raise exception 'a lot has come to another site' using errcode = 'object_in_use';
  end if;
end
$$
"""


def upgrade() -> None:
    op.add_column(
        "lot",
        sa.Column(
            "block_no", sa.String(), nullable=True, comment="of the recall that blocks it; NULL where it may be sold"
        ),
        schema="ledger",
    )
    op.create_index(
        "ix_lot_blocked",
        "lot",
        ["tenant", "sku"],
        schema="ledger",
        postgresql_where=sa.text("block_no is not null"),
    )
    op.create_index(
        "ix_stream_lot",
        "stream",
        ["tenant", "sku", "lot"],
        schema="ledger",
        postgresql_where=sa.text("lot <> ''"),
    )
    op.create_index(
        "ix_stream_serial_number",
        "stream",
        ["tenant", "sku", "serial_number"],
        schema="ledger",
        postgresql_where=sa.text("serial_number <> ''"),
    )
    op.execute(EXPECT_UNBLOCKED)
    op.execute(MARK_LOTS)
    op.execute("grant update (block_no) on ledger.lot to stockbridge_app")


def downgrade() -> None:
    op.execute("revoke update (block_no) on ledger.lot from stockbridge_app")
    op.execute("drop function ledger.mark_lots(text[], text[], text[], text[], uuid[])")
    op.execute("drop function ledger.expect_unblocked(text[], text[], text[])")
    op.drop_index("ix_stream_serial_number", table_name="stream", schema="ledger")
    op.drop_index("ix_stream_lot", table_name="stream", schema="ledger")
    op.drop_index("ix_lot_blocked", table_name="lot", schema="ledger")
    op.drop_column("lot", "block_no", schema="ledger")
