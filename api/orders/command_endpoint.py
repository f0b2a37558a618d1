"""Where commands are told to an order: checked by catalog and order, kept, decided, and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door.auth import Caller
from api.door.request_body import Said
from api.door.services import ApiServices, Services
from api.orders.await_decision import Decided, decide
from api.orders.order_lookup import NamedOrder, OrderAt
from api.orders.views import CommandAnswer, read_view
from commands.keeping import Command
from commands.times import time_faults
from domain.errors import Fault
from domain.order_commands import ORDER_COMMANDS, CommandKind
from domain.said import Part, asked, digest
from queries.orders.order_lookup import FoundOrder
from records.access.api_keys import ApiKey, actor_of

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
