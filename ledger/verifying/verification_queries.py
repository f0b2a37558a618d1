"""What `verify` asks PostgreSQL (docs/invariants.md), in two looks.

The first look goes over a whole part of the ledger in one pass, and says only which entries, postings and orders may
break a rule. The second one, at those alone, has a query for each rule, which names what breaks it. What the second one
would find, the first one does not pass over (but for an answer that is no JSON and ends like one: its hash tells); what
it suspects in vain costs time only.

PostgreSQL computes every hash here by its own `sha256()`, from the canonical form (docs/canonical-form.md); the writer
computed them in Python. So the two check each other. Parts are ranges of keys, from `low` up to but not with `high`,
which is null for the last one.
"""

from __future__ import annotations

from typing import Final

from psycopg.sql import SQL

from postgres.statements import composed

# The instants are written as the canonical form does: microseconds since 1970-01-01T00:00:00Z.
_DIGEST: Final = SQL("""encode(sha256(convert_to(concat_ws(E'\\n',
  p.posting_id, p.tenant, p.idempotency_key, encode(p.request_digest, 'hex'), p.reason, p.actor, p.evidence,
  {occurred_at}, {recorded_at},
  encode(sha256(convert_to(p.answer, 'UTF8')), 'hex')), 'UTF8')), 'hex')""")
POSTING_DIGEST: Final = _DIGEST.format(
    occurred_at=SQL("(extract(epoch from p.occurred_at) * 1000000)::bigint"),
    recorded_at=SQL("(extract(epoch from p.recorded_at) * 1000000)::bigint"),
)

ENTRY_FIELDS: Final = SQL(
    "e.stream_id, e.seq, e.order_ref, e.line_no, e.on_hand_delta, e.reserved_delta, e.on_hand, e.reserved"
)

# Of an entry whose posting's digest was computed before, as `p.digest`.
ENTRY_HASH: Final = SQL("""sha256(convert_to(concat_ws(E'\\n',
  encode(coalesce(b.hash, s.identity_hash), 'hex'), p.digest, {fields}), 'UTF8'))""").format(fields=ENTRY_FIELDS)

IDENTITY_HASH: Final = SQL("""sha256(convert_to(concat_ws(E'\\n',
  'stream', s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status), 'UTF8'))""")

POOL_ID: Final = SQL("""encode(substr(
  sha256(convert_to(concat_ws(E'\\n', 'pool', s.tenant, s.site, s.sku), 'UTF8')), 1, 16), 'hex')::uuid""")

# -- how the ledger is cut into parts -------------------------------------------------------------------------------

# How much there is to check, about; and the first posting, by which a ledger is known again.
SIZE: Final = """
select (select reltuples::bigint from pg_class where oid = 'ledger.entry'::regclass),
       (select reltuples::bigint from pg_class where oid = 'ledger.stream'::regclass),
       (select reltuples::bigint from pg_class where oid = 'ledger.posting'::regclass),
       (select reltuples::bigint from pg_class where oid = 'ledger.order_line'::regclass),
       (select posting_id from ledger.posting order by posting_id limit 1)
"""

# Where the next part begins: after so many rows, or where one begins that was cut off before.
NEXT_POSTINGS: Final = """
(select posting_id from ledger.posting where posting_id > %(low)s order by 1 offset %(size)s limit 1)
union all
(select start from unnest(%(starts)s::uuid[]) as before (start) where start > %(low)s)
order by 1 limit 1
"""
NEXT_STREAMS: Final = """
(select stream_id from ledger.stream where stream_id > %(low)s order by 1 offset %(size)s limit 1)
union all
(select start from unnest(%(starts)s::uuid[]) as before (start) where start > %(low)s)
order by 1 limit 1
"""
# Parts of orders are of one tenant: a range over two columns the planner would take for empty.
NEXT_ORDERS: Final = """
(select order_ref from ledger.order_line where order_ref > %(low)s and tenant = %(tenant)s
 order by 1 offset %(size)s limit 1)
union all
(select start from unnest(%(starts)s::text[]) as before (start) where start > %(low)s)
order by 1 limit 1
"""
NEXT_TENANT: Final = """
select min(tenant) from (
  (select tenant from ledger.order_line where tenant > %(tenant)s order by tenant limit 1)
  union all
  (select tenant from ledger.entry where tenant > %(tenant)s and order_ref <> '' order by tenant limit 1)
) next
"""


