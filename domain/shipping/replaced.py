"""Labels that were replaced and scanned all the same: what a person is asked, and what is over once one is told."""

from __future__ import annotations

from typing import Final

from domain.attention import Ask, parcel_step, replaced_step
from domain.carriers import TrackingStatus
from domain.labels import Label, Labels
from domain.shipping.shipment_state import ShipmentState

_ACTIONS: Final = ("retry_step", "skip_step")
_REASON: Final = (
    "The carrier has scanned {}, which is no label of shipment {} any more. If its parcels hold what left, retry_step "
    "goes on with it; else deal with it, and skip_step takes note"
)


def ask_about_strays(shipment_no: str, known: Labels) -> Ask | None:
    """Ask where the carrier has scanned labels of a shipment that its parcels do not go by."""
    if not known.strays:
        return None
    both = ", ".join(f"{stray.tracking_number} ({_instead(stray, known)})" for stray in known.strays)
    return Ask(_REASON.format(both, shipment_no), _ACTIONS, replaced_step(shipment_no))


def _instead(stray: Label, known: Labels) -> str:
    number = known.numbers.get(stray.parcel_no)
    return f"replaced by {number}" if number else "withdrawn; there is no other yet"


def over_once_told(shipment_no: str, known: Labels) -> set[str]:
    """Name what a person may be needed for that is over once it is known which label a shipment left under."""
    versions = {label.version for label in known.bought}
    versions.add(max(versions, default=0) + 1)
    return {
        replaced_step(shipment_no),
        *(parcel_step(label.tracking_number) for label in known.bought),
        *(f"{kind}/{shipment_no}/{version}" for kind in ("label", "void") for version in versions),
    }


def without_cancellations(state: ShipmentState) -> ShipmentState:
    """Take back that parcels were cancelled: that was said of labels that they do not go by any more."""
    for box in state.parcels:
        if box.tracking_status is TrackingStatus.CANCELLED:
            state = state.with_parcel(box.parcel_no, tracking_status=TrackingStatus.PENDING)
    return state.with_status()
