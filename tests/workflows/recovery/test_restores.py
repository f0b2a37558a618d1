"""PostgreSQL is restored from a backup, and knows less than the ERP, the carriers and Temporal: nothing doubles.

All of the matrix: STOCKBRIDGE_IN_FULL=1 pytest tests/workflows/recovery/test_restores.py
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
import typer
from sqlalchemy.ext.asyncio import create_async_engine

from ledger.verifying.verification import verify
from records import gauges, restorations
from relay.order_gateway import OrderGateway
from runtime.cli import restoring
from runtime.embedded import temporal as temporal_server
from runtime.processes import clients
from runtime.processes.relay import run_relay
from runtime.processes.worker import run_worker
from runtime.settings import Settings, sqlalchemy_url
from tests.workflows.conftest import process
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners

from .backups import WAYS, BackedUp
from .restoring import LOSSES, Loss, Lost

TEMPORALS: Final = ("alive", "terminated", "empty")
ALL: Final = [(way, temporal) for way in WAYS for temporal in TEMPORALS]
SOME: Final = [("archived WAL", "alive"), ("a dump", "terminated")]
TRIED: Final = ALL if os.environ.get("STOCKBRIDGE_IN_FULL") else SOME


class World:
    """A PostgreSQL that is backed up, and Temporal servers: what a restore is tried on."""

    def __init__(self, folder: Path, stack: AsyncExitStack, settings: Settings, tenant: str) -> None:
        self._folder = folder
        self._stack = stack
        self._like = settings
        self.tenant = tenant
        self.temporal = ""

    async def start(self, way: str) -> None:
        self.postgres = await self._stack.enter_async_context(BackedUp.running(self._folder, WAYS[way]))
        await self.start_temporal()

    async def start_temporal(self) -> None:
        name = f"temporal-{uuid4().hex[:8]}"
        (self._folder / name).mkdir()
        server = await temporal_server.start(
            self._folder / name,
            log=self._folder / f"{name}.log",
            mark=str(self._folder),
            report=lambda _: None,
            port=None,
            ui_port=None,
        )
        self._stack.push_async_callback(temporal_server.stop, server)
        self.temporal = server.address

    @property
    def settings(self) -> Settings:
        return self._like.model_copy(
            update={
                "database_url": self.postgres.database.url,
                "database_admin_url": self.postgres.database.admin_url,
                "temporal_address": self.temporal,
                "missing_workflows_s": 0.5,
            }
        )

    async def hub(self) -> Hub:
        engine = create_async_engine(sqlalchemy_url(self.postgres.database.url), pool_size=20)
        self._stack.push_async_callback(engine.dispose)
        client = await clients.temporal_of(self.settings)
        return Hub(engine, clients.ledger_of(engine), OrderGateway(client, engine), client, self.tenant)

    async def known_elsewhere(self, hub: Hub) -> dict[str, str]:
        """Wait until all have been asked; tell who knows more than we do, by order."""

        async def asked() -> bool:
            return bool(await hub.rows("select from records.restoration where looked_at is not null"))

        await hub.until("all have been asked what they know", asked)
        async with hub.engine.connect() as connection:
            restoration = await restorations.unfinished(connection)
            assert restoration is not None
            known = await restorations.still_known_elsewhere(connection, restoration.epoch)
        return {each.order_ref: each.partner for each in known}

    async def after_the_restore(self, what: str) -> None:
        """Let Temporal be as it was, know no running workflow, or know nothing."""
        if what == "empty":
            await self.start_temporal()
        elif what == "terminated":
            client = await clients.temporal_of(self.settings)
            async for execution in client.list_workflows("ExecutionStatus = 'Running'"):
                await client.get_workflow_handle(execution.id).terminate("restored")


@pytest.mark.usefixtures("well_behaved")
@pytest.mark.parametrize(("way", "temporal"), TRIED)
async def test_what_a_restore_has_lost_is_not_done_twice_and_no_order_is_stuck(
    tmp_path: Path, settings: Settings, tenant: str, partners: Partners, way: str, temporal: str
) -> None:
    async with AsyncExitStack() as stack:
        world = World(tmp_path, stack, settings, tenant)
        await world.start(way)
        cells = {
            f"{kind.replace(' ', '-')}-{said}": (LOSSES[kind], said) for kind in LOSSES for said in ("again", "not")
        }
        hub = await world.hub()
        await hub.open_site(partners)
        orders = {name: Lost(hub, partners, name) for name in cells}
        async with process(run_worker, world.settings), process(run_relay, world.settings):
            await asyncio.gather(*(hub.receive(order.sku, 100) for order in orders.values()))
            late = [name for name in cells if name.startswith("ERP-message")]
            await at_once(loss.before(orders[name]) for name, (loss, _) in cells.items() if name not in late)
            await partners.erp_fault("down")
            await at_once(cells[name][0].before(orders[name]) for name in late)
            await world.postgres.back_up()
            await partners.behave()
            await at_once(loss.lost(orders[name]) for name, (loss, _) in cells.items())

        await hub.engine.dispose()
        await world.postgres.restore()
        await world.after_the_restore(temporal)
        await asyncio.to_thread(restoring.restored, world.settings)

        hub = await world.hub()
        orders = {name: Lost(hub, partners, name) for name in cells}
        async with process(run_worker, world.settings), process(run_relay, world.settings):
            wrong = await asyncio.gather(
                *(live_on(orders[name], loss, said=said == "again") for name, (loss, said) in cells.items())
            )
            known = await world.known_elsewhere(hub)
            await asyncio.to_thread(restoring.finish, world.settings)
            found = await asyncio.to_thread(lambda: verify(world.postgres.database.url).findings)
    assert {name: words for name, words in zip(cells, wrong, strict=True) if words} == {}
    unsaid = {"push-not": "temporal"} if temporal != "empty" else {}
    assert known == {**KNOWN_ELSEWHERE, **unsaid}
    assert found == []


@pytest.mark.usefixtures("well_behaved")
async def test_a_restore_that_nobody_told_of_shows_and_stops_what_leaves_the_house(
    tmp_path: Path, settings: Settings, tenant: str, partners: Partners, capsys: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        world = World(tmp_path, stack, settings, tenant)
        await world.start("a dump")
        hub = await world.hub()
        await hub.open_site(partners)
        order = Lost(hub, partners, "SO-1")
        async with process(run_worker, world.settings), process(run_relay, world.settings):
            await hub.receive(order.sku, 100)
            await order.push()
            await order.told()
            await order.pick(4)
            waiting = await hub.keep("SO-1", *hub.picking("SO-1", {1: (order.sku, 6)}, "P-2"))
            await world.postgres.back_up()
            assert (await hub.deliver(waiting)).state == "accepted"
            await order.ship()

        await hub.engine.dispose()
        await world.postgres.restore()
        hub = await world.hub()
        order = Lost(hub, partners, "SO-1")
        assert (await hub.row(waiting.inbox_id)).state == "queued"
        with pytest.raises(typer.Exit):
            await asyncio.to_thread(told_and_finished, world.settings)
        assert "pick/SO-1/P-2" in capsys.readouterr().err
        await asyncio.to_thread(forget_that_it_was_told, world.postgres.database.admin_url)

        async with process(run_worker, world.settings), process(run_relay, world.settings):
            await hub.until_decided(waiting)  # though its update was answered before
            row = await hub.ship("SO-1")
            assert row.state == "accepted"
            attention = await hub.until_attention("SO-1")
            async with hub.engine.connect() as connection:
                missing = (await gauges.read(connection)).missing_rows
            bought = await partners.bookings(hub.tenant, "SO-1")
            labels = await hub.tracking_numbers("SO-1")

            await asyncio.to_thread(restoring.restored, world.settings)
            await hub.until_labeled("SO-1")
            await order.hand_over()
            await order.collect()
            await order.closed()
            await asyncio.to_thread(restoring.finish, world.settings)
    assert (attention["step"], missing) == ("restored", 1)
    assert attention["actions"] == ["stockbridge restored"]
    assert (len(bought), labels) == (1, [])
    assert len(await partners.bookings(hub.tenant, "SO-1")) == 1


def told_and_finished(settings: Settings) -> None:
    restoring.restored(settings)
    restoring.finish(settings)


def forget_that_it_was_told(admin_url: str) -> None:
    with psycopg.connect(admin_url) as connection:
        connection.execute("delete from records.restoration")
        connection.execute("delete from records.outbox where delivered_at is null")


KNOWN_ELSEWHERE: Final = {
    "amend-not": "erp",
    "cancel-not": "erp",
    "ship-not": "carrier",
    "return-not": "erp",
    "label-replaced-not": "erp",
}
"""Who knows what nobody has said again. A pick, a hand-over and a delivery are proved by what came after them."""


async def at_once(steps: Any) -> None:
    await asyncio.gather(*steps)


async def live_on(order: Lost, loss: Loss, *, said: bool) -> list[str]:
    """Say again what was lost, or not; go on; and tell what was doubled, and what did not come about."""
    try:
        if said:
            await loss.again(order)
        await (loss.rest if said else loss.rest_unsaid)(order)
        await order.told()
    except AssertionError as error:
        return [f"{error} ({await order.hub.order(order.order_no)})"]
    kinds = loss.documents if said else loss.documents_unsaid
    bookings = loss.bookings if said else loss.bookings_unsaid
    return [*await wrong_with_the_erp(order, kinds), *await wrong_with_the_carrier(order, bookings)]


async def wrong_with_the_erp(order: Lost, kinds: tuple[str, ...]) -> list[str]:
    documents = await order.partners.documents(order.hub.tenant, order.order_no)
    content = Counter(json.dumps([d["kind"], d["revision"], d["payload"]["lines"]]) for d in documents)
    doubled = [f"told twice: {what}" for what, times in content.items() if times > 1]
    told = [document["kind"] for document in documents]
    return doubled + ([f"the ERP was told {told}"] if Counter(told) != Counter(kinds) else [])


async def wrong_with_the_carrier(order: Lost, expected: int) -> list[str]:
    bookings = await order.partners.bookings(order.hub.tenant, order.order_no)
    live = Counter(b["reference"].rsplit("/", 1)[0] for b in bookings if b["status"] == "booked")
    doubled = [f"{times} labels of {shipment}" for shipment, times in live.items() if times > 1]
    seen = [(booking["reference"], booking["status"]) for booking in bookings]
    return doubled + ([f"{expected} bookings expected: {seen}"] if len(bookings) != expected else [])
