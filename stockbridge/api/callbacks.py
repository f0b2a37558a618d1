"""Carriers' callbacks: checked, stored, answered; what they mean to an order is its workflow's business."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from stockbridge.api.described import REFUSALS, WRITES
from stockbridge.api.problems import not_found
from stockbridge.api.services import ApiServices, Services
from stockbridge.domain.carriers import TrackingEvent
from stockbridge.domain.errors import Rejected
from stockbridge.records import events, keys
from stockbridge.records.keys import CarrierConnection

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
        raise Rejected(refusal.code, refusal.detail, refusal.faults, status=400) from refusal
    order_refs = await _store(services, account, told)
    heard = BackgroundTask(_tell, services, account.tenant, order_refs)
    return JSONResponse(Received().model_dump(), status_code=202, background=heard)


async def _account(services: ApiServices, carrier: str, name: str) -> CarrierConnection:
    if name in services.carriers:
        async with services.reading() as connection:
            account = await keys.find_connection(connection, name)
        if account is not None and account.carrier == carrier:
            return account
    raise not_found("such connection")


async def _store(services: ApiServices, account: CarrierConnection, told: list[TrackingEvent]) -> list[str]:
    """Store what is new, and return the orders that it is about."""
    async with services.engine.begin() as connection:
        heard = [
            await events.store(connection, account.connection, account.carrier, account.tenant, event, "callback")
            for event in told
        ]
    return sorted({order_ref for order_ref in heard if order_ref is not None})


async def _tell(services: ApiServices, tenant: str, order_refs: list[str]) -> None:
    for order_ref in order_refs:
        await services.orders.hear_carrier(tenant, order_ref)
