"""What is done to stock that is no order's: move, adjust, change its status. Each is one posting under its number."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Body, Path, Response
from pydantic import BaseModel, Field

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import answer_posted
from api.door.openapi import same_again
from api.door.paging import Utc
from api.door.request_body import Said
from api.door.services import Services
from api.inventory.ledger import StreamView, stream_view
from api.inventory.notices import Notice, notices_of
from commands.inventory.adjust import ADJUSTMENT, Adjusted, adjust_stock, adjusted_stream
from commands.inventory.change_status import StatusChanged, change_stock_status
from commands.inventory.move import Moved, move_stock
from commands.posting import posted
from domain.refusals import not_found
from domain.shapes import Adjustment, Move, StatusChange
from domain.stock import StockStatus, StreamKey
from ledger.reads.balances import find_stream
from records import catalog

router = behind_the_door("/api/inventory", "stock")


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
    outcome = await move_stock(services, caller, said)
    body, told = said.settle(), Moved.of(outcome)
    answer_posted(response, outcome)
    return MoveView(
        move_no=body.move_no,
        posting_id=posted(outcome),
        sku=body.sku,
        quantity=told.moved,
        from_location_id=body.source.location_id,
        to_location_id=body.to.location_id,
        stock_status=StockStatus(told.stock_status or body.source.stock_status),
        recorded_at=outcome.recorded_at,
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
    outcome = await adjust_stock(services, caller, said)
    body, told = said.settle(), Adjusted.of(outcome)
    async with services.reading() as connection:
        known = await catalog.locations(connection, caller.tenant, [body.location_id])
        notices = await notices_of(connection, caller.tenant, ADJUSTMENT.key(body))
    answer_posted(response, outcome)
    return AdjustmentView(
        adjustment_no=body.adjustment_no,
        posting_id=posted(outcome),
        stream=stream_view(_posted_to(adjusted_stream(caller, body, known[body.location_id]), told)),
        delta=told.delta,
        on_hand=told.on_hand,
        recorded_at=outcome.recorded_at,
        notices=notices,
    )


def _posted_to(stream: StreamKey, told: Adjusted) -> StreamKey:
    """Return the bucket that an adjustment changed: what was found of a blocked lot, say, is quarantined."""
    buckets = (replace(stream, stock_status=status) for status in StockStatus)
    return next(bucket for bucket in buckets if str(bucket.stream_id) == told.stream_id)


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
    outcome = await change_stock_status(services, caller, stream, said)
    body = said.settle()
    return StatusChangeView(
        change_no=body.change_no,
        posting_id=posted(outcome),
        quantity=StatusChanged.of(outcome).changed,
        from_stream=stream_view(stream),
        to_stream=stream_view(replace(stream, stock_status=body.to)),
        recorded_at=outcome.recorded_at,
    )
