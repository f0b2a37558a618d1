"""Orders: the ERP's push, and what can be read of an order."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path, Query, Response

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.labels import LABEL, handed_out
from api.door.openapi import OF_AN_ORDER, REFUSALS, same_again
from api.door.paging import Cursor, Limit, Page, cut, instant_of, position
from api.door.request_body import Said
from api.door.services import Services
from api.orders import timeline
from api.orders.await_decision import decide
from api.orders.order_lookup import OrderAt
from api.orders.timeline import TimelineItem
from api.orders.views import (
    OrderListItem,
    OrderView,
    PushAnswer,
    ShipmentView,
    item_of,
    pushed_answer,
    queued_push_answer,
    read_view,
    shipment_view,
)
from commands.orders.taking_in import take_in
from domain.commands import Instant, Key, Push
from domain.errors import InvariantViolated
from domain.orders import OrderStatus
from domain.refusals import not_found
from queries.orders.timeline import read_story
from queries.orders.views import read_orders, read_pushed
from queries.shipping.shipments import read_shipment
from records.orders import order_reads
from records.orders.order_reads import OrderFilter

router = behind_the_door("/api/orders", "orders")
one = behind_the_door("/api/orders/{order_no}", "orders")


@router.post("/outbound", status_code=201, responses=same_again(PushAnswer, 202))
async def push_order(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Push], Body(examples=[examples.PUSH, examples.REPLACEMENT])],
) -> PushAnswer:
    """Push the whole order as it should be now. 200 where it was amended or known, 202 where it waits."""
    async with services.reading() as connection:
        pushed = await take_in(connection, caller, said, services.window)
    outcome = "unchanged"
    response.status_code = 200
    if pushed.row is not None:
        decided = await decide(services, pushed.row)
        outcome = "unchanged" if decided.repeated else decided.outcome
        made = outcome == "accepted"
        response.status_code = decided.status_of_creation() if made else decided.status_of_change()
    async with services.reading() as connection:
        order = await read_pushed(connection, pushed.order)
    if order is not None:
        return pushed_answer(pushed.order, order, outcome)
    if outcome != "queued":
        raise InvariantViolated(f"{pushed.order.order_ref} was accepted, but is not there")
    push = said.settle()
    return queued_push_answer(pushed.order, push.order_no, push.revision)


@router.get("", responses=REFUSALS)
async def list_orders(
    services: Services,
    caller: Caller,
    status: Annotated[OrderStatus | None, Query()] = None,
    needs_attention: Annotated[bool | None, Query()] = None,
    updated_since: Annotated[Instant | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[OrderListItem]:
    """List accepted orders by their time of change, oldest first."""
    after = position(cursor, 2)
    wanted = OrderFilter(
        status=status,
        needs_attention=needs_attention,
        updated_since=updated_since,
        source=caller.source,
        after=(instant_of(after[0]), after[1]) if after else None,
        limit=limit + 1,
    )
    async with services.reading() as connection:
        every = await read_orders(connection, caller.tenant, wanted)
    kept, following = cut(every, limit, lambda shown: [shown.row.updated_at.isoformat(), shown.row.order_ref])
    return Page(items=[item_of(shown) for shown in kept], next=following)


@one.get("", responses=OF_AN_ORDER)
async def get_order(services: Services, named: OrderAt) -> OrderView:
    """Return an order; `received` while its first push waits, `refused` where that was refused after a 202."""
    async with services.reading() as connection:
        return await read_view(connection, await named.find(connection))


@one.get("/timeline", responses=OF_AN_ORDER)
async def get_timeline(
    services: Services, named: OrderAt, limit: Limit = 500, cursor: Cursor = None
) -> Page[TimelineItem]:
    """Tell an order's story: pushes, postings, ERP messages, carrier events and what people did."""
    after = position(cursor, 1)
    async with services.reporting() as connection:
        story = await read_story(connection, await named.find(connection))
    return timeline.page(story, after[0] if after else "0", limit)


@one.get("/shipments/{shipment_no}", tags=["floor"], responses=OF_AN_ORDER)
async def get_shipment(services: Services, named: OrderAt, shipment_no: Annotated[Key, Path()]) -> ShipmentView:
    """Return a shipment of an order."""
    async with services.reading() as connection:
        order = await named.find(connection)
        found = await read_shipment(connection, order.order, shipment_no)
    if found is None:
        raise not_found(f"shipment {shipment_no} of {named.order_no}")
    return shipment_view(found, order.order_no)


@one.get(
    "/shipments/{shipment_no}/parcels/{parcel_no}/label",
    tags=["floor"],
    response_class=Response,
    responses=OF_AN_ORDER | {200: LABEL},
)
async def get_label(
    services: Services,
    named: OrderAt,
    shipment_no: Annotated[Key, Path()],
    parcel_no: Annotated[int, Path(ge=1, le=1000)],
) -> Response:
    """Return a parcel's label, ready to print."""
    async with services.reading() as connection:
        order = await named.find(connection)
        label = await order_reads.label(connection, order.order, shipment_no, parcel_no)
    if label is None:
        raise not_found(f"label of parcel {parcel_no} of {shipment_no}")
    return handed_out(*label)
