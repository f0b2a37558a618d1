"""What a worker and the relay work with: PostgreSQL, Temporal, and connections to ERPs and carriers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from runtime.processes import clients
from runtime.processes.live_connections import LiveConnections
from runtime.settings import Settings


@asynccontextmanager
async def outside(
    settings: Settings, *, metrics: bool = False
) -> AsyncIterator[tuple[AsyncEngine, Client, LiveConnections]]:
    """Connect to what a process works with; wait for Temporal if it is not there yet."""
    engine = clients.engine_of(settings, settings.working)
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(RuntimeError), wait=wait_exponential(0.2, 5), reraise=True
        ):
            with attempt:
                client = await clients.temporal_of(settings, metrics=metrics)
        async with clients.connections_of(settings, engine).running() as live:
            yield engine, client, live
    finally:
        await engine.dispose()
