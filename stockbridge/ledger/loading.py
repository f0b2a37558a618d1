"""Reading, under the pools' locks, all that the requests of a batch may need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor

from stockbridge.domain.errors import InvariantViolated
from stockbridge.domain.stock import PoolKey
from stockbridge.ledger import queries
from stockbridge.ledger.arrays import array_of_plain, array_of_texts
from stockbridge.ledger.book import Book, NotLoaded, Stream
from stockbridge.ledger.reading import line_of, stream_of
from stockbridge.ledger.requests import Request

Driver = AsyncConnection[Any]
Rows = list[tuple[Any, ...]]


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
    holds: Rows
    queues: set[UUID] = field(default_factory=set)
    holders: set[UUID] = field(default_factory=set)

    def book(self) -> Book:
        """Make the book of what was read."""
        book = Book(self.locked, self.queues, self.holders)
        for row in self.streams:
            if row[0] not in book.streams:
                book.add_stream(stream_of(row))
        for row in self.lines:
            book.add_stored_line(line_of(row))
        for tenant, order_ref, line_no, stream_id, held in {row[:4]: row for row in self.holds}.values():
            book.add_hold(tenant, (order_ref, line_no), stream_id, held)
        return book


async def load(driver: Driver, requests: Sequence[Request], known_pools: set[UUID]) -> Loaded:
    """Lock the pools of a batch and read what its requests name, in one round trip."""
    pools = {pool.pool_id: pool for request in requests for pool in request.pools()}
    pool_ids = sorted(pools)
    locked_pools = array_of_plain(pool_ids)
    freeing = {pool.pool_id for request in requests if request.may_free() for pool in request.pools()}
    named = {key.stream_id for request in requests for key in request.streams()}
    places = {(request.tenant, place) for request in requests for place in request.locations()}
    orders = {(request.tenant, order_ref) for request in requests for order_ref in request.orders()}
    async with driver.pipeline():
        if unknown := [pools[pool_id] for pool_id in pool_ids if pool_id not in known_pools]:
            await driver.execute(queries.ENSURE_POOLS, _pool_columns(unknown))
        locked = await driver.execute(queries.LOCK_POOLS, (locked_pools,))
        clock = await driver.execute(queries.READ_CLOCK)
        posted = await driver.execute(queries.FIND_POSTINGS, _pairs((r.tenant, r.key) for r in requests))
        streams = [await driver.execute(queries.READ_OPEN_STREAMS, (locked_pools,))]
        if named:
            streams.append(await driver.execute(queries.READ_STREAMS, (array_of_plain(named),)))
        if places:
            streams.append(await driver.execute(queries.READ_STREAMS_AT, _pairs(places)))
        lines, holds = [], []
        if orders:
            lines.append(await driver.execute(queries.READ_ORDER_LINES, _pairs(orders)))
            holds.append(await driver.execute(queries.READ_HOLDS, _pairs(orders)))
        if freeing:
            lines.append(await driver.execute(queries.READ_QUEUES, (array_of_plain(freeing),)))
    if len(await locked.fetchall()) != len(pool_ids):
        raise InvariantViolated("a pool that was made before is not there")
    return Loaded(
        clock=(await clock.fetchall())[0][0],
        locked=pool_ids,
        posted={(row[0], row[1]): Posted(*row[2:]) for row in await posted.fetchall()},
        streams=await _all(streams),
        lines=await _all(lines),
        holds=await _all(holds),
        queues=freeing,
    )


async def load_more(driver: Driver, loaded: Loaded, missing: NotLoaded) -> None:
    """Read who waits in pools, or who holds something there, for rules that turned out to need it."""
    if missing.queues:
        cursor = await driver.execute(queries.READ_QUEUES, (array_of_plain(missing.queues),))
        loaded.lines += await cursor.fetchall()
        loaded.queues |= missing.queues
    if missing.holders:
        holders = await (await driver.execute(queries.READ_HOLDERS, (array_of_plain(missing.holders),))).fetchall()
        orders = {(row[0], row[1]) for row in holders}
        cursor = await driver.execute(queries.READ_HOLDS, _pairs(orders))
        loaded.lines += holders
        loaded.holds += await cursor.fetchall()
        loaded.holders |= missing.holders


async def load_tails(driver: Driver, streams: Iterable[Stream]) -> None:
    """Read the tails of streams that decisions turned up, where they exist: closed ones, or of the world outside."""
    unread = {stream.stream_id: stream for stream in streams if stream.tail is None}
    if not unread:
        return
    cursor = await driver.execute(queries.READ_STREAMS, (array_of_plain(unread),))
    for row in await cursor.fetchall():
        stream = unread[row[0]]
        stream.tail, stream.stored = stream_of(row).tail, True


async def _all(cursors: Iterable[AsyncCursor[Any]]) -> Rows:
    return [row for cursor in cursors for row in await cursor.fetchall()]


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
