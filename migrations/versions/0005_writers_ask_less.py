"""What a writer asks of PostgreSQL for every batch, with fewer queries; the rules stay as they are.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# As in 0002, but: what moved nothing is not summed up, and what frees is compared with what takes by their first and
# last numbers, where it was a join of the batch with itself.
CHECK_ENTRIES = """
create or replace function ledger.check_entries() returns trigger language plpgsql as $$
declare
  bad record;
  moves boolean;
  frees boolean;
begin
  -- Streams and postings are never deleted, so what is there when an entry arrives stays there: no foreign keys, which
  -- would look each row up once more (a third of the time of an insert).
  select n.stream_id, n.seq, s.stream_id is null or q.posting_id is null as lost,
         n.on_hand <> coalesce(p.on_hand, 0) + n.on_hand_delta
           or n.reserved <> coalesce(p.reserved, 0) + n.reserved_delta
           or (n.seq > 1 and p.stream_id is null)
           or p.recorded_at > n.recorded_at
           or (p.recorded_at = n.recorded_at and p.posting_id <> n.posting_id) as astray
  into bad
  from new_entries n
  left join ledger.entry p on p.stream_id = n.stream_id and p.seq = n.seq - 1
  left join ledger.stream s on s.stream_id = n.stream_id
  left join ledger.posting q on q.posting_id = n.posting_id
  where s.stream_id is null or q.posting_id is null
     or n.on_hand <> coalesce(p.on_hand, 0) + n.on_hand_delta
     or n.reserved <> coalesce(p.reserved, 0) + n.reserved_delta
     or (n.seq > 1 and p.stream_id is null)
     or p.recorded_at > n.recorded_at
     or (p.recorded_at = n.recorded_at and p.posting_id <> n.posting_id)
     or n.tenant <> s.tenant or n.tenant <> q.tenant or n.recorded_at <> q.recorded_at
     or n.serial <> (s.serial_number <> '')
     or n.floor <> case when s.kind = 'supplier' or (s.kind = 'adjustment' and s.serial_number = '') then 1 else 0 end
     or (n.reserved > 0 and not (s.stock_status = 'available' and s.kind in ('storage', 'staging')))
  limit 1;
  if found then
    if bad.lost then
      raise exception 'I2: entry % of stream % has no stream or no posting', bad.seq, bad.stream_id;
    elsif bad.astray then
      raise exception 'I2: entry % of stream % does not follow from the one before', bad.seq, bad.stream_id;
    end if;
    raise exception 'I3: entry % of stream % does not fit its stream or its posting', bad.seq, bad.stream_id;
  end if;

  select bool_or(on_hand_delta <> 0), bool_or(order_ref <> '' and reserved_delta < 0) into moves, frees
  from new_entries;

  if moves then
    select n.posting_id, s.sku, s.lot, s.serial_number into bad
    from new_entries n join ledger.stream s on s.stream_id = n.stream_id
    where n.on_hand_delta <> 0
    group by n.posting_id, s.sku, s.lot, s.serial_number
    having sum(n.on_hand_delta) <> 0
    limit 1;
    if found then
      raise exception 'I4: posting % makes % (lot "%", serial "%") appear or vanish',
        bad.posting_id, bad.sku, bad.lot, bad.serial_number;
    end if;
  end if;

  if not frees then
    return null;
  end if;
  -- What an amendment releases and takes of a line, and in which order in a stream.
  select n.posting_id, n.order_ref, n.line_no into bad
  from new_entries n
  join ledger.posting p on p.posting_id = n.posting_id and p.reason = 'amendment'
  join ledger.stream s on s.stream_id = n.stream_id
  where n.order_ref <> ''
  group by n.posting_id, n.order_ref, n.line_no, s.pool_id, s.lot, s.serial_number
  having min(n.reserved_delta) < 0 and max(n.reserved_delta) > 0
  limit 1;
  if found then
    raise exception 'I8: amendment % releases what it takes again (order %, line %)',
      bad.posting_id, bad.order_ref, bad.line_no;
  end if;

  select n.posting_id, n.stream_id into bad
  from new_entries n
  join ledger.posting p on p.posting_id = n.posting_id and p.reason = 'amendment'
  group by n.posting_id, n.stream_id
  having max(n.seq) filter (where n.reserved_delta < 0) > min(n.seq) filter (where n.reserved_delta > 0)
  limit 1;
  if found then
    raise exception 'I8: amendment % takes before it frees in stream %', bad.posting_id, bad.stream_id;
  end if;
  return null;
end
$$
"""

# As in 0003, without a look for the postings' keys: the unique index refuses those.
CLAIM_FOR_NEWS = """
create function ledger.claim_for_news(
  claimed uuid[], seen bigint[], changed uuid[], mark bigint, tries integer, tenants text[], orders text[]
) returns void language plpgsql as $$
begin
  perform ledger.claim_pools(claimed, seen, changed, mark, tries);
  if exists (
    select from unnest(tenants, orders) as n (tenant, order_ref)
    join ledger.order_line o on o.tenant = n.tenant and o.order_ref = n.order_ref
  ) then
    raise exception 'this is not new' using errcode = 'object_not_in_prerequisite_state';
  end if;
end
$$
"""

DROP_CLAIM_FOR_NEWS: Final = "drop function ledger.claim_for_news(uuid[], bigint[], uuid[], bigint, integer, {})"


def upgrade() -> None:
    op.execute(CHECK_ENTRIES)
    op.execute(DROP_CLAIM_FOR_NEWS.format("text[], text[], text[]"))
    op.execute(CLAIM_FOR_NEWS)


def downgrade() -> None:
    before = "migrations.versions.000"
    op.execute(DROP_CLAIM_FOR_NEWS.format("text[], text[]"))
    op.execute(import_module(f"{before}3_pools_carry_a_mark").CLAIM_FOR_NEWS)
    check_entries: str = import_module(f"{before}2_the_rules_that_never_bend").CHECK_ENTRIES
    op.execute(check_entries.replace("create function", "create or replace function", 1))
