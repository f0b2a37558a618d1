"""Pools carry the mark of who wrote last, so that what was read before a pool was locked can be trusted.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Locks in one sorted order, as all writers do, and refuses if anybody wrote in one of the pools since it was read. Who
# follows a batch that is still on its way may be here first: it lets go of the locks, and tries again.
CLAIM_POOLS = """
create function ledger.claim_pools(claimed uuid[], seen bigint[], changed uuid[], mark bigint, tries integer)
returns void language plpgsql as $$
begin
  for try in 1 .. tries loop
    begin
      if seen is distinct from array(
        select last_write
        from (select pool_id, last_write from ledger.pool where pool_id = any(claimed) order by pool_id for update) p
        order by pool_id
      ) then
        raise exception 'a pool has changed since it was read' using errcode = 'serialization_failure';
      end if;
      update ledger.pool set last_write = mark where pool_id = any(changed);
      return;
    exception when serialization_failure then
      if try = tries then
        raise;
      end if;
    end;
    perform pg_sleep(0.0005);
  end loop;
end
$$
"""

# For requests of which nothing was accepted before: claims, and refuses what is not new after all.
CLAIM_FOR_NEWS = """
create function ledger.claim_for_news(
  claimed uuid[], seen bigint[], changed uuid[], mark bigint, tries integer, tenants text[], keys text[], orders text[]
) returns void language plpgsql as $$
begin
  perform ledger.claim_pools(claimed, seen, changed, mark, tries);
  if exists (
    select from unnest(tenants, keys) as n (tenant, key)
    join ledger.posting p on p.tenant = n.tenant and p.idempotency_key = n.key
  ) or exists (
    select from unnest(tenants, orders) as n (tenant, order_ref)
    join ledger.order_line o on o.tenant = n.tenant and o.order_ref = n.order_ref
  ) then
    raise exception 'this is not new' using errcode = 'object_not_in_prerequisite_state';
  end if;
end
$$
"""

LAST_WRITE = "drawn by whoever wrote here last: tells whether what was read still holds"
NO_KEY = "locked by whoever writes the line: no foreign key"


def upgrade() -> None:
    op.add_column(
        "pool",
        sa.Column("last_write", sa.BigInteger(), server_default="0", nullable=False, comment=LAST_WRITE),
        schema="ledger",
    )
    # Room beside each row for its next versions: an update then touches no index and one page.
    op.execute("alter table ledger.pool set (fillfactor = 50)")
    op.execute(CLAIM_POOLS)
    op.execute(CLAIM_FOR_NEWS)
    op.execute("grant update (last_write) on ledger.pool to stockbridge_app")
    # Pools are never deleted, and a line's pool is locked when it is written: the key would look each row up once more.
    op.drop_constraint("fk_order_line_pool_id", "order_line", schema="ledger", type_="foreignkey")
    op.alter_column("order_line", "pool_id", schema="ledger", comment=NO_KEY)


def downgrade() -> None:
    op.alter_column("order_line", "pool_id", schema="ledger", comment=None, existing_comment=NO_KEY)
    op.create_foreign_key(
        "fk_order_line_pool_id",
        "order_line",
        "pool",
        ["pool_id"],
        ["pool_id"],
        source_schema="ledger",
        referent_schema="ledger",
    )
    op.execute("drop function ledger.claim_for_news(uuid[], bigint[], uuid[], bigint, integer, text[], text[], text[])")
    op.execute("drop function ledger.claim_pools(uuid[], bigint[], uuid[], bigint, integer)")
    op.execute("alter table ledger.pool reset (fillfactor)")
    op.drop_column("pool", "last_write", schema="ledger")
