"""Stock becomes something else where it lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import Answer, Keyed, Posted, counted_in, once, said_by, why
from commands.resolving import Faults
from commands.times import time_faults
from domain.errors import Conflict, Fault
from domain.reasons import code_of
from domain.said import Part, Said
from domain.shapes import StatusChange
from domain.stock import PHYSICAL, StreamKey
from ledger.requests import ChangeStockStatus
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey
from records.catalog import Location, Product


@dataclass(frozen=True)
class StatusChanged(Answer):
    """How much became something else."""

    changed: int


async def change_stock_status(
    context: CommandContext, caller: ApiKey, stream: StreamKey, said: Said[StatusChange]
) -> Posted:
    """Post that stock of a bucket became something else, once under the change's number."""
    keyed = Keyed[StatusChange](
        ChangeStockStatus, lambda body: f"status/{body.change_no}", about=f"{stream.stream_id}\n"
    )
    return await once(context, caller, said, keyed, lambda: _change(context, caller, stream, said, keyed))


async def _change(
    context: CommandContext, caller: ApiKey, stream: StreamKey, said: Said[StatusChange], keyed: Keyed[StatusChange]
) -> Outcome:
    async with context.reading() as connection:
        location = (await catalog.locations(connection, caller.tenant, [stream.place.location_id])).get(
            stream.place.location_id
        )
        faults, products, quantity = await _resolve_change(connection, stream, location, said.part)
        faults += await time_faults(connection, said.part, context.window)
    body = said.settle(faults)
    request = ChangeStockStatus(
        **{**said_by(caller, body), "asked": keyed.asked(body)},
        key=keyed.key(body),
        occurred_at=body.occurred_at,
        stream=replace(stream, place=location.place) if location else stream,
        to=body.to,
        quantity=quantity or 0,
        reason_code=code_of(body.reason),
    )
    words = why(request.key, request.tenant, body.reason)
    return await context.ledger.post(request, counted_in(caller.tenant, products, words))


async def _resolve_change(
    connection: AsyncConnection, stream: StreamKey, location: Location | None, part: Part
) -> tuple[list[Fault], dict[str, Product], int | None]:
    if stream.place.kind not in PHYSICAL:
        raise Conflict(f"{stream.place.location_id} is no place in the house.", code="virtual_location")
    faults = Faults()
    faults.kept_as(part, "to", location)
    if part.get("to") == stream.stock_status.value:
        faults.add(part, "to", "same_status", f"The stock is {stream.stock_status.value} already")
    products = await catalog.products(connection, stream.tenant, [stream.sku])
    return faults.found, products, faults.base_units(part, products[stream.sku])
