"""What the floor takes from shelves, and brings back to them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Body, Response

from api.door import examples
from api.door.auth import behind_the_door
from api.door.openapi import same_again
from api.door.request_body import Said
from api.inventory.notices import Notice, notices_of
from api.orders.command_endpoint import At, CommandSpec
from api.orders.order_lines import named_lines, picked_lines
from api.orders.views import CommandAnswer
from domain.commands import Pick, PutBackDone

router = behind_the_door("/api/orders/{order_no}", "floor")


PICK: Final = CommandSpec[Pick]("confirm_pick", lambda body: body.pick_no, picked_lines(lambda line: line.unpicked))


PUT_BACK: Final = CommandSpec[PutBackDone](
    "put_back", lambda body: body.put_back_no, named_lines(lambda line: line.to_put_back)
)


@router.post("/picks", responses=same_again(CommandAnswer, 202))
async def confirm_pick(
    at: At, response: Response, said: Annotated[Said[Pick], Body(examples=[examples.PICK])]
) -> CommandAnswer:
    """Confirm what was picked. With `short`, the rest was not found: it is made up for elsewhere, by policy."""
    return await at.view(await at.submit(PICK, said), response)


class PutBackAnswer(CommandAnswer):
    """What became of a put-back, and the order as it is now."""

    notices: list[Notice]


@router.post("/put-backs", responses=same_again(PutBackAnswer, 202))
async def put_back(
    at: At, response: Response, said: Annotated[Said[PutBackDone], Body(examples=[examples.PUT_BACK])]
) -> PutBackAnswer:
    """Confirm what went back from staging to its bin. `notices` say what became of it there, if it can't be sold."""
    answered = await at.submit(PUT_BACK, said)
    answer = await at.view(answered, response)
    async with at.services.reading() as connection:
        return PutBackAnswer(
            **dict(answer), notices=await notices_of(connection, at.caller.tenant, answered.decided.row.key)
        )
