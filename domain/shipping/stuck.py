"""Parcels that will not arrive unless a person does something."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from domain.attention import Ask, parcel_step, replaced_step
from domain.carriers import GONE_WRONG, PHYSICAL, TrackingStatus
from domain.shipping.parcels import Parcel, Shipment


@dataclass(frozen=True)
class NeedNobody:
    """Take back that a person is needed."""


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


def after_scan(shipment: Shipment, box: Parcel, flagged: str | None) -> Ask | NeedNobody | None:
    """Say whether a person is needed for a parcel where it is now, or no more; `flagged` is what one is needed for.

    Only its latest status decides, so that events still commute. First a person must say which label it left under.
    """
    if flagged == replaced_step(shipment.shipment_no):
        return None
    if box.is_underway and box.tracking_status in GONE_WRONG:
        return about(shipment, box)
    return NeedNobody() if flagged == parcel_step(box.tracking_number) else None


def first_of(shipment: Shipment, boxes: Iterable[Parcel]) -> Ask | None:
    """Ask about the first parcel of a shipment that will not arrive."""
    stuck = (box for box in boxes if box.is_underway and box.tracking_status in GONE_WRONG)
    return next((about(shipment, box) for box in stuck), None)


def about(shipment: Shipment, box: Parcel) -> Ask:
    """Ask about a parcel that has gone wrong."""
    cancelled = _CANCELLED_THERE if shipment.handed_over_at else _CANCELLED_HERE
    reason, actions = cancelled if box.tracking_status is TrackingStatus.CANCELLED else _COMES_BACK
    return Ask(reason.format(box.tracking_number), actions, parcel_step(box.tracking_number))


def about_cancelled_shipment(tracking_number: str, status: TrackingStatus) -> Ask | None:
    """Ask where the carrier has a parcel of a shipment that was cancelled."""
    if status not in PHYSICAL:
        return None
    reason = f"The carrier has parcel {tracking_number}, whose shipment was cancelled: {status}."
    return Ask(reason, ("retry_step",), parcel_step(tracking_number))


def about_found(box: Parcel) -> Ask:
    """Ask about a parcel that was lost and has arrived, where what it held was sent again."""
    reason = (
        f"Parcel {box.tracking_number}, which was lost, has arrived after all, beside what was sent instead: "
        "cancel what has not left of that, or take back what is too much; retry_step takes note"
    )
    return Ask(reason, ("cancel_order", "retry_step"), f"found/{box.tracking_number}")


def about_incredible(tracking_number: str, why: str) -> Ask:
    """Ask about a parcel that was lost and can't have arrived, as far as we know, though the carrier says so."""
    reason = f"The carrier says that parcel {tracking_number}, which was lost, has arrived, but: {why}"
    return Ask(reason, ("retry_step",), f"found/{tracking_number}")
