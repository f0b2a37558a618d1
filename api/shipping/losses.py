"""Parcels that will never arrive, as the office says."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import behind_the_door
from api.door.openapi import same_again
from api.door.request_body import Said
from api.orders.command_endpoint import At, CommandSpec, Resolved, Resolver, of_shipment
from api.orders.order_lines import named_line
from api.orders.views import CommandAnswer
from commands.resolving import Faults, read_known
from domain.commands import Key, Loss
from domain.refusals import not_found
from domain.said import Part
from queries.orders.order_lookup import FoundOrder
from queries.shipping.shipments import read_shipment
from records import people

router = behind_the_door("/api/orders/{order_no}", "floor")


@router.post("/shipments/{shipment_no}/losses", responses=same_again(CommandAnswer, 202))
async def lose(
    at: At,
    response: Response,
    shipment_no: Annotated[Key, Path()],
    said: Annotated[Said[Loss], Body(examples=[examples.LOSS])],
) -> CommandAnswer:
    """Say that a parcel is lost, or damaged beyond delivery: its goods are written off, and cancelled or sent again.

    With `lines`, only these of its goods; the rest of it may still arrive.
    """
    spec: CommandSpec[Loss] = of_shipment("lose", shipment_no, lambda body: body.loss_no, _lost(shipment_no))
    return await at.view(await at.submit(spec, said), response)


def _lost(shipment_no: str) -> Resolver:
    """Check that the order has the shipment with its parcel, and resolve what of it is lost.

    The note is kept apart: it may be about people.
    """

    async def resolve(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
        await find_parcel(connection, order, shipment_no, part)
        faults, parts = Faults(), list(part.parts("lines"))
        known = await read_known(connection, order.tenant, await order.lines(connection) if parts else [], parts)
        resolved = [named_line(faults, line, known, lambda line: line.underway) for line in parts]
        key = f"loss/{order.order_ref}/{shipment_no}/{part.get('loss_no')}"
        await people.say_again(connection, order.tenant, key, note=part.get("note"))
        return faults.found, {"note": None, **({"resolved": resolved} if parts else {})}

    return resolve


async def find_parcel(connection: AsyncConnection, order: FoundOrder, shipment_no: str, part: Part) -> None:
    """Refuse a command that names a shipment which the order does not have, or a parcel which that does not."""
    shipment = await read_shipment(connection, order.order, shipment_no)
    if shipment is None:
        raise not_found(f"shipment {shipment_no} of {order.order_no}")
    parcel_no = part.get("parcel_no")
    if parcel_no not in {None, *(shown.parcel.parcel_no for shown in shipment.parcels)}:
        raise not_found(f"parcel {parcel_no} in shipment {shipment_no}")
