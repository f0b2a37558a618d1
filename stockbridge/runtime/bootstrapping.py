"""Makes known what the settings name: API keys, and the carrier's callback connection."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from stockbridge.domain.errors import Unavailable
from stockbridge.ledger.writer import translating
from stockbridge.records import keys
from stockbridge.runtime.clients import SANDBOX
from stockbridge.runtime.settings import Settings


async def make_known(engine: AsyncEngine, settings: Settings) -> None:
    """Write keys and connection, once PostgreSQL is there. What is known already stays what it is."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Unavailable), wait=wait_exponential(0.2, 5), reraise=True
    ):
        with attempt:
            await _write(engine, settings)


async def _write(engine: AsyncEngine, settings: Settings) -> None:
    with translating():
        async with engine.begin() as connection:
            for key in settings.api_keys:
                await keys.register_key(connection, tenant=key.tenant, source=key.source, key=key.key)
            if settings.api_keys and settings.carrier_connection:
                await keys.register_connection(
                    connection,
                    name=settings.carrier_connection,
                    carrier=SANDBOX,
                    tenant=settings.api_keys[0].tenant,
                )
