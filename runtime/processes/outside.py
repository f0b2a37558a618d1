"""What a worker and the relay work with: PostgreSQL, Temporal and the carriers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from adapters.carriers.port import CarrierPort
from runtime.processes import clients
from runtime.settings import Settings


@asynccontextmanager
async def outside(
    settings: Settings, *, metrics: bool = False
) -> AsyncIterator[tuple[AsyncEngine, Client, Mapping[str, CarrierPort]]]:
    """Connect to what a process works with; wait for Temporal if it is not there yet."""
    engine = clients.engine_of(settings, settings.working)
    carriers = clients.carriers_of(settings)
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(RuntimeError), wait=wait_exponential(0.2, 5), reraise=True
        ):
            with attempt:
                client = await clients.temporal_of(settings, metrics=metrics)
        yield engine, client, carriers
    finally:
        for carrier in carriers.values():
            await carrier.aclose()
        await engine.dispose()
