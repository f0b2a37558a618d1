"""Every statement that the writer sends, named, each with its purpose.

They are prepared once on each connection, and called several in one pipeline (`sessions`). Under READ COMMITTED each
sees what was committed when it started, so what comes after the locks sees everything that earlier holders of the locks
wrote.
"""

from __future__ import annotations

from typing import Final

from psycopg.sql import SQL

from ledger.statements import Statement
from postgres.statements import composed

# -- reading ---------------------------------------------------------------------------------------------------------

# Make the pools of a batch exist. Ids are derived, so two writers agree.
ENSURE_POOLS: Final = Statement(
    "ensure_pools",
    """
insert into ledger.pool (pool_id, tenant, site, sku)
select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[])
on conflict do nothing
""",
)

# What follows are lookups by key, and stay that: a plan is made once on a connection, and one that was made while the
# tables were nearly empty would read them from end to end for as long as nobody analyzes them.
_BY_KEY: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
}
_PLAINLY: Final = SQL(", ".join(f"set_config('{setting}', '{value}', true)" for setting, value in _BY_KEY.items()))

# Lock the pools, in one sorted order, always; and read the clock after the last lock: no entry of these pools can be
# newer and still to come.
LOCK_POOLS: Final = Statement(
    "lock_pools",
    composed(
        """
with locked as materialized (
  select pool_id, last_write from ledger.pool where pool_id = any(%s::uuid[]) order by pool_id for update
)
select array_agg(last_write order by pool_id), clock_timestamp(), {plainly} from locked
""",
        plainly=_PLAINLY,
    ),
)

# Read the pools' marks, and the clock after them, without waiting for anybody: `CLAIM_POOLS` refuses what has changed
# until then. The lock on no row announces a writer to who reads as of an instant (`instants`).
SEE_POOLS: Final = Statement(
    "see_pools",
    composed(
        """
with announced as materialized (select from ledger.pool where false for update),
seen as materialized (select pool_id, last_write from ledger.pool where pool_id = any(%s::uuid[]))
select array_agg(last_write order by pool_id), clock_timestamp(), {plainly} from seen
""",
        plainly=_PLAINLY,
    ),
)

# Read the clock alone, announced likewise.
SEE_CLOCK: Final = Statement(
    "see_clock",
    composed(
        """
with announced as materialized (select from ledger.pool where false for update)
select clock_timestamp(), {plainly}
""",
        plainly=_PLAINLY,
    ),
)

# Lock the pools whose marks were seen, and fail if one was written since; then leave our own mark in those that change.
CLAIM_POOLS: Final = Statement(
    "claim_pools", "select ledger.claim_pools(%s::uuid[], %s::bigint[], %s::uuid[], %s::bigint, %s::integer)"
)

# Claim pools for orders of which nothing was accepted before, and fail if something was.
CLAIM_FOR_NEWS: Final = Statement(
    "claim_for_news",
    "select ledger.claim_for_news(%s::uuid[], %s::bigint[], %s::uuid[], %s::bigint, %s::integer, %s::text[], "
    "%s::text[])",
)

# Find which keys were posted before.
FIND_POSTINGS: Final = Statement(
    "find_postings",
    """
select p.tenant, p.idempotency_key, p.posting_id, p.request_digest, p.recorded_at, p.answer
from ledger.posting p join unnest(%s::text[], %s::text[]) as k (tenant, key)
  on p.tenant = k.tenant and p.idempotency_key = k.key
""",
)

_STREAM: Final = SQL("""
select s.stream_id, s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status,
       s.open, l.expires_on, l.received_at, t.seq, t.on_hand, t.reserved, t.hash, t.recorded_at
from ledger.stream s
left join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot
cross join lateral (
  select seq, on_hand, reserved, hash, recorded_at from ledger.entry e
  where e.stream_id = s.stream_id order by seq desc limit 1
) t
""")

# Read the physical streams of the pools that hold something.
READ_OPEN_STREAMS: Final = Statement(
    "read_open_streams",
    composed(
        "{stream} where s.pool_id = any(%s::uuid[]) and s.kind in ('storage', 'staging') and s.open", stream=_STREAM
    ),
)

# Read streams by their ids, open or not.
READ_STREAMS: Final = Statement(
    "read_streams", composed("{stream} where s.stream_id = any(%s::uuid[])", stream=_STREAM)
)

