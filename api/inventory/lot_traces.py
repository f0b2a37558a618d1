"""Lots and serial numbers: where they are, who has them, where they have been; and recalls."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Depends, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import answer_posted
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Cursor, Limit, Page, Utc, bad_cursor, cut, instant_of, position
from api.door.request_body import Said
from api.door.services import Services
from api.inventory.ledger import StreamView, stream_view
from commands.inventory.lift_recall import Lifted, lift_recall
from commands.inventory.recall import Recalled, recall_lot
from commands.posting import posted
from domain.commands import Key
from domain.errors import Fault
from domain.orders import order_no_of
from domain.refusals import not_found, refusal
from domain.shapes import Lift, Recall
from domain.texts import Lot, Serial
from ledger.reads import lots
from ledger.reads.lots import Movement, Traced, Whereabouts
from queries.inventory.lot_traces import LotTrace, on_hand_of, read_trace

router = behind_the_door("/api/inventory", "stock")


class TracedView(StreamView):
    """What of a lot or serial number is at one place. `order_no` is whose it is, on the road or delivered."""

    on_hand: int
    reserved: int
    order_no: str | None
    since: Utc


class TraceTotals(BaseModel):
    """Sums in base units: `received` and `found` are what came in; the other three, where that is now."""

    received: int
    found: int
    in_house: int
    in_transit: int
    with_customers: int


class TraceView(BaseModel):
    """Where all of a lot or serial number is. `blocked_by` is the recall that keeps it from being sold.

    `expiry_computed` says that nobody told when the lot expires: that follows from the product's shelf life.
    """

    sku: str
    lot: str | None
    serial_number: str | None
    expires_on: date | None
    expiry_computed: bool
    blocked_by: str | None
    totals: TraceTotals
    in_house: list[TracedView]
    in_transit: list[TracedView]
    with_customers: list[TracedView]


class MovementView(BaseModel):
    """What came to a place, or left it (`quantity` below zero), and why."""

    recorded_at: Utc
    occurred_at: Utc
    reason: str
    stream: StreamView
    seq: int
    quantity: int
    on_hand: int
    order_no: str | None
    evidence: str
    actor: str
    posting_id: UUID


async def _traced(
    caller: Caller,
    sku: Annotated[Key, Query()],
    lot: Annotated[Lot | None, Query()] = None,
    serial_number: Annotated[Serial | None, Query()] = None,
) -> Traced:
    if lot is None and serial_number is None:
        raise refusal([Fault("/query/lot", "lot_or_serial_number", "name a lot, a serial number, or both")])
    return Traced(caller.tenant, sku, lot or "", serial_number or "")


TracedBy = Annotated[Traced, Depends(_traced)]


@router.get("/trace", responses=REFUSALS)
async def get_trace(services: Services, traced: TracedBy) -> TraceView:
    """Return where all of a lot or serial number is now: in the house, on the road, with which orders."""
    async with services.reporting() as connection:
        return await _trace(connection, traced)


async def _trace(connection: AsyncConnection, traced: Traced) -> TraceView:
    trace = await read_trace(connection, traced)
    if trace is None:
        raise not_found(f"lot or serial number {traced.lot or traced.serial_number} of {traced.sku}")
    return _trace_view(trace)


def _trace_view(trace: LotTrace) -> TraceView:
    lot = trace.lot
    return TraceView(
        sku=trace.traced.sku,
        lot=trace.traced.lot or None,
        serial_number=trace.traced.serial_number or None,
        expires_on=lot.expires_on if lot else None,
        expiry_computed=lot is not None and lot.expiry_computed,
        blocked_by=lot.block_no if lot else None,
        totals=TraceTotals(
            received=trace.received,
            found=trace.found,
            in_house=on_hand_of(trace.in_house),
            in_transit=on_hand_of(trace.in_transit),
            with_customers=on_hand_of(trace.with_customers),
        ),
        in_house=[_traced_view(item, None) for item in trace.in_house],
        in_transit=[_traced_view(item, item.order_ref) for item in trace.in_transit],
        with_customers=[_traced_view(item, item.order_ref) for item in trace.with_customers],
    )


def _traced_view(item: Whereabouts, order_ref: str | None) -> TracedView:
    return TracedView(
        **dict(stream_view(item.key)),
        on_hand=item.on_hand,
        reserved=item.reserved,
        order_no=order_no_of(order_ref),
        since=item.since,
    )


@router.get("/trace/history", responses=REFUSALS)
async def get_history(
    services: Services, traced: TracedBy, limit: Limit = 100, cursor: Cursor = None
) -> Page[MovementView]:
    """Return what has happened to a lot or serial number, from receipt to customer and back."""
    after = _after(cursor)
    async with services.reporting() as connection:
        rows = await lots.history(connection, traced, limit + 1, after)
    items, following = cut(rows, limit, _position)
    return Page(items=[_movement(item) for item in items], next=following)


def _position(movement: Movement) -> tuple[object, ...]:
    recorded_at, *rest = movement.position
    return recorded_at.isoformat(), *rest


def _after(cursor: str | None) -> Any:
    parts = position(cursor, 4)
    if parts is None:
        return None
    try:
        return instant_of(parts[0]), UUID(parts[1]), UUID(parts[2]), int(parts[3])
    except ValueError:
        raise bad_cursor() from None


def _movement(movement: Movement) -> MovementView:
    return MovementView(
        recorded_at=movement.recorded_at,
        occurred_at=movement.occurred_at,
        reason=movement.reason,
        stream=stream_view(movement.key),
        seq=movement.seq,
        quantity=movement.quantity,
        on_hand=movement.on_hand,
        order_no=order_no_of(movement.order_ref),
        evidence=movement.evidence,
        actor=movement.actor,
        posting_id=movement.posting_id,
    )


# -- recalls ---------------------------------------------------------------------------------------------------------


class RecallView(BaseModel):
    """A recall: what it kept from being sold, whose stock that was, and where the lot is now."""

    recall_no: str
    posting_id: UUID
    quarantined: int
    displaced: list[str]
    recorded_at: Utc
    trace: TraceView


class LiftView(BaseModel):
    """A recall that is over."""

    recall_no: str
    posting_id: UUID
    sku: str
    lot: str
    recorded_at: Utc


@router.post("/recalls", status_code=201, responses=same_again(RecallView))
async def recall(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Recall], Body(examples=[examples.RECALL])],
) -> RecallView:
    """Block a lot, and say who has it and where the rest is.

    What is available of it is quarantined where it lies, and so is what arrives later; orders that it was promised to
    get other stock, or wait at their old places in the queue.
    """
    outcome = await recall_lot(services, caller, said)
    body, told = said.settle(), Recalled.of(outcome)
    answer_posted(response, outcome)
    async with services.reading() as connection:
        trace = await _trace(connection, Traced(caller.tenant, body.sku, body.lot))
    return RecallView(
        recall_no=body.recall_no,
        posting_id=posted(outcome),
        quarantined=told.quarantined,
        displaced=[str(order_no_of(order_ref)) for order_ref in told.displaced],
        recorded_at=outcome.recorded_at,
        trace=trace,
    )


@router.post("/recalls/{recall_no}/lift", status_code=201, responses=same_again(LiftView))
async def lift(
    services: Services,
    caller: Caller,
    response: Response,
    recall_no: Annotated[Key, Path()],
    said: Annotated[Said[Lift], Body(examples=[examples.LIFT])],
) -> LiftView:
    """Say that a recall is over: what arrives may be sold again. What is quarantined waits for a change of status."""
    outcome = await lift_recall(services, caller, recall_no, said)
    told = Lifted.of(outcome)
    answer_posted(response, outcome)
    return LiftView(
        recall_no=recall_no,
        posting_id=posted(outcome),
        sku=told.sku,
        lot=told.lot,
        recorded_at=outcome.recorded_at,
    )
