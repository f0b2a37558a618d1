"""Makes known what the settings name: API keys."""

from __future__ import annotations

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from domain.errors import Unavailable
from ledger.writing.writer import translating
from records.access import api_keys
from records.access.api_keys import Found
from runtime.environment_keys import insist_on_good_keys, whose
from runtime.errors import StartupError
from runtime.settings import ApiKey, Settings

log = structlog.get_logger(__name__)


async def make_known(engine: AsyncEngine, settings: Settings) -> None:
    """Write keys, once PostgreSQL is there. What is known already stays what it is.

    Raises `StartupError` where a key is too short, or would speak for two.
    """
    insist_on_good_keys(settings)
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Unavailable), wait=wait_exponential(0.2, 5), reraise=True
    ):
        with attempt:
            await _write(engine, settings)


async def _write(engine: AsyncEngine, settings: Settings) -> None:
    with translating():
        async with engine.begin() as connection:
            # By tenant, since each is locked; within one as they are given, since the first source is its default.
            for key in sorted(settings.api_keys, key=lambda key: key.tenant):
                found = await api_keys.register_key(connection, tenant=key.tenant, source=key.source, key=key.key)
                _insist_on_one_speaker(key, found)


def _insist_on_one_speaker(key: ApiKey, found: Found) -> None:
    known = found.key
    if (known.tenant, known.source) != (key.tenant, key.source):
        raise StartupError(
            f"STOCKBRIDGE_API_KEYS: One key is named for {whose(key)}, and the database has it for "
            f"{whose(ApiKey(known.tenant, known.source))}, as {known.name}. Give each its own."
        )
    if found.has_ended:
        log.warning("key.has_ended", tenant=known.tenant, name=known.name, named_in="STOCKBRIDGE_API_KEYS")
