"""A scan of a label that was replaced: the parcel left under it, or a person is asked which of two did.

Which it is follows from all that was scanned (`domain.labels`), so that scans commute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import ask_for_a_person, clear_attention
from commands.shipping import repack
from commands.shipping.stuck_parcels import ask_about_the_rest
from domain.attention import parcel_step, replaced_step
from domain.carriers import TrackingStatus
from domain.errors import Unavailable
from domain.labels import Label, Labels
from domain.messages import OrderId
from records.orders import orders
from records.shipping import carrier_events, labels, shipments, tracking
from records.shipping.shipments import Parcel, Shipment

ACTIONS: Final = ("retry_step", "skip_step")
_REASON: Final = (
    "The carrier has scanned {}, which is no label of shipment {} any more. If its parcels hold what left, retry_step "
    "goes on with it; else deal with it, and skip_step takes note"
)


async def read(
    connection: AsyncConnection, order: OrderId, shipment_no: str
) -> tuple[Shipment | None, list[Parcel], Labels]:
    """Return a shipment, its parcels, and all labels that were ever bought for them."""
    shipment = await shipments.get(connection, order.tenant, order.order_ref, shipment_no)
    boxes = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    own = [box for box in boxes if box.shipment_no == shipment_no]
    known = await labels.of_shipment(connection, shipment, own) if shipment else Labels((), {}, {})
    return shipment, own, known


async def leave_under(connection: AsyncConnection, order: OrderId, shipment: Shipment, version: int) -> Shipment:
    """Let a shipment go by another of its labels, which proved to be the one that left; the flag that it had is off.

    Returns the shipment as it left. The caller holds the order's lock. Raises `Unavailable` where it was packed anew
    since it was looked at.
    """
    _, boxes, known = await read(connection, order, shipment.shipment_no)
    if not known.fits(version):
        raise Unavailable(f"{shipment.shipment_no} was packed anew meanwhile; its scans are looked at again.")
    await repack.go_by(connection, order, shipment, version)
    await _forget_cancellations(connection, order, boxes)
    numbers = [label.tracking_number for label in known.bought if label.version == version]
    await carrier_events.hear_again(connection, order.tenant, order.order_ref, numbers)
    now = (await orders.lock(connection, [(order.tenant, order.order_ref)]))[order.tenant, order.order_ref]
    if (now.attention or {}).get("step") in _steps(shipment.shipment_no, known):
        await clear_attention(connection, order)
    left, _, _ = await read(connection, order, shipment.shipment_no)
    return left or shipment


async def _forget_cancellations(connection: AsyncConnection, order: OrderId, boxes: list[Parcel]) -> None:
    """Take back that parcels were cancelled: that was said of labels that they do not go by any more."""
    pending = TrackingStatus.PENDING.value
    cancelled = [box for box in boxes if box.tracking_status == TrackingStatus.CANCELLED]
    for box in cancelled:
        name = (order.tenant, order.order_ref, box.shipment_no, box.parcel_no)
        await shipments.set_parcel(connection, *name, tracking_status=pending)
    now = [replace(box, tracking_status=pending) if box in cancelled else box for box in boxes]
    status = tracking.of_shipment(now).value
    await shipments.set_fields(connection, order.tenant, order.order_ref, boxes[0].shipment_no, tracking_status=status)


def _steps(shipment_no: str, known: Labels) -> set[str]:
    """Name what a person may be needed for that is over once it is known which label a shipment left under."""
    versions = {label.version for label in known.bought}
    versions.add(max(versions, default=0) + 1)
    return {
        replaced_step(shipment_no),
        *(parcel_step(label.tracking_number) for label in known.bought),
        *(f"{kind}/{shipment_no}/{version}" for kind in ("label", "void") for version in versions),
    }


async def look(connection: AsyncConnection, order: OrderId, shipment_no: str) -> bool:
    """Ask for a person where the carrier has scanned labels of a shipment that its parcels do not go by. Says whether.

    The caller holds the order's lock.
    """
    _, _, known = await read(connection, order, shipment_no)
    if not known.strays:
        return False
    both = ", ".join(f"{stray.tracking_number} ({_instead(stray, known)})" for stray in known.strays)
    await ask_for_a_person(connection, order, _REASON.format(both, shipment_no), ACTIONS, replaced_step(shipment_no))
    return True


def _instead(stray: Label, known: Labels) -> str:
    number = known.numbers.get(stray.parcel_no)
    return f"replaced by {number}" if number else "withdrawn; there is no other yet"


async def try_again(connection: AsyncConnection, order: OrderId, shipment_no: str) -> None:
    """Go on with a label that was scanned, where its parcels hold what they held then: a person has looked.

    What has not left is handed over by its scans, which are heard again; what has goes by that label from now on,
    unless the carrier has scanned the other, too. Where neither helps, the order is flagged again. The caller holds
    the order's lock.
    """
    shipment, boxes, known = await read(connection, order, shipment_no)
    if shipment is None:
        return
    if shipment.handed_over_at is None:
        await labels.compare_again(connection, shipment, boxes)
        numbers = [stray.tracking_number for stray in known.strays]
        await carrier_events.hear_again(connection, order.tenant, order.order_ref, numbers)
        return
    if known.newest_scanned is not None and not known.is_scanned(known.in_use):
        await leave_under(connection, order, shipment, known.newest_scanned)
    await look(connection, order, shipment_no)


async def take_note(connection: AsyncConnection, order: OrderId, shipment_no: str) -> bool:
    """Note that a person has dealt with labels that were scanned though they were replaced. Says no without one."""
    shipment, boxes, known = await read(connection, order, shipment_no)
    numbers = [stray.tracking_number for stray in known.strays]
    if shipment is None or not numbers:
        return False
    await labels.take_note(connection, order.tenant, order.order_ref, numbers)
    await ask_about_the_rest(connection, order, shipment, boxes)
    return True
