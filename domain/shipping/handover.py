"""What it means that somebody says that a shipment left."""

from __future__ import annotations

from domain.errors import Kind, Rejected
from domain.shipping.shipment_state import ShipmentState


def may_leave(state: ShipmentState | None, shipment_no: str) -> tuple[ShipmentState, bool]:
    """Return the shipment, and whether that is news: a scan may have told before that it left.

    Raises `Rejected` where there is no such shipment, or none any more.
    """
    if state is None:
        raise Rejected("unknown_shipment", f"The order has no shipment {shipment_no}.", kind=Kind.UNKNOWN)
    if state.shipment.dissolved_at:
        raise Rejected("shipment_cancelled", f"Shipment {shipment_no} was cancelled.", kind=Kind.CONFLICT)
    return state, state.shipment.handed_over_at is None
