"""The door on real PostgreSQL and a real ledger. Commands are decided at once, without Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.carriers.sandbox.adapter import SandboxCarrier, SandboxCarrierSettings
from api.app import create_app
from api.door.services import ApiServices
from commands.posting_effects import PostingEffects
from ledger.writing.writer import LedgerWriter
from queries.inventory.site_days import site_days
from records.access import api_keys, connections

from .doorway import DirectGateway, Door

SECRET = "sandbox-carrier-secret"


@pytest.fixture
async def door(engine: AsyncEngine, tenant: str) -> AsyncIterator[Door]:
    """The API, as a tenant's default ERP uses it. The tenant's connection to the sandbox carrier has its own name."""
    ledger = LedgerWriter(engine, PostingEffects(), days=site_days(engine))
    gateway = DirectGateway(engine, ledger)
    settings = SandboxCarrierSettings(
        base_url="http://127.0.0.1:9", token=SecretStr("token"), secret=SecretStr(SECRET), timeout_s=1
    )
    carrier = SandboxCarrier(settings)
    async with engine.begin() as connection:
        await api_keys.register_key(connection, tenant=tenant, source="erp", key=f"key-{tenant}")
        await connections.register_connection(connection, name=tenant, carrier="sandbox", tenant=tenant)

    async def temporal_answers() -> bool:
        return not gateway.down

    services = ApiServices(
        engine=engine,
        ledger=ledger,
        orders=gateway,
        carriers={tenant: carrier},
        body_limit_bytes=64 * 1024,
        temporal_health=temporal_answers,
    )
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        yield Door(http, engine, gateway, tenant, f"key-{tenant}", services)
    await carrier.aclose()


@pytest.fixture
async def shop(door: Door) -> Door:
    """The door, with a site and products."""
    await door.open()
    return door
