"""Carriers' callbacks: checked, stored, answered; what they mean to an order is its workflow's business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from adapters.carriers.port import CarrierPort
from api.door.openapi import REFUSALS, WRITES
from api.door.services import ApiServices, Services
from domain.carriers import TrackingEvent
from domain.connections import ConnectionKind, Flow
from domain.errors import Kind, Rejected, Unavailable
from domain.refusals import not_found
from records.access import connections
from records.access.connections import Connection
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
    carrier: Annotated[str, Path(max_length=64, description="The connection's name, or its adapter's")],
    connection: Annotated[str, Path(max_length=128, description="Its public id: it alone says whose account it is")],
) -> Response:
    """Take a carrier's callback. The answer says nothing about whether the parcel is known."""
    account = await _account(services, carrier, connection)
    body = await request.body()
    async with _listening(services, account) as port:
        port.verify_callback(body, request.headers, services.clock())
        try:
            told = port.parse_callback(body)
        except Rejected as refusal:
            raise Rejected(refusal.code, refusal.detail, refusal.faults, kind=Kind.MALFORMED) from refusal
    await _store(services, account, told)
    return JSONResponse(Received().model_dump(), status_code=202)


async def _account(services: ApiServices, carrier: str, public_id: str) -> Connection:
    if "\x00" in public_id:
        raise not_found("such connection")
    async with services.reading() as connection:
        account = await connections.find_by_public_id(connection, public_id)
    if account is None or account.kind is not ConnectionKind.CARRIER or carrier not in {account.name, account.adapter}:
        raise not_found("such connection")
    return account


@asynccontextmanager
async def _listening(services: ApiServices, account: Connection) -> AsyncIterator[CarrierPort]:
    """Lend the port that reads callbacks. Where nothing comes in now, the carrier is to tell it again."""
    if not account.flow.lets(Flow.INBOUND):
        raise Unavailable("Nothing is heard by this connection now: send it again.", retry_after_s=60, ours=True)
    async with AsyncExitStack() as lent:
        try:
            port = await lent.enter_async_context(services.carriers.of(account.tenant, account.name, Flow.INBOUND))
        except Rejected as error:
            raise Unavailable("The connection is taken up in a moment: send it again.", ours=True) from error
        yield port


async def _store(services: ApiServices, account: Connection, told: list[TrackingEvent]) -> None:
    """Store what is new; its orders hear of it from the relay, by the outbox."""
    heard = carrier_events.Heard(account.tenant, account.name, "callback", services.window)
    async with services.engine.begin() as connection:
        for event in told:
            await carrier_events.store(connection, heard, event)
