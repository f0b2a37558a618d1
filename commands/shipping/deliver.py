"""A parcel arrives: its delivery is a fact in the ledger, and the ERP hears once all of its shipment has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.shipping.goods_issue import posted
from domain.messages import OrderId
from domain.packing import Content
from domain.shipping.parcels import Parcel, contents_of
from domain.shipping.shipment_state import ShipmentState
from domain.stock import Evidence
from ledger.requests import DeliverParcel, LineQuantity
from ledger.writing.writer import Outcome
from queries.orders.erp_changes import shipped_lines
from queries.shipping.packing import read_still_underway
from records.erp import messages
from records.orders import orders
from records.orders.orders import OrderRow
from records.shipping import carrier_events, shipments
from records.shipping.carrier_events import CarrierEventRow

Also = Callable[[AsyncConnection, OrderRow, ShipmentState], Awaitable[None]]
"""What is done in the same transaction, once a parcel has arrived."""


async def deliver(
    context: CommandContext, order: OrderId, state: ShipmentState, box: Parcel, event: CarrierEventRow, also: Also
) -> bool:
    """Post that a parcel arrived. Says no if that was posted before. Raises `Conflict` where it was, of other goods."""
    shipment = state.shipment
    async with context.reading() as connection:
        (there,) = await read_still_underway(connection, order, shipment.shipment_no, [box], state.others(box))
        site = await orders.site_of(connection, order)
    contents = there or [replace(content, quantity=0) for content in box.lines]
    request = DeliverParcel(
        tenant=order.tenant,
        key=delivery_key(order, box),
        actor=f"carrier {shipment.carrier}",
        evidence=Evidence.CONFIRMED,
        occurred_at=event.occurred_at,
        order_ref=order.order_ref,
        shipment_no=shipment.shipment_no,
        order_site=site,
        lines=tuple(map(LineQuantity.of, contents)),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        at, rows = outcome.occurred_at, posted(contents, outcome.moved("arrived"))
        locked = await orders.lock_one(connection, order)
        before = await shipments.get(connection, order, shipment.shipment_no)
        now = before.delivered(box.parcel_no, at, rows)
        await shipments.save(connection, before, now)
        if now.has_arrived:
            others = contents_of(other for other in now.arrived if other.parcel_no != box.parcel_no)
            await tell(connection, order, shipment.shipment_no, [*(rows or box.lines), *others], event, at)
        await also(connection, locked, now)

    return not (await context.ledger.post(request, attach)).replayed


def delivery_key(order: OrderId, box: Parcel) -> str:
    """Return the key of a parcel's delivery: it arrives once, also where it was lost before."""
    return f"delivery/{order.order_ref}/{box.shipment_no}/{box.parcel_no}"


async def go_on_without(connection: AsyncConnection, order: OrderId, before: ShipmentState, now: ShipmentState) -> None:
    """Write what became of a shipment some of whose parcels ended: it is where its others are, or has arrived."""
    await shipments.save(connection, before, now.with_status())
    if now.has_arrived:
        last = max(now.arrived, key=_arrival)
        event = await carrier_events.delivery_of(connection, last)
        goods = contents_of(now.arrived)
        await tell(connection, order, now.shipment.shipment_no, goods, event, _arrival(last))


async def tell(
    connection: AsyncConnection,
    order: OrderId,
    shipment_no: str,
    goods: Sequence[Content],
    event: CarrierEventRow,
    at: datetime,
) -> None:
    """Keep the proof that a shipment arrived, and tell the ERP what of it did."""
    proof = {"signed_by": event.signed_by, "location": event.location, "occurred_at": at.isoformat()}
    if event.told_at is not None:
        proof["told_at"] = event.told_at.isoformat()
    await shipments.prove_delivery(connection, order, shipment_no, at, proof)
    payload = {
        "shipment_no": shipment_no,
        "signed_by": event.signed_by,
        "occurred_at": at.isoformat(),
        "lines": await shipped_lines(connection, order, goods),
    }
    await messages.append(connection, order, "delivered", payload)


def _arrival(box: Parcel) -> datetime:
    assert box.delivered_at is not None
    return box.delivered_at
