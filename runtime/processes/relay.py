"""The relay as a process: the loops between tables and Temporal."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog

from adapters.erp.port import ErpPort
from postgres.statements import alone
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
from runtime.processes.outside import outside
from runtime.processes.readiness import announce_ready
from runtime.settings import Settings

log = structlog.get_logger(__name__)


async def run_relay(settings: Settings) -> None:
    """Run the loops between tables and Temporal."""
    logs.configure(settings)
    async with outside(settings) as (engine, client, carriers), AsyncExitStack() as stack:
        gateway = OrderGateway(client, engine)
        ledger = clients.ledger_of(engine)
        stack.push_async_callback(ledger.drain)
        stop = asyncio.Event()
        silent = {
            f"silent_parcels/{name}": SilentParcels(engine, name, port, settings.silent_parcel_s, settings.window)
            for name, port in carriers.items()
        }
        elsewhere = KnownElsewhereSweep(engine, gateway, carriers, _erps(settings, stack))
        # What these say to PostgreSQL stands alone, statement by statement; most rounds are one that finds nothing.
        by_itself = alone(engine)
        loops = (
            ("inbox", InboxReplay(by_itself, gateway).round, 0.5),
            ("outbox", OutboxDrain(by_itself, gateway).round, 0.1),
            ("missing_workflows", MissingWorkflows(by_itself, gateway).round, settings.missing_workflows_s),
            ("expired_backorders", ExpiredBackorders(by_itself).round, settings.expired_backorders_s),
            ("expired_stock", ExpiredStock(by_itself, ledger).round, settings.expired_stock_s),
            *((name, sweep.round, min(settings.silent_parcel_s / 2, 60.0)) for name, sweep in silent.items()),
            ("known_elsewhere", elsewhere.round, settings.missing_workflows_s),
        )
        async with asyncio.TaskGroup() as group:
            for name, work, pause_s in loops:
                group.create_task(repeat(name, work, pause_s, stop))
            announce_ready(settings)
            log.info("relay.ready")


def _erps(settings: Settings, stack: AsyncExitStack) -> dict[str, ErpPort]:
    """Make the ERP's adapter, by the source that orders name; a relay may have none."""
    if settings.erp_url is None:
        return {}
    erp = clients.erp_of(settings)
    stack.callback(erp.close)
    return {settings.erp_source: erp}