_POSTINGS: Final = SQL("(posting_id >= %(low)s::uuid and (%(high)s::uuid is null or posting_id < %(high)s::uuid))")
_STREAMS: Final = SQL("(s.stream_id >= %(low)s::uuid and (%(high)s::uuid is null or s.stream_id < %(high)s::uuid))")
_ORDERS: Final = SQL("""tenant = %(tenant)s
  and (order_ref >= %(low)s and (%(high)s::text is null or order_ref < %(high)s::text)) and order_ref <> ''""")

# How much a part has: of what was checked before, to see whether it has grown.
COUNT_POSTINGS: Final = composed(
    """
select (select count(*) from ledger.entry where {part}), (select count(*) from ledger.posting where {part})
""",
    part=_POSTINGS,
)
COUNT_STREAMS: Final = composed("select 0, count(*) from ledger.stream s where {part}", part=_STREAMS)
COUNT_ORDERS: Final = composed(
    """
select (select count(*) from ledger.entry where {part}), (select count(*) from ledger.order_line where {part})
""",
    part=_ORDERS,
)

# -- the first look -------------------------------------------------------------------------------------------------

# As in the canonical form, but by floating point: it is right until 2041, and what is wrong then gets the second look.
_QUICK_DIGEST: Final = _DIGEST.format(
    occurred_at=SQL("(date_part('epoch', p.occurred_at) * 1000000)::bigint"),
    recorded_at=SQL("(date_part('epoch', p.recorded_at) * 1000000)::bigint"),
)

_FLOOR: Final = SQL("(s.kind = 'supplier' or (s.kind = 'adjustment' and s.serial_number = ''))::int")
_RESERVABLE: Final = SQL("s.stock_status = 'available' and s.kind in ('storage', 'staging')")

_STREAM_FITS: Final = SQL("""
select s.stream_id, s.tenant, s.pool_id, s.kind, s.sku, s.lot, s.serial_number, s.identity_hash,
       s.serial_number <> '' as serial, {floor} as floor, {reservable} as reservable
from ledger.stream s
""").format(floor=_FLOOR, reservable=_RESERVABLE)

# Streams by a hash table of all of them, which is fast while there are not many; else each by its key.
_FEW_STREAMS: Final = SQL("left join ({fits} offset 0) s on s.stream_id = e.stream_id").format(fits=_STREAM_FITS)
_MANY_STREAMS: Final = SQL("left join lateral ({fits} where s.stream_id = e.stream_id offset 0) s on true").format(
    fits=_STREAM_FITS
)

