"""A shipment is made of what is picked; its label is the next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, lock_open_order, open_order, read_lines
from commands.shipping import repack
from commands.shipping.goods_issue import accept_handed_over, issue_request, parcels_of_shipment
from domain.errors import Fault, Rejected
from domain.messages import OrderId
from ledger.writing.writer import Outcome
from queries.packing import all_that_is_picked, kept_for_others, name_parcels
from records import catalog
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow
from records.shipping import shipments
from records.shipping.shipments import NewShipment


async def ship(context: CommandContext, row: InboxRow) -> None:
    """Make the shipment; its label is the next step. Stock stays held, unless it was handed over already."""
    named = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    if not row.payload.get("handed_over"):
        async with context.engine.begin() as connection:
            await _make_shipment(connection, row)
            await inbox.accept(connection, row.inbox_id, {"outcome": "done"})
        return
    async with context.reading() as connection:
        order = await open_order(connection, row)
        boxes = await _boxes(connection, row, order)
        kept = await kept_for_others(connection, named, None)
    goods = [content for box in boxes for content in box["lines"]]
    request = issue_request(row, row.payload["shipment_no"], goods, kept)

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        made = await _make_shipment(connection, row, boxes)
        own = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
        await accept_handed_over(connection, row, made, parcels_of_shipment(own, made.shipment_no), outcome)

    await context.ledger.post(request, attach)


async def _boxes(connection: AsyncConnection, row: InboxRow, order: OrderRow) -> list[dict[str, Any]]:
    """Return the parcels that were asked for, or one with all that is picked."""
    lines = await read_lines(connection, row)
    named = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    if row.payload.get("parcels"):
        boxes = [
            {**{k: v for k, v in box.items() if k != "lines"}, "lines": resolved}
            for box, resolved in zip(row.payload["parcels"], row.payload["resolved"], strict=True)
        ]
        await repack.check_free(connection, named, lines, boxes)
        contents = await name_parcels(connection, named, lines, [box["lines"] for box in boxes])
        boxes = [{**box, "lines": rows} for box, rows in zip(boxes, contents, strict=True)]
    else:
        boxes = [{"lines": await all_that_is_picked(connection, named, lines)}]
    if order.ship_complete:
        await repack.check_complete(connection, named, lines, boxes)
    if not any(box["lines"] for box in boxes):
        raise Rejected("nothing_picked", "Nothing is picked that is not in a shipment already.", status=409)
    return boxes


async def _make_shipment(
    connection: AsyncConnection, row: InboxRow, boxes: list[dict[str, Any]] | None = None
) -> NewShipment:
    shipment_no = row.payload["shipment_no"]
    order = await lock_open_order(connection, row)
    if await shipments.number_taken(connection, row.tenant, shipment_no):
        raise Rejected("shipment_exists", f"Shipment {shipment_no} exists already.", status=409)
    boxes = boxes or await _boxes(connection, row, order)
    site = {content["site"] for box in boxes for content in box["lines"]}
    if len(site) > 1:
        detail = "A shipment leaves from one site; make one shipment for each."
        raise Rejected("several_sites", detail, [Fault("/parcels", "several_sites", detail)])
    skus = {content["sku"] for box in boxes for content in box["lines"]}
    weights = await catalog.weights(connection, row.tenant, skus)
    made = NewShipment(row.tenant, row.order_ref, shipment_no, site.pop(), order.carrier, order.service_level)
    await shipments.add(connection, made, [_parcel_row(number, box, weights) for number, box in enumerate(boxes, 1)])
    return made


_SOME_WEIGHT_G: Final = 1000
"""What a parcel is said to weigh where neither the packer nor the catalog knows."""


def _weight(contents: list[dict[str, Any]], weights: Mapping[str, int]) -> int:
    known = [weights.get(content["sku"]) for content in contents]
    if None in known:
        return _SOME_WEIGHT_G
    return sum(each * content["quantity"] for each, content in zip(known, contents, strict=True) if each)


def _parcel_row(number: int, box: dict[str, Any], weights: Mapping[str, int]) -> dict[str, Any]:
    return {
        "parcel_no": number,
        "weight_g": box.get("weight_g") or _weight(box["lines"], weights),
        "length_mm": box.get("length_mm"),
        "width_mm": box.get("width_mm"),
        "height_mm": box.get("height_mm"),
        "lines": box["lines"],
    }
