"""Writing a batch in bulk, in one round trip: streams, postings, entries, order lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stockbridge.ledger import queries
from stockbridge.ledger.arrays import array_of_plain, array_of_texts, columns
from stockbridge.ledger.book import Book, Stream, line_key
from stockbridge.ledger.deciding import Decision
from stockbridge.ledger.loading import Driver
from stockbridge.ledger.requests import ReceiveStock, Request

_STREAM_TEXTS = range(3, 11)
_POSTING_TEXTS = (1, 2, 4, 5, 6, 9)
_ENTRY_TEXTS = (3, 4)
_LINE_TEXTS = (1, 2, 4, 5, 6, 7, 10)


async def store(driver: Driver, book: Book, decisions: Sequence[Decision]) -> None:
    """Write what was decided and chained. Streams close before others open: a serial is in one place at a time."""
    postings = [decision for decision in decisions if decision.posting_id is not None]
    streams = {stream.stream_id: stream for decision in postings for stream, *_ in decision.entries}.values()
    async with driver.pipeline():
        await _turn(driver, [s for s in streams if _turned(s) and not _is_open(s)], is_open=False)
        await _insert_lots(driver, [lot for decision in postings for lot in _lots(decision.request)])
        await _insert(driver, queries.INSERT_STREAMS, [_stream_row(s) for s in streams if not s.stored], _STREAM_TEXTS)
        await _turn(driver, [s for s in streams if _turned(s) and _is_open(s)], is_open=True)
        await _insert(driver, queries.INSERT_POSTINGS, [_posting_row(p) for p in postings], _POSTING_TEXTS)
        await _insert(driver, queries.INSERT_ENTRIES, [row for p in postings for row in p.rows], _ENTRY_TEXTS)
        await _store_lines(driver, book, decisions)


async def _insert(driver: Driver, statement: str, rows: Sequence[Sequence[Any]], texts: Sequence[int]) -> None:
    if rows:
        await driver.execute(statement, columns(rows, texts))


async def _turn(driver: Driver, streams: Sequence[Stream], *, is_open: bool) -> None:
    if streams:
        await driver.execute(queries.TURN_OPEN, (is_open, array_of_plain(s.stream_id for s in streams)))


def _is_open(stream: Stream) -> bool:
    return stream.tail is not None and stream.tail.on_hand != 0


def _turned(stream: Stream) -> bool:
    return stream.stored and stream.tail is not None and stream.tail.was_open != _is_open(stream)


async def _insert_lots(driver: Driver, lots: Sequence[tuple[str, str, str, Any]]) -> None:
    if lots:
        tenants, skus, names, expiries = zip(*lots, strict=True)
        parameters = (array_of_texts(tenants), array_of_texts(skus), array_of_texts(names), array_of_plain(expiries))
        await driver.execute(queries.ENSURE_LOTS, parameters)


def _lots(request: Request) -> Iterable[tuple[str, str, str, Any]]:
    if isinstance(request, ReceiveStock):
        yield from ((request.tenant, line.sku, line.lot, line.expires_on) for line in request.lines if line.lot)


async def _store_lines(driver: Driver, book: Book, decisions: Iterable[Decision]) -> None:
    """Write each order line that changed once, as it is after the whole batch."""
    keys = dict.fromkeys(line_key(line) for decision in decisions for line in decision.lines)
    new = [(key[3], *book.lines[key].as_row().values()) for key in keys if key not in book.stored_lines]
    known = [(key[3], *book.lines[key].as_row().values()) for key in keys if key in book.stored_lines]
    await _insert(driver, queries.INSERT_ORDER_LINES, new, _LINE_TEXTS)
    await _insert(driver, queries.UPDATE_ORDER_LINES, known, _LINE_TEXTS)


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
        decision.posting_id,
        request.tenant,
        request.key,
        decision.digest.hex(),
        decision.reason,
        request.actor,
        request.evidence.value,
        request.occurred_at or decision.recorded_at,
        decision.recorded_at,
        decision.text,
    )
