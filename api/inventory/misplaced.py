"""Stock that is available where nothing is to be: it is listed, and becomes what its location is for."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Query, Response
from pydantic import BaseModel

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import answer_posted
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Cursor, Limit, Page, Utc, bad_cursor, cut, position
from api.door.request_body import Said
from api.door.services import Services
from api.inventory.ledger import StreamView, stream_view
from commands.inventory.convert import Converted, convert_stock
from commands.posting import posted
from domain.commands import Key
from domain.orders import order_no_of
from domain.shapes import Conversion
from domain.stock import StockStatus
from queries.inventory import misplaced
from queries.inventory.misplaced import Misplaced, MisplacedFilter

router = behind_the_door("/api/inventory", "stock")


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
    outcome = await convert_stock(services, caller, said)
    body, told = said.settle(), Converted.of(outcome)
    answer_posted(response, outcome)
    return ConversionView(
        conversion_no=body.conversion_no,
        posting_id=posted(outcome),
        location_id=body.location_id,
        stock_status=StockStatus(told.stock_status),
        converted=[ConvertedView(**{name: value or None for name, value in goods.items()}) for goods in told.converted],
        displaced=[str(order_no_of(order_ref)) for order_ref in told.displaced],
        recorded_at=outcome.recorded_at,
    )
