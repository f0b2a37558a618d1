"""Parcels that the office wants back while the carrier has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from fastapi import Body, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import behind_the_door
from api.door.openapi import same_again
from api.door.request_body import Said
from api.door.services import ApiServices
from api.orders.await_decision import WAIT_S, Patience
from api.orders.command_endpoint import At, CommandSpec, Resolved, Resolver, of_shipment
from api.shipping.losses import find_parcel
from domain.commands import Intercept, Key
from domain.said import Part
from domain.shipping.parcels import Parcel
from queries.orders.order_lookup import FoundOrder
from queries.shipping.intercepts import InterceptState, refusal_of, state_of
from records import partner_words
from records.partner_words import PartnerWords
from records.shipping import intercepts, shipments
from records.shipping.shipments import Step

router = behind_the_door("/api/orders/{order_no}", "floor")


class InterceptedParcelView(BaseModel):
    """A parcel that is wanted back, and what the carrier says to that; `refusal` has its words where it says no."""

    parcel_no: int
    tracking_number: str | None
    tracking_status: str
    intercept: InterceptState | None
    refusal: str | None


class InterceptView(BaseModel):
    """An intercept, as it stands."""

    intercept_no: str
    order_no: str
    shipment_no: str
    outcome: str
    parcels: list[InterceptedParcelView]


@router.post("/shipments/{shipment_no}/intercept", status_code=201, responses=same_again(InterceptView, 202))
async def intercept(
    at: At,
    response: Response,
    shipment_no: Annotated[Key, Path()],
    said: Annotated[Said[Intercept], Body(examples=[examples.INTERCEPT])],
) -> InterceptView:
    """Have the carrier stop parcels that have left, and send them back; 202 while it has not answered.

    What it says is in the answer: a carrier may refuse. What comes back is taken in as a return.
    """
    patience = Patience(WAIT_S)
    known = _parcel_is_there(shipment_no)
    spec: CommandSpec[Intercept] = of_shipment("intercept", shipment_no, lambda body: body.intercept_no, known)
    answered = await at.submit(spec, said)
    parcels = await _answered(at.services, answered.order, shipment_no, answered.body.parcel_no, patience)
    response.status_code = 202 if _waits(parcels) else answered.decided.status_of_creation()
    return InterceptView(
        intercept_no=answered.body.intercept_no,
        order_no=answered.order.order_no,
        shipment_no=shipment_no,
        outcome=answered.decided.outcome,
        parcels=parcels,
    )


def _parcel_is_there(shipment_no: str) -> Resolver:
    async def resolve(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
        await find_parcel(connection, order, shipment_no, part)
        return [], {}

    return resolve


async def _answered(
    services: ApiServices, order: FoundOrder, shipment_no: str, parcel_no: int | None, patience: Patience
) -> list[InterceptedParcelView]:
    """Read the parcels, waiting for the carrier's answer as long as the caller does."""
    while True:
        parcels = await _read(services, order, shipment_no, parcel_no)
        if not _waits(parcels) or patience.is_over:
            return parcels
        await patience.pause()


def _waits(parcels: Iterable[InterceptedParcelView]) -> bool:
    return any(parcel.intercept == "asked" for parcel in parcels)


async def _read(
    services: ApiServices, order: FoundOrder, shipment_no: str, parcel_no: int | None
) -> list[InterceptedParcelView]:
    async with services.reading() as connection:
        steps = await intercepts.latest(connection, order.order, shipment_no)
        boxes = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
        refused = any(step.refusal for step in steps.values())
        said = await partner_words.of_orders(connection, order.tenant, [order.order_ref]) if refused else {}
    named = [box for box in boxes if box.shipment_no == shipment_no and parcel_no in {None, box.parcel_no}]
    return list(_views(named, steps, {step: words for (_, step), words in said.items()}))


def _views(
    boxes: Iterable[Parcel], steps: Mapping[int, Step], said: Mapping[str, PartnerWords]
) -> Iterable[InterceptedParcelView]:
    for box in boxes:
        step = steps.get(box.parcel_no)
        yield InterceptedParcelView(
            parcel_no=box.parcel_no,
            tracking_number=box.tracking_number,
            tracking_status=box.tracking_status,
            intercept=state_of(step) if step else None,
            refusal=refusal_of(step, said.get(step.step_id)) if step else None,
        )
