"""The batching writer: concurrent requests share one transaction, each with its own accept or reject.

While one batch commits, the next gathers, so a hot sku gets faster per request as it gets busier. A batch locks its
pools in one sorted order, reads under the locks, decides each request in turn over one book, and writes in bulk. If
its transaction fails, its requests run again singly, so an error is its own request's alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import structlog
from psycopg import errors as driver_errors
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stockbridge.domain.errors import InvariantViolated, Rejected, StockbridgeError, Unavailable
from stockbridge.ledger.book import Book, NotLoaded
from stockbridge.ledger.chaining import chain
from stockbridge.ledger.deciding import Decision, Verdict, decide_batch
from stockbridge.ledger.loading import Loaded, load, load_more, load_tails
from stockbridge.ledger.outcomes import Outcome
from stockbridge.ledger.requests import Request
from stockbridge.ledger.statements import Driver
from stockbridge.ledger.storing import store

MAX_BATCH: Final = 512

log = structlog.get_logger(__name__)

Attachment = Callable[[AsyncConnection, Outcome], Awaitable[None]]
"""Writes that must commit with a posting: an accepted revision, an answered command, an outbox row."""


class Companion(Protocol):
    """Keeps what others see of orders in step with the ledger, in the ledger's own transaction."""

    async def prepare(self, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> Any:
        """Lock what attachments and `write` will change, all at once and in one order for all writers.

        Called once a batch, before its attachments; what it returns is `write`'s.
        """
        ...

    async def write(self, connection: AsyncConnection, outcomes: Sequence[Outcome], prepared: Any) -> None:
        """Write what follows from these outcomes. Called once a batch, after its entries and attachments."""
        ...


@dataclass(slots=True)
class _Waiting:
    request: Request
    digest: bytes
    attachment: Attachment | None
    answer: asyncio.Future[Outcome]


_MET_ANOTHER: Final = (driver_errors.UniqueViolation, driver_errors.DeadlockDetected)
"""Two writers at once, with one key in two pools, say: a second try sees what the other wrote."""


class LedgerWriter:
    """The only code that writes stock. One for a process; safe to call from any number of tasks of its event loop."""

    def __init__(self, engine: AsyncEngine, companion: Companion | None = None, max_batch: int = MAX_BATCH) -> None:
        # We begin and commit ourselves (`statements.BEGIN`), together with what is read and written.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
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
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, request.digest(), attachment, loop.create_future())
        self._gathering.append(waiting)
        if self._running is None:
            self._running = loop.create_task(self._drain())
        return await waiting.answer

    async def drain(self) -> None:
        """Wait until every request taken so far is answered."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def _drain(self) -> None:
        """Run batches until nobody waits."""
        batch: list[_Waiting] = []
        try:
            while self._gathering:
                batch, self._gathering = self._gathering[: self._max_batch], self._gathering[self._max_batch :]
                await self._run(batch)
        finally:
            self._running = None
            for waiting in (*batch, *self._gathering):  # only where the task was cancelled
                waiting.answer.cancel()
            self._gathering = []

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            await self._transact(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, its requests are told
            await self._run_singly(batch, error)

    async def _run_singly(self, batch: list[_Waiting], error: Exception) -> None:
        if len(batch) == 1 and not isinstance(error, _MET_ANOTHER):
            _fail(batch[0], translated(error))
            return
        log.warning("ledger.batch_failed", size=len(batch), error=str(error))
        for waiting in batch:
            try:
                await self._transact([waiting])
            except Exception as own:  # noqa: BLE001 - likewise
                _fail(waiting, translated(own))

    async def _transact(self, batch: list[_Waiting]) -> None:
        async with self._engine.connect() as connection:
            driver: Driver = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
            loaded = await load(driver, [waiting.request for waiting in batch], self._known_pools)
            book, verdicts = await _decide(driver, batch, loaded)
            decisions = [verdict for verdict in verdicts if isinstance(verdict, Decision)]
            await load_tails(driver, (stream for decision in decisions for stream, *_ in decision.entries))
            chain(decisions)
            alone = self._companion is None and not any(waiting.attachment for waiting in batch)
            await store(driver, book, decisions, commit=alone)
            if not alone:
                await self._attach(connection, batch, verdicts)
                await driver.commit()
        self._known_pools.update(loaded.locked)
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if isinstance(verdict, StockbridgeError):
                _fail(waiting, verdict)
            else:
                _succeed(waiting, verdict.outcome())

    async def _attach(self, connection: AsyncConnection, batch: list[_Waiting], verdicts: list[Verdict]) -> None:
        accepted = [
            (waiting, verdict.outcome())
            for waiting, verdict in zip(batch, verdicts, strict=True)
            if isinstance(verdict, Decision)
        ]
        outcomes = [outcome for _, outcome in accepted]
        prepared = await self._companion.prepare(connection, outcomes) if self._companion and outcomes else None
        for waiting, outcome in accepted:
            if waiting.attachment is not None:
                await waiting.attachment(connection, outcome)
        if self._companion and outcomes:
            await self._companion.write(connection, outcomes, prepared)


async def _decide(driver: Driver, batch: list[_Waiting], loaded: Loaded) -> tuple[Book, list[Verdict]]:
    """Decide the batch, and again with more where a rule turns out to need it."""
    while True:
        try:
            return decide_batch(batch, loaded)
        except NotLoaded as missing:
            await load_more(driver, loaded, missing)


@contextmanager
def translating() -> Iterator[None]:
    """Raise what PostgreSQL says in our own words. What has no word of ours passes as it is."""
    try:
        yield
    except Exception as error:
        told = translated(error)
        if told is error:
            raise
        raise told from error


def translated(error: BaseException) -> BaseException:
    """Tell a database that can't be reached from one that refuses: the first is `Unavailable`, the second our bug."""
    if isinstance(error, StockbridgeError):
        return error
    cause = _cause(error)
    if isinstance(cause, driver_errors.UniqueViolation) and "uq_stream_serial" in str(cause):
        return Rejected("serial_elsewhere", "The serial number is on hand somewhere else.", status=409)
    if isinstance(cause, driver_errors.IntegrityError | driver_errors.RaiseException):
        return InvariantViolated(f"PostgreSQL refused what must never be written: {cause}")
    down = (driver_errors.OperationalError, driver_errors.InterfaceError, OSError, TimeoutError, PoolTimeoutError)
    if isinstance(cause, down) or isinstance(error, OperationalError | InterfaceError):
        return Unavailable("PostgreSQL can't be reached.")
    return error


def _cause(error: BaseException) -> BaseException | None:
    """Return the driver's own error, also where SQLAlchemy wrapped it."""
    return error.orig if isinstance(error, DBAPIError) else error


def _succeed(waiting: _Waiting, outcome: Outcome) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(outcome)


def _fail(waiting: _Waiting, error: BaseException) -> None:
    with suppress(asyncio.InvalidStateError):
        waiting.answer.set_exception(error)


__all__ = ["Attachment", "Companion", "LedgerWriter", "Outcome", "translated"]
