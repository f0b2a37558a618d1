"""The batching writer: concurrent requests share one transaction, each with its own accept or reject.

A batch reads what it needs without a lock and decides each request in turn over one book. Then it claims its pools,
which locks them in one sorted order and fails if one was written since it was read, and writes in bulk: so PostgreSQL
writes one batch while the next is being decided, on the state that the one before will leave. A batch whose claim fails
is read and decided again under its locks; so are, for a while, those that touch the same pools. If its transaction
fails otherwise, its requests run again singly, so an error is its own request's alone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol
from uuid import UUID

import structlog
from psycopg import errors as driver_errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import InvariantViolated, Kind, Rejected, StockbridgeError, Unavailable
from ledger import queries
from ledger.book import Book, Entry, NotLoaded
from ledger.clock import Clock
from ledger.days import Days, Today
from ledger.outcomes import Outcome
from ledger.requests import Request
from ledger.statements import Call
from ledger.writing.batch import Attachment, Batch, Waiting
from ledger.writing.chaining import chain
from ledger.writing.decide_batch import Decision, Repeat, Verdict, decide_batch
from ledger.writing.loading import Loaded, load, load_more, load_tails, unread_tails
from ledger.writing.pool_cache import KeptPools
from ledger.writing.sessions import Session
from ledger.writing.storing import Claim, writing
from postgres.statements import outage_of

MAX_BATCH: Final = 128
"""Larger ones save PostgreSQL little, and keep it waiting while they are decided."""
AHEAD: Final = 12
"""How many must wait for a batch to begin while another is on its way: fewer are served sooner by waiting for it."""
WARY: Final = 32
"""For how many batches a pool is locked before it is read, after another process wrote it in between."""

log = structlog.get_logger(__name__)


class PostingHook(Protocol):
    """Keeps what others see of orders in step with the ledger, in the ledger's own transaction."""

    async def prepare(self, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> Any:
        """Lock what attachments and `write` will change, all at once and in one order for all writers.

        Called once a batch, before its attachments; what it returns is `write`'s.
        """
        ...

    async def write(self, connection: AsyncConnection, outcomes: Sequence[Outcome], prepared: Any) -> None:
        """Write what follows from these outcomes. Called once a batch, after its entries and attachments."""
        ...


_MET_ANOTHER: Final = (driver_errors.UniqueViolation, driver_errors.DeadlockDetected)
"""Two writers at once, with one key in two pools, say: a second try sees what the other wrote."""


class _Overtaken(Exception):  # noqa: N818 - a turn of the loop, not an error
    """What was read ahead of the lock turned out to be too little."""


_OVERTAKEN: Final = (
    _Overtaken,
    driver_errors.SerializationFailure,
    driver_errors.ObjectNotInPrerequisiteState,
    driver_errors.UniqueViolation,
)
"""What was read ahead of the locks, or kept, was too little, or is past; or a key that seemed new is not."""


class LedgerWriter:
    """The only code that writes stock. One for a process; safe to call from any number of tasks of its event loop.

    `days` says which day it is at each site.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        hook: PostingHook | None = None,
        max_batch: int = MAX_BATCH,
        days: Days | None = None,
    ) -> None:
        self.days = days or Days()
        # We begin and commit ourselves (`statements.BEGIN`), together with what is read and written.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._hook = hook
        self._max_batch = max_batch
        self._gathering: list[Waiting] = []
        self._enough: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._held: deque[Session] = deque()
        self._lent = 0
        self._clock = Clock()
        self._known_pools: set[UUID] = set()
        self._kept = KeptPools()
        self._batches = 0
        self._wary_until: dict[UUID, int] = {}

    async def post(self, request: Request, attachment: Attachment | None = None) -> Outcome:
        """Carry a request out, in one transaction with its attachment, and return what became of it.

        The same key again returns the first answer (`replayed`), without the attachment. Raises `Rejected` with the
        reasons, `Conflict` for the same key with other content, `Unavailable` when PostgreSQL can't be reached.
        """
        loop = asyncio.get_running_loop()
        waiting = Waiting(request, request.digest(), attachment, loop.create_future())
        self._gathering.append(waiting)
        if self._running is None:
            self._running = loop.create_task(self._drain())
        elif self._enough is not None and len(self._gathering) == AHEAD and not self._enough.done():
            self._enough.set_result(None)
        return await waiting.answer

    async def drain(self) -> None:
        """Wait until every request taken so far is answered."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def _drain(self) -> None:
        """Run batches until nobody waits, at most two at once: one being written, one being decided."""
        before: asyncio.Task[None] | None = None
        batch: Batch | None = None
        try:
            while self._gathering:
                former, batch = batch, Batch(self._take(batch))
                running = asyncio.create_task(self._run(batch, former, before))
                await batch.decided
                if before is not None:
                    await before
                await self._until_enough_wait(running)
                before, batch = (None, None) if running.done() else (running, batch)
        finally:
            self._running = None
            for waiting in self._gathering:  # only where the task was cancelled
                waiting.answer.cancel()
            self._gathering = []
            await self._give_back()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """Lend a session of those that are held while batches follow each other, and give them back after the last.

        To take one from the engine's pool costs as much time as to ask PostgreSQL something. They take turns: none lies
        idle with a transaction that it has begun.
        """
        session = self._held.popleft() if self._held else await Session.open(self._engine, self._clock)
        self._lent += 1
        try:
            yield session
        except BaseException:
            await session.connection.close()
            raise
        else:
            self._held.append(session)
        finally:
            self._lent -= 1
            if not self._lent and not self._gathering:  # before the answer: who hears it may dispose of the engine
                await self._give_back()

    async def _give_back(self) -> None:
        while self._held:
            await self._held.popleft().leave()

    def _take(self, before: Batch | None) -> list[Waiting]:
        """Take who waits: all, or half of all with those on their way, so that two batches can take turns.

        Where another process takes turns with us, two of our own would only wait for each other.
        """
        outstanding = len(self._gathering) + (len(before.waiting) if before else 0)
        together = outstanding < 2 * AHEAD or bool(self._wary_until)
        size = min(self._max_batch, outstanding if together else (outstanding + 1) // 2)
        taken, self._gathering = self._gathering[:size], self._gathering[size:]
        return taken

    async def _until_enough_wait(self, running: asyncio.Task[None]) -> None:
        """Return when the batch has ended, or enough requests wait for another one beside it."""
        if self._wary_until:
            await asyncio.wait({running})
            return
        if len(self._gathering) >= AHEAD or running.done():
            return
        enough = self._enough = asyncio.get_running_loop().create_future()

        def ended(_task: asyncio.Task[None]) -> None:
            if not enough.done():
                enough.set_result(None)

        running.add_done_callback(ended)
        await enough
        running.remove_done_callback(ended)
        self._enough = None

    async def _run(self, batch: Batch, former: Batch | None, before: asyncio.Task[None] | None) -> None:
        """Carry a batch out: ahead of its locks if it can be, else under them, else each request alone."""
        try:
            self._calm_down()
            wary = not self._wary_until.keys().isdisjoint(batch.needs.pools)
            if former and before and (wary or batch.depends_on(former) or not self._knows(batch, former)):
                await before
                former = None
            try:
                await self._transact(batch, former, locking=wary)
            except _OVERTAKEN as overtaken:
                self._kept.forget(batch.needs.pools)
                if isinstance(overtaken, driver_errors.SerializationFailure):
                    self._wary_until.update(dict.fromkeys(batch.needs.pools, self._batches + WARY))
                if before is not None:
                    await before
                await self._transact(batch, None, locking=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, its requests are told
            self._kept.forget(batch.needs.pools)
            await self._run_singly(batch.waiting, error)
        finally:
            batch.leave()

    def _knows(self, batch: Batch, former: Batch) -> bool:
        """Say whether all pools of a batch that the one before changes are kept: PostgreSQL has not written it yet."""
        return all(pool_id in self._kept for pool_id in former.changed_pools if pool_id in batch.needs.pools)

    def _calm_down(self) -> None:
        """Count a batch, and forget of which pools we have been wary for long enough, used since or not."""
        self._batches += 1
        if self._wary_until:
            self._wary_until = {pool: until for pool, until in self._wary_until.items() if until >= self._batches}

    async def _run_singly(self, batch: Sequence[Waiting], error: Exception) -> None:
        if len(batch) == 1 and not isinstance(error, _MET_ANOTHER):
            batch[0].fail(translated(error))
            return
        log.warning("ledger.batch_failed", size=len(batch), error=str(error))
        for waiting in batch:
            try:
                await self._transact(Batch([waiting]), None, locking=True)
            except Exception as own:  # noqa: BLE001 - likewise
                waiting.fail(translated(own))

    async def _transact(self, batch: Batch, former: Batch | None, *, locking: bool) -> None:
        """Read, decide, claim, write and commit. Raises `_Overtaken` where it has to be done under the locks."""
        await self.days.learn(batch.needs.sites)
        async with self._session() as session:
            kept = {} if locking else self._kept.take(batch.needs.pools)
            loaded = await load(session, batch.needs, self._known_pools, kept, locking=locking)
            book, verdicts = await _decide(session, batch, loaded, former, self.days.on(loaded.clock))
            decisions = [verdict for verdict in verdicts if isinstance(verdict, Decision)]
            chain(decisions)
            claim = Claim(loaded.marks, book.changed_pools, secrets.randbits(62), following=former is not None)
            calls = [*_claiming(claim, loaded, batch, verdicts), *writing(book, decisions)]
            newest = max([loaded.clock, *(decision.recorded_at for decision in decisions)])
            self._kept.keep(book, claim.left(), newest)
            batch.will_leave(book, decisions)
            batch.is_decided()
            if self._hook or batch.has_attachments():
                await session.run(calls)
                await self._attach(session.connection, list(batch.accepted(verdicts)))
                calls = []
            await _commit(session, calls, announcing=former is not None)
        self._known_pools.update(batch.needs.pools)
        batch.answer(verdicts)

    async def _attach(self, connection: AsyncConnection, accepted: Sequence[tuple[Waiting, Outcome]]) -> None:
        outcomes = [outcome for _, outcome in accepted]
        prepared = await self._hook.prepare(connection, outcomes) if self._hook and outcomes else None
        for waiting, outcome in accepted:
            if waiting.attachment is not None:
                await waiting.attachment(connection, outcome)
        if self._hook and outcomes:
            await self._hook.write(connection, outcomes, prepared)


async def _commit(session: Session, calls: list[Call], *, announcing: bool) -> None:
    """Commit with the last calls; while others follow, announce the session's next batch in the same pipeline.

    Who reads as of an instant waits for whoever was announced before it (`instants`), so that batch need not ask for
    the time before it is decided.
    """
    heard = await session.commit(calls, [queries.SEE_CLOCK.call()] if announcing else ())
    for ((said, *_),) in heard:
        session.hear(said)


async def _decide(
    session: Session, batch: Batch, loaded: Loaded, former: Batch | None, today: Today
) -> tuple[Book, list[Verdict]]:
    """Decide the batch, and again with more where a rule turns out to need it."""
    while True:
        try:
            book, verdicts = decide_batch(batch.waiting, loaded, today)
            break
        except NotLoaded as missing:
            if loaded.kept or former:
                raise _Overtaken from missing
            await load_more(session, loaded, missing)
    unread = unread_tails(stream for stream, *_ in _entries(verdicts))
    if former and any(stream.pool_id in former.changed_pools for stream in unread.values()):
        raise _Overtaken
    await load_tails(session, unread)
    return book, verdicts


def _entries(verdicts: Iterable[Verdict]) -> Iterator[Entry]:
    return (entry for verdict in verdicts if isinstance(verdict, Decision) for entry in verdict.entries)


def _claiming(claim: Claim, loaded: Loaded, batch: Batch, verdicts: Iterable[Verdict]) -> list[Call]:
    """Make the call that claims the pools of a batch, unless it only repeats what was posted."""
    if loaded.of_news:
        return [claim.of_news(batch.needs.orders)]
    decided = any(not isinstance(verdict, Repeat) for verdict in verdicts)
    return [claim.of_what_was_read()] if decided else []


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
        return Rejected("serial_elsewhere", "The serial number is on hand somewhere else.", kind=Kind.CONFLICT)
    if isinstance(cause, driver_errors.ObjectInUse):
        return Rejected("lot_moved", "The lot came to another site meanwhile. Ask again.", kind=Kind.CONFLICT)
    if isinstance(cause, driver_errors.IntegrityError | driver_errors.RaiseException):
        # The rest of what it says quotes the row.
        words = cause.diag.message_primary or type(cause).__name__
        return InvariantViolated(f"PostgreSQL refused what must never be written: {words}")
    if outage := outage_of(error):
        return Unavailable(outage.words, retry_after_s=outage.retry_after_s, ours=True)
    return error


def _cause(error: BaseException) -> BaseException | None:
    """Return the driver's own error, also where SQLAlchemy wrapped it."""
    return error.orig if isinstance(error, DBAPIError) else error


__all__ = ["Attachment", "LedgerWriter", "Outcome", "PostingHook", "translated"]
