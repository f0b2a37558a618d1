"""What the office lets come back of an order, before it does. It moves no stock, and the order needs not hear of it."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import Body, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import behind_the_door
from api.door.created import created
from api.door.openapi import OF_AN_ORDER, same_again
from api.door.paging import Utc
from api.door.request_body import Said
from api.door.services import Services
from api.orders.order_lookup import NamedOrder, OrderAt
from api.returns.returns import returnable
from commands.resolving import Faults, Known, read_known, resolve_line
from domain.commands import Key
from domain.errors import Conflict, Kind, Rejected
from domain.refusals import not_found
from domain.said import Part, asked, digest
from domain.shapes import ReturnAuthorization
from queries.orders.order_lookup import FoundOrder
from records.orders import orders
from records.returns import return_authorizations
from records.returns.return_authorizations import Authorization, AuthorizationRow, LineName

router = behind_the_door("/api/orders/{order_no}", "floor")


class AuthorizedLineView(BaseModel):
    """What may come back of a line, what did by this authorization, and what may still; in base units."""

    line_no: int
    sku: str
    authorized: int
    received: int
    open: int


class ReturnAuthorizationView(BaseModel):
    """A return authorization, and what came back by it."""

    authorization_no: str
    order_no: str
    reason: str
    by: str
    valid_until: Utc | None
    authorized_at: Utc
    lines: list[AuthorizedLineView]


@router.post("/return-authorizations", status_code=201, responses=same_again(ReturnAuthorizationView))
async def authorize_return(
    services: Services,
    named: OrderAt,
    response: Response,
    said: Annotated[Said[ReturnAuthorization], Body(examples=[examples.RETURN_AUTHORIZATION])],
) -> ReturnAuthorizationView:
    """Let goods come back: at most what was shipped, less what is back, and what may come by other authorizations."""
    async with services.engine.begin() as connection:
        order = await _locked(connection, named)
        known = await _known(connection, order, said)
        if known is None:
            await _authorize(connection, order, said)
        response.status_code = created(is_new=known is None)
        return await _view(connection, order, said.settle().authorization_no)


@router.get("/return-authorizations/{authorization_no}", responses=OF_AN_ORDER)
async def get_return_authorization(
    services: Services, named: OrderAt, authorization_no: Annotated[Key, Path()]
) -> ReturnAuthorizationView:
    """Return what may come back by an authorization, and what did."""
    async with services.reading() as connection:
        return await _view(connection, await named.find(connection), authorization_no)


async def _locked(connection: AsyncConnection, named: NamedOrder) -> FoundOrder:
    """Return an accepted order, of which nothing is accepted meanwhile. Raises `Rejected` with code `unknown_order`."""
    order = await named.find(connection)
    if order.row is None:
        raise Rejected("unknown_order", f"Order {order.order_no} is not accepted.", kind=Kind.UNKNOWN)
    await orders.lock(connection, [(order.tenant, order.order_ref)])
    return order


async def _known(
    connection: AsyncConnection, order: FoundOrder, said: Said[ReturnAuthorization]
) -> AuthorizationRow | None:
    """Return the authorization where it came before. Raises `Conflict` where it had other content."""
    if not said.wordings:
        return None
    authorization_no = said.wordings[0].authorization_no
    known = await return_authorizations.get(connection, order.order, authorization_no)
    if known is not None and not said.repeats(lambda body: digest(asked(body)), known.digest):
        raise Conflict(f"Return authorization {authorization_no} came before with other content.")
    return known


async def _authorize(connection: AsyncConnection, order: FoundOrder, said: Said[ReturnAuthorization]) -> None:
    faults, quantities = await _resolve(connection, order, said.part)
    body = said.settle(faults.found)
    given = Authorization(
        tenant=order.tenant,
        order_ref=order.order_ref,
        authorization_no=body.authorization_no,
        digest=digest(asked(body)),
        reason=body.reason,
        actor=body.by,
        valid_until=body.valid_until,
    )
    await return_authorizations.add(connection, given, quantities)


async def _resolve(connection: AsyncConnection, order: FoundOrder, body: Part) -> tuple[Faults, Counter[LineName]]:
    """Return what is wrong with an authorization by its order, and how much it is for, in base units."""
    faults = Faults()
    parts = list(body.parts("lines"))
    faults.duplicate_lines(parts)
    known = await read_known(connection, order.tenant, await order.lines(connection), parts)
    others = await return_authorizations.left_open(connection, order.order)
    quantities: Counter[LineName] = Counter()
    for part in parts:
        quantities.update(_resolved(faults, part, known, others))
    return faults, quantities


def _resolved(faults: Faults, part: Part, known: Known, others: Counter[LineName]) -> dict[LineName, int]:
    resolved = resolve_line(faults, part, known, returnable)
    line = known.line(part.get("line_no"), returnable) if resolved else None
    quantity = resolved.get("quantity") if resolved else None
    if line is None or quantity is None:
        return {}
    name = (line.line_no, line.sku)
    possible = max(0, returnable(line) - others[name])
    if quantity > possible:
        detail = f"Line {line.line_no}: only {possible} of {line.sku} can still be authorized to come back"
        faults.add(part, "quantity", "not_returnable", detail)
    return {name: quantity}


async def _view(connection: AsyncConnection, order: FoundOrder, authorization_no: str) -> ReturnAuthorizationView:
    """Show an authorization. Raises `Rejected` with code `not_found`."""
    name = (order.order, authorization_no)
    known = await return_authorizations.get(connection, *name)
    if known is None:
        raise not_found(f"return authorization {authorization_no} of {order.order_no}")
    return ReturnAuthorizationView(
        **{field: getattr(known, field) for field in ("authorization_no", "reason", "valid_until", "authorized_at")},
        order_no=order.order_no,
        by=known.actor,
        lines=[
            AuthorizedLineView(**vars(line), open=line.open)
            for line in await return_authorizations.lines(connection, *name)
        ],
    )