# Read the open streams at the virtual locations that the requests take from.
READ_STREAMS_AT: Final = Statement(
    "read_streams_at",
    composed(
        "{stream} where (s.tenant, s.location_id) in (select * from unnest(%s::text[], %s::text[])) and s.open",
        stream=_STREAM,
    ),
)

_LINE_FIELDS: Final = SQL("""
select tenant, order_ref, line_no, sku, site, lot, uom, factor, priority, shortage_policy,
       allocation_policy, queued_at, ordered, reserved, backordered, picked, to_put_back, shipped, delivered, returned,
       cancelled, least_expiry, allow_expired, queued_later""")

SELECT_LINE: Final = SQL("{fields} from ledger.order_line ").format(fields=_LINE_FIELDS)

# A line with the sums of what it holds, by stream.
_LINE_WITH_HOLDS: Final = SQL(
    """{fields}, array(
  select row(e.stream_id, sum(e.reserved_delta)::bigint)
  from ledger.entry e
  where e.tenant = o.tenant and e.order_ref = o.order_ref and e.line_no = o.line_no and e.order_ref <> ''
  group by e.stream_id having sum(e.reserved_delta) <> 0
) as holds
from ledger.order_line o
"""
).format(fields=_LINE_FIELDS)

# Read the lines of the orders that the requests are about, and what they hold.
READ_ORDER_LINES: Final = Statement(
    "read_order_lines",
    composed(
        "{line} where (tenant, order_ref) in (select * from unnest(%s::text[], %s::text[]))", line=_LINE_WITH_HOLDS
    ),
)

# Read who waits in the pools.
READ_QUEUES: Final = Statement(
    "read_queues", composed("{line} where pool_id = any(%s::uuid[]) and backordered > 0", line=SELECT_LINE)
)

# Read who holds something in the pools: their holds have to give way.
READ_HOLDERS: Final = Statement(
    "read_holders",
    composed("{line} where pool_id = any(%s::uuid[]) and reserved + to_put_back > 0", line=_LINE_WITH_HOLDS),
)

# Read which lots of skus are blocked.
READ_BLOCKED_LOTS: Final = Statement(
    "read_blocked_lots",
    """
select tenant, sku, lot from ledger.lot
where block_no is not null and (tenant, sku) in (select * from unnest(%s::text[], %s::text[]))
""",
)

# Read what is known of lots that are named.
READ_LOTS: Final = Statement(
    "read_lots",
    """
select tenant, sku, lot, expires_on, expiry_computed from ledger.lot
where (tenant, sku, lot) in (select * from unnest(%s::text[], %s::text[], %s::text[]))
""",
)

# -- writing ---------------------------------------------------------------------------------------------------------

# Learn of lots that arrive, and of what is new of the dates of others.
DATE_LOTS: Final = Statement(
    "date_lots",
    "select ledger.date_lots(%s::text[], %s::text[], %s::text[], %s::date[], %s::boolean[], %s::date[], %s::boolean[], "
    "%s::uuid[])",
)

# Insist that lots of which stock becomes available are not blocked, and expire when we think.
EXPECT_LOTS: Final = Statement(
    "expect_lots", "select ledger.expect_lots(%s::text[], %s::text[], %s::text[], %s::date[])"
)

# Block lots, or lift their blocks.
MARK_LOTS: Final = Statement(
    "mark_lots", "select ledger.mark_lots(%s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[])"
)

# Turn the flag of streams that crossed zero.
TURN_OPEN: Final = Statement(
    "turn_open",
    """
update ledger.stream set open = %s::boolean where stream_id = any(%s::uuid[])
""",
)

INSERT_STREAMS: Final = Statement(
    "insert_streams",
    """
insert into ledger.stream (stream_id, identity_hash, pool_id, tenant, sku, site, location_id, kind, lot, serial_number,
  stock_status, open)
select stream_id, decode(identity_hash, 'hex'), pool_id, tenant, sku, site, location_id, kind, lot, serial_number,
  stock_status, open
from unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
  %s::text[], %s::text[], %s::boolean[])
  as n (stream_id, identity_hash, pool_id, tenant, sku, site, location_id, kind, lot, serial_number, stock_status, open)
""",
)

