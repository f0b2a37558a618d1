"""What a carrier's scan of a parcel means: events commute, and what they prove is posted.

A physical scan of a parcel that was never handed over proves that it left. Duplicates, late and contradicting scans
change nothing that is already known. A scan of a label that was replaced proves that its parcel left, if that holds
what it held when the label was bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from domain.attention import Ask
from domain.carriers import PHYSICAL, TrackingStatus
from domain.labels import Labels
from domain.shipping.parcels import Parcel, Shipment
from domain.shipping.shipment_state import ShipmentState
from domain.shipping.stuck import about_cancelled_shipment
from domain.stock import Evidence

REPLACED: Final = "nothing: its label was replaced"


@dataclass(frozen=True)
class Scan:
    """A scan of a label of a parcel."""

    parcel_no: int
    tracking_number: str
    status: TrackingStatus


@dataclass(frozen=True)
class Ignored:
    """A scan that moves nothing: why, and whether a person is asked about it."""

    words: str
    ask: Ask | None = None


@dataclass(frozen=True)
class Stray:
    """A scan of a label that its parcel does not go by: a person is asked about all of these together."""


@dataclass(frozen=True)
class Departure:
    """A shipment left, which nobody said: its goods issue is posted, `inferred`.

    `under` is the version of its labels that it left under, where it does not go by that.
    """

    under: int | None = None


@dataclass(frozen=True)
class OtherLabel:
    """A shipment that left is known to have left under another version of its labels."""

    under: int


@dataclass(frozen=True)
class Proof:
    """A scan that tells where its parcel is, and what that proves of its shipment.

    It `was_replaced` if the parcel did not go by the label that was scanned.
    """

    proves: Departure | OtherLabel | None
    was_replaced: bool = False


class Arrival(Enum):
    """A parcel has arrived: as it was to, or though it was lost."""

    UNDERWAY = auto()
    LOST = auto()


def meaning_of(scan: Scan, state: ShipmentState | None, labels: Labels | None) -> Ignored | Stray | Proof:
    """Say what a scan means for its shipment. `labels` are all that were bought, where its parcel goes by another."""
    box = state and state.parcel(scan.parcel_no)
    if state is None or box is None:
        return Ignored("its parcel is gone")
    if state.shipment.dissolved_at is not None:
        ask = about_cancelled_shipment(scan.tracking_number, scan.status)
        return Ignored("nothing: its shipment was cancelled", ask)
    if goes_by(state, scan):
        unseen = scan.status in PHYSICAL and not state.has_left
        return Proof(Departure() if unseen else None)
    label = labels.of(scan.tracking_number) if labels else None
    if labels is None or label is None or scan.status not in PHYSICAL or not labels.fits(label.version):
        return Stray()
    return Proof(_proved_by_former(state.shipment, labels), was_replaced=True)


def goes_by(state: ShipmentState, scan: Scan) -> bool:
    """Say whether a scan is of the label that its parcel goes by."""
    box = state.parcel(scan.parcel_no)
    return box is not None and box.tracking_number == scan.tracking_number


def _proved_by_former(shipment: Shipment, labels: Labels) -> Departure | OtherLabel | None:
    """Say what a scan of a former label proves: a shipment left under the newest of all that were scanned.

    Where it left by a person's word, it stays with the label of that day.
    """
    newest = labels.newest_scanned
    under = None if newest == labels.in_use else newest
    if shipment.handed_over_at is None:
        return Departure(under)
    inferred = shipment.handover_evidence == Evidence.INFERRED
    return OtherLabel(under) if inferred and under is not None else None


def arrival_by(scan: Scan, box: Parcel) -> Arrival | None:
    """Say whether a scan tells that a parcel has arrived, which was not known."""
    if scan.status is not TrackingStatus.DELIVERED:
        return None
    if box.lost_at is not None:
        return Arrival.LOST
    return Arrival.UNDERWAY if box.is_underway else None
