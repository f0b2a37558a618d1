"""How a shipment ends: it has arrived once something of it has, and nothing of it is underway any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OrderId
from domain.packing import Row
from queries.erp_changes import shipped_lines
from records.erp import messages
from records.shipping import carrier_events, shipments, tracking
from records.shipping.carrier_events import CarrierEventRow
from records.shipping.shipments import Parcel, contents_of


async def go_on_without(connection: AsyncConnection, order: OrderId, shipment_no: str) -> None:
    """Bring a shipment to where its other parcels are, now that some were lost or came back."""
    boxes = await _parcels(connection, order, shipment_no)
    status = tracking.of_shipment(boxes)
    await shipments.set_fields(connection, order.tenant, order.order_ref, shipment_no, tracking_status=status.value)
    arrived = [box for box in boxes if box.delivered_at is not None]
    if not arrived or any(map(tracking.is_underway, boxes)):
        return
    last = max(arrived, key=_arrival)
    event = await carrier_events.delivery_of(connection, last)
    await tell(connection, order, shipment_no, contents_of(arrived), event, _arrival(last))


async def tell(
    connection: AsyncConnection,
    order: OrderId,
    shipment_no: str,
    goods: Sequence[Row],
    event: CarrierEventRow,
    at: datetime,
) -> None:
    """Keep the proof that a shipment arrived, and tell the ERP what of it did."""
    proof = {"signed_by": event.signed_by, "location": event.location, "occurred_at": at.isoformat()}
    if event.told_at is not None:
        proof["told_at"] = event.told_at.isoformat()
    await shipments.set_fields(
        connection, order.tenant, order.order_ref, shipment_no, delivered_at=at, proof_of_delivery=proof
    )
    payload = {
        "shipment_no": shipment_no,
        "signed_by": event.signed_by,
        "occurred_at": at.isoformat(),
        "lines": await shipped_lines(connection, order, goods),
    }
    await messages.append(connection, order.tenant, order.order_ref, "delivered", payload)


async def _parcels(connection: AsyncConnection, order: OrderId, shipment_no: str) -> list[Parcel]:
    boxes = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    return [box for box in boxes if box.shipment_no == shipment_no]


def _arrival(box: Parcel) -> datetime:
    assert box.delivered_at is not None
    return box.delivered_at
