"""What `verify` asks PostgreSQL: one query for each rule, which returns what breaks it (docs/invariants.md).

PostgreSQL computes every hash here by its own `sha256()`, from the canonical form (docs/canonical-form.md); the writer
computed them in Python. So the two check each other. Each query reads a part of the ledger: streams by a range of their
ids, postings and order lines by pages of their keys.
"""

# ruff: noqa: S608 - put together from constants

from __future__ import annotations

from typing import Final

# How much there is to check.
SIZE: Final = """
select (select count(*) from ledger.entry), (select count(*) from ledger.stream), (select count(*) from ledger.posting)
"""


def instant(column: str) -> str:
    """Write an instant as the canonical form does: microseconds since 1970-01-01T00:00:00Z."""
    return f"(extract(epoch from {column}) * 1000000)::bigint"


POSTING_DIGEST: Final = f"""
encode(sha256(convert_to(concat_ws(E'\\n',
  p.posting_id, p.tenant, p.idempotency_key, encode(p.request_digest, 'hex'), p.reason, p.actor, p.evidence,
  {instant("p.occurred_at")}, {instant("p.recorded_at")},
  encode(sha256(convert_to(p.answer, 'UTF8')), 'hex')), 'UTF8')), 'hex')
"""

ENTRY_HASH: Final = f"""
sha256(convert_to(concat_ws(E'\\n',
  encode(coalesce(c.hash_before, s.identity_hash), 'hex'), {POSTING_DIGEST.strip()},
  c.stream_id, c.seq, c.order_ref, c.line_no, c.on_hand_delta, c.reserved_delta, c.on_hand, c.reserved), 'UTF8'))
"""

IDENTITY_HASH: Final = """
sha256(convert_to(concat_ws(E'\\n',
  'stream', s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status), 'UTF8'))
"""

POOL_ID: Final = """
encode(substr(sha256(convert_to(concat_ws(E'\\n', 'pool', s.tenant, s.site, s.sku), 'UTF8')), 1, 16), 'hex')::uuid
"""

# I2, I3, I6: does each entry follow from the one before, stay in its bounds, fit its stream, and carry its hash?
CHAINS: Final = f"""
with chained as (
  select e.*, lag(seq, 1, 0::bigint) over chain as seq_before, lag(hash) over chain as hash_before,
         lag(on_hand, 1, 0::bigint) over chain as on_hand_before,
         lag(reserved, 1, 0::bigint) over chain as reserved_before,
         lag(recorded_at) over chain as recorded_before, lag(posting_id) over chain as posting_before
  from ledger.entry e
  where e.stream_id between %(low)s and %(high)s
  window chain as (partition by e.stream_id order by e.seq)
)
select c.stream_id, c.seq, c.posting_id, c.seq_before, found.faults
from chained c
left join ledger.stream s on s.stream_id = c.stream_id
left join ledger.posting p on p.posting_id = c.posting_id
cross join lateral (
  select array_remove(array[
    case when s.stream_id is null then 'no_stream' end,
    case when p.posting_id is null then 'no_posting' end,
    case when c.seq <> c.seq_before + 1 then 'gap' end,
    case when c.on_hand <> c.on_hand_before + c.on_hand_delta
           or c.reserved <> c.reserved_before + c.reserved_delta then 'balance' end,
    case when c.recorded_before > c.recorded_at
           or (c.recorded_before = c.recorded_at and c.posting_before <> c.posting_id) then 'order' end,
    case when c.reserved < 0 or (c.floor = 0 and c.reserved > c.on_hand)
           or (s.serial_number <> '' and c.on_hand not between -1 and 1) then 'oversold' end,
    case when c.reserved > 0 and not (s.stock_status = 'available' and s.kind in ('storage', 'staging'))
           then 'promised_elsewhere' end,
    case when c.tenant <> s.tenant or c.tenant <> p.tenant or c.recorded_at <> p.recorded_at
           or c.serial <> (s.serial_number <> '')
           or c.floor <> (s.kind = 'supplier' or (s.kind = 'adjustment' and s.serial_number = ''))::int
           then 'misfit' end,
    case when c.order_ref <> '' and not exists (
           select from ledger.order_line o
           where o.tenant = c.tenant and o.order_ref = c.order_ref and o.line_no = c.line_no) then 'no_line' end,
    case when c.order_ref = '' and c.reserved_delta <> 0 then 'nobodys_hold' end,
    case when c.hash <> {ENTRY_HASH.strip()} then 'hash' end
  ], null) as faults
) found
where cardinality(found.faults) > 0
order by c.stream_id, c.seq
"""

