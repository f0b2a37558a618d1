"""What a person decides where the hub can't."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Body, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import behind_the_door
from api.door.openapi import same_again
from api.door.request_body import Said
from api.orders.command_endpoint import At, CommandSpec, Resolved
from api.orders.views import CommandAnswer
from domain.commands import OperatorAct
from domain.said import Part
from queries.orders.order_lookup import FoundOrder
from records import people

router = behind_the_door("/api/orders/{order_no}", "floor")


async def _addressed(connection: AsyncConnection, order: FoundOrder, act: Part) -> Resolved:
    """Check that an act names an address where it is about one, and that it is stored for the order."""
    told, faults = act.get("address_id"), []
    if act.readable("verb") and act.readable("address_id"):
        if act.get("verb") != "use_address":
            faults = [act.fault("address_id", "invalid", "belongs to use_address only")] if told else []
        elif told is None:
            faults = [act.fault("address_id", "missing", "is missing: use_address names an address that was stored")]
        elif not await people.is_of_order(connection, order.order, UUID(told)):
            faults = [act.fault("address_id", "unknown_address", f"No address {told} is stored for the order")]
    return faults, {}


OPERATE: Final = CommandSpec[OperatorAct]("operate", lambda body: body.act_no, _addressed)


@router.post("/operator-acts", tags=["operators"], responses=same_again(CommandAnswer, 202))
async def operate(
    at: At, response: Response, said: Annotated[Said[OperatorAct], Body(examples=[examples.OPERATOR_ACT])]
) -> CommandAnswer:
    """Decide what the hub can't: one of the actions that the order's `attention` names."""
    return await at.view(await at.submit(OPERATE, said), response)
