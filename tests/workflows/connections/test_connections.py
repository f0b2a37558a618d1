"""Connections of several tenants: nothing of one reaches the other's partners, and none waits for another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.connections.add import add
from commands.connections.change import set_secrets
from commands.connections.context import By
from commands.connections.switch import switch
from domain.carriers import TrackingEvent, TrackingStatus
from domain.connections import ConnectionKind, ConnectionSwitch, Flow, SecretsGiven
from ledger.writing.writer import LedgerWriter
from records.access.connections import Named
from records.shipping import carrier_events
from records.shipping.carrier_events import Heard
from runtime.processes import clients
from tests.workflows.hub import Hub
from tests.workflows.partners import KEYS, PIGEON, Partners, disconnect

pytestmark = pytest.mark.usefixtures("worker")

ME = By("test")
MUGS = {1: ("MUG", 1)}


@pytest_asyncio.fixture
async def other(hub: Hub, engine: AsyncEngine, partners: Partners) -> AsyncIterator[Hub]:
    """A second tenant, with an ERP and a carrier of its own under the same names."""
    other = Hub(engine, clients.ledger_of(engine), hub.gateway, hub.client, f"o-{uuid4().hex[:12]}")
    await partners.connect_to_others(engine, other.tenant)
    await other.make_places()
    yield other
    await disconnect(engine, other.tenant)


async def send(hub: Hub, order_no: str = "SO-1") -> list[str]:
    """Bring an order on its way; return its tracking numbers."""
    await hub.receive("MUG", 10, f"GR-{order_no}")
    await hub.push(order_no, MUGS)
    await hub.pick(order_no, MUGS)
    await hub.ship(order_no, f"{order_no}-1")
    numbers = await hub.until_labeled(order_no)
    await hub.hand_over(order_no)
    return numbers


async def test_nothing_of_a_tenant_reaches_the_others_erp_carrier_or_view(
    hub: Hub, other: Hub, partners: Partners
) -> None:
    mine, theirs = await asyncio.gather(send(hub), send(other))
    for each in (hub, other):
        await each.until_told_all("SO-1")
    assert hub.tenant in await partners.references(partners.erp_url, "SO-1")
    assert other.tenant not in await partners.references(partners.erp_url, "SO-1")
    assert await partners.references(partners.other_erp_url, "SO-1") == {other.tenant}
    assert {each["carrier"] for each in await partners.bookings(hub.tenant, "SO-1")} == {"sandbox"}
    assert {each["carrier"] for each in await partners.bookings(other.tenant, "SO-1")} == {"pigeon"}

    await partners.collect(mine)
    await hub.until_closed("SO-1")

    async def heard(each: Hub) -> list[str]:
        query = "select distinct tracking_number from records.carrier_event where tenant = :tenant"
        return [row["tracking_number"] for row in await each.rows(query)]

    assert await heard(hub) == mine
    assert await heard(other) == []
    (step,) = await other.rows("select tracking_number from records.parcel where tenant = :tenant")
    assert [step["tracking_number"]] == theirs


async def test_the_same_scan_of_two_tenants_carriers_is_each_ones_own(hub: Hub, other: Hub) -> None:
    for each in (hub, other):
        await send(each)
        await each.hear("TN-SAME", "in_transit")
    for each in (hub, other):
        rows = await each.rows(
            "select tenant from records.carrier_event where tracking_number = 'TN-SAME' and tenant = :tenant"
        )
        assert len(rows) == 1


async def test_a_scan_of_another_carrier_of_the_tenant_is_of_no_label_of_this_one(
    hub: Hub, engine: AsyncEngine
) -> None:
    (number,) = await send(hub)
    event = TrackingEvent("E-1", number, TrackingStatus.DELIVERED, "delivered", datetime.now(UTC))
    async with engine.begin() as connection:
        told = await carrier_events.store(connection, Heard(hub.tenant, PIGEON, "callback"), event)
    assert told is None
    (row,) = await hub.rows("select order_ref from records.carrier_event where tenant = :tenant and event_id = 'E-1'")
    assert row["order_ref"] is None


@asynccontextmanager
async def hanging() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """Serve an ERP that takes calls, and never answers."""
    called: list[asyncio.StreamWriter] = []

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(writer)

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/soap", called
    finally:
        server.close()
        for writer in called:
            writer.transport.abort()


async def test_an_erp_that_hangs_holds_up_no_other(
    hub: Hub, engine: AsyncEngine, partners: Partners, ledger_of_test: LedgerWriter
) -> None:
    stuck = Hub(engine, ledger_of_test, hub.gateway, hub.client, f"h-{uuid4().hex[:12]}")
    await stuck.make_places()
    async with hanging() as (url, called):
        erp = partners.erp(settings={"address": url, "user": "hub"}, at_once=2, timeout_s=60)
        async with engine.begin() as connection:
            await add(connection, KEYS, stuck.tenant, erp, ME)
        await stuck.receive("MUG", 100)
        await hub.receive("MUG", 100)
        numbers = [f"SO-{n}" for n in range(30)]
        await asyncio.gather(*(stuck.push(number, MUGS, carrier="sandbox") for number in numbers))
        await stuck.until("its ERP is called", lambda: _is(len(called) >= 2))
        await asyncio.gather(*(hub.push(number, MUGS) for number in numbers))
        for number in numbers:
            await hub.until_told(number, "accepted", "reserved")
        told = await stuck.rows("select from records.erp_message where tenant = :tenant and state = 'done'")
        assert (len(told), len(called)) == (0, 2), "it hangs all the while, and no more calls are made than may be"
        await disconnect(engine, stuck.tenant)


async def _is(what: bool) -> bool:
    return what


@pytest.fixture
def ledger_of_test(engine: AsyncEngine) -> LedgerWriter:
    return clients.ledger_of(engine)


async def test_a_connection_that_is_added_while_all_runs_is_used_at_once(
    hub: Hub, engine: AsyncEngine, partners: Partners
) -> None:
    new = Hub(engine, hub.ledger, hub.gateway, hub.client, f"n-{uuid4().hex[:12]}")
    await new.make_places()
    await new.receive("MUG", 10)
    await partners.connect(engine, new.tenant)
    await new.push("SO-1", MUGS)
    await new.until_told("SO-1", "accepted", "reserved")
    await disconnect(engine, new.tenant)


async def test_what_an_erp_is_to_hear_waits_until_its_connection_lets_it_through(hub: Hub, engine: AsyncEngine) -> None:
    named = Named(hub.tenant, ConnectionKind.ERP, "erp")

    async def go(flow: Flow) -> None:
        async with engine.begin() as connection:
            await switch(connection, named, ConnectionSwitch(flow=flow, reason="a test"), ME)

    await go(Flow.OFF)
    await hub.receive("MUG", 10)
    await hub.push("SO-1", MUGS)
    assert [message["state"] for message in await hub.messages("SO-1")] == ["intended", "intended"]
    assert not (await hub.must_have("SO-1"))["needs_attention"]
    await go(Flow.BOTH)
    await hub.until_told("SO-1", "accepted", "reserved")


async def test_a_secret_that_was_changed_is_used_within_seconds(
    hub: Hub, engine: AsyncEngine, partners: Partners
) -> None:
    named = Named(hub.tenant, ConnectionKind.ERP, "erp")

    async def give(password: str) -> None:
        async with engine.begin() as connection:
            given = SecretsGiven(secrets={"password": SecretStr(password)})
            await set_secrets(connection, KEYS, named, given, ME)

    await give("another")
    await hub.receive("MUG", 10)
    await hub.push("SO-1", MUGS)

    async def tried() -> bool:
        (row,) = await hub.rows("select max(attempts) as n from records.erp_message where tenant = :tenant")
        return bool(row["n"])

    await hub.until("the ERP refused us", tried)
    await give(partners.settings.erp_password)
    if (await hub.must_have("SO-1"))["needs_attention"]:
        await hub.operate("SO-1", "retry_step")
    await hub.until_told("SO-1", "accepted", "reserved")
