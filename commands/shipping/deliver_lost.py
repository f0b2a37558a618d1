"""A parcel that was lost arrives after all: a fact, whatever was decided meanwhile."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, ask_for_a_person, read_lines
from commands.shipping import repack
from commands.shipping.deliver import delivery_key, tell
from domain.erp import Said
from domain.erp_lines import amounts
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.shipping import stuck
from domain.shipping.losses import has_too_much
from domain.shipping.parcels import Loss, Parcel, contents_of
from domain.shipping.shipment_state import ShipmentState
from domain.stock import Evidence
from ledger.requests import DeliverLostParcel, LineQuantity
from ledger.writing.writer import Outcome
from queries.orders.erp_changes import demand_changes
from records.erp import messages
from records.orders import orders
from records.shipping import shipments
from records.shipping.carrier_events import CarrierEventRow


async def deliver_lost(
    context: CommandContext, order: OrderId, state: ShipmentState, box: Parcel, event: CarrierEventRow
) -> None:
    """Post the delivery of a parcel that was lost: from where it was written off to, as if it had never been.

    Raises `Rejected` where a serial number of it was found elsewhere meanwhile.
    """
    shipment, loss = state.shipment, box.loss
    assert loss is not None
    async with context.reading() as connection:
        former = await read_lines(connection, order)
        site = await orders.site_of(connection, order)
    request = DeliverLostParcel(
        tenant=order.tenant,
        key=delivery_key(order, box),
        actor=f"carrier {shipment.carrier}",
        evidence=Evidence.CONFIRMED,
        occurred_at=event.occurred_at,
        order_ref=order.order_ref,
        shipment_no=shipment.shipment_no,
        order_site=site,
        sent_again=loss.resend,
        lines=tuple(map(LineQuantity.of, loss.units)),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        at = outcome.occurred_at
        await orders.lock_one(connection, order)
        before = await shipments.get(connection, order, shipment.shipment_no)
        await shipments.save(connection, before, before.found(box.parcel_no, at))
        lines = await read_lines(connection, order)
        await repack.fit(connection, order, former, lines)
        for kind, payload in [_found(lines, loss), *await demand_changes(connection, order, former, lines)]:
            await messages.append(connection, order, kind, payload)
        await _tell_arrival(connection, order, before, loss, event, at)
        if has_too_much(former, lines):
            await ask_for_a_person(connection, order, stuck.about_found(box))

    await context.ledger.post(request, attach)


def _found(lines: list[OrderLine], loss: Loss) -> Said:
    """Write to the ERP that the loss is none."""
    return "cancelled", {"reason": "found", "lines": amounts(lines, loss.units)}


async def _tell_arrival(
    connection: AsyncConnection, order: OrderId, before: ShipmentState, loss: Loss, event: CarrierEventRow, at: datetime
) -> None:
    """Tell the ERP of the delivery, once nothing of the shipment is underway; of the others only if it was not told."""
    if before.underway:
        return
    others = before.arrived if before.shipment.delivered_at is None else []
    goods = [*contents_of(others), *loss.units]
    await tell(connection, order, before.shipment.shipment_no, goods, event, at)
