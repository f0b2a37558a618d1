"""What is done to stock that is no order's: move, adjust, change its status. Each is one posting under its number."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples
from api.auth import BEARER, Caller, Door
from api.bodies import Adjustment, Move, StatusChange
from api.created import answer_posted
from api.described import same_again
from api.ledger import StreamView, stream_view
from api.notices import Notice, notices_of
from api.paging import Utc
from api.posting import Keyed, Posted, anew, counted_in, once, posted, said_by, why
from api.problems import not_found
from api.resolving import Faults, named, stocked_product
from api.said import Part, Said
from api.services import ApiServices, Services
from api.times import time_faults
from domain.errors import Conflict, Fault, Rejected
from domain.reasons import code_of
from domain.stock import PHYSICAL, StockStatus, StreamKey
from domain.units import to_base
from ledger.balances import find_stream, on_hand_at
from ledger.requests import AdjustStock, ChangeStockStatus, MoveStock
from ledger.writer import Outcome
from records import catalog
from records.catalog import Location, Product
from records.keys import ApiKey

router = APIRouter(prefix="/api/inventory", tags=["stock"], route_class=Door, dependencies=[BEARER])

_COMPARISONS: Final = 10
"""How often a count is compared while others post at the same place."""


# -- moves -----------------------------------------------------------------------------------------------------------


class MoveView(BaseModel):
    """A move inside a site, in base units."""

    move_no: str
    posting_id: UUID
    sku: str
    quantity: int
    from_location_id: str
    to_location_id: str
    stock_status: Annotated[StockStatus, Field(description="What it is where it lies now")]
    recorded_at: Utc


@router.post("/move", status_code=201, responses=same_again(MoveView))
async def move(
    services: Services, caller: Caller, response: Response, said: Annotated[Said[Move], Body(examples=[examples.MOVE])]
) -> MoveView:
    """Say that stock went to another location of its site. Free units go first, then reservations go along.

    What is put into a location of type `quarantine` or `returns` is quarantined, or to be inspected: holds give way.
    """
    outcome = await once(services, caller, said, _MOVE, lambda: _move(services, caller, said))
    body = said.settle()
    answer_posted(response, outcome)
    return MoveView(
        move_no=body.move_no,
        posting_id=posted(outcome),
        sku=body.sku,
        quantity=outcome.answer["moved"],
        from_location_id=body.source.location_id,
        to_location_id=body.to.location_id,
        stock_status=outcome.answer.get("stock_status", body.source.stock_status),
        recorded_at=outcome.recorded_at,
    )


_MOVE: Final = Keyed[Move](MoveStock, lambda body: f"move/{body.move_no}")


async def _move(services: ApiServices, caller: ApiKey, said: Said[Move]) -> Outcome:
    async with services.reading() as connection:
        faults, products, moved = await _resolve_move(connection, caller.tenant, said.part)
        faults += await time_faults(connection, said.part, services.window)
    body = said.settle(faults)
    request = _move_request(caller, body, *moved)
    words = why(request.key, request.tenant, body.reason)
    return await services.ledger.post(request, counted_in(caller.tenant, products, words))


async def _resolve_move(
    connection: AsyncConnection, tenant: str, part: Part
) -> tuple[list[Fault], dict[str, Product], Any]:
    """Return what is wrong with a move by the catalog, its product, and where it goes from and to with how much."""
    faults = Faults()
    source, target = part.part("from"), part.part("to")
    known = await catalog.locations(connection, tenant, named([source, target], "location_id"))
    places = [faults.stock_location(end, "location_id", known, staging=True) for end in (source, target)]
    products = await catalog.products(connection, tenant, named([part], "sku"))
    product = stocked_product(faults, part, products)
    quantity = faults.base_units(part, product) if product else None
    if product:
        faults.serials(part, product, quantity)
        faults.lot(source, product)
    if not faults.found and None not in places:
        _check_ends(faults, target, *(place for place in places if place is not None))
    return faults.found, products, (*places, quantity)


def _check_ends(faults: Faults, target: Part, source_place: Location, target_place: Location) -> None:
    if source_place.site != target_place.site:
        detail = f"{source_place.location_id} and {target_place.location_id} are in different sites: make a transfer."
        raise Conflict(detail, code="transfer_between_sites")
    if source_place == target_place:
        faults.add(target, "location_id", "same_location", "is where the stock lies already")


def _move_request(caller: ApiKey, body: Move, source: Location, target: Location, quantity: int) -> MoveStock:
    return MoveStock(
        **said_by(caller, body),
        key=_MOVE.key(body),
        occurred_at=body.occurred_at,
        stream=StreamKey(caller.tenant, body.sku, source.place, body.source.lot or "", "", body.source.stock_status),
        to=target.place,
        quantity=quantity,
        serial_numbers=body.serial_numbers,
        reason_code=code_of(body.reason),
    )


# -- adjustments -----------------------------------------------------------------------------------------------------


class AdjustmentView(BaseModel):
    """An adjustment: the difference that was posted, and what is on hand after it, in base units."""

    adjustment_no: str
    posting_id: UUID
    stream: StreamView
    delta: int
    on_hand: int
    recorded_at: Utc
    notices: list[Notice]


@router.post("/adjustments", status_code=201, responses=same_again(AdjustmentView))
async def adjust(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Adjustment], Body(examples=[examples.ADJUSTMENT])],
) -> AdjustmentView:
    """Correct the ledger by a count or a known difference. A count is compared with what was there when it was made.

    Without a `stock_status` it is of what is available, or of what the location is for (`quarantine`, `returns`).
    """
    outcome = await once(services, caller, said, _ADJUSTMENT, lambda: _adjust(services, caller, said))
    body = said.settle()
    async with services.reading() as connection:
        known = await catalog.locations(connection, caller.tenant, [body.location_id])
        notices = await notices_of(connection, caller.tenant, _ADJUSTMENT.key(body))
    answer_posted(response, outcome)
    return AdjustmentView(
        adjustment_no=body.adjustment_no,
        posting_id=posted(outcome),
        stream=stream_view(_posted_to(_stream(caller, body, known[body.location_id]), outcome)),
        delta=outcome.answer["delta"],
        on_hand=outcome.answer["on_hand"],
        recorded_at=outcome.recorded_at,
        notices=notices,
    )


_ADJUSTMENT: Final = Keyed[Adjustment](AdjustStock, lambda body: f"adjustment/{body.adjustment_no}")


def _stream(caller: ApiKey, body: Adjustment, location: Location) -> StreamKey:
    """Name the bucket that is adjusted. Where no status is named and nothing can be available, it is the location's."""
    stream = StreamKey(
        caller.tenant, body.sku, location.place, body.lot or "", body.serial_number or "", body.stock_status
    )
    return stream.as_kept if body.stock_status is StockStatus.AVAILABLE else stream


