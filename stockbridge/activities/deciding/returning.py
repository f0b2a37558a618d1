"""Goods come back: from the customer, or from a carrier that could not deliver them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.activities import arriving
from stockbridge.activities.bookkeeping import demand_changes, erp_lines, parcel_step
from stockbridge.activities.deciding.authorizing import check_authorized
from stockbridge.activities.deciding.desk import Desk, clear_attention, instant, open_order, quantity_of, read_lines
from stockbridge.activities.messages import OrderId
from stockbridge.domain.carriers import TrackingStatus
from stockbridge.domain.errors import Fault, Rejected
from stockbridge.domain.stock import StockStatus
from stockbridge.ledger.balances import LineName, underway
from stockbridge.ledger.requests import ReturnedLine, ReturnGoods
from stockbridge.ledger.writer import Outcome
from stockbridge.records import inbox, messages, orders, places, shipments, tracking
from stockbridge.records.inbox import InboxRow
from stockbridge.records.shipments import Parcel


async def take_return(desk: Desk, row: InboxRow) -> None:
    """Receive goods back. What never arrived is cancelled, or sent again."""
    async with desk.reading.connect() as connection:
        order = await open_order(connection, row, or_closed=True)
        place = await places.place_of(connection, row.tenant, row.payload["location_id"])
        undelivered = await _returned_to_sender(connection, row)
        former = await read_lines(connection, row)
    resend = row.payload.get("resend", False)
    if resend and undelivered is None:
        detail = "Only what never arrived is sent again; what the customer had needs a new order."
        raise Rejected("not_undelivered", detail, [Fault("/resend", "not_undelivered", detail)])
    request = ReturnGoods(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        occurred_at=instant(row),
        order_ref=row.order_ref,
        place=place,
        order_site=order["site"],
        shipment_no=undelivered,
        resend=resend,
        lines=tuple(_returned_line(line) for line in row.payload["resolved"]),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        known = (await orders.lock(connection, [(row.tenant, row.order_ref)]))[row.tenant, row.order_ref]
        await check_authorized(connection, row)
        lines = await read_lines(connection, row)
        about = {line["line_no"]: line["quantity"] for line in row.payload["resolved"]}
        told = erp_lines([x for x in lines if x.line_no in about], "returned")
        payload = {"lines": [{**line, "quantity": about[line["line_no"]]} for line in told]}
        for kind, said in [("returned", payload), *demand_changes(former, lines)]:
            await messages.append(connection, row.tenant, row.order_ref, kind, said)
        if undelivered:
            back = await _note_parcels(connection, row, undelivered, instant(row) or outcome.recorded_at)
            if (known["attention"] or {}).get("step") in [parcel_step(number) for number in back]:
                await clear_attention(connection, row)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    await desk.ledger.post(request, attach)


def _returned_line(line: dict[str, Any]) -> ReturnedLine:
    condition = StockStatus(line.get("condition") or StockStatus.INSPECTION)
    return ReturnedLine(**quantity_of(line), condition=condition)


async def _returned_to_sender(connection: AsyncConnection, row: InboxRow) -> str | None:
    """Return the shipment of which the carrier sends a parcel back, where the order has one that is not back yet."""
    for box in await shipments.parcels_of(connection, row.tenant, [row.order_ref]):
        if _is_sent_back(box) and tracking.is_underway(box):
            return str(box["shipment_no"])
    return None


def _is_sent_back(box: Parcel) -> bool:
    return bool(box["tracking_status"] == TrackingStatus.RETURN_TO_SENDER)


async def _note_parcels(connection: AsyncConnection, row: InboxRow, shipment_no: str, at: datetime) -> list[str]:
    """Let the rows of those parcels say that they came back of which nothing can be underway any more.

    Returns their tracking numbers.
    """
    every = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
    boxes = [box for box in every if box["shipment_no"] == shipment_no and tracking.is_underway(box)]
    there = Counter(await underway(connection, row.tenant, row.order_ref, shipment_no))
    back = list(_back(boxes, sum(map(_held, boxes), Counter()) - there))
    for parcel_no in back:
        await shipments.set_parcel(connection, row.tenant, row.order_ref, shipment_no, parcel_no, came_back_at=at)
    await arriving.go_on_without(connection, OrderId(tenant=row.tenant, order_ref=row.order_ref), shipment_no)
    return [box["tracking_number"] for box in boxes if box["parcel_no"] in back]


def _back(boxes: list[Parcel], goods: Counter[LineName]) -> Iterator[int]:
    """Yield the numbers of parcels whose goods are back: others only once all that were sent back are."""
    awaited = [box for box in boxes if _is_sent_back(box)]
    for box in (*awaited, *(box for box in boxes if box not in awaited)):
        if _held(box) <= goods and (box in awaited or not awaited):
            goods -= _held(box)
            awaited = [other for other in awaited if other is not box]
            yield box["parcel_no"]


def _held(box: Parcel) -> Counter[LineName]:
    held: Counter[LineName] = Counter()
    for content in box["lines"]:
        held[content["line_no"], content["sku"]] += content["quantity"]
    return held
