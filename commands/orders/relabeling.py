"""What the labels of parcels say can change until they have left."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Fault, Kind, Rejected
from domain.payloads import Kept
from records.orders.inbox import InboxRow
from records.shipping import shipments


async def check_is_here(connection: AsyncConnection, row: InboxRow[Kept], changed: list[str]) -> None:
    """Refuse to change what the labels of parcels say that have left."""
    boxes = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
    gone = {box.shipment_no for box in boxes if box.delivered_at is not None or box.is_underway}
    left = [
        shipment.shipment_no
        for shipment in await shipments.of_order(connection, row.order)
        if shipment.handed_over_at is not None and shipment.shipment_no in gone
    ]
    if left:
        words = f"can't change any more: shipment {left[0]} has left already; a new order can go elsewhere."
        faults = [Fault(f"/{name}", "already_shipped", f"{name} {words}") for name in changed]
        raise Rejected("already_shipped", faults[0].detail, faults, kind=Kind.CONFLICT)
