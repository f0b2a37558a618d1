"""How far parcels are: a parcel's status moves along its partial order only, a shipment's is its slowest parcel's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.carriers import GONE_WRONG, PHYSICAL, TrackingStatus, advances
from domain.shipping.parcels import Parcel, Shipment


def concerns_its_order(status: TrackingStatus, shipment: Shipment, box: Parcel) -> bool:
    """Say whether a scan proves a movement that the ledger may not have, or changes whether a person is needed.

    Of what was lost only its delivery is news; of what came back, nothing is.
    """
    if box.came_back_at is not None:
        return False
    if status is TrackingStatus.DELIVERED:
        return box.delivered_at is None
    if box.lost_at is not None:
        return False
    before = box.tracking_status
    left_unseen = status in PHYSICAL and shipment.handed_over_at is None
    return left_unseen or (advances(before, status) and not GONE_WRONG.isdisjoint({before, status}))


def slowest(boxes: Sequence[Parcel]) -> TrackingStatus:
    """Return a shipment's status: its least advanced parcel's of those that arrived or still may; else, of all."""
    there = [box for box in boxes if box.delivered_at is not None or box.is_underway]
    return least(box.tracking_status for box in there or boxes)


def least(statuses: Iterable[TrackingStatus]) -> TrackingStatus:
    """Return the least advanced of the statuses."""
    found, *rest = statuses
    for status in rest:
        if advances(status, found):
            found = status
    return found
