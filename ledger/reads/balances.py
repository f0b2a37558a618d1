"""What the ledger says: balances now and at any past instant, the entries of a stream, what an order's postings were.

Nothing here writes. Each function takes a connection under READ COMMITTED (PostgreSQL's own default) and reads with
one statement, so no answer holds half a posting.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from psycopg.sql import SQL
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Rejected
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import Goods
from domain.stock import StreamKey
from ledger.instants import wait_until_settled
from ledger.queries import SELECT_LINE
from ledger.reading import key_of, line_of
from ledger.reads.balance_selection import page_of_balances
from ledger.reads.views import (
    DEFAULT_LIMIT,
    Balance,
    BalancePage,
    BalanceQuery,
    Basis,
    EntryPage,
    EntryView,
    PostingView,
    StockLevel,
    Totals,
)
from postgres.statements import Query, composed

_NO_TOTALS: Final = 6
_BALANCE_KEY: Final = 9
_ENTRY_FIELDS: Final = tuple(field.name for field in fields(EntryView) if field.name not in {"order_ref", "line_no"})


async def balances(connection: AsyncConnection, query: BalanceQuery) -> BalancePage:
    """Read balances, now or as of an instant.

    As of an instant by `recorded`, the answer is repeatable: every writing transaction that began at or before it has
    ended first. Raises `Rejected` (`as_of_in_future`, `bad_cursor`), `Unavailable` where such a one doesn't end.
    """
    after = await _after(connection, query)
    if query.as_of is not None:
        await wait_until_settled(connection, query.as_of, await_writers=query.basis is Basis.RECORDED)
    rows = (await connection.execute(*page_of_balances(query, after))).all()
    found = [_balance(row[_NO_TOTALS:]) for row in rows if row[_NO_TOTALS] is not None]
    more = len(found) > query.limit
    items = tuple(found[: query.limit])
    return BalancePage(items, Totals(*rows[0][:_NO_TOTALS]), str(items[-1].stream_id) if more else None)


async def _after(connection: AsyncConnection, query: BalanceQuery) -> StreamKey | None:
    """Return the stream that the page before ended with."""
    if query.cursor is None:
        return None
    try:
        after = await find_stream(connection, query.tenant, UUID(query.cursor))
    except ValueError:
        after = None
    if after is None:
        raise Rejected("bad_cursor", "The cursor is not one that was given out.")
    return after


def _balance(row: Sequence[Any]) -> Balance:
    stream_id, *identity = row[:_BALANCE_KEY]
    return Balance(stream_id, key_of(identity), *row[_BALANCE_KEY:])


_FIND_STREAM: Final = text(
    """
    select tenant, sku, site, location_id, kind, lot, serial_number, stock_status
    from ledger.stream where tenant = :tenant and stream_id = :stream_id
    """
)


async def find_stream(connection: AsyncConnection, tenant: str, stream_id: UUID) -> StreamKey | None:
    """Return what a stream id names, or None where the tenant has no such stream."""
    row = (await connection.execute(_FIND_STREAM, {"tenant": tenant, "stream_id": stream_id})).one_or_none()
    return None if row is None else key_of(row)


# An entry as the contract shows it. The hash before the first entry's is that of the stream's identity. The answers of
# these postings are read once each: they are as long as their postings have entries.
_SELECT_ENTRY: Final = SQL("""
with said as materialized (
  select *, answer::json ->> 'reason_code' as reason_code from ledger.posting where posting_id in ({postings})
)
select e.stream_id, s.location_id, s.sku, s.lot, s.serial_number, e.seq, e.posting_id, p.reason, e.order_ref,
       e.line_no, e.on_hand_delta, e.reserved_delta, e.on_hand, e.reserved, p.occurred_at, e.recorded_at, p.evidence,
       p.actor,
       coalesce(b.hash, s.identity_hash) as previous_hash, e.hash, p.idempotency_key as key,
       p.reason_code