def _posted_to(stream: StreamKey, outcome: Posted) -> StreamKey:
    """Return the bucket that an adjustment changed: what was found of a blocked lot, say, is quarantined."""
    buckets = (replace(stream, stock_status=status) for status in StockStatus)
    return next(bucket for bucket in buckets if str(bucket.stream_id) == outcome.answer["stream_id"])


async def _adjust(services: ApiServices, caller: ApiKey, said: Said[Adjustment]) -> Outcome:
    async with services.reading() as connection:
        faults, location, product, quantity = await _resolve_adjustment(connection, caller.tenant, said.part)
        faults += await time_faults(connection, said.part, services.window)
    body = said.settle(faults)
    assert location is not None
    assert product is not None
    assert quantity is not None
    request = AdjustStock(
        **said_by(caller, body),
        key=_ADJUSTMENT.key(body),
        occurred_at=body.counted_at or body.occurred_at,
        stream=_stream(caller, body, location),
        delta=quantity,
        cause=body.reason,
        reason_code=code_of(body.reason),
    )
    return await _post_adjustment(services, body, product, request)


async def _resolve_adjustment(
    connection: AsyncConnection, tenant: str, part: Part
) -> tuple[list[Fault], Location | None, Product | None, int | None]:
    """Return what is wrong with an adjustment by the catalog, where it is, of what, and the count or difference."""
    faults = Faults()
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, staging=True)
    faults.kept_as(part, "stock_status", location)
    product = stocked_product(faults, part, await catalog.products(connection, tenant, named([part], "sku")))
    if product is None:
        return faults.found, location, None, None
    faults.lot(part, product)
    if product.tracking == "serial" and part.readable("serial_number") and part.get("serial_number") is None:
        faults.add(part, "serial_number", "serial_count", f"{product.sku} is tracked by serial numbers: name it")
    return faults.found, location, product, _difference(faults, part, product)