# I6: is each stream what its id and its identity hash say, and is its flag right?
STREAMS: Final = f"""
select s.stream_id, found.faults
from ledger.stream s
left join lateral (
  select on_hand from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
) tail on true
cross join lateral (
  select array_remove(array[
    case when s.identity_hash <> {IDENTITY_HASH.strip()} then 'identity' end,
    case when s.stream_id <> encode(substr(s.identity_hash, 1, 16), 'hex')::uuid then 'stream_id' end,
    case when s.pool_id <> {POOL_ID.strip()} then 'pool' end,
    case when tail.on_hand is null then 'empty' end,
    case when s.open <> (coalesce(tail.on_hand, 0) <> 0) then 'open' end
  ], null) as faults
) found
where s.stream_id between %(low)s and %(high)s and cardinality(found.faults) > 0
order by s.stream_id
"""

_PAGE: Final = """
with page as materialized (
  select * from ledger.posting where posting_id > %(after)s order by posting_id limit %(limit)s
)
"""

# The last posting of a page, and how many it has.
PAGE_OF_POSTINGS: Final = _PAGE + "select posting_id, count(*) over () from page order by posting_id desc limit 1"

# I4: does a posting make anything appear or vanish?
CONSERVATION: Final = (
    _PAGE
    + """
select e.posting_id, (array_agg(e.stream_id order by e.stream_id, e.seq))[1] as stream_id,
       (array_agg(e.seq order by e.stream_id, e.seq))[1] as seq,
       s.sku, s.lot, s.serial_number, sum(e.on_hand_delta)::bigint as surplus
from page join ledger.entry e using (posting_id) join ledger.stream s on s.stream_id = e.stream_id
group by e.posting_id, s.sku, s.lot, s.serial_number having sum(e.on_hand_delta) <> 0
order by 1, 2
"""
)

# I5: does a posting have the entries that its answer, which is in its digest, names; and no others?
ANSWERS: Final = (
    _PAGE
    + """
, named as (
  select posting_id, (named.item ->> 0)::uuid as stream_id, (named.item ->> 1)::bigint as seq
  from page cross join lateral jsonb_array_elements(
    case when answer is json object then answer::jsonb -> 'entries' end
  ) as named (item)
)
select coalesce(e.posting_id, named.posting_id), coalesce(e.stream_id, named.stream_id), coalesce(e.seq, named.seq),
       e.posting_id is null as missing
from (select e.* from page join ledger.entry e using (posting_id)) e
full join named on named.posting_id = e.posting_id and named.stream_id = e.stream_id and named.seq = e.seq
where e.posting_id is null or named.posting_id is null
order by 1, 2, 3
"""
)

# I8: does an amendment release what it takes again, or take before it frees?
AMENDMENTS: Final = (
    _PAGE
    + """
, amended as (
  select e.*, s.pool_id, s.lot, s.serial_number
  from page join ledger.entry e using (posting_id) join ledger.stream s on s.stream_id = e.stream_id
  where page.reason = 'amendment' and e.order_ref <> ''
)
select posting_id, (array_agg(stream_id order by seq))[1] as stream_id, (array_agg(seq order by seq))[1] as seq,
       order_ref, line_no
from amended group by posting_id, order_ref, line_no, pool_id, lot, serial_number
having min(reserved_delta) < 0 and max(reserved_delta) > 0
union all
select later.posting_id, later.stream_id, later.seq, later.order_ref, later.line_no
from amended later join amended sooner using (posting_id, stream_id)
where sooner.seq < later.seq and sooner.reserved_delta > 0 and later.reserved_delta < 0
order by 1, 2, 3
"""
)

# Pages are of one tenant: a range over two columns the planner would take for empty, and then compare all with all.
NEXT_TENANT: Final = "select tenant from ledger.order_line where tenant > %(tenant)s order by tenant limit 1"

# The order lines of a page end here.
END_OF_ORDERS: Final = """
select max(order_ref) from (
  select distinct order_ref from ledger.order_line where tenant = %(tenant)s and order_ref > %(after)s
  order by order_ref limit %(limit)s
) page
"""