from ledger.entry e
join said p on p.posting_id = e.posting_id
join ledger.stream s on s.stream_id = e.stream_id
left join ledger.entry b on b.stream_id = e.stream_id and b.seq = e.seq - 1
""")

_AFTER: Final = SQL("where e.stream_id = :stream_id and e.seq > :after_seq order by e.seq limit :limit")
_POSTINGS_AFTER: Final = SQL("select posting_id from ledger.entry e {after}").format(after=_AFTER)
_STREAM_ENTRIES: Final = text(
    composed("{entry} {after}", entry=_SELECT_ENTRY.format(postings=_POSTINGS_AFTER), after=_AFTER)
)


async def stream_entries(
    connection: AsyncConnection, tenant: str, stream_id: UUID, after_seq: int = 0, limit: int = DEFAULT_LIMIT
) -> EntryPage | None:
    """Read entries of a stream, from the one after `after_seq`. None where the tenant has no such stream."""
    key = await find_stream(connection, tenant, stream_id)
    if key is None:
        return None
    asked = {"stream_id": stream_id, "after_seq": after_seq, "limit": limit + 1}
    found = [_entry(row) for row in await connection.execute(_STREAM_ENTRIES, asked)]
    items = tuple(found[:limit])
    return EntryPage(stream_id, key, items, items[-1].seq if len(found) > limit else None)


def _entry(row: Row[Any]) -> EntryView:
    said = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    shown: dict[str, Any] = {name: said[name] for name in _ENTRY_FIELDS}
    return EntryView(**shown, order_ref=row.order_ref or None, line_no=row.line_no or None)


# The entries of the order's postings that are for this order, or for none: those of others are their own business.
_POSTINGS_OF_ORDER: Final = SQL("select posting_id from ledger.entry where tenant = :tenant and order_ref = :order_ref")
_ORDER_ENTRIES: Final = text(
    composed(
        """
        {entry} where e.order_ref in ('', :order_ref)
        order by p.recorded_at, e.posting_id, s.location_id, e.stream_id, e.seq
        """,
        entry=_SELECT_ENTRY.format(postings=_POSTINGS_OF_ORDER),
    )
)


# What a posting without entries was for, only its key says.
_POSTINGS_WITHOUT_ENTRIES: Final = text(
    """
    select p.posting_id, p.idempotency_key as key, p.reason, p.answer::json ->> 'reason_code' as reason_code, p.actor,
           p.evidence, p.occurred_at, p.recorded_at
    from ledger.posting p
    where p.tenant = :tenant and p.idempotency_key = any(:keys)
      and not exists (select from ledger.entry e where e.posting_id = p.posting_id)
    """
)


async def order_postings(connection: AsyncConnection, order: OrderId, keys: Collection[str] = ()) -> list[PostingView]:
    """Read the postings with an entry for the order, and those under these keys that moved nothing, as recorded."""
    if not order.order_ref:
        return []
    rows = await connection.execute(_ORDER_ENTRIES, {"tenant": order.tenant, "order_ref": order.order_ref})
    found = [_posting(list(group)) for _, group in groupby(rows, key=lambda row: row.posting_id)]
    if keys:
        empty = await connection.execute(_POSTINGS_WITHOUT_ENTRIES, {"tenant": order.tenant, "keys": list(keys)})
        found += [_posting([], row) for row in empty]
    return sorted(found, key=lambda posting: (posting.recorded_at, posting.posting_id))


def _posting(rows: list[Row[Any]], said: Row[Any] | None = None) -> PostingView:
    first = said or rows[0]
    return PostingView(
        posting_id=first.posting_id,
        key=first.key,
        reason=first.reason,
        reason_code=first.reason_code,
        actor=first.actor,
        evidence=first.evidence,
        occurred_at=first.occurred_at,
        recorded_at=first.recorded_at,
        entries=tuple(_entry(row) for row in rows),
    )


_ORDER_LINES: Final = Query(
    composed(
        """
        {line} where tenant = %(tenant)s and order_ref = any(%(order_refs)s)
        order by order_ref, line_no, ordered desc
        """,
        line=SELECT_LINE,
    )
)


async def order_lines(
    connection: AsyncConnection, tenant: str, order_refs: Sequence[str]
) -> dict[str, list[OrderLine]]:
    """Read the lines of orders, by line number. An order that is not known has no key in the answer.

    A line that changed its sku or site is there twice: what it was has `ordered` 0, and comes after what it is.
    """
    rows = await _ORDER_LINES.rows(connection, tenant=tenant, order_refs=list(order_refs))
    return _by_order(map(line_of, rows))


_WAITING: Final = Query(
    "select distinct order_ref from ledger.order_line where tenant = %(tenant)s and sku = %(sku)s and backordered > 0"
)


async def orders_waiting_for(connection: AsyncConnection, tenant: str, sku: str) -> list[str]:
    """Name the orders with a line that waits for stock of a sku."""
    return [order_ref for (order_ref,) in await _WAITING.rows(connection, tenant=tenant, sku=sku)]


def _by_order(lines: Iterable[OrderLine]) -> dict[str, list[OrderLine]]:
    return {order_ref: list(group) for order_ref, group in groupby(lines, key=lambda line: line.order_ref)}


LineName = tuple[int, str]
"""A line of an order as a parcel has it: its number, its sku."""

_GOODS_AT: Final = Query(
    """
    select e.line_no, s.sku, s.lot, s.serial_number, sum(e.on_hand_delta)::bigint
    from ledger.entry e join ledger.stream s on s.stream_id = e.stream_id
    where e.tenant = %(tenant)s and e.order_ref = %(order_ref)s and s.location_id = %(location_id)s
    group by e.line_no, s.sku, s.lot, s.serial_number having sum(e.on_hand_delta) <> 0
    order by s.lot, s.serial_number
    """
)


async def goods_at(connection: AsyncConnection, order: OrderId, location_id: str) -> dict[LineName, Counter[Goods]]:
    """Return which goods of each line of an order are at a virtual location: with a shipment, or with the customer."""
    return _of_lines(
        await _GOODS_AT.rows(connection, tenant=order.tenant, order_ref=order.order_ref, location_id=location_id)
    )


def _of_lines(rows: Iterable[Any]) -> dict[LineName, Counter[Goods]]:
    found: dict[LineName, Counter[Goods]] = defaultdict(Counter)
    for line_no, sku, lot, serial_number, quantity in rows:
        found[line_no, sku][lot, serial_number] = quantity
    return dict(found)


async def goods_underway(
    connection: AsyncConnection, order: OrderId, shipment_no: str
) -> dict[LineName, Counter[Goods]]:
    """Return which goods of each line of an order are in transit with a shipment."""
    return await goods_at(connection, order, f"transit/{shipment_no}")


# What was written off went to the adjustments' place, and comes from there if it is found after all; what came back
# undelivered left the shipment's.
_NEVER_ARRIVED: Final = Query(
    """
    select e.line_no, s.sku, s.lot, s.serial_number,
      sum(case s.kind when 'transit' then -e.on_hand_delta else e.on_hand_delta end)::bigint as quantity
    from ledger.entry e
    join ledger.stream s on s.stream_id = e.stream_id
    join ledger.posting p on p.posting_id = e.posting_id
    where e.tenant = %(tenant)s and e.order_ref = %(order_ref)s
      and (s.kind, p.reason) in
        (('adjustment', 'loss'), ('adjustment', 'damage'), ('adjustment', 'delivery'), ('transit', 'return'))
    group by e.line_no, s.sku, s.lot, s.serial_number
    order by s.lot, s.serial_number
    """
)


async def goods_that_never_arrived(connection: AsyncConnection, order: OrderId) -> dict[LineName, Counter[Goods]]:
    """Return which goods of each line of an order had left, and were lost or came back undelivered."""
    return _of_lines(await _NEVER_ARRIVED.rows(connection, tenant=order.tenant, order_ref=order.order_ref))


_HELD_GOODS: Final = Query(
    """
    select e.line_no, s.sku, s.site, s.lot, s.serial_number, s.kind = 'staging', sum(e.reserved_delta)::bigint
    from ledger.entry e join ledger.stream s on s.stream_id = e.stream_id
    where e.tenant = %(tenant)s and e.order_ref = %(order_ref)s
    group by e.line_no, s.sku, s.site, s.lot, s.serial_number, s.kind having sum(e.reserved_delta) <> 0
    order by s.lot, s.serial_number
    """
)


@dataclass(frozen=True, slots=True)
class HeldGoods:
    """What a line of an order holds of a lot or serial number; `in_staging` if it is picked, or to be put back."""

    line_no: int
    sku: str
    site: str
    lot: str
    serial_number: str
    in_staging: bool
    quantity: int


async def held_goods(connection: AsyncConnection, order: OrderId) -> list[HeldGoods]:
    """Return which goods each line of an order holds."""
    rows = await _HELD_GOODS.rows(connection, tenant=order.tenant, order_ref=order.order_ref)
    return [HeldGoods(*row) for row in rows]


# What a site has of each sku: open streams only, so what is empty for ever costs nothing.
_STOCK_LEVELS: Final = text(
    """
    select sku, coalesce(on_hand, 0), coalesce(reserved, 0), coalesce(available, 0), coalesce(backordered, 0),
           coalesce(in_transit, 0), coalesce(quarantined, 0), coalesce(expired, 0)
    from ledger.pool
    left join lateral (
      select sum(t.on_hand) filter (where s.kind <> 'transit')::bigint as on_hand, sum(t.reserved)::bigint as reserved,
             sum(t.on_hand - t.reserved) filter (
               where s.kind <> 'transit' and s.stock_status = 'available' and (l.expires_on < :day) is not true
             )::bigint as available,
             sum(t.on_hand) filter (where s.kind = 'transit')::bigint as in_transit,
             sum(t.on_hand)
               filter (where s.kind <> 'transit' and s.stock_status = 'quarantined')::bigint as quarantined,
             sum(t.on_hand) filter (where s.kind <> 'transit' and l.expires_on < :day)::bigint as expired
      from ledger.stream s
      left join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot and s.lot <> ''
      cross join lateral (
        select e.on_hand, e.reserved from ledger.entry e where e.stream_id = s.stream_id order by e.seq desc limit 1
      ) t
      where s.pool_id = pool.pool_id and s.open and s.kind in ('storage', 'staging', 'transit')
    ) here on true
    left join lateral (
      select sum(l.backordered)::bigint as backordered
      from ledger.order_line l where l.pool_id = pool.pool_id and l.backordered > 0
    ) waiting on true
    where tenant = :tenant and site = :site and sku > :after_sku
    order by sku limit :limit
    """
)


async def stock_levels(
    connection: AsyncConnection, tenant: str, site: str, day: date, after_sku: str = "", limit: int = DEFAULT_LIMIT
) -> list[StockLevel]:
    """Read the levels of a site's skus on a day, by sku, from the one after `after_sku`; at most `limit`."""
    asked = {"tenant": tenant, "site": site, "day": day, "after_sku": after_sku, "limit": limit}
    return [StockLevel(*row) for row in await connection.execute(_STOCK_LEVELS, asked)]


