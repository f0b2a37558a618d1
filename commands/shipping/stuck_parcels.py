"""Parcels that will not arrive unless a person does something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import ask_for_a_person, clear_attention
from domain.attention import parcel_step, replaced_step
from domain.carriers import GONE_WRONG, TrackingStatus
from domain.messages import OrderId
from records.orders import orders
from records.shipping import tracking
from records.shipping.shipments import Parcel, Shipment

_CANCELLED_HERE: Final = (
    "The carrier has cancelled the label of parcel {}; retry_step buys another one",
    ("retry_step", "cancel_order", "use_address"),
)
_CANCELLED_THERE: Final = (
    "The carrier says that parcel {} was cancelled, though it was handed over: ask it; retry_step takes note",
    ("retry_step",),
)
_COMES_BACK: Final = (
    "The carrier sends parcel {} back; take it in as a return when it is here, retry_step takes note",
    ("retry_step",),
)


async def see_whether_stuck(
    connection: AsyncConnection,
    order: OrderId,
    now: orders.OrderRow,
    shipment: Shipment,
    box: Parcel,
    status: TrackingStatus,
) -> None:
    """Ask for a person where a parcel will not arrive; and no more where a later scan says that it does.

    Only its latest status decides, so that events still commute. First a person must say which label it left under.
    """
    step, flagged = parcel_step(box.tracking_number), (now.attention or {}).get("step")
    if flagged == replaced_step(shipment.shipment_no):
        return
    if status in GONE_WRONG and tracking.is_underway(box):
        await _ask(connection, order, shipment, box, status)
    elif flagged == step:
        await clear_attention(connection, order)


async def _ask(
    connection: AsyncConnection, order: OrderId, shipment: Shipment, box: Parcel, status: TrackingStatus
) -> None:
    cancelled = _CANCELLED_THERE if shipment.handed_over_at else _CANCELLED_HERE
    reason, actions = cancelled if status is TrackingStatus.CANCELLED else _COMES_BACK
    number = box.tracking_number
    await ask_for_a_person(connection, order, reason.format(number), actions, parcel_step(number))


async def ask_about_the_rest(
    connection: AsyncConnection, order: OrderId, shipment: Shipment, boxes: Iterable[Parcel]
) -> None:
    """Ask for a person about the first parcel of a shipment that will not arrive: what it waited behind is settled."""
    for box in boxes:
        status = TrackingStatus(box.tracking_status)
        if status in GONE_WRONG and tracking.is_underway(box):
            await _ask(connection, order, shipment, box, status)
            return
