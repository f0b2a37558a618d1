"""What an order's live shipments must change when the order does: a label is voided, and bought again if need be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.activities.messages import OrderId
from stockbridge.domain.errors import Fault, Rejected
from stockbridge.domain.orders import OrderLine
from stockbridge.records import shipments


def live(row: dict[str, Any]) -> bool:
    """Say whether a shipment is made and has not left."""
    return row["handed_over_at"] is None and row["dissolved_at"] is None


async def check_free(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine], wanted: Any) -> None:
    """Raise `Rejected` where parcels name more than the order holds and has not in another live shipment."""
    used = await _in_live_shipments(connection, order)
    held = {line.line_no: line.reserved for line in lines if line.ordered}
    faults = []
    asked: dict[int, int] = defaultdict(int)
    for index, box in enumerate(wanted):
        for place, content in enumerate(box["lines"]):
            line_no = content["line_no"]
            asked[line_no] += content["quantity"]
            possible = held.get(line_no, 0) - used[line_no]
            if asked[line_no] > possible:
                detail = f"Line {line_no}: {asked[line_no]} in parcels, but only {max(0, possible)} are held for it."
                faults.append(Fault(f"/parcels/{index}/lines/{place}/quantity", "more_than_held", detail))
    if faults:
        raise Rejected("more_than_held", faults[0].detail, faults)


async def _in_live_shipments(connection: AsyncConnection, order: OrderId) -> dict[int, int]:
    alive = {s["shipment_no"] for s in await shipments.of_order(connection, order.tenant, order.order_ref) if live(s)}
    used: dict[int, int] = defaultdict(int)
    for box in await shipments.parcels_of(connection, order.tenant, [order.order_ref]):
        if box["shipment_no"] in alive:
            for content in box["lines"]:
                used[content["line_no"]] += content["quantity"]
    return used


async def all_that_is_picked(
    connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine]
) -> list[dict[str, Any]]:
    """Return what one parcel with all that is picked, and in no other live shipment, would hold."""
    used = await _in_live_shipments(connection, order)
    contents = [
        {"line_no": line.line_no, "sku": line.sku, "site": line.site, "quantity": line.picked - used[line.line_no]}
        for line in lines
        if line.picked > used[line.line_no]
    ]
    if not contents:
        raise Rejected("nothing_picked", "Nothing is picked that is not in a shipment already.", status=409)
    return contents


async def fit(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine], *, relabel: bool) -> None:
    """Take out of live shipments what the order no longer wants; `relabel` where address or service changed.

    The caller holds the order's lock.
    """
    held = {line.line_no: line.reserved for line in lines if line.ordered}
    for row in await shipments.of_order(connection, order.tenant, order.order_ref):
        if live(row):
            await _fit_shipment(connection, order, row, held, relabel=relabel)


async def _fit_shipment(
    connection: AsyncConnection, order: OrderId, row: dict[str, Any], held: dict[int, int], *, relabel: bool
) -> None:
    boxes = [
        box
        for box in await shipments.parcels_of(connection, order.tenant, [order.order_ref])
        if box["shipment_no"] == row["shipment_no"]
    ]
    changed = False
    left = 0
    for box in boxes:
        contents = []
        for content in box["lines"]:
            quantity = min(content["quantity"], held.get(content["line_no"], 0))
            held[content["line_no"]] = held.get(content["line_no"], 0) - quantity
            changed = changed or quantity != content["quantity"]
            if quantity:
                contents.append({**content, "quantity": quantity})
        left += len(contents)
        await _set_box(connection, order, box, lines=contents)
    if not left:
        await _withdraw_label(connection, order, row["shipment_no"])
        await _dissolve(connection, order, row["shipment_no"])
    elif changed or relabel:
        version = await _withdraw_label(connection, order, row["shipment_no"])
        await shipments.intend(connection, order.tenant, order.order_ref, "label", row["shipment_no"], version + 1)
        for box in boxes:
            await _set_box(connection, order, box, tracking_number=None, tracking_status="pending")


async def _set_box(connection: AsyncConnection, order: OrderId, box: dict[str, Any], **fields: Any) -> None:
    await shipments.set_parcel(
        connection, order.tenant, order.order_ref, box["shipment_no"], box["parcel_no"], **fields
    )


async def _dissolve(connection: AsyncConnection, order: OrderId, shipment_no: str) -> None:
    await shipments.set_fields(
        connection,
        order.tenant,
        order.order_ref,
        shipment_no,
        dissolved_at=func.clock_timestamp(),
        tracking_status="cancelled",
    )


async def _withdraw_label(connection: AsyncConnection, order: OrderId, shipment_no: str) -> int:
    """Skip the shipment's label if it was not asked for yet, else intend its void. Returns its version."""
    steps = await shipments.steps_of(connection, order.tenant, order.order_ref)
    labels = [s for s in steps if s["kind"] == "label" and s["shipment_no"] == shipment_no]
    if not labels:
        return 0
    label = labels[-1]
    locked = await shipments.get_step(connection, order.tenant, order.order_ref, label["step_id"], locked=True)
    if locked["state"] == "intended" and not locked["attempts"]:
        await shipments.move_step(connection, order.tenant, order.order_ref, label["step_id"], "skipped")
    elif locked["state"] not in {"undone", "skipped"}:
        await shipments.intend(connection, order.tenant, order.order_ref, "void", shipment_no, label["version"])
    return int(label["version"])
