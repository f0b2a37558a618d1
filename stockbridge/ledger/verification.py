"""Checking every rule and every hash of the ledger, and saying where one does not hold.

One read-only snapshot, so writers are neither waited for nor mistaken for damage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection, IsolationLevel

from stockbridge.ledger import verification_queries as queries

MOST_FINDINGS: Final = 1000
_STREAMS_A_PART: Final = 20_000
_POSTINGS_A_PAGE: Final = 20_000
_ORDERS_A_PAGE: Final = 5_000
_ID_SPACE: Final = 1 << 128


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold: which, where, and words for a person."""

    rule: str
    words: str
    stream_id: UUID | None = None
    seq: int | None = None
    posting_id: UUID | None = None

    def __str__(self) -> str:
        where = [
            f"stream {self.stream_id}" if self.stream_id else "",
            f"entry {self.seq}" if self.seq is not None else "",
            f"posting {self.posting_id}" if self.posting_id else "",
        ]
        return f"{self.rule}: {', '.join(part for part in where if part) or 'the ledger'}: {self.words}"


@dataclass
class Report:
    """What was checked, and what was found."""

    entries: int = 0
    streams: int = 0
    postings: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Entries checked in a second."""
        return self.entries / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        said = f"{self.entries} entries in {self.streams} streams, {self.postings} postings, {self.rate:.0f} entries/s"
        return f"ledger verified: {said}" if not self.findings else f"{len(self.findings)} findings in {said}"


Progress = Callable[[str, float], None]
"""Hears what is being checked, and how much of it is done (0 to 1)."""


def _unheard(_part: str, _done: float) -> None:
    """Tell nobody."""


def verify(database_url: str, progress: Progress = _unheard) -> Report:
    """Check the whole ledger. `database_url` is plain `postgresql://`; the limited role's will do."""
    began = time.perf_counter()
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        size = connection.execute(queries.SIZE).fetchone()
        report = Report(*(size or ()))
        for finding in _findings(connection, report, progress):
            report.findings.append(finding)
            if len(report.findings) >= MOST_FINDINGS:
                break
    report.seconds = time.perf_counter() - began
    return report


