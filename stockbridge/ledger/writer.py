"""The batching writer: concurrent requests share one transaction, each with its own accept or reject.

While one batch commits, the next gathers, so a hot sku gets faster per request as it gets busier. A batch locks its
pools in one sorted order, reads under the locks, decides each request in turn over one book, and writes in bulk. If
its transaction fails, its requests run again singly, so an error is its own request's alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import structlog
from psycopg import AsyncConnection as Driver
from psycopg import errors as driver_errors
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from stockbridge.domain.errors import Conflict, InvariantViolated, Rejected, StockbridgeError, Unavailable
from stockbridge.domain.orders import OrderLine
from stockbridge.domain.stock import MAY_GO_NEGATIVE, PoolKey, StreamKey
from stockbridge.ledger import queries
from stockbridge.ledger.book import Book, Draft, Holder, LineKey, Stream, apply, line_key
from stockbridge.ledger.canonical import entry_hash, posting_digest
from stockbridge.ledger.reading import line_of, stream_of
from stockbridge.ledger.requests import ReceiveStock, Request
from stockbridge.ledger.rules import decide

MAX_BATCH: Final = 512
_TICK: Final = timedelta(microseconds=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of an accepted request.

    `posting_id` is None where there was nothing to post. `lines` are the order lines that it changed, also of other
    orders, whose names are in `served` (they got stock) and `displaced` (a fact took it).
    """

    request: Request
    posting_id: UUID | None
    recorded_at: datetime
    answer: dict[str, Any]
    replayed: bool = False
    lines: tuple[OrderLine, ...] = ()
    served: frozenset[str] = frozenset()
    displaced: frozenset[str] = frozenset()
    unaccounted: tuple[tuple[str, str, int], ...] = ()


Attachment = Callable[[AsyncConnection, Outcome], Awaitable[None]]
"""Writes that must commit with a posting: an accepted revision, an answered command, an outbox row."""