# I7: does each order line say what its entries add up to? What it holds, where it lies, what left, arrived, came back.
ORDER_LINES: Final = """
with line as (
  select * from ledger.order_line
  where tenant = %(tenant)s and order_ref > %(after)s and order_ref <= %(to)s
), held as (
  select e.tenant, e.order_ref, e.line_no, s.pool_id, sum(e.reserved_delta) as held,
         coalesce(sum(e.reserved_delta) filter (where s.kind = 'staging'), 0) as staged,
         (array_agg(e.stream_id order by e.recorded_at desc, e.seq desc))[1] as stream_id,
         (array_agg(e.seq order by e.recorded_at desc, e.seq desc))[1] as seq,
         (array_agg(e.posting_id order by e.recorded_at desc, e.seq desc))[1] as posting_id
  from ledger.entry e join ledger.stream s on s.stream_id = e.stream_id
  where e.tenant = %(tenant)s and e.order_ref > %(after)s and e.order_ref <= %(to)s and e.order_ref <> ''
    and e.reserved_delta <> 0
  group by e.tenant, e.order_ref, e.line_no, s.pool_id
), moved as (
  select e.tenant, e.order_ref, e.line_no, s.sku,
         sum(e.on_hand_delta) filter (where s.kind = 'transit') as underway,
         sum(e.on_hand_delta) filter (where s.kind = 'customer' and e.on_hand_delta > 0) as delivered,
         -sum(e.on_hand_delta) filter (where s.kind = 'customer' and e.on_hand_delta < 0) as returned
  from ledger.entry e join ledger.stream s on s.stream_id = e.stream_id
  where e.tenant = %(tenant)s and e.order_ref > %(after)s and e.order_ref <= %(to)s and e.order_ref <> ''
    and s.kind in ('transit', 'customer')
  group by e.tenant, e.order_ref, e.line_no, s.sku
), wanted as (
  select tenant, order_ref, line_no, sku, sum(shipped) as shipped, sum(delivered) as delivered,
         sum(returned) as returned
  from line group by tenant, order_ref, line_no, sku
)
select tenant, order_ref, line_no, coalesce(line.sku, ''), 'held',
       coalesce(line.reserved + line.to_put_back, 0)::bigint, coalesce(held.held, 0)::bigint,
       held.stream_id, held.seq, held.posting_id
from line full join held using (tenant, order_ref, line_no, pool_id)
where coalesce(line.reserved + line.to_put_back, 0) <> coalesce(held.held, 0)
union all
select tenant, order_ref, line_no, line.sku, 'staged', (line.picked + line.to_put_back)::bigint,
       coalesce(held.staged, 0)::bigint, held.stream_id, held.seq, held.posting_id
from line left join held using (tenant, order_ref, line_no, pool_id)
where line.picked + line.to_put_back <> coalesce(held.staged, 0)
union all
select tenant, order_ref, line_no, sku, said.word, said.line::bigint, said.entries::bigint, null, null, null
from wanted full join moved using (tenant, order_ref, line_no, sku)
cross join lateral (values
  ('shipped', coalesce(wanted.shipped, 0), coalesce(moved.underway, 0) + coalesce(moved.delivered, 0)),
  ('delivered', coalesce(wanted.delivered, 0), coalesce(moved.delivered, 0)),
  ('returned', coalesce(wanted.returned, 0), coalesce(moved.returned, 0))
) as said (word, line, entries)
where said.line <> said.entries
order by 1, 2, 3, 5
"""

# Recompute every balance from the deltas alone, and compare it with what the latest entry says and with the flag.
REBUILT: Final = """
select s.stream_id, coalesce(tail.on_hand, 0), coalesce(tail.reserved, 0), coalesce(sums.on_hand, 0)::bigint,
       coalesce(sums.reserved, 0)::bigint, s.open
from ledger.stream s
left join (
  select stream_id, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved
  from ledger.entry where stream_id between %(low)s and %(high)s group by stream_id
) sums using (stream_id)
left join lateral (
  select on_hand, reserved from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
) tail on true
where s.stream_id between %(low)s and %(high)s
  and ((tail.on_hand, tail.reserved) is distinct from (sums.on_hand, sums.reserved)
       or s.open <> (coalesce(sums.on_hand, 0) <> 0))
order by s.stream_id
"""

# Put a stream's flag right, under its pool's lock.
LOCK_POOL_OF: Final = """
select from ledger.pool where pool_id = (select pool_id from ledger.stream where stream_id = %s) for update
"""
SET_OPEN: Final = """
update ledger.stream s
set open = (select coalesce(sum(on_hand_delta), 0) <> 0 from ledger.entry e where e.stream_id = s.stream_id)
where s.stream_id = %s
"""
