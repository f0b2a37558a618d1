"""No worker, no Temporal, no PostgreSQL, or a Temporal that forgot everything: orders wait, and go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.client import WorkflowExecutionStatus

from domain.errors import Unavailable
from records.orders import orders
from relay.inbox import AT_ONCE, InboxReplay
from relay.order_gateway import OrderGateway
from runtime.embedded import postgres
from runtime.embedded import temporal as temporal_server
from runtime.embedded.servers import Database
from runtime.migrating import LOGIN_ROLE
from runtime.processes import clients
from runtime.processes.relay import run_relay
from runtime.processes.worker import run_worker
from runtime.settings import Settings, sqlalchemy_url
from tests.workflows.conftest import process
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners


async def test_a_command_without_a_worker_is_kept_and_decided_when_one_comes(hub: Hub, settings: Settings) -> None:
    await hub.receive("MUG", 10)
    row = await hub.keep("SO-1", *hub.pushing("SO-1", {1: ("MUG", 10)}, await hub.keep_address()))

    with pytest.raises(TimeoutError):
        await hub.gateway.deliver(row, 0.3)
    assert (await hub.row(row.inbox_id)).state == "queued"
    assert await hub.order("SO-1") is None

    async with process(run_worker, settings):
        await hub.until_decided(row)
        assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 10}}
        await hub.cancel("SO-1")
        await hub.until_closed("SO-1")


async def test_a_command_without_temporal_is_kept_and_sent_again_by_the_relay(hub: Hub, settings: Settings) -> None:
    await hub.receive("MUG", 10)
    away = settings.model_copy(update={"temporal_address": "127.0.0.1:9"})
    nowhere = OrderGateway(await clients.temporal_of(away, lazy=True), hub.engine)
    row = await hub.keep("SO-1", *hub.pushing("SO-1", {1: ("MUG", 10)}, await hub.keep_address()))

    with pytest.raises(Unavailable):
        await nowhere.deliver(row, 1)
    with pytest.raises(Unavailable):
        await nowhere.signal(hub.named("SO-1"), "carrier_event")
    assert (await hub.row(row.inbox_id)).state == "queued"

    async with process(run_worker, settings):
        while (await hub.row(row.inbox_id)).state == "queued":
            await InboxReplay(hub.engine, hub.gateway, patience_s=0).round()
        assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 10}}
        await hub.cancel("SO-1")
        await hub.until_closed("SO-1")


@pytest.mark.usefixtures("worker")
async def test_a_command_that_was_cut_off_with_its_workflow_is_decided_by_the_next(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    picking = await hub.keep("SO-1", *hub.picking("SO-1", {1: ("MUG", 10)}))

    async with hub.engine.begin() as connection:
        await orders.lock(connection, [(hub.tenant, "SO-1")])
        with pytest.raises(TimeoutError):
            await hub.gateway.deliver(picking, 1)
        await hub.until("the pick is underway", lambda: hub.has_accepted_update("SO-1", picking.update_id))
        await hub.workflow("SO-1").terminate("a test")

    answer = await hub.gateway.deliver(picking, 10)
    assert answer is not None
    assert answer.accepted


async def test_orders_that_cannot_be_decided_keep_no_others_from_it(hub: Hub, settings: Settings) -> None:
    address, names = await hub.keep_address(), [f"SO-{number:02}" for number in range(AT_ONCE + 1)]
    rows = [
        await hub.keep(name, *hub.pushing(name, {1: ("MUG", 10)}, address, shortage_policy="reject")) for name in names
    ]
    nobody_answers = InboxReplay(hub.engine, hub.gateway, patience_s=0, answer_timeout_s=0.3)

    await nobody_answers.round()
    assert not await hub.has_workflow(names[-1])
    await nobody_answers.round()
    assert await hub.has_workflow(names[-1])

    async with process(run_worker, settings):
        for row in rows:
            await hub.until_decided(row)


class World:
    """A PostgreSQL and Temporal servers of the test's own, which it may break."""

    def __init__(self, folder: Path, stack: AsyncExitStack, partners: Partners) -> None:
        self._folder = folder
        self._stack = stack
        self._partners = partners
        self._server: postgres.Server | None = None

    async def start_postgres(self) -> None:
        self._server = await postgres.start(
            self._folder / "postgres", log=self._folder / "postgres.log", mark=str(self._folder)
        )

    async def stop_postgres(self) -> None:
        if self._server is not None:
            await postgres.stop(self._server)

    async def start_temporal(self, **config: str) -> str:
        """Start an empty Temporal server. Returns its address."""
        name = f"temporal-{uuid4().hex[:8]}"
        (self._folder / name).mkdir()
        with pytest.MonkeyPatch.context() as patch:
            known: Mapping[str, str] = temporal_server.DYNAMIC_CONFIG
            patch.setattr(temporal_server, "DYNAMIC_CONFIG", {**known, **config})
            server = await temporal_server.start(
                self._folder / name,
                log=self._folder / f"{name}.log",
                mark=str(self._folder),
                report=lambda _: None,
                port=None,
                ui_port=None,
            )
        self._stack.push_async_callback(temporal_server.stop, server)
        return server.address

    def database(self) -> Database:
        assert self._server is not None
        return Database(self._server.url(LOGIN_ROLE), self._server.url())

    def settings(self, like: Settings, temporal_address: str) -> Settings:
        given = {"database_url": self.database().url, "temporal_address": temporal_address, "missing_workflows_s": 0.5}
        return like.model_copy(update=given)

    async def hub(self, settings: Settings, tenant: str) -> Hub:
        engine = create_async_engine(sqlalchemy_url(self.database().url), pool_pre_ping=True)
        self._stack.push_async_callback(engine.dispose)
        client = await clients.temporal_of(settings)
        return Hub(engine, clients.ledger_of(engine), OrderGateway(client, engine), client, tenant)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory, partners: Partners) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = World(tmp_path_factory.mktemp("world"), stack, partners)
        await made.start_postgres()
        stack.push_async_callback(made.stop_postgres)
        await asyncio.to_thread(made.database().prepare)
        yield made