class Companion(Protocol):
    """Keeps what others see of orders in step with the ledger, in the ledger's own transaction."""

    async def write(self, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
        """Write what follows from these outcomes. Called once a batch, after its entries and attachments."""
        ...


@dataclass
class _Waiting:
    request: Request
    digest: bytes
    attachment: Attachment | None
    answer: asyncio.Future[Outcome]


@dataclass
class _Accepted:
    waiting: _Waiting
    outcome: Outcome
    text: str = ""
    entries: list[tuple[Stream, Holder, int, int]] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class LedgerWriter:
    """The only code that writes stock. One for a process; safe to call from any number of tasks of its event loop."""

    def __init__(self, engine: AsyncEngine, companion: Companion | None = None, max_batch: int = MAX_BATCH) -> None:
        self._engine = engine
        self._companion = companion
        self._max_batch = max_batch
        self._gathering: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None
        self._known_pools: set[UUID] = set()

    async def post(self, request: Request, attachment: Attachment | None = None) -> Outcome:
        """Carry a request out, in one transaction with its attachment, and return what became of it.

        The same key again returns the first answer (`replayed`), without the attachment. Raises `Rejected` with the
        reasons, `Conflict` for the same key with other content, `Unavailable` when PostgreSQL can't be reached.
        """
        waiting = _Waiting(request, request.digest(), attachment, asyncio.get_running_loop().create_future())
        self._gathering.append(waiting)
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._drain())
        return await waiting.answer

    async def drain(self) -> None:
        """Wait until every request taken so far is answered."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def _drain(self) -> None:
        try:
            while self._gathering:
                batch, self._gathering = self._gathering[: self._max_batch], self._gathering[self._max_batch :]
                await self._run(batch)
        finally:
            self._running = None

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            await self._transact(batch)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], translated(error))
                return
            log.warning("ledger.batch_failed", size=len(batch), error=str(error))
            for waiting in batch:
                if not waiting.answer.done():
                    await self._run([waiting])
        except BaseException:
            for waiting in batch:
                waiting.answer.cancel()
            raise

    async def _transact(self, batch: list[_Waiting]) -> None:
        refused: list[tuple[_Waiting, Exception]] = []
        accepted: list[_Accepted] = []
        async with self._engine.begin() as connection:
            driver: Driver[Any] = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
            book, posted, clock = await self._read(driver, batch)
            for waiting in batch:
                try:
                    accepted.append(_decide(waiting, book, posted, clock))
                except StockbridgeError as refusal:
                    refused.append((waiting, refusal))
            await self._write(driver, book, accepted)
            await self._attach(connection, accepted)
        for done in accepted:
            _succeed(done.waiting, done.outcome)
        for waiting, reason in refused:
            _fail(waiting, reason)

    async def _read(
        self, driver: Driver[Any], batch: list[_Waiting]
    ) -> tuple[Book, dict[tuple[str, str], tuple[Any, ...]], datetime]:
        """Lock the pools and read all that the batch's requests may need, in one round trip."""
        requests = [waiting.request for waiting in batch]
        pools = {pool.pool_id: pool for request in requests for pool in request.pools()}
        pool_ids = sorted(pools)
        orders = list({(request.tenant, ref) for request in requests for ref in request.orders()})
        named = {key.stream_id: key for request in requests for key in request.streams()}
        places = list({(request.tenant, place) for request in requests for place in request.locations()})
        displacing = list({p.pool_id for request in requests if request.may_displace() for p in request.pools()})
        cursors: dict[str, Any] = {}
        async with driver.pipeline():

            async def ask(name: str, query: str, parameters: Sequence[Any]) -> None:
                cursors[name] = await driver.execute(query, parameters)

            if unknown := [pools[i] for i in pool_ids if i not in self._known_pools]:
                await ask("ensure", queries.ENSURE_POOLS, _pool_columns(unknown))
            await ask("lock", queries.LOCK_POOLS, (pool_ids,))
            await ask("clock", queries.READ_CLOCK, ())
            await ask("posted", queries.FIND_POSTINGS, _columns([(r.tenant, r.key) for r in requests]))
            await ask("open", queries.READ_OPEN_STREAMS, (pool_ids,))
            if named:
                await ask("named", queries.READ_NAMED_STREAMS, (list(named),))
            if places:
                await ask("at", queries.READ_STREAMS_AT, _columns(places))
            if orders:
                await ask("lines", queries.READ_ORDER_LINES, _columns(orders))
            await ask("queues", queries.READ_QUEUES, (pool_ids,))
            if displacing:
                await ask("holders", queries.READ_HOLDERS, (displacing,))
        book = Book()
        for name in ("open", "named", "at"):
            for row in await cursors[name].fetchall() if name in cursors else ():
                if row[0] not in book.streams:
                    book.add_stream(stream_of(row))
        holding: set[tuple[str, str]] = set()
        for name in ("queues", "lines", "holders"):
            for row in await cursors[name].fetchall() if name in cursors else ():
                book.add_stored_line(line := line_of(row))
                if name != "queues":
                    holding.add((line.tenant, line.order_ref))
        if holders := list(holding):
            for tenant, order_ref, line_no, stream_id, held in await (
                await driver.execute(queries.READ_HOLDS, _columns(holders))
            ).fetchall():
                book.add_hold(tenant, (order_ref, line_no), stream_id, held)
        posted = {(row[0], row[1]): row[2:] for row in await cursors["posted"].fetchall()}
        self._known_pools.update(pool_ids)
        return book, posted, (await cursors["clock"].fetchone())[0]

    async def _write(self, driver: Driver[Any], book: Book, accepted: list[_Accepted]) -> None:
        """Write the batch in bulk: streams, postings, entries (one statement, so one look of the trigger), lines."""
        new = [done for done in accepted if not done.outcome.replayed]
        posted = [done for done in new if done.outcome.posting_id]
        touched = {stream.stream_id: stream for done in posted for stream, *_ in done.entries}
        if lots := [lot for done in posted for lot in _lots(done.outcome.request)]:
            await driver.execute(queries.ENSURE_LOTS, _columns(lots))
        if unstored := [stream for stream in touched.values() if not stream.stored]:
            await _copy(driver, queries.COPY_STREAMS, [_stream_row(stream) for stream in unstored])
        if posted:
            await _copy(driver, queries.COPY_POSTINGS, [_posting_row(done) for done in posted])
            if rows := [row for done in posted for row in done.rows]:
                await _copy(driver, queries.COPY_ENTRIES, rows)
        if turned := [s for s in touched.values() if s.stored and s.was_open != (s.on_hand != 0)]:
            parameters = ([s.stream_id for s in turned], [s.on_hand != 0 for s in turned])
            await driver.execute(queries.TURN_OPEN, parameters)
        await _write_lines(driver, book, new)

    async def _attach(self, connection: AsyncConnection, accepted: list[_Accepted]) -> None:
        for done in accepted:
            if done.waiting.attachment and not done.outcome.replayed:
                await done.waiting.attachment(connection, done.outcome)
        if self._companion is not None:
            await self._companion.write(connection, [d.outcome for d in accepted if not d.outcome.replayed])


