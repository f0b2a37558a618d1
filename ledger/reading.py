"""From rows to the ledger's objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

import orjson

from domain.orders import OrderLine, Part
from domain.stock import Place, PlaceKind, StockStatus, StreamKey
from ledger.book import Stream, Tail

NO_PARTS: Final = "[]"

LINE_WIDTH: Final = len(fields(OrderLine))
"""How many columns of a row are an order line's."""


def key_of(row: Sequence[Any]) -> StreamKey:
    """Read (tenant, sku, site, location_id, kind, lot, serial_number, stock_status)."""
    tenant, sku, site, location_id, kind, lot, serial_number, stock_status = row
    place = Place(location_id, site, PlaceKind(kind))
    return StreamKey(tenant, sku, place, lot, serial_number, StockStatus(stock_status))


def stream_of(row: Sequence[Any]) -> Stream:
    """Read a stream with its tail, as the writer's queries select it."""
    stream_id, *identity = row[:9]
    was_open, expires_on, received_at, seq, on_hand, reserved, tail_hash, recorded_at = row[9:]
    return Stream(
        key=key_of(identity),
        stream_id=stream_id,
        on_hand=on_hand,
        reserved=reserved,
        expires_on=expires_on,
        received_at=received_at,
        tail=Tail(seq, on_hand, reserved, tail_hash, recorded_at, was_open),
        stored=True,
    )


def line_of(row: Sequence[Any]) -> OrderLine:
    """Read an order line: its columns in the order of its fields."""
    *plain, queued_later = row
    line = OrderLine(*plain)
    if queued_later != NO_PARTS:
        line.queued_later = tuple((datetime.fromisoformat(since), part) for since, part in orjson.loads(queued_later))
    return line


def written_parts(parts: Sequence[Part]) -> str:
    """Write down what waits later, as its column has it."""
    if not parts:
        return NO_PARTS
    return orjson.dumps([(since.isoformat() if since else None, part) for since, part in parts]).decode()
