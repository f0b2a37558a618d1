"""Checking every rule and every hash of the ledger, and saying where one does not hold.

One read-only snapshot, so writers are neither waited for nor mistaken for damage; in parts, on several connections.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
from psycopg import Connection

from ledger.verifying import verification_queries as queries
from ledger.verifying.verification_checks import MOST_FINDINGS, Checked, Finding, check, recount
from ledger.verifying.verification_crew import Crew, crew
from ledger.verifying.verification_parts import ROWS_A_PART, Count, Kind, Part, parts_of
from ledger.verifying.verification_record import Record

_STREAMS_A_PART: Final = 20_000
_ID_SPACE: Final = 1 << 128


@dataclass
class Report:
    """What was checked, and what was found. `taken_over` are the entries that an earlier run had checked."""

    entries: int = 0
    streams: int = 0
    postings: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    taken_over: int = 0

    @property
    def rate(self) -> float:
        """Entries checked in a second."""
        return (self.entries - self.taken_over) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        said = f"{self.entries} entries in {self.streams} streams, {self.postings} postings, {self.rate:.0f} entries/s"
        if self.taken_over:
            said += f"; {self.taken_over} entries were checked by an earlier run"
        return f"ledger verified: {said}" if not self.findings else f"{len(self.findings)} findings in {said}"

    def add(self, part: Part, checked: Checked) -> None:
        """Take up what became of a part."""
        if part.kind is Kind.POSTINGS:
            self.entries += checked.count.entries
            self.postings += checked.count.rows
            self.taken_over += checked.count.entries if checked.taken_over else 0
        elif part.kind is Kind.STREAMS:
            self.streams += checked.count.rows
        self.findings += checked.findings


Progress = Callable[[str, float], None]
"""Hears what is being checked and how fast, and how much of it is done (0 to 1)."""


def _unheard(_part: str, _done: float) -> None:
    """Tell nobody."""


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def verify(
    database_url: str,
    progress: Progress = _unheard,
    *,
    workers: int | None = None,
    resume: Path | None = None,
    rows_a_part: int = ROWS_A_PART,
) -> Report:
    """Check the whole ledger. `database_url` is plain `postgresql://`; the limited role's will do.

    It is checked by so many `workers`, connections that share a snapshot; by default, as many as there are processors.
    What was done is kept in the file `resume` until all is done: a run that is interrupted goes on there. Parts that
    were checked before count as they were then, unless they have more or fewer rows now.
    """
    began = time.perf_counter()
    with crew(database_url, workers or cores()) as hands:
        size = _size(hands.lead)
        record = Record(resume, size.ledger) if resume else None
        report, so_far = Report(), _SoFar(size, began)
        finished = False
        try:
            for part, checked in _checked(hands, size, record, rows_a_part):
                report.add(part, checked)
                progress(*so_far.after(part, checked))
                if len(report.findings) >= MOST_FINDINGS:
                    break
            finished = True
        finally:
            if record:
                record.close(finished=finished)
    report.findings = sorted(report.findings[:MOST_FINDINGS], key=Finding.place)
    report.seconds = time.perf_counter() - began
    progress("all", 1.0)
    return report


def _checked(hands: Crew, size: _Size, record: Record | None, rows_a_part: int) -> Iterator[tuple[Part, Checked]]:
    """Check the parts one by one, and note down which are sound."""
    before = record.done if record else {}
    parts = parts_of(hands.lead, before, rows_a_part)
    with closing(hands.work(parts, partial(_check, before=before, many_streams=size.has_many_streams))) as done:
        for part, checked in done:
            if record and not checked.findings and not checked.taken_over:
                record.add(part, checked.count)
            yield part, checked


def _check(connection: Connection, part: Part, *, before: dict[Part, Count], many_streams: bool) -> Checked:
    count = before.get(part)
    if count is not None and recount(connection, part) == count:
        return Checked(count, taken_over=True)
    return check(connection, part, many_streams=many_streams)


@dataclass(frozen=True)
class _Size:
    """How much there is to check, about; none of it is known before the ledger is first analyzed."""

    entries: int
    streams: int
    postings: int
    order_lines: int
    ledger: str

    @property
    def rows(self) -> int:
        """The rows of all parts."""
        return max(1, self.streams) + max(1, self.postings) + max(1, self.order_lines)

    @property
    def has_many_streams(self) -> bool:
        """Say whether to read all streams for each part would take longer than to look up those that it has."""
        return self.streams > 4 * ROWS_A_PART


def _size(connection: Connection) -> _Size:
    entries, streams, postings, order_lines, first = connection.execute(queries.SIZE).fetchone() or (0, 0, 0, 0, None)
    return _Size(entries, streams, postings, order_lines, str(first))


@dataclass
class _SoFar:
    """How far it is. All kinds of parts count, by their rows."""

    size: _Size
    began: float
    rows: int = 0
    checked: int = 0

    def after(self, part: Part, checked: Checked) -> tuple[str, float]:
        """Say what is being checked, at which rate, and how much is done."""
        self.rows += checked.count.rows
        self.checked += 0 if checked.taken_over else checked.count.rows
        rate = self.size.entries * self.checked / self.size.rows / (time.perf_counter() - self.began)
        told = f", {rate:,.0f} entries/s" if rate > 0 else ""
        return f"{part.kind.value}{told}", min(0.99, self.rows / self.size.rows)


@dataclass(frozen=True)
class Difference:
    """A stream whose state is not what its deltas add up to."""

    stream_id: UUID
    on_hand: int
    reserved: int
    summed_on_hand: int
    summed_reserved: int
    open: bool

    @property
    def balance_differs(self) -> bool:
        """Say whether its latest entry is wrong, which nothing can put right but a restored backup."""
        return (self.on_hand, self.reserved) != (self.summed_on_hand, self.summed_reserved)


def rebuild(database_url: str, progress: Progress = _unheard) -> tuple[int, list[Difference]]:
    """Recompute every balance from the deltas alone; put the flag `open` right where it differs.

    Returns how many streams there are, and what differed. An entry is never changed (I1): a balance that differs is
    for a person, and `verify` says more of it.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        entries, streams = connection.execute(queries.COUNT).fetchone() or (0, 0)
        differences: list[Difference] = []
        for part, low, high, done in _id_ranges(entries // _STREAMS_A_PART + 1):
            progress(f"streams, part {part}", done)
            rows = connection.execute(queries.REBUILT, {"low": low, "high": high})
            differences += [Difference(*row) for row in rows]
        for difference in differences:
            _set_open(connection, difference.stream_id)
    return streams, differences


def _set_open(connection: Connection, stream_id: UUID) -> None:
    """Compute a stream's flag again while nobody writes in its pool: the difference may have been a writer at work."""
    with connection.transaction():
        connection.execute(queries.LOCK_POOL_OF, (stream_id,))
        connection.execute(queries.SET_OPEN, (stream_id,))


def _id_ranges(parts: int) -> Iterator[tuple[int, UUID, UUID, float]]:
    """Cut the space of stream ids, which are hashes and so spread evenly, into parts."""
    for part in range(parts):
        low, high = _ID_SPACE * part // parts, _ID_SPACE * (part + 1) // parts - 1
        yield part + 1, UUID(int=low), UUID(int=high), part / parts


__all__ = ["MOST_FINDINGS", "Difference", "Finding", "Progress", "Report", "cores", "rebuild", "verify"]