def _decide(
    waiting: _Waiting, book: Book, posted: dict[tuple[str, str], tuple[Any, ...]], clock: datetime
) -> _Accepted:
    """Decide one request over the book, and make its entries. A refusal leaves the book as it was."""
    request = waiting.request
    if known := posted.get((request.tenant, request.key)):
        return _Accepted(waiting, _replay(waiting, known))
    draft = Draft(book, request.tenant)
    answer = decide(request, draft)
    entries = draft.entries()
    lines = draft.lines_changed()
    recorded_at = max([clock, *(s.recorded_at + _TICK for s, *_ in entries if s.recorded_at is not None)])
    for line in lines:
        if line.queued_at is None or line_key(line) in draft.newly_queued:
            line.queued_at = recorded_at
    posting_id = uuid7() if entries or _moved(book, lines) else None
    text = json.dumps(answer, separators=(",", ":"))
    outcome = Outcome(
        request=request,
        posting_id=posting_id,
        recorded_at=recorded_at,
        answer=answer,
        lines=tuple(lines),
        served=frozenset(draft.served),
        displaced=frozenset(draft.displaced),
        unaccounted=tuple(draft.unaccounted),
    )
    accepted = _Accepted(waiting, outcome, text, entries)
    if posting_id is not None:
        accepted.rows = _chain(accepted, posting_id)
        posted[request.tenant, request.key] = (posting_id, waiting.digest, recorded_at, text)
    apply(draft, entries)
    return accepted


def _replay(waiting: _Waiting, known: tuple[Any, ...]) -> Outcome:
    posting_id, digest, recorded_at, answer = known
    if bytes(digest) != waiting.digest:
        raise Conflict(f"{waiting.request.key} was posted before with other content.")
    return Outcome(waiting.request, posting_id, recorded_at, json.loads(answer), replayed=True)


def _moved(book: Book, lines: list[OrderLine]) -> bool:
    """Say whether demand changed, though no stock did (all backordered, say)."""
    return any(
        known is None or known.quantities() != line.quantities()
        for line in lines
        for known in (book.lines.get(line_key(line)),)
    )


def _chain(accepted: _Accepted, posting_id: UUID) -> list[tuple[Any, ...]]:
    """Number, balance and hash the entries of a posting, and advance the tails of their streams."""
    request, recorded_at = accepted.outcome.request, accepted.outcome.recorded_at
    digest = posting_digest(
        posting_id,
        request.tenant,
        request.key,
        accepted.waiting.digest,
        request.posting_reason(),
        request.actor,
        request.evidence,
        request.occurred_at or recorded_at,
        recorded_at,
        accepted.text,
    )
    rows = []
    for stream, (order_ref, line_no), on_hand, reserved in accepted.entries:
        stream.seq += 1
        stream.on_hand += on_hand
        stream.reserved += reserved
        stream.recorded_at = recorded_at
        stream.tail_hash = entry_hash(
            stream.tail_hash,
            digest,
            stream.stream_id,
            stream.seq,
            order_ref,
            line_no,
            on_hand,
            reserved,
            stream.on_hand,
            stream.reserved,
        )
        rows.append(
            (
                stream.stream_id,
                stream.seq,
                posting_id,
                request.tenant,
                order_ref,
                line_no,
                on_hand,
                reserved,
                stream.on_hand,
                stream.reserved,
                floor_of(stream.key),
                bool(stream.key.serial_number),
                recorded_at,
                stream.tail_hash,
            )
        )
    return rows


