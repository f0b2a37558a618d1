"""Stock that is available where nothing is to be: it is listed, and becomes what its location is for."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples
from api.auth import BEARER, Caller, Door
from api.bodies import Conversion
from api.created import answer_posted
from api.described import REFUSALS, same_again
from api.ledger import StreamView, order_no_of, stream_view
from api.paging import Cursor, Limit, Page, Utc, bad_cursor, cut, position
from api.posting import Keyed, once, posted, said_by, why
from api.resolving import Faults, named
from api.said import Part, Said
from api.services import ApiServices, Services
from api.times import time_faults
from domain.commands import Key
from domain.errors import Fault
from domain.reasons import code_of
from domain.stock import StockStatus
from ledger.requests import ConvertStock
from ledger.writer import Outcome
from queries import misplaced
from queries.misplaced import Misplaced, MisplacedFilter
from records import catalog
from records.catalog import Location
from records.keys import ApiKey

router = APIRouter(prefix="/api/inventory", tags=["stock"], route_class=Door, dependencies=[BEARER])


class MisplacedView(StreamView):
    """What is available at a location that is for other stock, in base units, and what it `becomes` there."""

    on_hand: int
    reserved: int
    becomes: StockStatus


class ConvertedView(BaseModel):
    """What was available of a bucket, in base units."""

    sku: str
    lot: str | None
    serial_number: str | None
    quantity: int


class ConversionView(BaseModel):
    """What was available at a location and is `stock_status` now; `displaced` are the orders that were promised it."""

    conversion_no: str
    posting_id: UUID
    location_id: str
    stock_status: StockStatus
    converted: list[ConvertedView]
    displaced: list[str]
    recorded_at: Utc


@router.get("/misplaced", responses=REFUSALS)
async def list_misplaced(
    services: Services,
    caller: Caller,
    site: Annotated[Key | None, Query()] = None,
    location_id: Annotated[Key | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[MisplacedView]:
    """List what is available in locations of type `quarantine` and `returns`: it came before they were that.

    It may still be promised and picked. A conversion of its location makes it what it should be.
    """
    wanted = MisplacedFilter(site, location_id, _after(cursor), limit + 1)
    async with services.reading() as connection:
        rows = await misplaced.page(connection, caller.tenant, wanted)
    kept, following = cut(rows, limit, lambda row: [row.key.place.location_id, row.key.stream_id])
    return Page(items=[_view(row) for row in kept], next=following)


def _after(cursor: str | None) -> tuple[str, UUID]:
    after = position(cursor, 2)
    if after is None:
        return misplaced.BEGINNING
    try:
        return after[0], UUID(after[1])
    except ValueError:
        raise bad_cursor() from None


def _view(row: Misplaced) -> MisplacedView:
    return MisplacedView(**dict(stream_view(row.key)), on_hand=row.on_hand, reserved=row.reserved, becomes=row.becomes)


@router.post("/conversions", status_code=201, responses=same_again(ConversionView))
async def convert(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Conversion], Body(examples=[examples.CONVERSION])],
) -> ConversionView:
    """Make what is available at a location what the location is for: quarantined, or to be inspected.

    Orders that it was promised to get other stock, or wait at their old places in the queue.
    """
    outcome = await once(services, caller, said, _CONVERSION, lambda: _convert(services, caller, said))
    body = said.settle()
    answer_posted(response, outcome)
    told: dict[str, Any] = outcome.answer
    return ConversionView(
        conversion_no=body.conversion_no,
        posting_id=posted(outcome),
        location_id=body.location_id,
        stock_status=told["stock_status"],
        converted=[
            ConvertedView(**{name: value or None for name, value in goods.items()}) for goods in told["converted"]
        ],
        displaced=[str(order_no_of(order_ref)) for order_ref in told["displaced"]],
        recorded_at=outcome.recorded_at,
    )


_CONVERSION: Final = Keyed[Conversion](ConvertStock, lambda body: f"conversion/{body.conversion_no}")


async def _convert(services: ApiServices, caller: ApiKey, said: Said[Conversion]) -> Outcome:
    async with services.reading() as connection:
        faults, location = await _resolve(connection, caller.tenant, said.part)
        faults += await time_faults(connection, said.part, services.window)
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
    return await services.ledger.post(request, why(request.key, request.tenant, body.reason))


async def _resolve(connection: AsyncConnection, tenant: str, part: Part) -> tuple[list[Fault], Location | None]:
    faults = Faults()
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, staging=True)
    if location is not None and location.place.keeps is StockStatus.AVAILABLE:
        detail = f"What lies at {location.location_id} may be available: it is a {location.type}"
        faults.add(part, "location_id", "available_here", detail)
    return faults.found, location
