"""Writing a batch in bulk, in one pipeline: the claim on its pools, streams, postings, entries, order lines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from domain.orders import OrderLine
from ledger import queries
from ledger.arrays import array_of_plain, array_of_texts, columns
from ledger.book import UNDATED, Book, Stream, line_key, pool_of
from ledger.reading import NO_PARTS, written_parts
from ledger.statements import Call, Statement
from ledger.writing.decide_batch import Decision

PATIENCE: Final = 4
"""How often a claim is tried, every half millisecond, while the batch before may not have taken its own locks yet."""

_LOT_TEXTS = range(3)
_STREAM_TEXTS = range(3, 11)
_POSTING_TEXTS = (1, 2, 4, 5, 6, 9)
_ENTRY_TEXTS = (2, 9)
_LINE_TEXTS = (1, 2, 4, 5, 6, 7, 10, 11, 24)
_FRESH_WIDTH = 16
_FRESH = (0, 0, 0, 0, 0, 0, None, False, NO_PARTS)
"""What an order line says of what happens to it later: nothing yet."""


def writing(book: Book, decisions: Sequence[Decision]) -> list[Call]:
    """Make the calls that write what was decided and chained.

    Streams close before others open: a serial is in one place at a time.
    """
    postings = [decision for decision in decisions if decision.posting_id is not None]
    streams = {stream.stream_id: stream for decision in postings for stream, *_ in decision.entries}.values()
    turned = [stream for stream in streams if _turned(stream)]
    calls = [
        *_turn((stream for stream in turned if not _is_open(stream)), "false"),
        *_dating(book, postings),
        *_call(queries.EXPECT_LOTS, _made_available(postings), _LOT_TEXTS),
        *_call(queries.INSERT_STREAMS, [_stream_row(s) for s in streams if not s.stored], _STREAM_TEXTS),
        *_turn((stream for stream in turned if _is_open(stream)), "true"),
        *_inserting(book, postings, decisions),
        *_marking(book, postings),
    ]
    for stream in turned:
        if stream.tail is not None:
            stream.tail.was_open = _is_open(stream)
    return calls


def _inserting(book: Book, postings: Sequence[Decision], decisions: Sequence[Decision]) -> list[Call]:
    """Insert postings and entries, and write each order line that changed once, as it is after the whole batch."""
    keys = dict.fromkeys(line_key(line) for decision in decisions for line in decision.lines)
    new_lines = [_line_row(book.lines[key]) for key in keys if key not in book.stored_lines]
    fresh_lines: list[tuple[Any, ...]] = []
    other_lines: list[tuple[Any, ...]] = []
    for row in new_lines:
        (fresh_lines if row[_FRESH_WIDTH:] == _FRESH else other_lines).append(row)
    known_lines = [_line_row(book.lines[key]) for key in keys if key in book.stored_lines]
    return [
        *_call(queries.INSERT_POSTINGS, [_posting_row(posting) for posting in postings], _POSTING_TEXTS),
        *_call(queries.INSERT_ENTRIES, [row for posting in postings for row in posting.rows], _ENTRY_TEXTS),
        *_call(queries.INSERT_FRESH_LINES, [row[:_FRESH_WIDTH] for row in fresh_lines], _LINE_TEXTS),
        *_call(queries.INSERT_ORDER_LINES, other_lines, _LINE_TEXTS),
        *_call(queries.UPDATE_ORDER_LINES, known_lines, _LINE_TEXTS),
    ]


@dataclass(frozen=True)
class Claim:
    """A claim on the pools of a batch, by the marks that they should carry, with the mark for those that change.

    `following` a batch that may still be on its way, it waits a moment for the marks that this one leaves.
    """

    marks: Mapping[UUID, int]
    changed: Collection[UUID]
    mark: int
    following: bool

    def left(self) -> dict[UUID, int]:
        """Return the marks as they will be."""
        return {**self.marks, **dict.fromkeys(self.changed, self.mark)}

    def of_what_was_read(self) -> Call:
        """Make the call for a batch that read what it needs."""
        return queries.CLAIM_POOLS.call(*self._arguments())

    def of_news(self, orders: Iterable[tuple[str, str]]) -> Call:
        """Make the call for a batch that read nothing: its orders, by tenant, must be new."""
        return queries.CLAIM_FOR_NEWS.call(*self._arguments(), *map(array_of_texts, zip(*orders, strict=True)))

    def _arguments(self) -> tuple[str, ...]:
        marks = (array_of_plain(self.marks), array_of_plain(self.marks.values()))
        return (*marks, array_of_plain(self.changed), str(self.mark), str(PATIENCE if self.following else 1))


def _call(statement: Statement, rows: Sequence[Sequence[Any]], texts: Sequence[int]) -> list[Call]:
    return [statement.call(*columns(rows, texts))] if rows else []


def _turn(streams: Iterable[Stream], is_open: str) -> list[Call]:
    names = array_of_plain(stream.name for stream in streams)
    return [queries.TURN_OPEN.call(is_open, names)] if names != "{}" else []


def _is_open(stream: Stream) -> bool:
    return stream.tail is not None and stream.tail.on_hand != 0


def _turned(stream: Stream) -> bool:
    return stream.stored and stream.tail is not None and stream.tail.was_open != _is_open(stream)


def _dating(book: Book, postings: Sequence[Decision]) -> list[Call]:
    """Write down what is new of lots: from what was read of them to what is known after the batch."""
    new = sorted({lot for posting in postings for lot in posting.draft.lots})
    rows = [(*lot, *book.lots_as_read.get(lot, UNDATED), *book.lots[lot]) for lot in new]
    claimed = array_of_plain(book.pools)
    return [queries.DATE_LOTS.call(*columns(rows, _LOT_TEXTS), claimed)] if rows else []


def _marking(book: Book, postings: Sequence[Decision]) -> list[Call]:
    """Block lots, or lift their blocks, in the order of the postings."""
    claimed = array_of_plain(book.pools)
    return [
        queries.MARK_LOTS.call(*(array_of_texts([name]) for name in lot), _texts_or_null(block_no), claimed)
        for posting in postings
        for lot, block_no in posting.draft.lots_marked.items()
    ]


def _texts_or_null(value: str | None) -> str:
    return "{NULL}" if value is None else array_of_texts([value])


def _made_available(postings: Sequence[Decision]) -> list[tuple[Any, ...]]:
    made = {lot: stream for posting in postings for lot, stream in posting.draft.lots_made_available.items()}
    return [(*lot, stream.expires_on) for lot, stream in sorted(made.items(), key=itemgetter(0))]


def _line_row(line: OrderLine) -> tuple[Any, ...]:
    *plain, queued_later = line.as_row()
    return _name_of(pool_of(line)), *plain, written_parts(queued_later)


_name_of = lru_cache(maxsize=1 << 14)(str)


def _stream_row(stream: Stream) -> tuple[Any, ...]:
    key = stream.key
    return (
        stream.stream_id,
        key.identity_hash.hex(),
        key.pool.pool_id,
        key.tenant,
        key.sku,
        key.place.site,
        key.place.location_id,
        key.place.kind.value,
        key.lot,
        key.serial_number,
        key.stock_status.value,
        _is_open(stream),
    )


def _posting_row(decision: Decision) -> tuple[Any, ...]:
    request = decision.request
    return (
        decision.name,
        request.tenant,
        request.key,
        decision.digest.hex(),
        decision.reason,
        request.actor,
        decision.evidence.value,
        str(request.happened_at(decision.recorded_at)),
        str(decision.recorded_at),
        decision.text,
    )