# I2, I3, I6: which entries of a part don't follow from the one before, leave their bounds, don't fit their stream and
# posting, or don't carry their hash? And which postings are more than a single entry that moves nothing and is named
# in the answer's last member? Each posting's digest is computed once, where `offset 0` keeps it. The entry before is in
# the same part as a rule, for that is a part of the ledger's time; else it is looked up. What names one entry is not as
# long as 200 characters; what names ten thousand is never carried along with each of them.
_FIRST_LOOK: Final = """
select count(seq), (select count(*) from ledger.posting where {part}),
       array_agg(stream_id) filter (where not sound)::text, array_agg(seq) filter (where not sound)::text,
       array_agg(posting_id) filter (where not plain)::text
from (
  select p.posting_id, e.stream_id, e.seq,
    e.seq is null or coalesce(
      (b.seq is not null or l.seq is not null or e.seq = 1)
      and e.on_hand - e.on_hand_delta = coalesce(b.on_hand, l.on_hand, 0)
      and e.reserved - e.reserved_delta = coalesce(b.reserved, l.reserved, 0)
      and (e.seq = 1 or coalesce(b.recorded_at, l.recorded_at) < e.recorded_at
           or (coalesce(b.recorded_at, l.recorded_at) = e.recorded_at
               and coalesce(b.posting_id, l.posting_id) = e.posting_id))
      and e.reserved >= 0 and (e.floor = 1 or e.reserved <= e.on_hand)
      and (e.reserved = 0 or s.reservable)
      and (not s.serial or e.on_hand between -1 and 1)
      and e.tenant = s.tenant and e.tenant = p.tenant and e.recorded_at = p.recorded_at
      and e.serial = s.serial and e.floor = s.floor
      and (e.order_ref <> '' or e.reserved_delta = 0)
      and e.hash = sha256(convert_to(concat_ws(E'\\n',
        encode(coalesce(b.hash, l.hash, s.identity_hash), 'hex'), p.digest, {fields}), 'UTF8')),
      false) as sound,
    case when e.seq is null then p.named = ']}}'
         else e.on_hand_delta = 0 and p.named = concat('["', e.stream_id, '",', e.seq, ']]}}') end as plain
  from (
    select posting_id, tenant, recorded_at, left(split_part(answer, '"entries":[', -1), 200) as named,
           {digest} as digest
    from ledger.posting p where {part} order by posting_id offset 0
  ) p
  full join (
    select * from ledger.entry where {part} order by posting_id offset 0
  ) e on e.posting_id = p.posting_id
  {streams}
  left join (
    select stream_id, seq, on_hand, reserved, hash, recorded_at, posting_id from ledger.entry where {part} offset 0
  ) b on b.stream_id = e.stream_id and b.seq = e.seq - 1
  left join lateral (
    select l.* from ledger.entry l
    where b.seq is null and e.seq > 1 and l.stream_id = e.stream_id and l.seq = e.seq - 1 offset 0
  ) l on true
  offset 0
) looked
"""
_LOOKED_AT: Final = {"part": _POSTINGS, "fields": ENTRY_FIELDS, "digest": _QUICK_DIGEST}
FIRST_LOOK: Final = composed(_FIRST_LOOK, streams=_FEW_STREAMS, **_LOOKED_AT)
FIRST_LOOK_AT_MANY_STREAMS: Final = composed(_FIRST_LOOK, streams=_MANY_STREAMS, **_LOOKED_AT)

# I4, I5, I8: which of these postings are more than moves between entries that the answer names; and which of the others
# move more than one lot or serial number? Each name is looked for in what is said of few; where it is of many, which is
# as long for each, all names are compared at once. Few are what has up to 4000 characters.
_SUSPECT_POSTINGS: Final = """
select array_agg(posting_id) filter (where suspect)::text, array_agg(posting_id) filter (where not suspect)::text from (
  select p.posting_id, array_agg(e.name) filter (where p.named is null) as names,
    coalesce(
      bool_and(p.named is null or strpos(p.named, e.name) > 0)
      and max(p.length) = sum(octet_length(e.name) + 1) + 1
      and not (bool_or(p.amends) and min(e.reserved_delta) < 0),
      false) as sound,
    coalesce(
      bool_and(e.on_hand_delta = 0)
      or (bool_and(s.stream_id is not null) and sum(e.on_hand_delta) = 0 and min(s.sku) = max(s.sku)
          and min(s.lot) = max(s.lot) and min(s.serial_number) = max(s.serial_number)),
      false) as alike
  from (
    select posting_id, case when octet_length(named) <= 4000 then named end as named,
           octet_length(named) as length, amends
    from (
      select posting_id, split_part(answer, '"entries":[', -1) as named,
             reason = 'amendment' or (reason = 'cancellation' and strpos(answer, '"waits_for"') > 0) as amends
      from ledger.posting where posting_id = any(%(postings)s::uuid[]) offset 0
    ) said
    offset 0
  ) p
  left join (
    select *, concat('["', stream_id, '",', seq, ']') as name
    from ledger.entry where posting_id = any(%(postings)s::uuid[]) offset 0
  ) e on e.posting_id = p.posting_id
  {streams}
  group by p.posting_id
) looked
cross join lateral (
  select not sound or (names is not null and array(select unnest(names) order by 1) <> array(
    select '[' || name || ']'
    from ledger.posting p
    cross join string_to_table(btrim(split_part(p.answer, '"entries":[', -1), '[]}}'), '],[') as said (name)
    where p.posting_id = looked.posting_id order by 1
  )) as suspect
) seen
where suspect or not alike
"""
SUSPECT_POSTINGS: Final = composed(_SUSPECT_POSTINGS, streams=_FEW_STREAMS)
SUSPECT_POSTINGS_AT_MANY_STREAMS: Final = composed(_SUSPECT_POSTINGS, streams=_MANY_STREAMS)

