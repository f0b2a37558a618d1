"""What the door needs of the rest of the house."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.carriers.port import Carriers
from adapters.egress import Egress
from api.door.rates import Rates
from commands.context import CommandContext
from domain.messages import CommandAnswer
from domain.payloads import Kept
from postgres.statements import with_more_time
from records.access.sealing import SealingKeys
from records.orders.inbox import InboxRow


class OrderGateway(Protocol):
    """The one thing that talks to Temporal."""

    async def deliver(self, row: InboxRow[Kept], timeout_s: float) -> CommandAnswer | None:
        """Hand a stored command to its order's workflow, and wait until it is decided. None: its row may tell more.

        Raises `Unavailable` or `TimeoutError`: the command is kept, and will be decided later.
        """
        ...


def utc_now() -> datetime:
    """Return what time it is."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class ApiServices(CommandContext):
    """The door's tools: what commands need, and what else the door does.

    `sealing` has the keys that connections' secrets are sealed with, `egress` says where connections may go. `clock` is
    this machine's. `well_known_keys` says whether keys are taken that everybody knows. `report_timeout_s` is for a
    statement of a report.
    """

    orders: OrderGateway
    carriers: Carriers
    body_limit_bytes: int
    temporal_health: Callable[[], Awaitable[bool]]
    report_timeout_s: float = 300
    sealing: SealingKeys = field(default_factory=SealingKeys)
    egress: Egress = field(default_factory=Egress)
    clock: Callable[[], datetime] = utc_now
    well_known_keys: bool = False
    rates: Rates = field(default_factory=Rates)

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection for reads that may take long: of all there is, or of what has no bound."""
        async with self.reading() as connection, with_more_time(connection, self.report_timeout_s):
            yield connection


async def services_of(request: Request) -> ApiServices:
    """Return the tools that the application was made with."""
    return cast("ApiServices", request.app.state.services)


Services = Annotated[ApiServices, Depends(services_of)]