def _findings(connection: Connection, report: Report, progress: Progress) -> Iterator[Finding]:
    for part, low, high, done in id_ranges(report.entries // _STREAMS_A_PART + 1):
        progress(f"streams, part {part}", done)
        asked = {"low": low, "high": high}
        for row in connection.execute(queries.STREAMS, asked):
            yield from _of_stream(*row)
        for row in connection.execute(queries.CHAINS, asked):
            yield from _of_entry(*row)
    yield from _of_postings(connection, report, progress)
    yield from _of_orders(connection, progress)
    progress("all", 1.0)


def id_ranges(parts: int) -> Iterator[tuple[int, UUID, UUID, float]]:
    """Cut the space of stream ids, which are hashes and so spread evenly, into parts."""
    for part in range(parts):
        low, high = _ID_SPACE * part // parts, _ID_SPACE * (part + 1) // parts - 1
        yield part + 1, UUID(int=low), UUID(int=high), part / parts


_STREAM_FAULTS: Final = {
    "identity": ("I6", "its tenant, sku, place, lot, serial number or status is not what its identity hash says"),
    "stream_id": ("I6", "its id is not the first half of its identity hash"),
    "pool": ("I6", "its pool is not that of its tenant, site and sku"),
    "empty": ("I2", "it has no entry, not even the first"),
    "open": ("I2", "its flag `open` contradicts its latest entry"),
}


def _of_stream(stream_id: UUID, faults: list[str]) -> Iterator[Finding]:
    for fault in faults:
        rule, words = _STREAM_FAULTS[fault]
        yield Finding(rule, words, stream_id, 1 if fault in {"identity", "empty"} else None)


_ENTRY_FAULTS: Final = {
    "no_stream": ("I2", "its stream is not there"),
    "no_posting": ("I5", "its posting is not there"),
    "balance": ("I2", "its balances are not those before it plus its deltas"),
    "order": ("I2", "it was recorded before the entry that it follows"),
    "oversold": ("I3", "its balances are out of bounds: more is promised than is there"),
    "promised_elsewhere": ("I3", "something is reserved where nothing may be"),
    "misfit": ("I3", "it does not fit its stream or its posting (tenant, time, floor or serial)"),
    "no_line": ("I7", "it is for an order line that is not there"),
    "nobodys_hold": ("I7", "it reserves for nobody"),
    "hash": ("I6", "its hash is not that of its content, its posting and the entry before it"),
}


def _of_entry(stream_id: UUID, seq: int, posting_id: UUID, before: int, faults: list[str]) -> Iterator[Finding]:
    for missing in range(before + 1, seq if "gap" in faults else 0):
        yield Finding("I2", "it is missing: the numbers of a stream have no gap", stream_id, missing)
    for fault in faults:
        if fault != "gap":
            rule, words = _ENTRY_FAULTS[fault]
            yield Finding(rule, words, stream_id, seq, posting_id)


def _of_postings(connection: Connection, report: Report, progress: Progress) -> Iterator[Finding]:
    after, done = UUID(int=0), 0
    while page := _page_after(connection, after):
        last, count = page
        asked = {"after": after, "limit": _POSTINGS_A_PAGE}
        progress("postings", done / max(report.postings, 1))
        yield from _of_posting_page(connection, asked)
        after, done = last, done + count


def _page_after(connection: Connection, after: UUID) -> Any:
    return connection.execute(queries.PAGE_OF_POSTINGS, {"after": after, "limit": _POSTINGS_A_PAGE}).fetchone()


def _of_posting_page(connection: Connection, asked: dict[str, Any]) -> Iterator[Finding]:
    for posting_id, stream_id, seq, sku, lot, serial, surplus in connection.execute(queries.CONSERVATION, asked):
        what = " ".join(part for part in (sku, lot, serial) if part)
        yield Finding("I4", f"{surplus:+d} of {what} came from nowhere or went there", stream_id, seq, posting_id)
    for posting_id, stream_id, seq, missing in connection.execute(queries.ANSWERS, asked):
        words = "it is missing: its posting has it" if missing else "it was put in: its posting does not have it"
        yield Finding("I5", words, stream_id, seq, posting_id)
    for posting_id, stream_id, seq, order_ref, line_no in connection.execute(queries.AMENDMENTS, asked):
        words = f"the amendment releases what it takes again (order {order_ref}, line {line_no})"
        yield Finding("I8", words, stream_id, seq, posting_id)


def _of_orders(connection: Connection, progress: Progress) -> Iterator[Finding]:
    for page in _pages_of_orders(connection):
        progress(f"orders, from {page['after']}", 0.0)
        yield from _of_lines(connection.execute(queries.ORDER_LINES, page))


def _pages_of_orders(connection: Connection) -> Iterator[dict[str, Any]]:
    """Cut all orders into pages, tenant by tenant."""
    page: dict[str, Any] = {"tenant": "", "limit": _ORDERS_A_PAGE}
    while found := connection.execute(queries.NEXT_TENANT, page).fetchone():
        page |= {"tenant": found[0], "after": ""}
        while last := (connection.execute(queries.END_OF_ORDERS, page).fetchone() or (None,))[0]:
            yield page | {"to": last}
            page["after"] = last


def _of_lines(rows: Iterable[Any]) -> Iterator[Finding]:
    for tenant, order_ref, line_no, sku, word, line, entries, stream_id, seq, posting_id in rows:
        words = f"{tenant}'s order {order_ref}, line {line_no} of {sku}: {word} {line}, but its entries say {entries}"
        yield Finding("I7", words, stream_id, seq, posting_id)


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
        size = connection.execute(queries.SIZE).fetchone() or (0, 0, 0)
        differences: list[Difference] = []
        for part, low, high, done in id_ranges(size[0] // _STREAMS_A_PART + 1):
            progress(f"streams, part {part}", done)
            rows = connection.execute(queries.REBUILT, {"low": low, "high": high})
            differences += [Difference(*row) for row in rows]
        for difference in differences:
            _set_open(connection, difference.stream_id)
    return size[1], differences


def _set_open(connection: Connection, stream_id: UUID) -> None:
    """Compute a stream's flag again while nobody writes in its pool: the difference may have been a writer at work."""
    with connection.transaction():
        connection.execute(queries.LOCK_POOL_OF, (stream_id,))
        connection.execute(queries.SET_OPEN, (stream_id,))
