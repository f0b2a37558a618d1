"""Goods leave: ship, hand over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import parcels
from activities.bookkeeping import shipped_lines
from activities.desk import (
    Desk,
    Order,
    accept_alone,
    evidence_of,
    instant,
    lock_open_order,
    open_order,
    quantities,
    read_lines,
)
from activities.messages import OrderId
from activities.packing import all_that_is_picked, kept_for_others, name_parcels
from domain.errors import Conflict, Fault, Rejected
from domain.packing import Row, moved
from domain.packing import quantities as totals
from ledger.requests import IssueGoods, LineQuantity
from ledger.writer import Outcome
from records import catalog, inbox, messages, shipments
from records.inbox import InboxRow
from records.shipments import Parcel, Shipment


async def ship(desk: Desk, row: InboxRow) -> None:
    """Make the shipment; its label is the next step. Stock stays held, unless it was handed over already."""
    named = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    if not row.payload.get("handed_over"):
        async with desk.engine.begin() as connection:
            await _make_shipment(connection, row)
            await inbox.accept(connection, row.inbox_id, {"outcome": "done"})
        return
    async with desk.reading.connect() as connection:
        order = await open_order(connection, row)
        boxes = await _boxes(connection, row, order)
        kept = await kept_for_others(connection, named, None)
    request = _issue_request(row, row.payload["shipment_no"], boxes, kept)

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        made = await _make_shipment(connection, row, boxes)
        own = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
        await _handed_over(connection, row, made, _of_shipment(own, made["shipment_no"]), outcome)

    await desk.ledger.post(request, attach)


async def _boxes(connection: AsyncConnection, row: InboxRow, order: Order) -> list[dict[str, Any]]:
    """Return the parcels that were asked for, or one with all that is picked."""
    lines = await read_lines(connection, row)
    named = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    if row.payload.get("parcels"):
        boxes = [
            {**{k: v for k, v in box.items() if k != "lines"}, "lines": resolved}
            for box, resolved in zip(row.payload["parcels"], row.payload["resolved"], strict=True)
        ]
        await parcels.check_free(connection, named, lines, boxes)
        contents = await name_parcels(connection, named, lines, [box["lines"] for box in boxes])
        boxes = [{**box, "lines": rows} for box, rows in zip(boxes, contents, strict=True)]
    else:
        boxes = [{"lines": await all_that_is_picked(connection, named, lines)}]
    if order["ship_complete"]:
        await parcels.check_complete(connection, named, lines, boxes)
    if not any(box["lines"] for box in boxes):
        raise Rejected("nothing_picked", "Nothing is picked that is not in a shipment already.", status=409)
    return boxes


async def _make_shipment(
    connection: AsyncConnection, row: InboxRow, boxes: list[dict[str, Any]] | None = None
) -> Shipment:
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
    made = {
        "tenant": row.tenant,
        "order_ref": row.order_ref,
        "shipment_no": shipment_no,
        "site": site.pop(),
        "carrier": order["carrier"],
        "service_level": order["service_level"],
    }
    await shipments.add(connection, made, [_parcel_row(number, box, weights) for number, box in enumerate(boxes, 1)])
    return made


async def hand_over(desk: Desk, row: InboxRow) -> None:
    """Issue a shipment's goods. One that is known to have left stays as it is."""
    shipment_no = row.payload["shipment_no"]
    async with desk.reading.connect() as connection:
        known = await shipments.get(connection, row.tenant, row.order_ref, shipment_no)
        await open_order(connection, row, or_closed=known is not None)
        if known is None:
            raise Rejected("unknown_shipment", f"The order has no shipment {shipment_no}.", status=404)
        if known["dissolved_at"]:
            raise Rejected("shipment_cancelled", f"Shipment {shipment_no} was cancelled.", status=409)
        boxes = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
        kept = await kept_for_others(connection, OrderId(tenant=row.tenant, order_ref=row.order_ref), shipment_no)
    if known["handed_over_at"]:
        await accept_alone(desk, row, "unchanged")
        return
    own = _of_shipment(boxes, shipment_no)
    request = _issue_request(row, shipment_no, own, kept)

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await _handed_over(connection, row, known, own, outcome)

    try:
        await desk.ledger.post(request, attach)
    except Conflict:  # a scan proved meanwhile that it left
        await accept_alone(desk, row, "unchanged")


def _of_shipment(boxes: Iterable[Parcel], shipment_no: str) -> list[Parcel]:
    return [box for box in boxes if box["shipment_no"] == shipment_no]


def _issue_request(
    row: InboxRow, shipment_no: str, boxes: list[dict[str, Any]], kept: tuple[LineQuantity, ...]
) -> IssueGoods:
    return IssueGoods(
        tenant=row.tenant,
        key=f"goods_issue/{row.order_ref}/{shipment_no}",
        actor=row.actor,
        evidence=evidence_of(row),
        occurred_at=instant(row),
        order_ref=row.order_ref,
        shipment_no=shipment_no,
        lines=quantities([content for box in boxes for content in box["lines"]]),
        kept=kept,
    )


async def _handed_over(
    connection: AsyncConnection, row: InboxRow, shipment: Shipment, boxes: list[Parcel], outcome: Outcome
) -> None:
    order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    await note_handover(connection, order, shipment, boxes, outcome)
    await inbox.accept(connection, row.inbox_id, {"outcome": "done"})


async def note_handover(
    connection: AsyncConnection,
    order: OrderId,
    shipment: Shipment,
    boxes: Iterable[Parcel],
    outcome: Outcome,
) -> None:
    """Write down that a shipment left with these parcels, in the transaction of its goods issue, and tell the ERP.

    What the ledger says that left is what the parcels hold.
    """
    shipment_no, at = shipment["shipment_no"], outcome.occurred_at
    evidence = outcome.request.evidence.value
    await shipments.set_fields(
        connection, order.tenant, order.order_ref, shipment_no, handed_over_at=at, handover_evidence=evidence
    )
    goods = iter(outcome.answer["left"])
    boxes = [await note_contents(connection, box, box["lines"], goods) for box in boxes]
    payload = {
        "shipment_no": shipment_no,
        "carrier": shipment["carrier"],
        "occurred_at": at.isoformat(),
        "lines": await shipped_lines(connection, order, boxes),
    }
    await messages.append(connection, order.tenant, order.order_ref, "shipped", payload)


async def note_contents(
    connection: AsyncConnection, box: Parcel, asked: Sequence[Row], goods: Iterator[list[dict[str, Any]]]
) -> Parcel:
    """Return a parcel with what was posted for it, row by row, and let it say so, unless part of it had gone before."""
    rows = moved(asked, [next(goods) for _ in asked])
    if rows != box["lines"] and totals(rows) == totals(box["lines"]):
        name = (box["tenant"], box["order_ref"], box["shipment_no"], box["parcel_no"])
        await shipments.set_parcel(connection, *name, lines=rows)
    return {**box, "lines": rows or box["lines"]}


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
