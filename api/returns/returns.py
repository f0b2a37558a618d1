"""Goods that come back: taken in, and what is known of each return."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Body, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import behind_the_door
from api.door.openapi import OF_AN_ORDER, same_again
from api.door.paging import Utc
from api.door.request_body import Said
from api.door.services import Services
from api.inventory.notices import Notice, notices_of
from api.orders.await_decision import Decided
from api.orders.command_endpoint import At, CommandSpec, Resolved
from api.orders.order_lines import named_lines
from api.orders.order_lookup import OrderAt
from commands.resolving import Faults
from domain.commands import Key, Return
from domain.order_commands import ORDER_COMMANDS
from domain.orders import OrderLine
from domain.payloads import KeptReturn
from domain.refusals import not_found
from domain.said import Part
from domain.stock import PlaceKind, StockStatus, worse_of
from queries.orders.order_lookup import FoundOrder
from records import catalog
from records.orders import inbox, order_reads, replacements

router = behind_the_door("/api/orders/{order_no}", "floor")
one = behind_the_door("/api/orders/{order_no}", "floor")
"""What is known of one return."""


class ReturnedLineView(BaseModel):
    """What came back of a line, in base units. `condition` is what it became where it was put."""

    line_no: int
    sku: str
    quantity: int
    lot: str | None
    serial_numbers: list[str]
    condition: str


class ReturnView(BaseModel):
    """A return."""

    return_no: str
    order_no: str
    authorization_no: str | None
    outcome: str
    location_id: str
    occurred_at: Utc | None
    lines: list[ReturnedLineView]
    replaced_by: Annotated[
        list[str],
        Field(description="The orders that are sent in place of it: for this return, or in advance for the order"),
    ]
    notices: list[Notice]


async def _returned(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
    """Resolve what came back, and where it was put."""
    faults, more = await named_lines(returnable)(connection, order, part)
    location_id = part.get("location_id")
    known = await catalog.locations(connection, order.tenant, {location_id} if location_id else ())
    found = known.get(location_id)
    keeps = found.place.keeps if found else StockStatus.AVAILABLE
    condition = [{**line, "condition": worse_of(_condition(told), keeps)} for line, told in _pairs(more, part)]
    if location_id is not None and found is None:
        faults.append(part.fault("location_id", "unknown_location", f"There is no location {location_id}"))
    elif found is not None and (found.type == "site" or found.place.kind is PlaceKind.STAGING):
        faults.append(part.fault("location_id", "not_for_stock", f"{location_id} is not for returned goods"))
    checked = Faults(faults)
    for line in part.parts("lines"):
        checked.kept_as(line, "condition", found)
    return faults, {"resolved": condition}


def returnable(line: OrderLine) -> int:
    """Return what was shipped of a line and is not back."""
    return line.shipped - line.returned


def _pairs(more: dict[str, Any], part: Part) -> list[tuple[dict[str, Any], Part]]:
    told = zip(more["resolved"], part.parts("lines"), strict=True)
    return [(line, said) for line, said in told if line is not None]


def _condition(part: Part) -> StockStatus:
    return StockStatus(part.get("condition") or StockStatus.INSPECTION)


RETURN: Final = CommandSpec[Return]("return", lambda body: body.return_no, _returned)


@router.post("/returns", status_code=201, responses=same_again(ReturnView, 202))
async def take_back(
    at: At, response: Response, said: Annotated[Said[Return], Body(examples=[examples.RETURN])]
) -> ReturnView:
    """Take goods back. More than was delivered (for a shipment returned to sender: than was sent) is refused.

    So is more than may come back by the authorization that it names, if it names one.
    """
    answered = await at.submit(RETURN, said)
    response.status_code = answered.decided.status_of_creation()
    async with at.services.reading() as connection:
        return await return_view(connection, answered.order, answered.decided)


async def return_view(connection: AsyncConnection, order: FoundOrder, decided: Decided) -> ReturnView:
    """Show a return: what came as the ledger has it, as it was said while it waits; and what is sent in its place."""
    told = decided.row.payload
    assert isinstance(told, KeptReturn)
    answer = (await inbox.get(connection, decided.row.inbox_id)).answer or {}
    others = await replacements.of_order(connection, order.tenant, order.source, order.order_no)
    return ReturnView(
        return_no=told.return_no,
        order_no=order.order_no,
        authorization_no=told.authorization_no,
        outcome=decided.outcome,
        location_id=told.location_id,
        occurred_at=told.occurred_at,
        lines=[
            ReturnedLineView.model_validate({**line, "lot": line["lot"] or None})
            for line in answer.get("lines") or [line.document for line in told.resolved]
        ],
        replaced_by=[other.order_no for other in others if other.return_no in {None, told.return_no}],
        notices=await notices_of(connection, order.tenant, decided.row.key),
    )


@one.get("/returns/{return_no}", responses=OF_AN_ORDER)
async def get_return(services: Services, named: OrderAt, return_no: Annotated[Key, Path()]) -> ReturnView:
    """Return what came back of an order; `queued` while that waits for its decision."""
    async with services.reading() as connection:
        order = await named.find(connection)
        key = ORDER_COMMANDS["return"].key(order.order_ref, return_no)
        known = await order_reads.known_of_key(connection, order.order, key)
        if known.inbox_id is None or known.state == "refused":
            raise not_found(f"return {return_no} of {named.order_no}")
        return await return_view(connection, order, Decided(await inbox.get(connection, known.inbox_id)))
