"""Looks at all that a tenant has in the ledger, and says which invariant does not hold. No code shared with the ledger.

It remembers what it saw: what was written may not change afterwards. Rules are numbered as in docs/invariants.md.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STREAMS = "select * from ledger.stream where tenant = %s"
ENTRIES = """
select e.* from ledger.stream s join ledger.entry e using (stream_id) where s.tenant = %s order by e.stream_id, e.seq
"""
POSTINGS = "select * from ledger.posting where tenant = %s"
LINES = "select * from ledger.order_line where tenant = %s"
LOTS = "select * from ledger.lot where tenant = %s"

Row = Any
Key = tuple[str, int, str]
"""order, line number, sku"""


class Seen(NamedTuple):
    """What there is now: on hand and reserved by sku and place, lines by their keys, and how many entries."""

    places: dict[str, dict[str, tuple[int, int]]]
    lines: dict[Key, Row]
    entries: int


@dataclass
class Witness:
    """Sees one tenant's ledger again and again. `today` is the day by which lots expire."""

    connection: psycopg.Connection[Any]
    tenant: str
    today: date = date.min
    _expired: set[tuple[str, str]] = field(default_factory=set)
    _streams: dict[UUID, Row] = field(default_factory=dict)
    _postings: dict[UUID, Row] = field(default_factory=dict)
    _entries: dict[tuple[UUID, int], Row] = field(default_factory=dict)
    _digests: dict[UUID, str] = field(default_factory=dict)

    def look(self) -> Seen:
        """Read everything, and fail with the name of the invariant that does not hold."""
        of_streams, of_postings, rows, of_lines, lots = self._read(STREAMS, POSTINGS, ENTRIES, LINES, LOTS)
        expired = {(lot.sku, lot.lot) for lot in lots if lot.expires_on and lot.expires_on < self.today}
        streams = {row.stream_id: row for row in of_streams}
        postings = {row.posting_id: row for row in of_postings}
        entries = {(row.stream_id, row.seq): row for row in rows}
        lines = {(row.order_ref, row.line_no, row.sku): row for row in of_lines}
        broken = [
            *self._changed(streams, postings, entries),
            *_keys(postings),
            *self._chains(rows, streams, postings),
            *_conserved(rows, streams, postings),
            *self._kept(rows, streams, postings, {sku for sku, _ in expired}),
            *self._fresh(rows, streams, lines, expired & self._expired),
            *_held(rows, streams, lines),
        ]
        assert not broken, "; ".join(broken)
        self._streams, self._postings, self._entries, self._expired = streams, postings, entries, expired
        return Seen(_places(rows, streams), lines, len(rows))

    def seq_of(self, stream_id: UUID) -> int:
        """Return the number of a stream's latest entry, as it was seen."""
        return max((seq for of, seq in self._entries if of == stream_id), default=0)

    def _read(self, *queries: str) -> list[list[Row]]:
        with self.connection.pipeline():
            cursors = [self.connection.cursor(row_factory=namedtuple_row) for _ in queries]
            for cursor, query in zip(cursors, queries, strict=True):
                cursor.execute(query, [self.tenant], prepare=True)  # type: ignore[call-overload]
        return [cursor.fetchall() for cursor in cursors]

    def _changed(
        self, streams: dict[UUID, Row], postings: dict[UUID, Row], entries: dict[tuple[UUID, int], Row]
    ) -> Iterator[str]:
        for entry_key, entry in self._entries.items():
            if entries.get(entry_key) != entry:
                yield f"I1: entry {entry_key} is not what it was"
        for posting_id, posting in self._postings.items():
            if postings.get(posting_id) != posting:
                yield f"I1: posting {posting_id} is not what it was"
        for stream_id, stream in self._streams.items():
            if stream_id not in streams or streams[stream_id]._replace(open=stream.open) != stream:
                yield f"I1: stream {stream_id} is not what it was"

    def _chains(self, rows: list[Row], streams: dict[UUID, Row], postings: dict[UUID, Row]) -> Iterator[str]:
        before: Row = None
        for row in rows:
            stream = streams[row.stream_id]
            if before is None or before.stream_id != row.stream_id:
                before = None
            if (row.stream_id, row.seq) not in self._entries:
                yield from _follows(row, before)
                yield from _possible(row, stream)
                if row.hash != self._hash(row, before, stream, postings[row.posting_id]):
                    yield f"I6: the hash of entry {row.seq} of {stream.location_id} is another"
            before = row

    def _kept(
        self, rows: list[Row], streams: dict[UUID, Row], postings: dict[UUID, Row], expired: set[str]
    ) -> Iterator[str]:
        """Over all its lines, an order that is amended holds at least the smaller of what it held and what it wants.

        But of what has expired: that it lets go of, and waits for other.
        """
        changes: dict[UUID, list[Row]] = defaultdict(list)
        for row in rows:
            if row.order_ref:
                changes[row.posting_id].append(row)
        held: dict[tuple[str, str], int] = defaultdict(int)
        for posting in sorted(postings.values(), key=lambda posting: (posting.recorded_at, posting.posting_id)):
            before = dict(held)
            for row in changes[posting.posting_id]:
                held[row.order_ref, streams[row.stream_id].sku] += row.reserved_delta
            if posting.posting_id in self._postings or posting.reason not in {"amendment", "cancellation"}:
                continue
            wanted: dict[str, int] = defaultdict(int)
            for line in json.loads(posting.answer)["lines"]:
                wanted[line["sku"]] += line["reserved"] + line["backordered"]
            for order_ref in {row.order_ref for row in changes[posting.posting_id] if row.reserved_delta < 0}:
                for sku, wants in ((sku, wants) for sku, wants in wanted.items() if sku not in expired):
                    least = min(before.get((order_ref, sku), 0), wants)
                    if held[order_ref, sku] < least:
                        yield f"I8: {posting.reason} leaves {order_ref} {held[order_ref, sku]} of {sku}, not {least}"

    def _fresh(
        self, rows: list[Row], streams: dict[UUID, Row], lines: dict[Key, Row], expired: set[tuple[str, str]]
    ) -> Iterator[str]:
        """Nothing of a lot that had expired is newly promised to a line that does not allow it; it may be moved."""
        gained: dict[tuple[UUID, Key, str], int] = defaultdict(int)
        for row in rows:
            stream = streams[row.stream_id]
            if row.order_ref and (row.stream_id, row.seq) not in self._entries and (stream.sku, stream.lot) in expired:
                gained[row.posting_id, (row.order_ref, row.line_no, stream.sku), stream.lot] += row.reserved_delta
        for (posting_id, key, lot), quantity in gained.items():
            if quantity > 0 and not lines[key].allow_expired:
                yield f"expired: posting {posting_id} promises {quantity} of lot {lot} to {key}"

    def _hash(self, row: Row, before: Row, stream: Row, posting: Row) -> bytes:
        if row.posting_id not in self._digests:
            self._digests[row.posting_id] = _digest(posting)
        previous = before.hash if before else _identity(stream)
        form = [
            *(previous.hex(), self._digests[row.posting_id], row.stream_id, row.seq, row.order_ref, row.line_no),
            *(row.on_hand_delta, row.reserved_delta, row.on_hand, row.reserved),
        ]
        return _sha256(form)


