"""The parcels of a shipment that a command names: which of them are still underway, or how they ended."""

from __future__ import annotations

from dataclasses import dataclass

from domain.errors import Kind, Rejected
from domain.payloads import KeptIntercept, KeptLoss
from domain.shipping.parcels import Parcel
from domain.shipping.shipment_state import ShipmentState, existing


@dataclass(frozen=True)
class Underway:
    """What of a shipment is underway with its carrier: the parcels that a command names, and the rest."""

    carrier: str
    named: list[Parcel]
    rest: list[Parcel]


def underway(state: ShipmentState | None, told: KeptLoss | KeptIntercept, *, instead: str) -> Underway:
    """Return what of a command's shipment is underway. Its parcel_no null names all of it.

    Raises `Rejected` where nothing of what it names is; `instead` is to be done where it has not left.
    """
    shipment_no, parcel_no = told.shipment_no, told.parcel_no
    state = existing(state, shipment_no)
    named = [box for box in state.parcels if box.lines and parcel_no in {None, box.parcel_no}]
    if not named:
        raise Rejected("unknown_parcel", f"Shipment {shipment_no} has no parcel {parcel_no}.", kind=Kind.UNKNOWN)
    if not state.has_left:
        raise Rejected("not_handed_over", f"Shipment {shipment_no} has not left yet: {instead}.", kind=Kind.CONFLICT)
    there = [box for box in named if box.is_underway]
    if not there:
        raise _ended(named[0])
    return Underway(state.shipment.carrier, there, [box for box in state.underway if box not in there])


def _ended(box: Parcel) -> Rejected:
    """Say how a parcel ended."""
    name = f"Parcel {box.parcel_no} of {box.shipment_no}"
    if box.delivered_at is not None:
        detail = f"{name} was delivered at {box.delivered_at.isoformat()}, as the carrier says."
        return Rejected("already_delivered", detail, kind=Kind.CONFLICT)
    if box.lost_at is not None:
        return Rejected("already_lost", f"{name} was lost before, at {box.lost_at.isoformat()}.", kind=Kind.CONFLICT)
    assert box.came_back_at is not None
    return Rejected("came_back", f"{name} came back, at {box.came_back_at.isoformat()}.", kind=Kind.CONFLICT)
