"""Carriers' callbacks: checked, stored, answered; what they mean to an order is its workflow's business."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from api.door.openapi import REFUSALS, WRITES
from api.door.services import ApiServices, Services
from domain.carriers import TrackingEvent
from domain.errors import Kind, Rejected
from domain.refusals import not_found
from records.access import connections
from records.access.connections import CarrierConnection
from records.shipping import carrier_events

router = APIRouter(prefix="/api/callbacks/carriers", tags=["carriers"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "The vendor's own body, with its signature headers",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


class Received(BaseModel):
    """The callback is stored, or was before."""

    received: bool = True


@router.post(
    "/{carrier}/{connection}",
    status_code=202,
    response_model=Received,
    responses={**WRITES, **REFUSALS},
    openapi_extra=_BODY,
)
async def hear_carrier(
    services: Services,
    request: Request,
    carrier: Annotated[str, Path(max_length=64)],
    connection: Annotated[str, Path(max_length=128)],
) -> Response:
    """Take a carrier's callback. The answer says nothing about whether the parcel is known."""
    account = await _account(services, carrier, connection)
    port = services.carriers[connection]
    body = await request.body()
    port.verify_callback(body, request.headers, services.clock())
    try:
        told = port.parse_callback(body)
    except Rejected as refusal:
        raise Rejected(refusal.code, refusal.detail, refusal.faults, kind=Kind.MALFORMED) from refusal
    await _store(services, account, told)
    return JSONResponse(Received().model_dump(), status_code=202)


async def _account(services: ApiServices, carrier: str, name: str) -> CarrierConnection:
    if name in services.carriers:
        async with services.reading() as connection:
            account = await connections.find_connection(connection, name)
        if account is not None and account.carrier == carrier:
            return account
    raise not_found("such connection")


async def _store(services: ApiServices, account: CarrierConnection, told: list[TrackingEvent]) -> None:
    """Store what is new; its orders hear of it from the relay, by the outbox."""
    heard = carrier_events.Heard(account.connection, account.carrier, account.tenant, "callback", services.window)
    async with services.engine.begin() as connection:
        for event in told:
            await carrier_events.store(connection, heard, event)