# What an older build let be dated ahead happened when it was recorded, at the latest.
_ON_HAND_AT: Final = text(
    """
    select coalesce(sum(e.on_hand_delta) filter (
             where cast(:instant as timestamptz) is null or least(p.occurred_at, p.recorded_at) <= :instant
           ), 0)::bigint,
           coalesce(max(e.seq), 0)
    from ledger.entry e join ledger.posting p on p.posting_id = e.posting_id
    where e.stream_id = :stream_id
    """
)


async def on_hand_at(connection: AsyncConnection, key: StreamKey, instant: datetime | None) -> tuple[int, int]:
    """Return what was on hand at an instant by `occurred_at`, or now: what a count of then is compared with.

    And the number of the stream's latest entry: one with a higher number may change what was there then.
    """
    asked = {"stream_id": key.stream_id, "instant": instant}
    on_hand, seq = (await connection.execute(_ON_HAND_AT, asked)).one()
    return on_hand, seq


__all__ = [
    "DEFAULT_LIMIT",
    "Balance",
    "BalancePage",
    "BalanceQuery",
    "Basis",
    "EntryPage",
    "EntryView",
    "HeldGoods",
    "LineName",
    "PostingView",
    "StockLevel",
    "Totals",
    "balances",
    "find_stream",
    "goods_at",
    "goods_that_never_arrived",
    "goods_underway",
    "held_goods",
    "on_hand_at",
    "order_lines",
    "order_postings",
    "stock_levels",
    "stream_entries",
]
