"""Every statement that the writer sends, named, each with its purpose.

They run in one pipeline under READ COMMITTED: each sees what was committed when it started, so what comes after the
locks sees everything that earlier holders of the locks wrote.
"""

from __future__ import annotations

from typing import Final

# Make the pools of a batch exist. Ids are derived, so two writers agree.
ENSURE_POOLS: Final = """
insert into ledger.pool (pool_id, tenant, site, sku)
select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[])
on conflict do nothing
"""

# Lock the pools, in one sorted order, always.
LOCK_POOLS: Final = """
select pool_id from ledger.pool where pool_id = any(%s) order by pool_id for update
"""

# Read the clock after the last lock: no entry of these pools can be newer and still to come.
READ_CLOCK: Final = "select clock_timestamp()"

# Find which keys were posted before.
FIND_POSTINGS: Final = """
select p.tenant, p.idempotency_key, p.posting_id, p.request_digest, p.recorded_at, p.answer
from ledger.posting p join unnest(%s::text[], %s::text[]) as k (tenant, key)
  on p.tenant = k.tenant and p.idempotency_key = k.key
"""

_TAIL: Final = """
select s.stream_id, s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status,
       s.identity_hash, s.open, l.expires_on, t.seq, t.on_hand, t.reserved, t.hash, t.recorded_at
from ledger.stream s
left join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot
left join lateral (
  select seq, on_hand, reserved, hash, recorded_at from ledger.entry e
  where e.stream_id = s.stream_id order by seq desc limit 1
) t on true
"""

# Read the tails of the physical streams of the pools that hold something.
READ_OPEN_STREAMS: Final = _TAIL + "where s.pool_id = any(%s) and s.open and s.kind in ('storage', 'staging')"

# Read the tails of streams that the requests name, open or not.
READ_NAMED_STREAMS: Final = _TAIL + "where s.stream_id = any(%s)"

# Read the tails of the open streams at the virtual locations that the requests take from.
READ_STREAMS_AT: Final = (
    _TAIL + "where (s.tenant, s.location_id) in (select * from unnest(%s::text[], %s::text[])) and s.open"  # noqa: S608 - constants
)

SELECT_LINE: Final = """
select tenant, order_ref, line_no, sku, site, lot, uom, factor, priority, shortage_policy, queued_at,
       ordered, reserved, backordered, picked, to_put_back, shipped, delivered, returned, cancelled
from ledger.order_line
"""

# Read the lines of the orders that the requests are about.
READ_ORDER_LINES: Final = (
    SELECT_LINE + "where (tenant, order_ref) in (select * from unnest(%s::text[], %s::text[]))"  # noqa: S608 - constants
)

# Read who waits in the pools.
READ_QUEUES: Final = SELECT_LINE + "where pool_id = any(%s) and backordered > 0"

# Read who holds something in the pools: their holds may have to give way.
READ_HOLDERS: Final = SELECT_LINE + "where pool_id = any(%s) and reserved + to_put_back > 0"

# Sum what order lines hold, by stream.
READ_HOLDS: Final = """
select e.tenant, e.order_ref, e.line_no, e.stream_id, sum(e.reserved_delta)::bigint
from ledger.entry e
where e.order_ref <> '' and (e.tenant, e.order_ref) in (select * from unnest(%s::text[], %s::text[]))
group by 1, 2, 3, 4 having sum(e.reserved_delta) <> 0
"""

# Learn of the lots that arrive. What is known of a lot stays.
ENSURE_LOTS: Final = """
insert into ledger.lot (tenant, sku, lot, expires_on)
select * from unnest(%s::text[], %s::text[], %s::text[], %s::date[])
on conflict do nothing
"""

COPY_STREAMS: Final = """
copy ledger.stream (stream_id, identity_hash, pool_id, tenant, sku, site, location_id, kind, lot, serial_number,
  stock_status, open) from stdin
"""

COPY_POSTINGS: Final = """
copy ledger.posting (posting_id, tenant, idempotency_key, request_digest, reason, actor, evidence, occurred_at,
  recorded_at, answer) from stdin
"""

COPY_ENTRIES: Final = """
copy ledger.entry (stream_id, seq, posting_id, tenant, order_ref, line_no, on_hand_delta, reserved_delta, on_hand,
  reserved, floor, serial, recorded_at, hash) from stdin
"""

# Turn the flag of streams that crossed zero.
TURN_OPEN: Final = """
update ledger.stream s set open = t.open from unnest(%s::uuid[], %s::boolean[]) as t (stream_id, open)
where s.stream_id = t.stream_id
"""

COPY_ORDER_LINES: Final = """
copy ledger.order_line (pool_id, tenant, order_ref, line_no, sku, site, lot, uom, factor, priority, shortage_policy,
  queued_at, ordered, reserved, backordered, picked, to_put_back, shipped, delivered, returned, cancelled) from stdin
"""

# Bring an order line that is known to where it is now.
UPDATE_ORDER_LINE: Final = """
update ledger.order_line set lot = %(lot)s, uom = %(uom)s, factor = %(factor)s, priority = %(priority)s,
  shortage_policy = %(shortage_policy)s, queued_at = %(queued_at)s, ordered = %(ordered)s, reserved = %(reserved)s,
  backordered = %(backordered)s, picked = %(picked)s, to_put_back = %(to_put_back)s, shipped = %(shipped)s,
  delivered = %(delivered)s, returned = %(returned)s, cancelled = %(cancelled)s
where tenant = %(tenant)s and order_ref = %(order_ref)s and line_no = %(line_no)s and pool_id = %(pool_id)s
"""
