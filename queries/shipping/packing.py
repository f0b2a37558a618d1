"""What is in an order's parcels, by lot and serial number: what they may name, and what is known of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import Content, Goods, LineKey, There, by_lot, pack, still_there
from domain.shipping.parcels import Parcel, contents_of, of_shipment
from domain.shipping.shipment_state import ShipmentState
from ledger.reads.balances import goods_that_never_arrived, goods_underway, held_goods
from ledger.requests import LineQuantity
from records.shipping import shipments

_NOBODYS: Final[Counter[Goods]] = Counter()


async def live_shipments(connection: AsyncConnection, order: OrderId) -> list[ShipmentState]:
    """Return the shipments that are made and have not left, as they were made."""
    alive = [row for row in await shipments.of_order(connection, order) if row.is_here]
    if not alive:
        return []
    every = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    return [ShipmentState(row, tuple(of_shipment(every, row.shipment_no))) for row in alive]


async def read_held(
    connection: AsyncConnection, order: OrderId, lines: Iterable[OrderLine], *, picked_only: bool = False
) -> There:
    """Return which goods lines hold that may be shipped for them; what is to be put back may be among them."""
    lots = {(line.line_no, line.sku, line.site): line.lot for line in lines if line.ordered}
    found: dict[LineKey, Counter[Goods]] = defaultdict(Counter)
    for held in await held_goods(connection, order):
        key = (held.line_no, held.sku, held.site)
        if key in lots and lots[key] in {"", held.lot} and (held.in_staging or not picked_only):
            found[key][held.lot, held.serial_number] += held.quantity
    return dict(found)


async def cancelled_goods(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine]) -> list[Content]:
    """Return what is known of what is cancelled of lines: what of it is to be put back, and what never arrived."""
    cancelled = [line for line in lines if line.cancelled]
    if not cancelled:
        return []
    gone = await goods_that_never_arrived(connection, order)
    goods = await _to_put_back(connection, order, cancelled)
    for line in cancelled:
        goods += by_lot(Content.of_line(line), gone.get((line.line_no, line.sku), _NOBODYS).items())
    return goods


async def _to_put_back(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine]) -> list[Content]:
    """Return what is to be put back of lines, as far as it is known which of what is picked that is."""
    rows = [Content.of_line(line, line.to_put_back) for line in lines if line.to_put_back]
    if not rows:
        return []
    return pack([rows], await read_held(connection, order, lines, picked_only=True))[0]


async def kept_for_others(
    connection: AsyncConnection, order: OrderId, shipment_no: str | None
) -> tuple[LineQuantity, ...]:
    """Return what parcels of other live shipments name: it is not to leave with this one."""
    others = [state for state in await live_shipments(connection, order) if state.shipment.shipment_no != shipment_no]
    contents = (content for state in others for content in contents_of(state.parcels))
    return tuple(LineQuantity.of(content) for content in contents if content.is_named)


async def read_still_underway(
    connection: AsyncConnection, order: OrderId, shipment_no: str, boxes: Sequence[Parcel], rest: Iterable[Parcel]
) -> list[list[Content]]:
    """Return what parcels of a shipment still hold: part of it may have come back, or be lost."""
    others = [box for box in rest if box.is_underway]
    rows = contents_of([*boxes, *others])
    there = await goods_underway(connection, order, shipment_no)
    by_line = {row.line: there.get((row.line_no, row.sku), _NOBODYS) for row in rows}
    return still_there([box.lines for box in boxes], [box.lines for box in others], by_line)
