"""Connections as a running process knows them: taken up, replaced and let go while their ports are in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.connections.add import add
from commands.connections.change import change
from commands.connections.context import By
from commands.connections.switch import switch
from domain.connections import ConnectionChange, ConnectionKind, ConnectionSwitch, Flow, NewConnection
from domain.errors import Rejected, Unavailable
from records.access import connections
from records.access.connections import Connection, Named
from records.access.sealing import SealingKeys
from runtime.processes.live_connections import Attendance, LiveConnections
from tests.adapters.erp.connected import LOOPBACK

KEYS = SealingKeys.parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
OTHER_KEYS = SealingKeys.parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4=")
ME = By("test")


@pytest_asyncio.fixture
async def live(engine: AsyncEngine, tenant: str) -> AsyncIterator[LiveConnections]:
    live = LiveConnections(engine, KEYS, LOOPBACK, look_s=3600)
    async with live.running():
        yield live
    async with engine.begin() as connection:
        for row in await connections.every(connection, tenant):
            await connections.remove(connection, row.key)


async def added(engine: AsyncEngine, tenant: str, name: str = "sandbox") -> Named:
    account = NewConnection(
        kind=ConnectionKind.CARRIER,
        name=name,
        adapter="sandbox",
        settings={"base_url": "http://127.0.0.1:9"},
        secrets={"token": SecretStr("token"), "secret": SecretStr("secret")},
    )
    async with engine.begin() as connection:
        await add(connection, KEYS, tenant, account, ME)
    return Named(tenant, ConnectionKind.CARRIER, name)


async def limited(engine: AsyncEngine, named: Named, at_once: int) -> None:
    async with engine.begin() as connection:
        await change(connection, KEYS, named, ConnectionChange(at_once=at_once), ME)


async def test_a_port_is_kept_until_its_connection_changes_and_closed_once_it_is_given_back(
    live: LiveConnections, engine: AsyncEngine, tenant: str
) -> None:
    named = await added(engine, tenant)
    await live.look()
    async with live.carriers.of(tenant, "sandbox") as first:
        async with live.carriers.of(tenant, "sandbox") as same:
            assert same is first
        await limited(engine, named, 2)
        await live.look()
        async with live.carriers.of(tenant, "sandbox") as other:
            assert other is not first
        http = first._client._http  # type: ignore[attr-defined]
        assert not http.is_closed, "somebody has it"
    assert http.is_closed
    async with live.carriers.of(tenant, "sandbox") as again:
        assert again is other


async def test_what_a_connection_does_not_let_through_waits(
    live: LiveConnections, engine: AsyncEngine, tenant: str
) -> None:
    with pytest.raises(Rejected, match="no carrier sandbox"):
        async with live.carriers.of(tenant, "sandbox"):
            pass
    with pytest.raises(Rejected, match="No ERP is connected"), live.erps.of(tenant, "erp"):
        pass
    named = await added(engine, tenant)
    for flow in (Flow.INBOUND, Flow.OFF):
        async with engine.begin() as connection:
            await switch(connection, named, ConnectionSwitch(flow=flow, reason="a test"), ME)
        await live.look()
        with pytest.raises(Unavailable, match="nothing leaves"):
            async with live.carriers.of(tenant, "sandbox"):
                pass
        if flow is Flow.INBOUND:
            async with live.carriers.of(tenant, "sandbox", Flow.INBOUND) as port:
                assert port is not None


async def test_with_another_sealing_key_nothing_is_lent_and_the_words_show_no_secret(
    engine: AsyncEngine, tenant: str
) -> None:
    named = await added(engine, tenant)
    async with LiveConnections(engine, OTHER_KEYS, LOOPBACK, look_s=3600).running() as locked:
        with pytest.raises(Unavailable, match=r"does not open") as refused:
            async with locked.carriers.of(tenant, "sandbox"):
                pass
    assert " of carrier/sandbox of " in str(refused.value)
    async with engine.begin() as connection:
        await connections.remove(connection, named)


async def test_a_connection_that_is_removed_and_added_between_two_looks_is_another_one(
    live: LiveConnections, engine: AsyncEngine, tenant: str
) -> None:
    named = await added(engine, tenant)
    await live.look()
    before = live.rows(ConnectionKind.CARRIER)[named]
    async with engine.begin() as connection:
        await connections.remove(connection, named)
    await added(engine, tenant)
    await live.look()
    after = live.rows(ConnectionKind.CARRIER)[named]
    assert before.public_id != after.public_id


async def test_what_goes_on_for_each_connection_begins_and_ends_with_it(
    live: LiveConnections, engine: AsyncEngine, tenant: str
) -> None:
    at_work: dict[str, int] = {}
    turned = asyncio.Event()

    @asynccontextmanager
    async def serving(row: Connection) -> AsyncIterator[None]:
        if row.tenant != tenant:
            yield
            return
        at_work[row.name] = row.at_once
        turned.set()
        try:
            yield
        finally:
            del at_work[row.name]
            turned.set()

    async def until(expected: dict[str, int]) -> None:
        await live.look()
        async with asyncio.timeout(10):
            while at_work != expected:
                await turned.wait()
                turned.clear()

    attendance = Attendance(live, ConnectionKind.CARRIER, serving, lambda row: row.at_once, Flow.BOTH)
    task = asyncio.create_task(attendance.run())
    one, _ = await added(engine, tenant, "one"), await added(engine, tenant, "two")
    await until({"one": 50, "two": 50})
    await limited(engine, one, 3)
    await until({"one": 3, "two": 50})
    async with engine.begin() as connection:
        await switch(connection, one, ConnectionSwitch(flow=Flow.OFF, reason="a test"), ME)
    await until({"two": 50})
    task.cancel()
    await asyncio.wait({task})
    assert at_work == {}
