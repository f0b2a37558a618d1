"""Reading, under the pools' locks, all that the requests of a batch may need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from stockbridge.domain.errors import InvariantViolated
from stockbridge.domain.stock import PoolKey
from stockbridge.ledger import queries
from stockbridge.ledger.arrays import array_of_plain, array_of_texts
from stockbridge.ledger.book import Book, NotLoaded, Stream
from stockbridge.ledger.reading import LINE_WIDTH, line_of, stream_of
from stockbridge.ledger.requests import Request
from stockbridge.ledger.statements import Driver, Rows, begin, run

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
    """What was read, as rows, so that a book can be made of it as often as the batch is decided."""

    clock: datetime
    locked: list[UUID]
    posted: dict[tuple[str, str], Posted]
    streams: Rows
    lines: Rows
    queues: set[UUID] = field(default_factory=set)
    holders: set[UUID] = field(default_factory=set)

    def book(self) -> Book:
        """Make the book of what was read."""
        book = Book(self.locked, self.queues, self.holders)
        for row in self.streams:
            if row[0] not in book.streams:
                book.add_stream(stream_of(row))
        for row in self.lines:
            book.add_stored_line(line := line_of(row[:LINE_WIDTH]))
            for holds in row[LINE_WIDTH:]:
                book.set_holds(line, ((UUID(stream_id), int(held)) for stream_id, held in holds))
        return book


async def load(driver: Driver, requests: Sequence[Request], known_pools: set[UUID]) -> Loaded:
    """Begin, lock the pools of a batch and read what its requests name, in one round trip."""
    pools = {pool.pool_id: pool for request in requests for pool in request.pools()}
    locked = sorted(pools)
    freeing = {pool.pool_id for request in requests if request.may_free() for pool in request.pools()}
    unknown = [pools[pool_id] for pool_id in locked if pool_id not in known_pools]
    calls = {
        "pools": unknown and queries.ENSURE_POOLS.call(*_pool_columns(unknown)),
        "lock": queries.LOCK_POOLS.call(array_of_plain(locked)),
        "posted": queries.FIND_POSTINGS.call(*_pairs((r.tenant, r.key) for r in requests)),
        "open": queries.READ_OPEN_STREAMS.call(array_of_plain(locked)),
        **_named(requests),
        "queues": freeing and queries.READ_QUEUES.call(array_of_plain(freeing)),
    }
    asked = {name: call for name, call in calls.items() if call}
    found = dict(zip(asked, await begin(driver, list(asked.values()), queries.ALL), strict=True))
    ((count, clock, _),) = found["lock"]
    if count != len(locked):
        raise InvariantViolated("a pool that was made before is not there")
    streams = [*found["open"], *found.get("named", ()), *found.get("places", ())]
    return Loaded(
        clock=_later(clock, streams),
        locked=locked,
        posted={(row[0], row[1]): Posted(*row[2:]) for row in found["posted"]},
        streams=streams,
        lines=[*found.get("orders", ()), *found.get("queues", ())],
        queues=freeing,
    )


def _named(requests: Sequence[Request]) -> dict[str, str]:
    """Call for the streams, places and orders that requests name."""
    named = {key.stream_id for request in requests for key in request.streams()}
    places = {(request.tenant, place) for request in requests for place in request.locations()}
    orders = {(request.tenant, order_ref) for request in requests for order_ref in request.orders()}
    return {
        "named": queries.READ_STREAMS.call(array_of_plain(named)) if named else "",
        "places": queries.READ_STREAMS_AT.call(*_pairs(places)) if places else "",
        "orders": queries.READ_ORDER_LINES.call(*_pairs(orders)) if orders else "",
    }


def _later(clock: datetime, streams: Rows) -> datetime:
    """Return a time after everything that was recorded in these pools, though the clock went back."""
    newest: datetime = max([clock, *(row[-1] + TICK for row in streams)])
    return newest


async def load_more(driver: Driver, loaded: Loaded, missing: NotLoaded) -> None:
    """Read who waits in pools, or who holds something there, for rules that turned out to need it."""
    queues = queries.READ_QUEUES.call(array_of_plain(missing.queues))
    holders = queries.READ_HOLDERS.call(array_of_plain(missing.holders))
    for rows in await run(driver, [queues, holders]):
        loaded.lines += rows
    loaded.queues |= missing.queues
    loaded.holders |= missing.holders


async def load_tails(driver: Driver, streams: Iterable[Stream]) -> None:
    """Read the tails of streams that decisions turned up, where they exist: closed ones, or of the world outside."""
    unread = {stream.stream_id: stream for stream in streams if stream.tail is None}
    if not unread:
        return
    (rows,) = await run(driver, [queries.READ_STREAMS.call(array_of_plain(unread))])
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