# I7: which orders of a part have a line that is not, by its pool, what its entries add up to? What goes through the
# pools of two sites is suspected in vain.
_SUSPECT_ORDERS: Final = """
select sum(entries)::bigint, count(said), array_agg(distinct order_ref) filter (where not sound)
from (
  select order_ref, summed.entries, line.said,
    coalesce(line.reserved + line.to_put_back = summed.held and line.picked + line.to_put_back = summed.staged
      and line.shipped = summed.underway + summed.delivered and line.delivered = summed.delivered
      and line.returned = summed.returned,
      line.said and line.reserved = 0 and line.to_put_back = 0 and line.picked = 0 and line.shipped = 0
        and line.delivered = 0 and line.returned = 0,
      false) as sound
  from (
    select order_ref, line_no, pool_id, true as said, reserved, to_put_back, picked, shipped, delivered, returned
    from ledger.order_line where {part} order by order_ref, line_no, pool_id offset 0
  ) line
  full join (
    select e.order_ref, e.line_no, s.pool_id, count(*) as entries, sum(e.reserved_delta) as held,
           coalesce(sum(e.reserved_delta) filter (where s.kind = 'staging'), 0) as staged,
           coalesce(sum(e.on_hand_delta) filter (where s.kind = 'transit'), 0) as underway,
           coalesce(sum(e.on_hand_delta) filter (where s.kind = 'customer' and e.on_hand_delta > 0), 0) as delivered,
           coalesce(-sum(e.on_hand_delta) filter (where s.kind = 'customer' and e.on_hand_delta < 0), 0) as returned
    from (select * from ledger.entry where {part} offset 0) e {streams}
    group by e.order_ref, e.line_no, s.pool_id order by e.order_ref, e.line_no, s.pool_id offset 0
  ) summed using (order_ref, line_no, pool_id)
) looked
"""
SUSPECT_ORDERS: Final = composed(_SUSPECT_ORDERS, part=_ORDERS, streams=_FEW_STREAMS)
SUSPECT_ORDERS_AT_MANY_STREAMS: Final = composed(_SUSPECT_ORDERS, part=_ORDERS, streams=_MANY_STREAMS)

# -- the second look ------------------------------------------------------------------------------------------------