def floor_of(key: StreamKey) -> int:
    """Return 1 where the stream may go below zero: the world outside, but for single serials that were not received."""
    if key.serial_number:
        return int(key.place.location_id.startswith("supplier/"))
    return int(key.place.kind in MAY_GO_NEGATIVE)


def translated(error: BaseException) -> BaseException:
    """Tell a database that can't be reached from one that refuses: the first is `Unavailable`, the second our bug."""
    if isinstance(error, StockbridgeError):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, driver_errors.UniqueViolation) and "uq_stream_serial" in str(cause):
        return Rejected("serial_elsewhere", "The serial number is on hand somewhere else.", status=409)
    if isinstance(cause, driver_errors.IntegrityError | driver_errors.RaiseException):
        return InvariantViolated(f"PostgreSQL refused what must never be written: {cause}")
    down = (driver_errors.OperationalError, driver_errors.InterfaceError, OSError, TimeoutError)
    if isinstance(cause, down) or isinstance(error, OperationalError | InterfaceError):
        return Unavailable("PostgreSQL can't be reached.")
    return error


def _succeed(waiting: _Waiting, outcome: Outcome) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(outcome)


def _fail(waiting: _Waiting, error: BaseException) -> None:
    with suppress(asyncio.InvalidStateError):
        waiting.answer.set_exception(error)


# -- rows ------------------------------------------------------------------------------------------------------------


def _columns(rows: Sequence[Sequence[Any]]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))


def _pool_columns(pools: Sequence[PoolKey]) -> tuple[list[Any], ...]:
    return _columns([(pool.pool_id, pool.tenant, pool.site, pool.sku) for pool in pools])


def _lots(request: Request) -> list[tuple[Any, ...]]:
    if not isinstance(request, ReceiveStock):
        return []
    return [(request.tenant, line.sku, line.lot, line.expires_on) for line in request.lines if line.lot]


def _stream_row(stream: Stream) -> tuple[Any, ...]:
    key = stream.key
    return (
        stream.stream_id,
        key.identity_hash,
        key.pool.pool_id,
        key.tenant,
        key.sku,
        key.place.site,
        key.place.location_id,
        key.place.kind.value,
        key.lot,
        key.serial_number,
        key.stock_status.value,
        stream.on_hand != 0,
    )


def _posting_row(done: _Accepted) -> tuple[Any, ...]:
    request, outcome = done.outcome.request, done.outcome
    return (
        outcome.posting_id,
        request.tenant,
        request.key,
        done.waiting.digest,
        request.posting_reason(),
        request.actor,
        request.evidence.value,
        request.occurred_at or outcome.recorded_at,
        outcome.recorded_at,
        done.text,
    )


async def _copy(driver: Driver[Any], statement: str, rows: Sequence[Sequence[Any]]) -> None:
    async with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)


async def _write_lines(driver: Driver[Any], book: Book, accepted: list[_Accepted]) -> None:
    """Write each order line that changed once, as it is after the whole batch."""
    keys: dict[LineKey, None] = dict.fromkeys(line_key(line) for done in accepted for line in done.outcome.lines)
    new = [key for key in keys if key not in book.stored_lines]
    if new:
        rows = [(key[3], *book.lines[key].as_row().values()) for key in new]
        await _copy(driver, queries.COPY_ORDER_LINES, rows)
    if known := [{**book.lines[key].as_row(), "pool_id": key[3]} for key in keys if key in book.stored_lines]:
        async with driver.cursor() as cursor:
            await cursor.executemany(queries.UPDATE_ORDER_LINE, known)
