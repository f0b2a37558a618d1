"""What the floor and the office do to an order: pick, put back, cancel, ship, hand over, take back, unstick."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import BEARER, Caller, Door
from api.door.openapi import same_again
from api.door.paging import Utc
from api.door.request_body import Said
from api.door.services import ApiServices, Services
from api.inventory.notices import Notice, notices_of
from api.orders.await_decision import WAIT_S, Command, Decided, Patience, decide
from api.orders.kits import component_to_cancel
from api.orders.order_lookup import NamedOrder, OrderAt
from api.orders.views import CommandAnswer, ParcelView, ShipmentView, parcel_line, read_view, shipment_view
from commands.resolving import Faults, Known, Rank, read_known, resolve_line
from commands.times import time_faults
from domain.commands import Cancel, HandOver, Key, OperatorAct, Pick, PutBackDone, Return, Ship
from domain.errors import Conflict, Fault
from domain.linked_lines import main_line_of
from domain.order_commands import ORDER_COMMANDS, CommandKind
from domain.orders import OrderLine
from domain.payloads import Kept, KeptReturn, KeptShip
from domain.refusals import not_found
from domain.said import Part, asked, digest
from domain.stock import PlaceKind, StockStatus, worse_of
from queries.orders.order_lookup import FoundOrder
from queries.shipping.shipments import ShipmentShown, read_shipment
from records import catalog, people
from records.access.api_keys import ApiKey, actor_of
from records.orders import inbox, order_reads, replacements
from records.orders.inbox import InboxRow

router = APIRouter(prefix="/api/orders/{order_no}", tags=["floor"], route_class=Door, dependencies=[BEARER])

Told = TypeVar("Told", bound=BaseModel)

Resolved = tuple[list[Fault], dict[str, Any]]
"""What is wrong with a command, and what its payload gains: quantities in base units, and what they are of."""

Resolver = Callable[[AsyncConnection, FoundOrder, Part], Awaitable[Resolved]]


@dataclass(frozen=True)
class CommandSpec(Generic[Told]):
    """A command that is told to an order: its kind, how its key is made of its body, and what resolves it."""

    kind: CommandKind
    key: Callable[[Told], str]
    resolve: Resolver
    more: tuple[tuple[str, str], ...] = ()
    """What the payload and the digest gain from the address."""


def of_shipment(
    kind: CommandKind, shipment_no: str, key: Callable[[Told], str], resolve: Resolver
) -> CommandSpec[Told]:
    """Make a command about a shipment that the address names: its key names that, too, and so does its payload."""
    return CommandSpec(kind, lambda body: f"{shipment_no}/{key(body)}", resolve, (("shipment_no", shipment_no),))


@dataclass(frozen=True)
class Answered(Generic[Told]):
    """A command after its caller has waited, the order, and its body."""

    order: FoundOrder
    body: Told
    decided: Decided


@dataclass(frozen=True)
class CommandEndpoint:
    """Where commands are told: the order as the address names it, and who speaks."""

    services: ApiServices
    caller: ApiKey
    named: NamedOrder

    async def submit(self, spec: CommandSpec[Told], said: Said[Told]) -> Answered[Told]:
        """Check a command, keep it, and have it decided. Raises `Rejected` with all that is wrong with it."""
        async with self.services.engine.begin() as connection:
            order = await self.named.find(connection)
            if said.is_odd:
                await self._read_as_stored(connection, order, spec, said)
            body = said.body
            if body is None:
                faults, _ = await self._resolve(connection, order, spec, said.part)
                raise AssertionError(said.settle(faults))
            command = self._command(order, spec, body)
            known = await command.known(connection)
            row = await command.came_before(connection, known)
            if row is None:
                faults, more = await self._resolve(connection, order, spec, said.part)
                said.settle(faults)
                payload = {**body.model_dump(mode="json"), **dict(spec.more), **more}
                row = await command.keep(connection, payload, known)
        return Answered(order, body, await decide(self.services, row))

    async def _read_as_stored(
        self, connection: AsyncConnection, order: FoundOrder, spec: CommandSpec[Told], said: Said[Told]
    ) -> None:
        """Read a command that came before as it was read then."""
        known = await self._command(order, spec, said.wordings[0]).known(connection)
        if known.state != "refused":
            said.repeats(lambda body: self._command(order, spec, body).digest, known.digest)

    async def _resolve(
        self, connection: AsyncConnection, order: FoundOrder, spec: CommandSpec[Told], part: Part
    ) -> Resolved:
        """Resolve what is said for the first time, by the world as it is now: clock, order, catalog."""
        early = await time_faults(connection, part, self.services.window)
        faults, more = await spec.resolve(connection, order, part)
        return [*early, *faults], more

    def _command(self, order: FoundOrder, spec: CommandSpec[Told], body: Told) -> Command:
        actor = getattr(body, "actor", None) or getattr(body, "by", None)
        return Command(
            order=order.order,
            kind=spec.kind,
            key=ORDER_COMMANDS[spec.kind].key(order.order_ref, spec.key(body)),
            digest=digest("\n".join((asked(body), *(value for _, value in spec.more)))),
            actor=actor_of(self.caller, actor),
        )

    async def view(self, answered: Answered[Any], response: Response) -> CommandAnswer:
        """Answer with the order as it is now."""
        response.status_code = answered.decided.status_of_change()
        async with self.services.reading() as connection:
            view = await read_view(connection, await self.named.find(connection))
        return CommandAnswer(**dict(view), outcome=answered.decided.outcome)


async def _endpoint(services: Services, caller: Caller, named: OrderAt) -> CommandEndpoint:
    return CommandEndpoint(services, caller, named)


At = Annotated[CommandEndpoint, Depends(_endpoint)]


# -- lines of an order ------------------------------------------------------------------------------------------------


def _named(rank: Rank) -> Resolver:
    """Resolve lines whose goods may be named; whether they must be is seen when they are decided."""

    async def resolve(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
        faults = Faults()
        parts = list(part.parts("lines"))
        known = await read_known(connection, order.tenant, await order.lines(connection), parts)
        return faults.found, {"resolved": [named_line(faults, line, known, rank) for line in parts]}

    return resolve


def named_line(faults: Faults, part: Part, known: Known, rank: Rank) -> dict[str, Any] | None:
    """Resolve a line whose goods may be named."""
    line = resolve_line(faults, part, known, rank)
    if line is not None:
        faults.named_serials(part, known.products[line["sku"]], line["quantity"])
    return line


def _picked(rank: Rank) -> Resolver:
    """Resolve lines that came from a shelf, with the serial numbers of each unit. A short pick may have found none."""

    async def resolve(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
        faults = Faults()
        parts = list(part.parts("lines"))
        known = await read_known(connection, order.tenant, await order.lines(connection), parts)
        short = part.get("short") is True
        resolved = [_with_serials(faults, line, known, rank, zero_allowed=short) for line in parts]
        return faults.found, {"resolved": resolved}

    return resolve


def _with_serials(faults: Faults, part: Part, known: Known, rank: Rank, *, zero_allowed: bool) -> dict[str, Any] | None:
    line = resolve_line(faults, part, known, rank, zero_allowed=zero_allowed)
    if line is not None:
        faults.serials(part, known.products[line["sku"]], line["quantity"])
    return line


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


# -- picks, put-backs, cancels ----------------------------------------------------------------------------------------

PICK: Final = CommandSpec[Pick]("confirm_pick", lambda body: body.pick_no, _picked(lambda line: line.unpicked))
PUT_BACK: Final = CommandSpec[PutBackDone](
    "put_back", lambda body: body.put_back_no, _named(lambda line: line.to_put_back)
)
CANCEL: Final = CommandSpec[Cancel]("cancel", lambda body: body.cancel_no, _cancelled)
OPERATE: Final = CommandSpec[OperatorAct]("operate", lambda body: body.act_no, _addressed)


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


@router.post("/cancel", tags=["orders"], responses=same_again(CommandAnswer, 202))
async def cancel_order(
    at: At, response: Response, said: Annotated[Said[Cancel], Body(examples=[examples.CANCEL])]
) -> CommandAnswer:
    """Cancel an order, or lines of it; what has left stays shipped."""
    return await at.view(await at.submit(CANCEL, said), response)


@router.post("/operator-acts", tags=["operators"], responses=same_again(CommandAnswer, 202))
async def operate(
    at: At, response: Response, said: Annotated[Said[OperatorAct], Body(examples=[examples.OPERATOR_ACT])]
) -> CommandAnswer:
    """Decide what the hub can't: one of the actions that the order's `attention` names."""
    return await at.view(await at.submit(OPERATE, said), response)


# -- shipments --------------------------------------------------------------------------------------------------------


async def _parcels(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
    """Resolve what is in each parcel, and check that no other order's shipment has the number."""
    faults = Faults()
    boxes = list(part.parts("parcels"))
    lines = await order.lines(connection) if boxes else []
    known = await read_known(connection, order.tenant, lines, ())
    resolved = []
    for box in boxes:
        resolved.append([named_line(faults, line, known, lambda line: line.reserved) for line in box.parts("lines")])
        await asyncio.sleep(0)  # there may be as many lines as in fifty orders: others have their turn between boxes
    taken_by = await order_reads.order_of_shipment(connection, order.tenant, part.get("shipment_no") or "")
    if taken_by not in {None, order.order_ref}:
        raise Conflict(f"Shipment number {part.get('shipment_no')} is taken by another order.")
    return faults.found, {"resolved": resolved} if boxes else {}


