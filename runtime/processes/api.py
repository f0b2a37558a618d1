"""The HTTP API as a process."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack, nullcontext
from typing import Any

from relay.order_gateway import OrderGateway
from runtime.processes import clients, logs
from runtime.settings import Settings


async def serve_api(settings: Settings) -> None:
    """Serve the HTTP API."""
    from api.app import create_app
    from api.door.rates import Rates
    from api.door.services import ApiServices
    from runtime.processes.connections import Connections
    from runtime.processes.register_keys import make_known

    logs.configure(settings)
    engine = clients.engine_of(settings, settings.answering)
    client = await clients.temporal_of(settings, lazy=True)
    gateway = OrderGateway(client, engine)
    ledger = clients.ledger_of(engine)
    stack = AsyncExitStack()
    try:
        await make_known(engine, settings)
        live = await stack.enter_async_context(clients.connections_of(settings, engine).running())
        app = create_app(
            ApiServices(
                engine=engine,
                ledger=ledger,
                orders=gateway,
                carriers=live.carriers,
                sealing=settings.sealing,
                egress=settings.egress,
                temporal_health=gateway.healthy,
                body_limit_bytes=settings.body_limit_bytes,
                report_timeout_s=settings.report_timeout_s,
                window=settings.window,
                rates=Rates(
                    key_per_s=settings.key_requests_per_second,
                    address_per_s=settings.address_requests_per_second,
                    wrong_keys_per_minute=settings.wrong_keys_per_minute,
                ),
                lot_patterns={numbering.tenant: numbering.pattern for numbering in settings.lot_patterns},
                well_known_keys=settings.well_known_keys,
            )
        )
        gc.collect()
        gc.freeze()  # what is there for good need not be looked at whenever garbage is collected
        connections = Connections(settings.connection_limits, app.state.registry)
        async with connections.served(app, settings.api_host, settings.api_port) as server:
            await _serve(server)
    finally:
        await ledger.drain()
        await stack.aclose()
        await engine.dispose()


async def _serve(server: Any) -> None:
    """Serve until cancelled, then let requests in flight finish."""
    server.capture_signals = nullcontext  # signals are the command line's business
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
