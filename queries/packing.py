"""What is in an order's parcels, by lot and serial number: what they may name, and what is known of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Fault
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import (
    Goods,
    LineKey,
    Row,
    There,
    by_lot,
    is_named,
    line_key,
    named_goods,
    pack,
    row_of,
    still_there,
    unnamed,
)
from ledger.reads.balances import goods_that_never_arrived, goods_underway, held_goods
from ledger.requests import LineQuantity
from records.shipping import shipments, tracking
from records.shipping.shipments import Parcel, contents_of

_NOBODYS: Final[Counter[Goods]] = Counter()


async def live_parcels(connection: AsyncConnection, order: OrderId) -> list[Parcel]:
    """Return the parcels of shipments that are made and have not left, as they were made."""
    alive = [row for row in await shipments.of_order(connection, order.tenant, order.order_ref) if row.is_here]
    if not alive:
        return []
    every = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    return [box for row in alive for box in every if box.shipment_no == row.shipment_no]


async def read_held(
    connection: AsyncConnection, order: OrderId, lines: Iterable[OrderLine], *, picked_only: bool = False
) -> There:
    """Return which goods lines hold that may be shipped for them; what is to be put back may be among them."""
    lots = {(line.line_no, line.sku, line.site): line.lot for line in lines if line.ordered}
    found: dict[LineKey, Counter[Goods]] = defaultdict(Counter)
    for held in await held_goods(connection, order.tenant, order.order_ref):
        key = (held.line_no, held.sku, held.site)
        if key in lots and lots[key] in {"", held.lot} and (held.in_staging or not picked_only):
            found[key][held.lot, held.serial_number] += held.quantity
    return dict(found)


async def name_parcels(
    connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine], boxes: Sequence[Iterable[Row]]
) -> list[list[Row]]:
    """Name what new parcels hold, as far as the order's holds and its other parcels leave nothing to choose."""
    others = [box.lines for box in await live_parcels(connection, order)]
    held = await read_held(connection, order, lines)
    return pack([*others, *boxes], held)[len(others) :]


async def all_that_is_picked(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine]) -> list[Row]:
    """Return what one parcel with all that is picked, and in no other live shipment, would hold."""
    others = contents_of(await live_parcels(connection, order))
    used: Counter[int] = Counter()
    for content in others:
        used[content["line_no"]] += content["quantity"]
    rows = [
        unnamed(row_of(line), line.picked - used[line.line_no]) for line in lines if line.picked > used[line.line_no]
    ]
    picked = await read_held(connection, order, lines, picked_only=True)
    packed = named_goods(others)
    free = {key: goods - packed.get(key, _NOBODYS) for key, goods in picked.items()}
    return pack([[row for row in others if not is_named(row)], rows], free)[1]


async def cancelled_goods(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine]) -> list[Row]:
    """Return what is known of what is cancelled of lines: what of it is to be put back, and what never arrived."""
    cancelled = [line for line in lines if line.cancelled]
    if not cancelled:
        return []
    gone = await goods_that_never_arrived(connection, order.tenant, order.order_ref)
    goods = await _to_put_back(connection, order, cancelled)
    for line in cancelled:
        goods += by_lot(row_of(line), gone.get((line.line_no, line.sku), _NOBODYS).items())
    return goods


async def _to_put_back(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine]) -> list[Row]:
    """Return what is to be put back of lines, as far as it is known which of what is picked that is."""
    rows = [unnamed(row_of(line), line.to_put_back) for line in lines if line.to_put_back]
    if not rows:
        return []
    return pack([rows], await read_held(connection, order, lines, picked_only=True))[0]


async def kept_for_others(
    connection: AsyncConnection, order: OrderId, shipment_no: str | None
) -> tuple[LineQuantity, ...]:
    """Return what parcels of other live shipments name: it is not to leave with this one."""
    others = [box for box in await live_parcels(connection, order) if box.shipment_no != shipment_no]
    return tuple(as_quantity(content) for content in contents_of(others) if is_named(content))


def as_quantity(row: Row) -> LineQuantity:
    """Return a row as the ledger takes it."""
    lot, serials = row.get("lot") or "", tuple(row.get("serial_numbers") or ())
    return LineQuantity(row["line_no"], row["sku"], row["site"], row["quantity"], lot, serials)


async def read_still_underway(
    connection: AsyncConnection, order: OrderId, shipment_no: str, boxes: Sequence[Parcel], rest: Iterable[Parcel]
) -> list[list[Row]]:
    """Return what parcels of a shipment still hold: part of it may have come back, or be lost."""
    others = [box for box in rest if tracking.is_underway(box)]
    rows = contents_of([*boxes, *others])
    there = await goods_underway(connection, order.tenant, order.order_ref, shipment_no)
    by_line = {line_key(row): there.get((row["line_no"], row["sku"]), _NOBODYS) for row in rows}
    return still_there([box.lines for box in boxes], [box.lines for box in others], by_line)


# -- what may be named ------------------------------------------------------------------------------------------------


async def faults_of_names(
    connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine], boxes: Sequence[Mapping[str, Any]]
) -> list[Fault]:
    """Find the lots and serial numbers that parcels name, but their lines do not hold, or have in another parcel."""
    if not any(is_named(row) for box in boxes for row in box["lines"]):
        return []
    held = await read_held(connection, order, lines)
    others = await live_parcels(connection, order)
    packed = named_goods(contents_of(others))
    return [
        fault
        for index, box in enumerate(boxes)
        for place, row in enumerate(box["lines"])
        for fault in _wrong_names(
            f"/parcels/{index}/lines/{place}", row, held.get(line_key(row), _NOBODYS), packed[line_key(row)]
        )
    ]


def _wrong_names(at: str, row: Row, held: Counter[Goods], packed: Counter[Goods]) -> Iterator[Fault]:
    """Find what a row can't name, and note what it does name as packed."""
    serials, lot = row.get("serial_numbers") or (), row.get("lot") or ""
    for serial in serials:
        goods = next((goods for goods in held if goods[1] == serial and lot in {"", goods[0]}), None)
        if goods is None:
            detail = f"Line {row['line_no']} does not hold serial number {serial} of {row['sku']}."
            yield Fault(f"{at}/serial_numbers", "not_held", detail)
        elif packed[goods]:
            detail = f"Serial number {serial} of {row['sku']} is in another parcel."
            yield Fault(f"{at}/serial_numbers", "already_packed", detail)
        else:
            packed[goods] += 1
    if lot and not serials:
        there, elsewhere = _of_lot(held, lot), _of_lot(packed, lot)
        if row["quantity"] > there:
            detail = f"Line {row['line_no']} holds {there} of lot {lot} of {row['sku']}, not {row['quantity']}."
            yield Fault(f"{at}/lot", "not_held", detail)
        elif row["quantity"] > there - elsewhere:
            detail = f"{elsewhere} of the {there} of lot {lot} of {row['sku']} are in other parcels."
            yield Fault(f"{at}/lot", "already_packed", detail)
        packed[lot, ""] += row["quantity"]


def _of_lot(goods: Counter[Goods], lot: str) -> int:
    return sum(quantity for (of, _), quantity in goods.items() if of == lot)
