"""Checking the checkpoints: that we signed them, each after the other, and that what they cover is still there.

`verify` finds what contradicts itself. This finds what was made to agree with itself again: a stream cut off at its
end, or rewritten with all its hashes, by somebody who has not got the key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection, IsolationLevel

from ledger.proving import checkpoint_queries as queries
from ledger.proving.checkpoints import NOTHING_BEFORE, Checkpoint, Head
from ledger.proving.merkle import GrowingTree
from ledger.verifying.verification import Finding

MOST_FINDINGS: Final = 1000
_CHECKPOINTS_A_PAGE: Final = 500
_PARTS: Final = 64
_PART_BITS: Final = 128 - 6
_RULE: Final = "I6"
_NOTHING: Final = (0, 0, GrowingTree().root())

_LATE: Final = "it came at a time that a checkpoint covers, and is in none: put in later, or the clock was set back"

Progress = Callable[[str, float], None]
"""Hears what is being checked, and how much of it is done (0 to 1)."""


@dataclass
class CheckpointReport:
    """What was checked, and what was found. `trusted` says whether the newest was compared with a key of ours."""

    checkpoints: int = 0
    newest: Checkpoint | None = None
    trusted: bool = False
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        if self.newest is None:
            return f"{len(self.findings)} findings in no checkpoint" if self.findings else "no checkpoint was taken yet"
        key = f"signed with key {self.newest.key_id}" + ("" if self.trusted else " (no key to compare it with)")
        said = f"{self.checkpoints} checkpoints, up to {self.newest.covers_until.isoformat()}, {key}"
        return f"{len(self.findings)} findings in {said}" if self.findings else f"checkpoints verified: {said}"


def _unheard(_part: str, _done: float) -> None:
    """Tell nobody."""


def verify_checkpoints(
    database_url: str, trusted: Collection[bytes] = (), known: Head | None = None, progress: Progress = _unheard
) -> CheckpointReport:
    """Check all checkpoints, and the ledger against them. `database_url` is plain `postgresql://`.

    `trusted` are public keys from outside the database, one of which must have signed the newest checkpoint; without
    any, who signed is not asked. `known` is a checkpoint that somebody remembers: it must still be there.
    """
    report = CheckpointReport()
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        for finding in _findings(connection, report, trusted, known, progress):
            report.findings.append(finding)
            if len(report.findings) >= MOST_FINDINGS:
                break
    return report


def _findings(
    connection: Connection, report: CheckpointReport, trusted: Collection[bytes], known: Head | None, progress: Progress
) -> Iterator[Finding]:
    progress("checkpoints", 0.0)
    yield from _of_chain(connection, report, known)
    if report.newest is not None:
        report.trusted = report.newest.public_key in trusted
        if trusted and not report.trusted:
            yield Finding(_RULE, f"the newest {report.newest}, which is not a key that is trusted here")
        yield from _of_what_is_covered(connection, report.newest, progress)
    progress("checkpoints", 1.0)


def _of_chain(connection: Connection, report: CheckpointReport, known: Head | None) -> Iterator[Finding]:
    """Check each checkpoint, and that it follows the one before."""
    for page in _pages(connection):
        roots = _roots(connection, page)
        for checkpoint, claimed_hash in page:
            yield from _of_one(checkpoint, claimed_hash, roots.get(checkpoint.number, _NOTHING))
            yield from _of_link(report.newest, checkpoint)
            if known and checkpoint.number == known.number and checkpoint.hash == known.hash:
                known = None
            report.checkpoints += 1
            report.newest = checkpoint
    if known:
        words = f"checkpoint {known.number} with hash {known.hash.hex()[:16]}..., which was seen before, is gone"
        yield Finding(_RULE, words)
    last = report.newest.number if report.newest else 0
    ((beyond,),) = connection.execute(queries.LEAVES_BEYOND, {"last": last}).fetchall()
    if beyond is not None:
        yield Finding(_RULE, f"checkpoint {beyond} is gone: only what it covers is left")


def _pages(connection: Connection) -> Iterator[list[tuple[Checkpoint, bytes]]]:
    with connection.cursor("checkpoints") as cursor:
        cursor.execute(queries.CHECKPOINTS)
        while rows := cursor.fetchmany(_CHECKPOINTS_A_PAGE):
            yield [(Checkpoint(*row[:-1]), row[-1]) for row in rows]


def _roots(connection: Connection, page: list[tuple[Checkpoint, bytes]]) -> dict[int, Any]:
    span = {"low": page[0][0].number, "high": page[-1][0].number}
    return {number: tuple(said) for number, *said in connection.execute(queries.ROOTS, span)}


def _of_one(checkpoint: Checkpoint, claimed_hash: bytes, covered: tuple[int, int, bytes]) -> Iterator[Finding]:
    """Check a checkpoint by itself: its signature, its hash and its root."""
    name = f"checkpoint {checkpoint.number}"
    if not checkpoint.is_signed:
        yield Finding(_RULE, f"{name} was made or changed by somebody without the key {checkpoint.key_id}")
    if checkpoint.hash != claimed_hash:
        yield Finding(_RULE, f"{name} has not the hash of its content")
    if covered != (checkpoint.tails, checkpoint.postings, checkpoint.root):
        yield Finding(_RULE, f"{name} has another root or number than that of what is kept as covered by it")


def _of_link(before: Checkpoint | None, checkpoint: Checkpoint) -> Iterator[Finding]:
    name = f"checkpoint {checkpoint.number}"
    number, previous_hash = (before.number, before.hash) if before else (0, NOTHING_BEFORE)
    if checkpoint.number != number + 1:
        yield Finding(_RULE, f"checkpoint {number + 1} is gone: {name} comes after {number}")
    elif checkpoint.previous_hash != previous_hash:
        yield Finding(_RULE, f"{name} does not follow from the one before")
    if before and checkpoint.covers_until <= before.covers_until:
        yield Finding(_RULE, f"{name} is not later than the one before")


def _of_what_is_covered(connection: Connection, newest: Checkpoint, progress: Progress) -> Iterator[Finding]:
    """Compare the ledger with what the checkpoints cover, and the other way round."""
    for part in range(_PARTS):
        progress("checkpointed streams", part / _PARTS)
        low, high = (UUID(int=(part << _PART_BITS) + end) for end in (0, (1 << _PART_BITS) - 1))
        yield from _of_streams(connection, {"low": low, "high": high, "until": newest.covers_until})
    progress("checkpointed postings", 0.0)
    for posting_id, number, missing in connection.execute(queries.POSTINGS):
        words = "it is gone" if missing else "it was changed"
        yield Finding(_RULE, f"{words}, though checkpoint {number} covers it", posting_id=posting_id)
    for (posting_id,) in connection.execute(queries.UNCOVERED_POSTINGS, {"until": newest.covers_until}):
        yield Finding(_RULE, _LATE, posting_id=posting_id)


def _of_streams(connection: Connection, part: dict[str, Any]) -> Iterator[Finding]:
    for stream_id, seq, posting_id, number in connection.execute(queries.TAILS, part):
        words = "it is gone" if posting_id is None else "it is another one, or stands on others"
        yield Finding(_RULE, f"{words}: checkpoint {number} covers it as it was", stream_id, seq, posting_id)
    for stream_id, seq, posting_id in connection.execute(queries.UNCOVERED_ENTRIES, part):
        yield Finding(_RULE, _LATE, stream_id, seq, posting_id)
