"""Checking one part of the ledger: a first look at all of it, and a second one at what the first suspects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from ledger.verifying import verification_queries as queries
from ledger.verifying.verification_crew import few_rows
from ledger.verifying.verification_parts import Count, Kind, Part

MOST_FINDINGS: Final = 1000
"""How many are told at most: more help nobody."""


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

    def place(self) -> tuple[str, int, str, str]:
        """Return what findings are sorted by: the stream and the entry."""
        return str(self.stream_id or ""), self.seq or 0, self.rule, self.words


@dataclass(frozen=True)
class Checked:
    """What became of a part: how much it has, what was found, and whether an earlier run had checked it."""

    count: Count
    findings: list[Finding] = field(default_factory=list)
    taken_over: bool = False


def check(connection: Connection, part: Part, *, many_streams: bool) -> Checked:
    """Check a part. With `many_streams`, each stream that it has is looked up: there are far more than it has."""
    return _CHECKS[part.kind](connection, part, many_streams)


def recount(connection: Connection, part: Part) -> Count:
    """Count what a part has, which takes a fraction of the time of checking it."""
    return Count(*(connection.execute(_COUNTS[part.kind], part.keys).fetchone() or (0, 0)))


_COUNTS: Final = {
    Kind.POSTINGS: queries.COUNT_POSTINGS,
    Kind.STREAMS: queries.COUNT_STREAMS,
    Kind.ORDERS: queries.COUNT_ORDERS,
}

# -- postings and their entries -------------------------------------------------------------------------------------


def _check_postings(connection: Connection, part: Part, many_streams: bool) -> Checked:
    query = queries.FIRST_LOOK_AT_MANY_STREAMS if many_streams else queries.FIRST_LOOK
    entries, postings, streams, seqs, more = connection.execute(query, part.keys).fetchone() or (0, 0, None, None, None)
    suspect, mixed = _suspect(connection, more, many_streams)
    with few_rows(connection):
        found = chain(
            _of_entries(connection, streams, seqs), _of_goods(connection, mixed), _of_postings(connection, suspect)
        )
        return Checked(Count(entries, postings), list(islice(found, MOST_FINDINGS)))


def _suspect(connection: Connection, postings: str | None, many_streams: bool) -> tuple[str | None, str | None]:
    """Return which postings of more than one entry may break a rule, and which may do so only by their goods."""
    if postings is None:
        return None, None
    query = queries.SUSPECT_POSTINGS_AT_MANY_STREAMS if many_streams else queries.SUSPECT_POSTINGS
    suspect, mixed = connection.execute(query, {"postings": postings}).fetchone() or (None, None)
    return suspect, mixed


def _of_entries(connection: Connection, streams: str | None, seqs: str | None) -> Iterator[Finding]:
    if streams is None:
        return
    for row in connection.execute(queries.CHAINS, {"streams": streams, "seqs": seqs}):
        yield from _of_entry(*row)


_ENTRY_FAULTS: Final = {
    "no_stream": ("I2", "its stream is not there"),
    "no_posting": ("I5", "its posting is not there"),
    "balance": ("I2", "its balances are not those before it plus its deltas"),
    "order": ("I2", "it was recorded before the entry that it follows"),
    "oversold": ("I3", "its balances are out of bounds: more is promised than is there"),
    "promised_elsewhere": ("I3", "something is reserved where nothing may be"),
    "misfit": ("I3", "it does not fit its stream or its posting (tenant, time, floor or serial)"),
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


def _of_goods(connection: Connection, postings: str | None) -> Iterator[Finding]:
    if postings is None:
        return
    rows = connection.execute(queries.CONSERVATION, {"postings": postings})
    for posting_id, stream_id, seq, sku, lot, serial, surplus in rows:
        what = " ".join(part for part in (sku, lot, serial) if part)
        yield Finding("I4", f"{surplus:+d} of {what} came from nowhere or went there", stream_id, seq, posting_id)


def _of_postings(connection: Connection, postings: str | None) -> Iterator[Finding]:
    if postings is None:
        return
    yield from _of_goods(connection, postings)
    asked = {"postings": postings}
    for posting_id, stream_id, seq, missing in connection.execute(queries.ANSWERS, asked):
        words = "it is missing: its posting has it" if missing else "it was put in: its posting does not have it"
        yield Finding("I5", words, stream_id, seq, posting_id)
    for posting_id, stream_id, seq, order_ref, line_no in connection.execute(queries.AMENDMENTS, asked):
        words = f"the amendment releases what it takes again (order {order_ref}, line {line_no})"
        yield Finding("I8", words, stream_id, seq, posting_id)
    for posting_id, stream_id, seq, order_ref in connection.execute(queries.LETS_GO, asked):
        yield Finding("I8", f"it lets go of what a line of order {order_ref} waits for", stream_id, seq, posting_id)


# -- streams --------------------------------------------------------------------------------------------------------


def _check_streams(connection: Connection, part: Part, _many_streams: bool) -> Checked:
    rows = connection.execute(queries.STREAMS, part.keys).fetchall()
    return Checked(recount(connection, part), [finding for row in rows for finding in _of_stream(*row)])


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


# -- orders ---------------------------------------------------------------------------------------------------------


def _check_orders(connection: Connection, part: Part, many_streams: bool) -> Checked:
    query = queries.SUSPECT_ORDERS_AT_MANY_STREAMS if many_streams else queries.SUSPECT_ORDERS
    entries, lines, orders = connection.execute(query, part.keys).fetchone() or (0, 0, None)
    if not orders:
        return Checked(Count(entries or 0, lines))
    with few_rows(connection):
        found = _of_lines(connection, {"tenant": part.tenant, "orders": orders})
        return Checked(Count(entries or 0, lines), list(islice(found, MOST_FINDINGS)))


def _of_lines(connection: Connection, asked: dict[str, Any]) -> Iterator[Finding]:
    for stream_id, seq, posting_id in connection.execute(queries.LINES, asked):
        yield Finding("I7", "it is for an order line that is not there", stream_id, seq, posting_id)
    rows = connection.execute(queries.ORDER_LINES, asked)
    for tenant, order_ref, line_no, sku, word, line, entries, stream_id, seq, posting_id in rows:
        words = f"{tenant}'s order {order_ref}, line {line_no} of {sku}: {word} {line}, but its entries say {entries}"
        yield Finding("I7", words, stream_id, seq, posting_id)


_CHECKS: Final[dict[Kind, Callable[[Connection, Part, bool], Checked]]] = {
    Kind.POSTINGS: _check_postings,
    Kind.STREAMS: _check_streams,
    Kind.ORDERS: _check_orders,
}