# I2, I3, I6: does each of these entries follow from the one before, stay in its bounds, fit its stream, carry its hash?
# A posting's digest is computed once, for all of its entries that are asked about.
CHAINS: Final = composed(
    """
with asked as materialized (
  select e.* from unnest(%(streams)s::uuid[], %(seqs)s::bigint[]) as asked (stream_id, seq)
  join ledger.entry e on e.stream_id = asked.stream_id and e.seq = asked.seq
), posting as materialized (
  select posting_id, tenant, recorded_at, {digest} as digest
  from ledger.posting p where posting_id in (select posting_id from asked)
)
select e.stream_id, e.seq, e.posting_id, coalesce(b.seq, 0), found.faults
from asked e
left join lateral (
  select * from ledger.entry b where b.stream_id = e.stream_id and b.seq < e.seq order by b.seq desc limit 1
) b on true
left join ledger.stream s on s.stream_id = e.stream_id
left join posting p on p.posting_id = e.posting_id
cross join lateral (
  select array_remove(array[
    case when s.stream_id is null then 'no_stream' end,
    case when p.posting_id is null then 'no_posting' end,
    case when e.seq <> coalesce(b.seq, 0) + 1 then 'gap' end,
    case when e.on_hand <> coalesce(b.on_hand, 0) + e.on_hand_delta
           or e.reserved <> coalesce(b.reserved, 0) + e.reserved_delta then 'balance' end,
    case when b.recorded_at > e.recorded_at
           or (b.recorded_at = e.recorded_at and b.posting_id <> e.posting_id) then 'order' end,
    case when e.reserved < 0 or (e.floor = 0 and e.reserved > e.on_hand)
           or (s.serial_number <> '' and e.on_hand not between -1 and 1) then 'oversold' end,
    case when e.reserved > 0 and not ({reservable}) then 'promised_elsewhere' end,
    case when e.tenant <> s.tenant or e.tenant <> p.tenant or e.recorded_at <> p.recorded_at
           or e.serial <> (s.serial_number <> '') or e.floor <> {floor} then 'misfit' end,
    case when e.order_ref = '' and e.reserved_delta <> 0 then 'nobodys_hold' end,
    case when e.hash <> {hash} then 'hash' end
  ], null) as faults
) found
where cardinality(found.faults) > 0
order by e.stream_id, e.seq
""",
    digest=POSTING_DIGEST,
    reservable=_RESERVABLE,
    floor=_FLOOR,
    hash=ENTRY_HASH,
)

# I6: is each stream of a part what its id and identity hash say, and is its flag right? One look: they are not so many.
STREAMS: Final = composed(
    """
select s.stream_id, found.faults
from ledger.stream s
left join lateral (
  select on_hand from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
) tail on true
cross join lateral (
  select array_remove(array[
    case when s.identity_hash <> {identity_hash} then 'identity' end,
    case when s.stream_id <> encode(substr(s.identity_hash, 1, 16), 'hex')::uuid then 'stream_id' end,
    case when s.pool_id <> {pool_id} then 'pool' end,
    case when tail.on_hand is null then 'empty' end,
    case when s.open <> (coalesce(tail.on_hand, 0) <> 0) then 'open' end
  ], null) as faults
) found
where {part} and cardinality(found.faults) > 0
order by s.stream_id
""",
    identity_hash=IDENTITY_HASH,
    pool_id=POOL_ID,
    part=_STREAMS,
)

_PAGE: Final = SQL("""
with page as materialized (select * from ledger.posting where posting_id = any(%(postings)s::uuid[]))
""")

# I4: does a posting make anything appear or vanish?
CONSERVATION: Final = composed(
    """
{page}
select e.posting_id, (array_agg(e.stream_id order by e.stream_id, e.seq))[1] as stream_id,
       (array_agg(e.seq order by e.stream_id, e.seq))[1] as seq,
       s.sku, s.lot, s.serial_number, sum(e.on_hand_delta)::bigint as surplus
from page join ledger.entry e using (posting_id) join ledger.stream s on s.stream_id = e.stream_id
group by e.posting_id, s.sku, s.lot, s.serial_number having sum(e.on_hand_delta) <> 0
order by 1, 2
""",
    page=_PAGE,
)

# I5: does a posting have the entries that its answer, which is in its digest, names; and no others?
ANSWERS: Final = composed(
    """
{page}, named as (
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
""",
    page=_PAGE,
)

# I8: does an amendment release what it takes again, or take before it frees?
AMENDMENTS: Final = composed(
    """
{page}, amended as (
  select e.*, s.pool_id, s.lot, s.serial_number,
         min(e.seq) filter (where e.reserved_delta > 0) over (partition by e.posting_id, e.stream_id) as first_taken
  from page join ledger.entry e using (posting_id) join ledger.stream s on s.stream_id = e.stream_id
  where page.reason = 'amendment' and e.order_ref <> ''
)
select posting_id, (array_agg(stream_id order by seq))[1] as stream_id, (array_agg(seq order by seq))[1] as seq,
       order_ref, line_no
from amended group by posting_id, order_ref, line_no, pool_id, lot, serial_number
having min(reserved_delta) < 0 and max(reserved_delta) > 0
union all
select posting_id, stream_id, seq, order_ref, line_no from amended where reserved_delta < 0 and seq > first_taken
order by 1, 2, 3
""",
    page=_PAGE,
)

