"""Addresses that an operator may choose for an order. The act names one by its id, as no name enters a history."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response
from pydantic import BaseModel

from api.door import examples
from api.door.auth import behind_the_door
from api.door.created import created
from api.door.openapi import same_again
from api.door.request_body import Said
from api.door.services import Services
from api.orders.order_lookup import OrderAt
from domain.errors import Conflict, Kind, Rejected
from domain.shapes import StoredAddress
from queries.orders.order_lookup import FoundOrder
from records import people
from records.people import Address

router = behind_the_door("/api/orders/{order_no}", "operators")


class StoredAddressView(BaseModel):
    """Under which id an address is stored."""

    address_no: str
    order_no: str
    address_id: UUID


@router.post("/addresses", status_code=201, responses=same_again(StoredAddressView))
async def store_address(
    services: Services,
    named: OrderAt,
    response: Response,
    said: Annotated[Said[StoredAddress], Body(examples=[examples.STORED_ADDRESS])],
) -> StoredAddressView:
    """Store another address for an order. Nothing goes there before the operator's act `use_address` names its id."""
    async with services.engine.begin() as connection:
        order = await named.find(connection)
        if order.row is None:
            raise Rejected("unknown_order", f"Order {order.order_no} is not accepted.", kind=Kind.UNKNOWN)
        if said.is_odd:
            address_id = people.address_id(order.order, said.wordings[0].address_no)
            before = await people.get_address(connection, order.tenant, address_id)
            said.repeats(lambda body: _kept(order, body), before)
        body = said.settle()
        address_id = people.address_id(order.order, body.address_no)
        told = _kept(order, body)
        is_new = await people.keep(connection, address_id, order.tenant, told)
        if await people.get_address(connection, order.tenant, address_id) != told:
            raise Conflict(f"Address {body.address_no} came before with another content, or was erased.")
    response.status_code = created(is_new=is_new)
    return StoredAddressView(address_no=body.address_no, order_no=order.order_no, address_id=address_id)


def _kept(order: FoundOrder, body: StoredAddress) -> Address:
    return Address(body.ship_to.model_dump(mode="json"), order.order_ref)
