"""The relay as a process: the loops between tables and Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.connections import ConnectionKind, Flow
from postgres.statements import alone
from records.access.connections import Connection
from relay.expired_backorders import ExpiredBackorders
from relay.expired_stock import ExpiredStock
from relay.inbox import InboxReplay
from relay.known_elsewhere import KnownElsewhereSweep
from relay.loop import repeat
from relay.missing_workflows import MissingWorkflows
from relay.order_gateway import OrderGateway
from relay.outbox import OutboxDrain
from relay.silent_parcels import SilentParcels
from runtime.processes import clients, logs
from runtime.processes.live_connections import Attendance, LiveConnections
from runtime.processes.outside import outside
from runtime.processes.readiness import announce_ready
from runtime.settings import Settings

log = structlog.get_logger(__name__)


async def run_relay(settings: Settings) -> None:
    """Run the loops between tables and Temporal."""
    logs.configure(settings)
    async with outside(settings) as (engine, client, live), AsyncExitStack() as stack:
        gateway = OrderGateway(client, engine)
        ledger = clients.ledger_of(engine)
        stack.push_async_callback(ledger.drain)
        stop = asyncio.Event()
        elsewhere = KnownElsewhereSweep(engine, gateway, live.carriers, live.erps)
        # What these say to PostgreSQL stands alone, statement by statement; most rounds are one that finds nothing.
        by_itself = alone(engine)
        loops = (
            ("inbox", InboxReplay(by_itself, gateway).round, 0.5),
            ("outbox", OutboxDrain(by_itself, gateway).round, 0.1),
            ("missing_workflows", MissingWorkflows(by_itself, gateway).round, settings.missing_workflows_s),
            ("expired_backorders", ExpiredBackorders(by_itself).round, settings.expired_backorders_s),
            ("expired_stock", ExpiredStock(by_itself, ledger).round, settings.expired_stock_s),
            ("known_elsewhere", elsewhere.round, settings.missing_workflows_s),
        )
        async with asyncio.TaskGroup() as group:
            for name, work, pause_s in loops:
                group.create_task(repeat(name, work, pause_s, stop))
            group.create_task(_silent_parcels(engine, live, settings).run())
            announce_ready(settings)
            log.info("relay.ready")


def _silent_parcels(engine: AsyncEngine, live: LiveConnections, settings: Settings) -> Attendance:
    """Make what sweeps over the parcels of each carrier connection, by a loop of its own."""

    @asynccontextmanager
    async def sweeping(row: Connection) -> AsyncIterator[None]:
        sweep = SilentParcels(engine, live.carriers, row.tenant, row.name, settings.silent_parcel_s, settings.window)
        pause_s = min(settings.silent_parcel_s / 2, 60.0)
        name = f"silent_parcels/{row.tenant}/{row.name}"
        task = asyncio.create_task(repeat(name, sweep.round, pause_s, asyncio.Event()))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    return Attendance(live, ConnectionKind.CARRIER, sweeping, depends=lambda _: None, least=Flow.INBOUND)