SHIP: Final = CommandSpec[Ship]("ship", lambda body: body.shipment_no, _parcels)


@router.post("/shipments", status_code=201, responses=same_again(ShipmentView, 202))
async def ship(at: At, response: Response, said: Annotated[Said[Ship], Body(examples=[examples.SHIP])]) -> ShipmentView:
    """Book and label a shipment; 202 while it has no label: it gets one when the carrier is back."""
    patience = Patience(WAIT_S)
    answered = await at.submit(SHIP, said)
    shipment = await _labeled(at.services, answered, patience)
    response.status_code = answered.decided.status_of_creation()
    if shipment is None:
        return _booked(answered.order, answered.body.shipment_no, answered.decided.row)
    if not shipment.is_labeled:
        response.status_code = 202
    return shipment_view(shipment, answered.order.order_no)


async def _labeled(services: ApiServices, answered: Answered[Ship], patience: Patience) -> ShipmentShown | None:
    """Read the shipment, waiting for its labels as long as its caller does, and nobody is needed for them."""
    order, shipment_no = answered.order, answered.body.shipment_no
    while True:
        async with services.reading() as connection:
            waits = await order_reads.waits_for_labels(connection, order.order, shipment_no)
            if not waits or patience.is_over:
                return await read_shipment(connection, order.order, shipment_no)
        await patience.pause()