INSERT_POSTINGS: Final = Statement(
    "insert_postings",
    """
insert into ledger.posting (posting_id, tenant, idempotency_key, request_digest, reason, actor, evidence, occurred_at,
  recorded_at, answer)
select posting_id, tenant, idempotency_key, decode(request_digest, 'hex'), reason, actor, evidence, occurred_at,
  recorded_at, answer
from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
  %s::timestamptz[], %s::text[])
  as n (posting_id, tenant, idempotency_key, request_digest, reason, actor, evidence, occurred_at, recorded_at, answer)
""",
)

# All entries of a batch in one statement, so that the trigger has one look at them.
INSERT_ENTRIES: Final = Statement(
    "insert_entries",
    """
insert into ledger.entry (stream_id, seq, posting_id, tenant, order_ref, line_no, on_hand_delta, reserved_delta,
  on_hand, reserved, floor, serial, recorded_at, hash)
select stream_id, seq, posting_id, tenant, order_ref, line_no, on_hand_delta, reserved_delta,
  on_hand, reserved, floor, serial, recorded_at, decode(hash, 'hex')
from unnest(%s::uuid[], %s::bigint[], %s::text[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[],
  %s::bigint[], %s::uuid[], %s::text[], %s::timestamptz[], %s::smallint[], %s::boolean[], %s::text[])
  as n (stream_id, seq, order_ref, line_no, on_hand_delta, reserved_delta, on_hand, reserved, posting_id, tenant,
  recorded_at, floor, serial, hash)
""",
)

_FRESH_COLUMNS: Final = SQL("""pool_id, tenant, order_ref, line_no, sku, site, lot, uom, factor, priority,
  shortage_policy, allocation_policy, queued_at, ordered, reserved, backordered""")

_LATER_COLUMNS: Final = SQL(
    "picked, to_put_back, shipped, delivered, returned, cancelled, least_expiry, allow_expired, queued_later"
)

_LINE_COLUMNS: Final = SQL("{fresh}, {later}").format(fresh=_FRESH_COLUMNS, later=_LATER_COLUMNS)

_FRESH_ARRAYS: Final = SQL("""%s::uuid[], %s::text[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::text[],
  %s::text[], %s::bigint[], %s::integer[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[],
  %s::bigint[]""")

_LINE_ARRAYS: Final = SQL("""unnest({fresh}, %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
  %s::bigint[], %s::date[], %s::boolean[], %s::text[])""").format(fresh=_FRESH_ARRAYS)

# Of most new lines nothing is to say but their terms, and what was reserved or waits.
INSERT_FRESH_LINES: Final = Statement(
    "insert_fresh_lines",
    composed(
        """
insert into ledger.order_line ({columns})
select fresh.*, 0, 0, 0, 0, 0, 0, null, false, '[]' from unnest({fresh}) as fresh
""",
        columns=_LINE_COLUMNS,
        fresh=_FRESH_ARRAYS,
    ),
)

INSERT_ORDER_LINES: Final = Statement(
    "insert_order_lines",
    composed(
        "insert into ledger.order_line ({columns}) select * from {lines}", columns=_LINE_COLUMNS, lines=_LINE_ARRAYS
    ),
)

# Bring order lines that are known to where they are now.
UPDATE_ORDER_LINES: Final = Statement(
    "update_order_lines",
    composed(
        """
update ledger.order_line o set lot = n.lot, uom = n.uom, factor = n.factor, priority = n.priority,
  shortage_policy = n.shortage_policy, queued_at = n.queued_at, ordered = n.ordered, reserved = n.reserved,
  backordered = n.backordered, picked = n.picked, to_put_back = n.to_put_back, shipped = n.shipped,
  delivered = n.delivered, returned = n.returned, cancelled = n.cancelled, allocation_policy = n.allocation_policy,
  least_expiry = n.least_expiry, allow_expired = n.allow_expired, queued_later = n.queued_later
from {lines} as n ({columns})
where o.tenant = n.tenant and o.order_ref = n.order_ref and o.line_no = n.line_no and o.pool_id = n.pool_id
""",
        lines=_LINE_ARRAYS,
        columns=_LINE_COLUMNS,
    ),
)

ALL: Final = tuple(value for value in globals().copy().values() if isinstance(value, Statement))
