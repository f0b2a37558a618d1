"""The door on real PostgreSQL and a real ledger. Commands are decided at once, without Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.door.services import ApiServices
from commands.connections.add import add
from commands.connections.context import By
from commands.posting_effects import PostingEffects
from domain.connections import ConnectionKind, NewConnection
from ledger.writing.writer import LedgerWriter
from queries.inventory.site_days import site_days
from records.access import api_keys, connections
from runtime.processes.live_connections import LiveConnections
from tests.adapters.erp.connected import LOOPBACK

from .doorway import KEYS, DirectGateway, Door

SECRET = "sandbox-carrier-secret"


@pytest.fixture
async def door(engine: AsyncEngine, tenant: str) -> AsyncIterator[Door]:
    """The API, as a tenant's default ERP uses it. The tenant's connection to the sandbox carrier has its own name."""
    ledger = LedgerWriter(engine, PostingEffects(), days=site_days(engine))
    gateway = DirectGateway(engine, ledger)
    account = NewConnection(
        kind=ConnectionKind.CARRIER,
        name="sandbox",
        adapter="sandbox",
        settings={"base_url": "http://127.0.0.1:9"},
        secrets={"token": SecretStr("token"), "secret": SecretStr(SECRET)},
        timeout_s=1,
    )
    async with engine.begin() as connection:
        await api_keys.register_key(connection, tenant=tenant, source="erp", key=f"key-{tenant}")
        await add(connection, KEYS, tenant, account, By("test"), public_id=tenant)
    live = LiveConnections(engine, KEYS, LOOPBACK, look_s=3600)

    async def temporal_answers() -> bool:
        return not gateway.down

    services = ApiServices(
        engine=engine,
        ledger=ledger,
        orders=gateway,
        carriers=live.carriers,
        sealing=KEYS,
        body_limit_bytes=64 * 1024,
        temporal_health=temporal_answers,
    )
    transport = httpx.ASGITransport(create_app(services))
    async with live.running(), httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        yield Door(http, engine, gateway, tenant, f"key-{tenant}", services, live)
    async with engine.begin() as connection:
        for row in await connections.every(connection, tenant):
            await connections.remove(connection, row.key)


@pytest.fixture
async def shop(door: Door) -> Door:
    """The door, with a site and products."""
    await door.open()
    return door