def _booked(order: FoundOrder, shipment_no: str, command: InboxRow[Kept] | None) -> ShipmentView:
    """Return a shipment whose command waits: as it was asked for, without numbers."""
    terms, told = order.row or order.pushed, command and command.payload
    return ShipmentView(
        shipment_no=shipment_no,
        carrier=terms.carrier,
        service_level=terms.service_level,
        tracking_status="pending",
        handed_over_at=None,
        delivered_at=None,
        proof_of_delivery=None,
        parcels=[
            ParcelView(
                parcel_no=number,
                tracking_number=None,
                tracking_status="pending",
                label_url=None,
                lines=[parcel_line(line) for line in lines],
            )
            for number, lines in enumerate(told.resolved if isinstance(told, KeptShip) else (), 1)
        ],
    )


@router.post("/shipments/{shipment_no}/handover", responses=same_again(ShipmentView, 202))
async def hand_over(
    at: At,
    response: Response,
    shipment_no: Annotated[Key, Path()],
    said: Annotated[Said[HandOver], Body(examples=[examples.HAND_OVER])],
) -> ShipmentView:
    """Say that a shipment's parcels were given to the carrier: the goods have left."""
    known = _shipment_is_there(shipment_no)
    spec: CommandSpec[HandOver] = of_shipment("hand_over", shipment_no, lambda body: body.handover_no, known)
    answered = await at.submit(spec, said)
    response.status_code = answered.decided.status_of_change()
    order = answered.order
    async with at.services.reading() as connection:
        shipment = await read_shipment(connection, order.order, shipment_no)
        booking = await _waiting_booking(connection, order, shipment_no)
    return shipment_view(shipment, order.order_no) if shipment else _booked(order, shipment_no, booking)


def _shipment_is_there(shipment_no: str) -> Resolver:
    """Check that the order has a shipment, or that its booking waits for a decision, as the hand-over then will."""

    async def resolve(connection: AsyncConnection, order: FoundOrder, _part: Part) -> Resolved:
        known = await read_shipment(connection, order.order, shipment_no)
        if known is None and await _waiting_booking(connection, order, shipment_no) is None:
            raise not_found(f"shipment {shipment_no} of {order.order_no}")
        return [], {}

    return resolve


async def _waiting_booking(connection: AsyncConnection, order: FoundOrder, shipment_no: str) -> InboxRow[Kept] | None:
    key = ORDER_COMMANDS["ship"].key(order.order_ref, shipment_no)
    waiting = await inbox.undecided(connection, order.order)
    return next((row for row in waiting if row.key == key), None)


# -- returns ----------------------------------------------------------------------------------------------------------


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
    faults, more = await _named(returnable)(connection, order, part)
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
