"""What is done with the ledger by the clock: it is checkpointed, and checked as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.failures import as_failures
from domain import messages as m
from domain.errors import InvariantViolated, Unavailable
from ledger.proving import checkpoints
from ledger.proving.checkpoint_verification import CheckpointReport, verify_checkpoints
from ledger.proving.signing import SigningKey
from ledger.verifying.verification import Report, verify

MOST_TOLD: Final = 20
"""So many findings are told in a workflow's history; the log has all, up to `verify`'s own limit."""
_BEAT_S: Final = 5.0

log = structlog.get_logger(__name__)


class _Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The check is not wanted any more."""


class _Heart:
    """Hears from a thread how far a check is, and makes it end where it is not wanted any more."""

    def __init__(self) -> None:
        self.doing = ""
        self.stopped = False

    def hear(self, part: str, done: float) -> None:
        """Note how far the check is."""
        if self.stopped:
            raise _Stopped
        self.doing = f"{part}: {done:.0%}"

    async def beat(self) -> None:
        """Tell Temporal, for ever."""
        while True:
            activity.heartbeat(self.doing)
            await asyncio.sleep(_BEAT_S)


@asynccontextmanager
async def _beating() -> AsyncIterator[_Heart]:
    heart = _Heart()
    task = asyncio.create_task(heart.beat())
    try:
        yield heart
    finally:
        heart.stopped = True
        task.cancel()


class LedgerActivities:
    """The ledger's own verbs. `database_url` is plain, `key` signs checkpoints, `trusted` are others' public keys."""

    def __init__(
        self, engine: AsyncEngine, database_url: str, key: SigningKey | None, trusted: Collection[bytes] = ()
    ) -> None:
        self._engine = engine
        self._database_url = database_url
        self._key = key
        self._trusted = trusted

    @activity.defn
    async def take_checkpoint(self, asked: m.LedgerCheck) -> m.CheckpointTaken:
        """Sign what was recorded since the last checkpoint. The one that was known must still be there."""
        with as_failures():
            if self._key is None:
                raise Unavailable("This worker has no STOCKBRIDGE_CHECKPOINT_KEY.")
            async with _beating():
                async with self._engine.connect() as connection:
                    await _expect(connection, asked.known)
                taken = await checkpoints.take_checkpoint(self._engine, self._key, self._trusted)
                async with self._engine.connect() as connection:
                    newest = await checkpoints.newest_checkpoint(connection)
        return m.CheckpointTaken(newest=_head(newest), words=_words(taken, newest))

    @activity.defn
    async def check_ledger(self, asked: m.LedgerCheck) -> m.LedgerChecked:
        """Check every rule, every hash and every checkpoint. What is found is told, and raised by the workflow."""
        with as_failures():
            async with _beating() as heart:
                report, signed = await asyncio.to_thread(self._check, asked.known, heart)
        findings = [str(finding) for finding in (*report.findings, *signed.findings)]
        for finding in findings:
            log.error("ledger.finding", finding=finding)
        _measure(report, signed)
        return m.LedgerChecked(
            words=f"{report}; {signed}",
            found=len(findings),
            findings=tuple(findings[:MOST_TOLD]),
            newest=_head(signed.newest),
        )

    def _check(self, known: m.CheckpointHead | None, heart: _Heart) -> tuple[Report, CheckpointReport]:
        trusted = {self._key.public_key, *self._trusted} if self._key else set(self._trusted)
        signed = verify_checkpoints(self._database_url, trusted, _remembered(known), heart.hear)
        return verify(self._database_url, heart.hear, workers=1), signed  # the floor comes first


async def _expect(connection: AsyncConnection, known: m.CheckpointHead | None) -> None:
    head = _remembered(known)
    if head and not await checkpoints.is_there(connection, head):
        raise InvariantViolated(f"Checkpoint {head.number} with hash {head.hash.hex()}, which we took, is gone.")


def _remembered(known: m.CheckpointHead | None) -> checkpoints.Head | None:
    return checkpoints.Head(known.number, bytes.fromhex(known.hash)) if known else None


def _head(newest: checkpoints.Checkpoint | None) -> m.CheckpointHead | None:
    if newest is None:
        return None
    return m.CheckpointHead(number=newest.number, hash=newest.hash.hex(), covers_until=newest.covers_until.isoformat())


def _words(taken: checkpoints.Checkpoint | None, newest: checkpoints.Checkpoint | None) -> str:
    if taken is None:
        return f"nothing has changed since {newest}"
    return f"{taken}: {taken.tails} streams, {taken.postings} postings without entries"


def _measure(report: Report, signed: CheckpointReport) -> None:
    """Let the worker's Prometheus page tell of it."""
    meter = activity.metric_meter()
    findings = meter.create_gauge("stockbridge_ledger_findings", "What the last check of the ledger found")
    findings.set(len(report.findings) + len(signed.findings))
    entries = meter.create_gauge("stockbridge_ledger_checked_entries", "Entries that the last check has read")
    entries.set(report.entries)
