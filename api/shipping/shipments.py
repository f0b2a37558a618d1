"""Shipments: what is packed and labeled, and given to its carrier."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import Body, Path, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import behind_the_door
from api.door.openapi import same_again
from api.door.request_body import Said
from api.door.services import ApiServices
from api.orders.await_decision import WAIT_S, Patience
from api.orders.command_endpoint import Answered, At, CommandSpec, Resolved, Resolver, of_shipment
from api.orders.order_lines import named_line
from api.orders.views import ParcelView, ShipmentView, parcel_line, shipment_view
from commands.resolving import Faults, read_known
from domain.commands import HandOver, Key, Ship
from domain.errors import Conflict
from domain.order_commands import ORDER_COMMANDS
from domain.payloads import Kept, KeptShip
from domain.refusals import not_found
from domain.said import Part
from queries.orders.order_lookup import FoundOrder
from queries.shipping.shipments import ShipmentShown, read_shipment
from records.orders import inbox, order_reads
from records.orders.inbox import InboxRow

router = behind_the_door("/api/orders/{order_no}", "floor")


async def _parcels(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
    """Resolve what is in each parcel, and check that no other order's shipment has the number."""
    faults = Faults()
    boxes = list(part.parts("parcels"))
    lines = await order.lines(connection) if boxes else []
    known = await read_known(connection, order.tenant, lines, ())
    resolved = []
    for box in boxes:
        resolved.append([named_line(faults, line, known, lambda line: line.reserved) for line in box.parts("lines")])
        await asyncio.sleep(0)  # there may be as many lines as in fifty orders: others have their turn between boxes
    taken_by = await order_reads.order_of_shipment(connection, order.tenant, part.get("shipment_no") or "")
    if taken_by not in {None, order.order_ref}:
        raise Conflict(f"Shipment number {part.get('shipment_no')} is taken by another order.")
    return faults.found, {"resolved": resolved} if boxes else {}


SHIP: Final = CommandSpec[Ship]("ship", lambda body: body.shipment_no, _parcels)


@router.post("/shipments", status_code=201, responses=same_again(ShipmentView, 202))
async def ship(at: At, response: Response, said: Annotated[Said[Ship], Body(examples=[examples.SHIP])]) -> ShipmentView:
    """Book and label a shipment; 202 while it has no label: it gets one when the carrier is back."""
    patience = Patience(WAIT_S)
    answered = await at.submit(SHIP, said)
    shipment = await _labeled(at.services, answered, patience)
    response.status_code = answered.decided.status_of_creation()
    if shipment is None:
        return _booked(answered.order, answered.body.shipment_no, answered.decided.row)
    if not shipment.is_labeled:
        response.status_code = 202
    return shipment_view(shipment, answered.order.order_no)


async def _labeled(services: ApiServices, answered: Answered[Ship], patience: Patience) -> ShipmentShown | None:
    """Read the shipment, waiting for its labels as long as its caller does, and nobody is needed for them."""
    order, shipment_no = answered.order, answered.body.shipment_no
    while True:
        async with services.reading() as connection:
            waits = await order_reads.waits_for_labels(connection, order.order, shipment_no)
            if not waits or patience.is_over:
                return await read_shipment(connection, order.order, shipment_no)
        await patience.pause()


def _booked(order: FoundOrder, shipment_no: str, command: InboxRow[Kept] | None) -> ShipmentView:
    """Return a shipment whose command waits: as it was asked for, without numbers."""
    terms, told = order.row or order.pushed, command and command.payload
    return ShipmentView(
        shipment_no=shipment_no,
        carrier=terms.carrier,
        service_level=terms.service_level,
        tracking_status="pending",
        handed_over_at=None,
        delivered_at=None,
        proof_of_delivery=None,
        parcels=[
            ParcelView(
                parcel_no=number,
                tracking_number=None,
                tracking_status="pending",
                label_url=None,
                lines=[parcel_line(line) for line in lines],
            )
            for number, lines in enumerate(told.resolved if isinstance(told, KeptShip) else (), 1)
        ],
    )


@router.post("/shipments/{shipment_no}/handover", responses=same_again(ShipmentView, 202))
async def hand_over(
    at: At,
    response: Response,
    shipment_no: Annotated[Key, Path()],
    said: Annotated[Said[HandOver], Body(examples=[examples.HAND_OVER])],
) -> ShipmentView:
    """Say that a shipment's parcels were given to the carrier: the goods have left."""
    known = _shipment_is_there(shipment_no)
    spec: CommandSpec[HandOver] = of_shipment("hand_over", shipment_no, lambda body: body.handover_no, known)
    answered = await at.submit(spec, said)
    response.status_code = answered.decided.status_of_change()
    order = answered.order
    async with at.services.reading() as connection:
        shipment = await read_shipment(connection, order.order, shipment_no)
        booking = await _waiting_booking(connection, order, shipment_no)
    return shipment_view(shipment, order.order_no) if shipment else _booked(order, shipment_no, booking)


def _shipment_is_there(shipment_no: str) -> Resolver:
    """Check that the order has a shipment, or that its booking waits for a decision, as the hand-over then will."""

    async def resolve(connection: AsyncConnection, order: FoundOrder, _part: Part) -> Resolved:
        known = await read_shipment(connection, order.order, shipment_no)
        if known is None and await _waiting_booking(connection, order, shipment_no) is None:
            raise not_found(f"shipment {shipment_no} of {order.order_no}")
        return [], {}

    return resolve


async def _waiting_booking(connection: AsyncConnection, order: FoundOrder, shipment_no: str) -> InboxRow[Kept] | None:
    key = ORDER_COMMANDS["ship"].key(order.order_ref, shipment_no)
    waiting = await inbox.undecided(connection, order.order)
    return next((row for row in waiting if row.key == key), None)
