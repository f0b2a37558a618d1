"""What is known of a return: the goods, and what is sent in their place."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.door.auth import BEARER, Door
from api.door.openapi import OF_AN_ORDER
from api.door.services import Services
from api.orders.await_decision import Decided
from api.orders.order_lookup import OrderAt
from api.shipping.floor import ReturnView, return_view
from domain.commands import Key
from domain.order_commands import ORDER_COMMANDS
from domain.refusals import not_found
from records.orders import inbox, order_reads

router = APIRouter(prefix="/api/orders/{order_no}", tags=["floor"], route_class=Door, dependencies=[BEARER])


@router.get("/returns/{return_no}", responses=OF_AN_ORDER)
async def get_return(services: Services, named: OrderAt, return_no: Annotated[Key, Path()]) -> ReturnView:
    """Return what came back of an order; `queued` while that waits for its decision."""
    async with services.reading() as connection:
        order = await named.find(connection)
        key = ORDER_COMMANDS["return"].key(order.order_ref, return_no)
        known = await order_reads.known_of_key(connection, order.order, key)
        if known.inbox_id is None or known.state == "refused":
            raise not_found(f"return {return_no} of {named.order_no}")
        return await return_view(connection, order, Decided(await inbox.get(connection, known.inbox_id)))
