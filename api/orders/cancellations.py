"""What is not wanted any more, of an order or all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import Body, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import behind_the_door
from api.door.openapi import same_again
from api.door.request_body import Said
from api.orders.command_endpoint import At, CommandSpec, Resolved
from api.orders.kits import component_to_cancel
from api.orders.views import CommandAnswer
from commands.resolving import Faults, read_known, resolve_line
from domain.commands import Cancel
from domain.errors import Fault
from domain.linked_lines import main_line_of
from domain.said import Part
from queries.orders.order_lookup import FoundOrder

router = behind_the_door("/api/orders/{order_no}", "floor")


async def _cancelled(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
    """Resolve lines to be cancelled. What came along with another one is cancelled with that, never by itself."""
    faults = Faults()
    parts = list(part.parts("lines"))
    lines = await order.lines(connection)
    known = await read_known(connection, order.tenant, lines, parts)
    revision = await order.revision(connection)
    resolved = [
        await component_to_cancel(connection, order.tenant, revision, lines, faults, line)
        or resolve_line(faults, line, known, lambda line: line.unshipped)
        for line in parts
    ]
    return [*faults.found, *_linked_faults(part)], {"resolved": resolved} if parts else {}


def _linked_faults(part: Part) -> Iterator[Fault]:
    for line in part.parts("lines"):
        line_no = line.get("line_no")
        if line_no is not None and (main := main_line_of(line_no)) is not None:
            detail = f"Line {line_no} follows line {main}: cancel that one, or all of the order"
            yield line.fault("line_no", "linked_line", detail)


CANCEL: Final = CommandSpec[Cancel]("cancel", lambda body: body.cancel_no, _cancelled)


@router.post("/cancel", tags=["orders"], responses=same_again(CommandAnswer, 202))
async def cancel_order(
    at: At, response: Response, said: Annotated[Said[Cancel], Body(examples=[examples.CANCEL])]
) -> CommandAnswer:
    """Cancel an order, or lines of it; what has left stays shipped."""
    return await at.view(await at.submit(CANCEL, said), response)