def _difference(faults: Faults, part: Part, product: Product) -> int | None:
    """Return the count, which may be zero, or the difference, which may be below it, in base units."""
    name = "counted" if part.get("counted") is not None else "delta"
    said, factor = part.get(name), faults.factor(part, product)
    if said is None or factor is None:
        return None
    negative = name == "delta" and Decimal(said) < 0
    try:
        quantity = to_base(str(said).removeprefix("-") if negative else said, factor, zero_allowed=name == "counted")
    except Rejected as refused:
        faults.add(part, name, refused.code, refused.detail)
        return None
    return -quantity if negative else quantity


async def _post_adjustment(services: ApiServices, body: Adjustment, product: Product, request: AdjustStock) -> Outcome:
    """Post a difference, or a count, which is compared again where something was posted in between."""
    words = why(request.key, request.tenant, body.reason, body.note)
    attachment = counted_in(request.tenant, {product.sku: product}, words)

    async def compare() -> Outcome:
        async with services.reading() as connection:
            there, seq = await on_hand_at(connection, request.stream, request.occurred_at)
        compared = replace(request, delta=request.delta - there, compared_seq=seq)
        return await services.ledger.post(compared, attachment)

    if body.counted is None:
        return await services.ledger.post(request, attachment)
    return await anew("count_overtaken", _COMPARISONS, compare)


# -- status ----------------------------------------------------------------------------------------------------------


class StatusChangeView(BaseModel):
    """A change of status, in base units."""

    change_no: str
    posting_id: UUID
    quantity: int
    from_stream: StreamView
    to_stream: StreamView
    recorded_at: Utc


@router.put("/{stream_id}/status", responses=same_again(StatusChangeView))
async def change_status(
    services: Services,
    caller: Caller,
    stream_id: Annotated[UUID, Path()],
    said: Annotated[Said[StatusChange], Body(examples=[examples.STATUS_CHANGE])],
) -> StatusChangeView:
    """Say that stock became something else. Free units go first, then holds have to give way."""
    async with services.reading() as connection:
        stream = await find_stream(connection, caller.tenant, stream_id)
    if stream is None:
        raise not_found(f"stream {stream_id}")
    keyed = Keyed[StatusChange](ChangeStockStatus, lambda body: f"status/{body.change_no}", about=f"{stream_id}\n")
    outcome = await once(services, caller, said, keyed, lambda: _change(services, caller, stream, said, keyed))
    body = said.settle()
    return StatusChangeView(
        change_no=body.change_no,
        posting_id=posted(outcome),
        quantity=outcome.answer["changed"],
        from_stream=stream_view(stream),
        to_stream=stream_view(replace(stream, stock_status=body.to)),
        recorded_at=outcome.recorded_at,
    )


async def _change(
    services: ApiServices, caller: ApiKey, stream: StreamKey, said: Said[StatusChange], keyed: Keyed[StatusChange]
) -> Outcome:
    async with services.reading() as connection:
        location = (await catalog.locations(connection, caller.tenant, [stream.place.location_id])).get(
            stream.place.location_id
        )
        faults, products, quantity = await _resolve_change(connection, stream, location, said.part)
        faults += await time_faults(connection, said.part, services.window)
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
    return await services.ledger.post(request, counted_in(caller.tenant, products, words))


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