def _follows(row: Row, before: Row) -> Iterator[str]:
    seq, on_hand, reserved = (before.seq, before.on_hand, before.reserved) if before else (0, 0, 0)
    if row.seq != seq + 1:
        yield f"I2: entry {row.seq} follows {seq}"
    if (row.on_hand, row.reserved) != (on_hand + row.on_hand_delta, reserved + row.reserved_delta):
        yield f"I2: the balances of entry {row.seq} do not add up"
    if before and row.recorded_at < before.recorded_at:
        yield f"I2: entry {row.seq} was recorded before the one before"


def _possible(row: Row, stream: Row) -> Iterator[str]:
    if stream.kind not in {"supplier", "adjustment"} and row.on_hand < 0:
        yield f"I3: there is less than nothing at {stream.location_id}"
    sellable = stream.stock_status == "available" and stream.kind in {"storage", "staging"}
    if not 0 <= row.reserved <= (row.on_hand if sellable else 0):
        yield f"I3: {row.reserved} of {row.on_hand} are promised at {stream.location_id}/{stream.stock_status}"


def _keys(postings: dict[UUID, Row]) -> Iterator[str]:
    keys = [posting.idempotency_key for posting in postings.values()]
    if len(set(keys)) != len(keys):
        yield "I5: two postings have one key"


def _conserved(rows: list[Row], streams: dict[UUID, Row], postings: dict[UUID, Row]) -> Iterator[str]:
    moved: dict[tuple[UUID, str, str, str], int] = defaultdict(int)
    of_line: dict[tuple[UUID, str, int, UUID, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        stream = streams[row.stream_id]
        moved[row.posting_id, stream.sku, stream.lot, stream.serial_number] += row.on_hand_delta
        if row.order_ref and postings[row.posting_id].reason == "amendment":
            goods = (stream.pool_id, stream.lot, stream.serial_number)
            of_line[row.posting_id, row.order_ref, row.line_no, *goods].append(row)
    for (posting_id, sku, *_), quantity in moved.items():
        if quantity:
            yield f"I4: posting {posting_id} makes {quantity} of {sku} appear"
    for (posting_id, order_ref, line_no, *_), changes in of_line.items():
        if min(row.reserved_delta for row in changes) < 0 < max(row.reserved_delta for row in changes):
            yield f"I8: amendment {posting_id} lets go of what it takes again, for {order_ref} line {line_no}"


def _held(rows: list[Row], streams: dict[UUID, Row], lines: dict[Key, Row]) -> Iterator[str]:
    held: dict[Key, int] = defaultdict(int)
    for row in rows:
        if row.order_ref:
            held[row.order_ref, row.line_no, streams[row.stream_id].sku] += row.reserved_delta
    for key in held.keys() | lines.keys():
        said = lines[key].reserved + lines[key].to_put_back if key in lines else 0
        if held[key] != said:
            yield f"I7: {key} holds {held[key]}, and its line says {said}"


def _places(rows: list[Row], streams: dict[UUID, Row]) -> dict[str, dict[str, tuple[int, int]]]:
    latest = {row.stream_id: row for row in rows}
    places: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for stream_id, row in latest.items():
        stream = streams[stream_id]
        if row.on_hand or row.reserved:
            status = "" if stream.stock_status == "available" else f"/{stream.stock_status}"
            places[stream.sku][stream.location_id + status] = (row.on_hand, row.reserved)
    return places


def _identity(stream: Row) -> bytes:
    fields = ("tenant", "sku", "site", "location_id", "kind", "lot", "serial_number", "stock_status")
    return _sha256(["stream", *(getattr(stream, name) for name in fields)])


def _digest(posting: Row) -> str:
    return _sha256(
        [
            *(posting.posting_id, posting.tenant, posting.idempotency_key, posting.request_digest.hex()),
            *(posting.reason, posting.actor, posting.evidence),
            *((at - EPOCH) // timedelta(microseconds=1) for at in (posting.occurred_at, posting.recorded_at)),
            sha256(posting.answer.encode()).hexdigest(),
        ]
    ).hex()


def _sha256(fields: list[Any]) -> bytes:
    return sha256("\n".join(map(str, fields)).encode()).digest()