# I8: does an amendment or a cancellation let go of what another line of its order waits for? What may have expired
# then, by some site's clock, is not asked about. Each answer is read once, however many streams its posting touches.
LETS_GO: Final = composed(
    """
{page}, waiting as materialized (
  select page.posting_id, page.recorded_at, line ->> 'sku' as sku, waits.*
  from page
  cross join lateral jsonb_array_elements(
    case when page.answer is json object then page.answer::jsonb -> 'lines' end
  ) as said (line)
  cross join lateral jsonb_to_record(line -> 'waits_for') as waits (site text, lot text, least_expiry date)
  where page.reason in ('amendment', 'cancellation')
), less as (
  select e.posting_id, e.order_ref, e.stream_id, min(e.seq) as seq
  from ledger.entry e
  where e.posting_id in (select posting_id from waiting) and e.order_ref <> ''
  group by e.posting_id, e.order_ref, e.stream_id having sum(e.reserved_delta) < 0
)
select distinct less.posting_id, less.stream_id, less.seq, less.order_ref
from less
join ledger.stream s on s.stream_id = less.stream_id and s.kind = 'storage'
join waiting w on w.posting_id = less.posting_id and w.sku = s.sku and w.site = s.site
left join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot
where (w.lot is null or w.lot = s.lot)
  and (l.expires_on is null
       or l.expires_on >= greatest(w.least_expiry, (w.recorded_at at time zone 'UTC')::date + 1))
order by 1, 2
""",
    page=_PAGE,
)

# I7: is each of these orders' entries for a line that is there?
LINES: Final = """
select e.stream_id, e.seq, e.posting_id
from ledger.entry e
where e.tenant = %(tenant)s and e.order_ref = any(%(orders)s) and e.order_ref <> ''
  and not exists (
    select from ledger.order_line o
    where o.tenant = e.tenant and o.order_ref = e.order_ref and o.line_no = e.line_no)
order by 1, 2
"""

# I7: does each line of these orders say what its entries add up to: what it holds, where it lies, what left, arrived
# and came back?
ORDER_LINES: Final = """
with line as (
  select * from ledger.order_line
  where tenant = %(tenant)s and order_ref = any(%(orders)s)
), held as (
  select e.tenant, e.order_ref, e.line_no, s.pool_id, sum(e.reserved_delta) as held,
         coalesce(sum(e.reserved_delta) filter (where s.kind = 'staging'), 0) as staged,
         (array_agg(e.stream_id order by e.recorded_at desc, e.seq desc))[1] as stream_id,
         (array_agg(e.seq order by e.recorded_at desc, e.seq desc))[1] as seq,
         (array_agg(e.posting_id order by e.recorded_at desc, e.seq desc))[1] as posting_id
  from ledger.entry e join ledger.stream s on s.stream_id = e.stream_id
  where e.tenant = %(tenant)s and e.order_ref = any(%(orders)s) and e.order_ref <> ''
    and e.reserved_delta <> 0
  group by e.tenant, e.order_ref, e.line_no, s.pool_id
), moved as (
  select e.tenant, e.order_ref, e.line_no, s.sku,
         sum(e.on_hand_delta) filter (where s.kind = 'transit') as underway,
         sum(e.on_hand_delta) filter (where s.kind = 'customer' and e.on_hand_delta > 0) as delivered,
         -sum(e.on_hand_delta) filter (where s.kind = 'customer' and e.on_hand_delta < 0) as returned
  from ledger.entry e join ledger.stream s on s.stream_id = e.stream_id
  where e.tenant = %(tenant)s and e.order_ref = any(%(orders)s) and e.order_ref <> ''
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

# How many streams and entries there are.
COUNT: Final = "select (select count(*) from ledger.entry), (select count(*) from ledger.stream)"

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
