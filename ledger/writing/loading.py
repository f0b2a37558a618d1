"""Reading all that the requests of a batch may need: under the pools' locks, or ahead of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from domain.errors import InvariantViolated
from domain.stock import LotKey, PoolKey
from ledger import queries
from ledger.arrays import array_of_plain, array_of_texts
from ledger.book import Book, LotDate, NotLoaded, Stream
from ledger.days import Site, Today
from ledger.reading import LINE_WIDTH, line_of, stream_of
from ledger.requests import Request
from ledger.statements import Call
from ledger.writing.pool_cache import Kept
from ledger.writing.sessions import Rows, Session

TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Posted:
    """What a key was posted with before."""

    posting_id: UUID
    digest: bytes
    recorded_at: datetime
    answer: str


@dataclass
class Loaded:
    """What was read, as rows, so that a book can be made of it as often as the batch is decided; and what was kept.

    `clock` is a time for the first posting. `marks` are those of the pools' last writes, as far as we know. `of_news`
    is what was only kept: its orders must be new.
    """

    clock: datetime
    marks: dict[UUID, int]
    posted: dict[tuple[str, str], Posted]
    streams: Rows
    lines: Rows
    kept: Mapping[UUID, Kept]
    blocked_lots: set[LotKey] = field(default_factory=set)
    lots: dict[LotKey, LotDate] = field(default_factory=dict)
    of_news: bool = False
    queues: set[UUID] = field(default_factory=set)
    holders: set[UUID] = field(default_factory=set)

    def book(self, today: Today) -> Book:
        """Make the book of what was read. What was kept is in it as it is, and can be decided on once."""
        book = Book(self.marks, self.queues, self.holders, self.blocked_lots, self.lots, today)
        for pool in self.kept.values():
            for stream in pool.streams:
                book.add_stream(stream)
        for row in self.streams:
            if row[0] not in book.streams:
                book.add_stream(stream_of(row))
        for row in self.lines:
            book.add_stored_line(line := line_of(row[:LINE_WIDTH]))
            for holds in row[LINE_WIDTH:]:
                book.set_holds(line, ((UUID(stream_id), int(held)) for stream_id, held in holds))
        return book


@dataclass(frozen=True)
class Needs:
    """What the requests of a batch name.

    Pools and their sites, the pools in which stock may become free, orders, skus brought, and lots whose dates count.
    """

    requests: Sequence[Request]
    pools: dict[UUID, PoolKey]
    sites: set[Site]
    freeing: set[UUID]
    orders: set[tuple[str, str]]
    brought: set[tuple[str, str]]
    lots: set[LotKey]

    @classmethod
    def of(cls, requests: Sequence[Request]) -> Needs:
        """Ask each request what it needs."""
        pools: dict[UUID, PoolKey] = {}
        freeing: set[UUID] = set()
        for request in requests:
            named = {pool.pool_id: pool for pool in request.pools()}
            pools.update(named)
            if request.may_free():
                freeing.update(named)
        orders = {(request.tenant, order_ref) for request in requests for order_ref in request.orders()}
        brought = {(pool.tenant, pool.sku) for request in requests if request.brings_stock for pool in request.pools()}
        sites = {(pool.tenant, pool.site) for pool in pools.values()}
        lots = {lot for request in requests for lot in request.lots()}
        return cls(requests, dict(sorted(pools.items())), sites, freeing, orders, brought, lots)


async def load(
    session: Session, needs: Needs, known_pools: set[UUID], kept: Mapping[UUID, Kept], *, locking: bool
) -> Loaded:
    """Begin and read what requests need in one round trip: with the pools locked, or ahead of their locks.

    Orders of which nothing is known, on pools that are kept, need nothing read.
    """
    if not locking and _are_news(needs, kept):
        marks = {pool_id: kept[pool_id].mark for pool_id in needs.pools}
        clock = _later(await _now(session), [], kept)
        return Loaded(clock, marks, posted={}, streams=[], lines=[], kept=kept, of_news=True)
    unread = [pool_id for pool_id in needs.pools if pool_id not in kept]
    unknown = [needs.pools[pool_id] for pool_id in unread if pool_id not in known_pools]
    see = queries.LOCK_POOLS if locking else queries.SEE_POOLS
    calls = {
        "pools": queries.ENSURE_POOLS.call(*_pool_columns(unknown)) if unknown else None,
        "seen": see.call(array_of_plain(unread)),
        "posted": queries.FIND_POSTINGS.call(*_pairs((r.tenant, r.key) for r in needs.requests)),
        "open": queries.READ_OPEN_STREAMS.call(array_of_plain(unread)) if unread else None,
        **_named(needs),
        "queues": queries.READ_QUEUES.call(array_of_plain(needs.freeing)) if needs.freeing else None,
        "blocked": queries.READ_BLOCKED_LOTS.call(*_pairs(needs.brought)) if needs.brought else None,
        "lots": queries.READ_LOTS.call(*map(array_of_texts, zip(*needs.lots, strict=True))) if needs.lots else None,
    }
    asked = {name: call for name, call in calls.items() if call}
    found = dict(zip(asked, await session.begin(list(asked.values())), strict=True))
    ((marks, clock, *_),) = found["seen"]
    session.hear(clock)
    if len(marks or ()) != len(unread):
        raise InvariantViolated("a pool that was made before is not there")
    streams = [*found.get("open", ()), *found.get("named", ()), *found.get("places", ())]
    known = dict(zip(unread, marks or (), strict=True)) | {pool_id: pool.mark for pool_id, pool in kept.items()}
    return Loaded(
        clock=_later(clock, streams, kept),
        marks={pool_id: known[pool_id] for pool_id in needs.pools},
        posted={(row[0], row[1]): Posted(*row[2:]) for row in found["posted"]},
        streams=streams,
        lines=[*found.get("orders", ()), *found.get("queues", ())],
        kept=kept,
        blocked_lots={(tenant, sku, lot) for tenant, sku, lot in found.get("blocked", ())},
        lots={(tenant, sku, lot): LotDate(*date) for tenant, sku, lot, *date in found.get("lots", ())},
        queues=set(needs.freeing),
    )


def _are_news(needs: Needs, kept: Mapping[UUID, Kept]) -> bool:
    """Say whether requests need no more than is kept."""
    all_new = len(needs.orders) == len(needs.requests) and all(request.is_news() for request in needs.requests)
    return all_new and len(kept) == len(needs.pools)


async def _now(session: Session) -> datetime:
    """Begin, and return the time: told without asking where the session has announced itself before."""
    told = session.clock.tell() if session.begun else None
    if told is None:
        (((told, *_),),) = await session.begin([queries.SEE_CLOCK.call()])
        session.hear(told)
    return told


def _named(needs: Needs) -> dict[str, Call | None]:
    """Call for the streams, places and orders that requests name."""
    named = {key.stream_id for request in needs.requests for key in request.streams()}
    places = {(request.tenant, place) for request in needs.requests for place in request.locations()}
    return {
        "named": queries.READ_STREAMS.call(array_of_plain(named)) if named else None,
        "places": queries.READ_STREAMS_AT.call(*_pairs(places)) if places else None,
        "orders": queries.READ_ORDER_LINES.call(*_pairs(needs.orders)) if needs.orders else None,
    }


def _later(clock: datetime, streams: Rows, kept: Mapping[UUID, Kept]) -> datetime:
    """Return a time after everything that was recorded in these pools, though the clock went back."""
    newest: datetime = max(
        [clock, *(row[-1] + TICK for row in streams), *(pool.newest + TICK for pool in kept.values())]
    )
    return newest


async def load_more(session: Session, loaded: Loaded, missing: NotLoaded) -> None:
    """Read who waits in pools, or who holds something there, for rules that turned out to need it."""
    queues = queries.READ_QUEUES.call(array_of_plain(missing.queues))
    holders = queries.READ_HOLDERS.call(array_of_plain(missing.holders))
    for rows in await session.run([queues, holders]):
        loaded.lines += rows
    loaded.queues |= missing.queues
    loaded.holders |= missing.holders


def unread_tails(streams: Iterable[Stream]) -> dict[UUID, Stream]:
    """Name the streams that decisions turned up, and whose tails nobody read: closed ones, or of the world outside."""
    return {stream.stream_id: stream for stream in streams if stream.tail is None}


async def load_tails(session: Session, unread: Mapping[UUID, Stream]) -> None:
    """Read the tails of streams, where they exist."""
    if not unread:
        return
    (rows,) = await session.run([queries.READ_STREAMS.call(array_of_plain(unread))])
    for row in rows:
        stream = unread[row[0]]
        stream.tail, stream.stored = stream_of(row).tail, True


def _pairs(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Write pairs down as two arrays."""
    left, right = [], []
    for first, second in pairs:
        left.append(first)
        right.append(second)
    return array_of_texts(left), array_of_texts(right)


def _pool_columns(pools: Sequence[PoolKey]) -> tuple[str, ...]:
    return (
        array_of_plain(pool.pool_id for pool in pools),
        array_of_texts(pool.tenant for pool in pools),
        array_of_texts(pool.site for pool in pools),
        array_of_texts(pool.sku for pool in pools),
    )
