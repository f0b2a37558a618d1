"""How far parcels are: a parcel's status moves along its partial order only, a shipment's is its slowest parcel's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carriers import GONE_WRONG, PHYSICAL, TrackingStatus, advances
from records.shipping import shipments
from records.shipping.shipments import Parcel, Shipment


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
    before = TrackingStatus(box.tracking_status)
    left_unseen = status in PHYSICAL and shipment.handed_over_at is None
    return left_unseen or (advances(before, status) and not GONE_WRONG.isdisjoint({before, status}))


async def advance(connection: AsyncConnection, box: Parcel, status: TrackingStatus) -> tuple[str, bool]:
    """Move a parcel to a status, if that is further than it is. Returns what changed, in words, and whether it did.

    The order's row is locked.
    """
    owner = (box.tenant, box.order_ref)
    boxes = [
        other
        for other in await shipments.parcels_of(connection, owner[0], [owner[1]])
        if other.shipment_no == box.shipment_no
    ]
    known = next(other for other in boxes if other.parcel_no == box.parcel_no)
    before = TrackingStatus(known.tracking_status)
    if not advances(before, status):
        return f"nothing: {before} is further", False
    boxes = [replace(other, tracking_status=status.value) if other is known else other for other in boxes]
    await shipments.set_parcel(connection, *owner, box.shipment_no, box.parcel_no, tracking_status=status.value)
    await shipments.set_fields(connection, *owner, box.shipment_no, tracking_status=of_shipment(boxes).value)
    return f"{before} -> {status}", True


def of_shipment(boxes: Sequence[Parcel]) -> TrackingStatus:
    """Return a shipment's status: its least advanced parcel's of those that arrived or still may; else, of all."""
    there = [box for box in boxes if box.delivered_at is not None or is_underway(box)]
    return least(TrackingStatus(box.tracking_status) for box in there or boxes)


def is_underway(box: Parcel) -> bool:
    """Say whether a parcel may still arrive: it holds something, and was not delivered, lost, or taken back."""
    ended = (box.delivered_at, box.lost_at, box.came_back_at)
    return bool(box.lines) and not any(ended)


def least(statuses: Iterable[TrackingStatus]) -> TrackingStatus:
    """Return the least advanced of the statuses."""
    found, *rest = statuses
    for status in rest:
        if advances(status, found):
            found = status
    return found
