"""What all steps that carriers are asked for share: who is asked, their order's lock, and the numbers that come."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import messages as m
from domain.carriers import Booking
from records.orders import orders, outbox
from records.partner_words import Asked
from records.shipping import carrier_events, labels, shipments


def asked_of(step: m.CarrierStep) -> Asked:
    """Say what is asked of whom, for the words that may come back."""
    return Asked(step.order, step.step_id, step.carrier or "carrier")


async def lock_order_of(connection: AsyncConnection, step: m.CarrierStep) -> orders.OrderRow | None:
    """Return the order of a step, if it is there, and let nobody change it meanwhile."""
    name = (step.tenant, step.order_ref)
    return (await orders.lock(connection, [name])).get(name)


async def note_numbers(
    connection: AsyncConnection, row: shipments.Step, carrier: str, booking: Booking, *, in_use: bool
) -> None:
    """Keep the numbers of a booking, and give its order what was heard of them before."""
    await labels.came(connection, row, booking.parcels, in_use=in_use)
    for labeled in booking.parcels:
        owner = {"order_ref": row.order_ref, "shipment_no": row.shipment_no, "parcel_no": labeled.parcel_no}
        if await carrier_events.match(connection, row.tenant, carrier, owner, labeled.tracking_number):
            await outbox.put(connection, row.order, "carrier_event")