async def test_orders_wait_while_postgresql_is_away_and_go_on_when_it_is_back(
    world: World, settings: Settings, tenant: str, partners: Partners
) -> None:
    own = world.settings(settings, await world.start_temporal())
    hub = await world.hub(own, tenant)
    await hub.open_site(partners)
    await hub.receive("MUG", 10)
    async with process(run_worker, own), process(run_relay, own):
        await hub.push("SO-1", {1: ("MUG", 10)})
        await hub.pick("SO-1", {1: ("MUG", 10)})
        shipping = await hub.keep("SO-1", *hub.shipping("SO-1"))

        await world.stop_postgres()
        with pytest.raises((Unavailable, TimeoutError)):
            await hub.gateway.deliver(shipping, 1)
        await world.start_postgres()

        await hub.until_decided(shipping)
        numbers = await hub.until_labeled("SO-1")
        await hub.hand_over("SO-1")
        await partners.collect(numbers)
        await hub.until_closed("SO-1")
    documents = await partners.documents(hub.tenant, "SO-1")
    assert [d["kind"] for d in documents] == ["accepted", "reserved", "shipped", "delivered"]
    assert len(await partners.bookings(hub.tenant, "SO-1")) == 1


async def test_a_temporal_that_lost_everything_takes_up_every_open_order_again(
    world: World, settings: Settings, tenant: str, partners: Partners
) -> None:
    own = world.settings(settings, await world.start_temporal())
    hub = await world.hub(own, tenant)
    await hub.open_site(partners)
    await hub.receive("MUG", 100)
    async with process(run_worker, own), process(run_relay, own):
        for order_no in ("SO-new", "SO-picked", "SO-labeled", "SO-gone"):
            await hub.push(order_no, {1: ("MUG", 10)})
        for order_no in ("SO-picked", "SO-labeled", "SO-gone"):
            await hub.pick(order_no, {1: ("MUG", 10)})
        for order_no in ("SO-labeled", "SO-gone"):
            await hub.ship(order_no)
            await hub.until_labeled(order_no)
        await partners.erp_fault("down")
        await hub.hand_over("SO-gone")
    queued = await hub.keep("SO-late", *hub.pushing("SO-late", {1: ("MUG", 10)}, await hub.keep_address()))

    after = world.settings(settings, await world.start_temporal())
    hub = await world.hub(after, tenant)
    await partners.behave()
    async with process(run_worker, after), process(run_relay, after):
        await hub.until_decided(queued)
        for order_no in ("SO-new", "SO-late"):
            await hub.pick(order_no, {1: ("MUG", 10)})
        for order_no in ("SO-new", "SO-late", "SO-picked"):
            await hub.ship(order_no)
        numbers = {n: await hub.until_labeled(n) for n in ("SO-new", "SO-late", "SO-picked", "SO-labeled", "SO-gone")}
        for order_no in ("SO-new", "SO-late", "SO-picked", "SO-labeled"):
            await hub.hand_over(order_no)
        await partners.collect([number for parcel in numbers.values() for number in parcel])
        for order_no in numbers:
            await hub.until_closed(order_no)
    for order_no in numbers:
        documents = await partners.documents(hub.tenant, order_no)
        assert [d["kind"] for d in documents] == ["accepted", "reserved", "shipped", "delivered"], order_no
        assert len(await partners.bookings(hub.tenant, order_no)) == 1, order_no


async def test_a_long_history_is_continued_as_new_and_the_order_notices_nothing(
    world: World, settings: Settings, tenant: str, partners: Partners
) -> None:
    address = await world.start_temporal(**{"limit.historyCount.suggestContinueAsNew": "12"})
    own = world.settings(settings, address)
    hub = await world.hub(own, tenant)
    await hub.open_site(partners)
    await hub.receive("MUG", 100)
    async with process(run_worker, own), process(run_relay, own):
        await hub.push("SO-1", {1: ("MUG", 1)})
        first = (await hub.workflow("SO-1").describe()).run_id
        for revision in range(2, 8):
            row = await hub.push("SO-1", {1: ("MUG", revision)}, revision=revision)
            assert row.state == "accepted"
        await hub.pick("SO-1", {1: ("MUG", 7)})
        await hub.ship("SO-1")
        numbers = await hub.until_labeled("SO-1")
        await hub.hand_over("SO-1")
        await partners.collect(numbers)
        await hub.until_closed("SO-1")
        runs = await runs_of(hub, "SO-1")
    assert runs[first] is WorkflowExecutionStatus.CONTINUED_AS_NEW
    assert len(runs) > 2
    documents = await partners.documents(hub.tenant, "SO-1")
    assert [d["kind"] for d in documents] == ["accepted", "reserved", *["amended"] * 6, "shipped", "delivered"]
    assert await hub.quantities("SO-1") == {1: {"ordered": 7, "shipped": 7, "delivered": 7}}


async def runs_of(hub: Hub, order_no: str) -> dict[Any, Any]:
    """Return the runs of an order's workflow, each with how it ended."""
    query = f"WorkflowId = '{hub.workflow(order_no).id}'"
    return {found.run_id: found.status async for found in hub.client.list_workflows(query)}
