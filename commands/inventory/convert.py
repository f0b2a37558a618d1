"""What is available at a location becomes what the location is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import Answer, Keyed, Posted, once, said_by, why
from commands.resolving import Faults, named
from commands.times import time_faults
from domain.errors import Fault
from domain.reasons import code_of
from domain.said import Part, Said
from domain.shapes import Conversion
from domain.stock import StockStatus
from ledger.requests import ConvertStock
from ledger.writing.writer import Outcome
from queries.inventory import misplaced
from records import catalog
from records.access.api_keys import ApiKey
from records.catalog import Location

_CONVERSION: Final = Keyed[Conversion](ConvertStock, lambda body: f"conversion/{body.conversion_no}")


@dataclass(frozen=True)
class Converted(Answer):
    """What goods became, which they are, and the orders that were promised them."""

    stock_status: str
    converted: list[dict[str, Any]]
    displaced: list[str]


async def convert_stock(context: CommandContext, caller: ApiKey, said: Said[Conversion]) -> Posted:
    """Post a conversion, once under its number."""
    return await once(context, caller, said, _CONVERSION, lambda: _convert(context, caller, said))


async def _convert(context: CommandContext, caller: ApiKey, said: Said[Conversion]) -> Outcome:
    async with context.reading() as connection:
        faults, location = await _resolve(connection, caller.tenant, said.part)
        faults += await time_faults(connection, said.part, context.window)
        body = said.settle(faults)
        assert location is not None
        skus = await misplaced.skus_at(connection, caller.tenant, location.location_id)
    request = ConvertStock(
        **said_by(caller, body),
        key=_CONVERSION.key(body),
        occurred_at=body.occurred_at,
        place=location.place,
        skus=skus,
        reason_code=code_of(body.reason),
    )
    return await context.ledger.post(request, why(request.key, request.tenant, body.reason))


async def _resolve(connection: AsyncConnection, tenant: str, part: Part) -> tuple[list[Fault], Location | None]:
    faults = Faults()
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, staging=True)
    if location is not None and location.place.keeps is StockStatus.AVAILABLE:
        detail = f"What lies at {location.location_id} may be available: it is a {location.type}"
        faults.add(part, "location_id", "available_here", detail)
    return faults.found, location
