"""Every activity may run twice, one after the other or at once, and nothing doubles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from activities.carriers import CarrierActivities
from activities.erp import ErpActivities
from activities.orders import OrderActivities
from adapters.carriers.port import CarrierPort
from domain import messages as m
from records.orders.inbox import InboxRow
from runtime.processes import clients
from runtime.processes.live_connections import LiveConnections
from runtime.settings import Settings
from tests.workflows.hub import Hub
from tests.workflows.partners import Lending, Partners

Said = tuple[str, str, dict[str, Any]]
HANDED_OVER: Said = ("hand_over", "hand_over/SO-1/SO-1-1/H-1", {"handover_no": "H-1", "shipment_no": "SO-1-1"})


class Steps:
    """The activities of an order, run by hand: no worker takes part."""

    def __init__(self, hub: Hub, carriers: CarrierActivities, erp: ErpActivities) -> None:
        self.hub = hub
        self.house = OrderActivities(hub.engine, hub.ledger)
        self.other_house = OrderActivities(hub.engine, clients.ledger_of(hub.engine))
        self.carriers = carriers
        self.erp = erp
        self.order = hub.named("SO-1")

    async def decide(self, said: Said) -> list[m.Decision]:
        """Decide a command at once in two processes, so to speak, and then again."""
        row = await self.hub.keep("SO-1", *said)
        command = self.command(row)
        decided = await asyncio.gather(self.house.decide_next(command), self.other_house.decide_next(command))
        return [*decided, await self.house.decide_next(command)]

    def command(self, row: InboxRow) -> m.Command:
        return m.Command(tenant=row.tenant, order_ref=row.order_ref, inbox_id=row.inbox_id, kind=row.kind, key=row.key)

    async def hand_over(self) -> m.CarrierStep:
        """Bring the order on its way without its label; return the label's step."""
        await self.hub.receive("MUG", 20)
        await self.decide(self.hub.pushing("SO-1", {1: ("MUG", 10)}, await self.hub.keep_address()))
        await self.decide(self.hub.picking("SO-1", {1: ("MUG", 10)}))
        await self.decide(self.hub.shipping("SO-1"))
        await self.decide(HANDED_OVER)
        (label,) = (await self.house.load_order(self.order)).carrier_steps
        return label

    async def intercept(self, intercept_no: str = "I-1") -> m.CarrierStep | str:
        """Ask for the parcel back; return the step, or why not."""
        asked = {"intercept_no": intercept_no, "shipment_no": "SO-1-1", "parcel_no": None, "by": "Ida", "reason": "no"}
        said = ("intercept", f"intercept/SO-1/SO-1-1/{intercept_no}", asked)
        problem = (await self.decide(said))[0].problem
        if problem:
            return str(problem["code"])
        return next(
            step for step in (await self.house.load_order(self.order)).carrier_steps if step.kind == "intercept"
        )

    async def intercepts_are(self) -> list[tuple[str, str | None]]:
        rows = await self.hub.rows(
            "select state, refusal from records.carrier_step where tenant = :tenant and kind = 'intercept'"
            " order by version"
        )
        return [(row["state"], row["refusal"]) for row in rows]

    async def tell_all(self) -> None:
        """Tell the ERP each message twice."""
        work = await self.house.load_order(self.order)
        for step in work.erp_steps:
            await asyncio.to_thread(self.erp.tell_erp, step)
            await asyncio.to_thread(self.erp.tell_erp, step)


@pytest_asyncio.fixture
async def live(hub: Hub, settings: Settings) -> AsyncIterator[LiveConnections]:
    async with clients.connections_of(settings, hub.engine).running() as live:
        yield live


@pytest_asyncio.fixture
async def carrier(hub: Hub, live: LiveConnections) -> AsyncIterator[CarrierPort]:
    async with live.carriers.of(hub.tenant, "sandbox") as carrier:
        yield carrier


@pytest_asyncio.fixture
async def steps(hub: Hub, settings: Settings, live: LiveConnections) -> AsyncIterator[Steps]:
    async with AsyncExitStack() as stack:
        engine = clients.thread_engine_of(settings)
        stack.callback(engine.dispose)
        yield Steps(
            hub,
            CarrierActivities(hub.engine, live.carriers),
            ErpActivities(engine, live.erps),
        )


async def twice(step: Callable[[], Awaitable[Any]]) -> Any:
    await step()
    return await step()


async def at_once(step: Callable[[], Awaitable[Any]], other: Callable[[], Awaitable[Any]]) -> Any:
    await asyncio.gather(step(), other())
    return await step()


async def test_a_life_whose_every_step_runs_twice_is_like_any_other(hub: Hub, steps: Steps, partners: Partners) -> None:
    house, order = steps.house, steps.order
    await hub.receive("MUG", 20)

    for said in (
        hub.pushing("SO-1", {1: ("MUG", 10)}, await hub.keep_address()),
        hub.pushing("SO-1", {1: ("MUG", 8)}, await hub.keep_address(), revision=2),
        hub.picking("SO-1", {1: ("MUG", 8)}),
        hub.shipping("SO-1"),
    ):
        decisions = await steps.decide(said)
        assert {(d.accepted, d.outcome) for d in decisions} == {(True, decisions[0].outcome)}, said
    (label,) = (await house.load_order(order)).carrier_steps
    work = await twice(lambda: steps.carriers.book_label(label))
    assert work.carrier_steps == ()
    assert len(await partners.bookings(hub.tenant, "SO-1")) == 1
    assert all(d.accepted for d in await steps.decide(HANDED_OVER))
    (number,) = await hub.tracking_numbers("SO-1")
    await hub.hear(number, "delivered")
    await at_once(lambda: house.apply_carrier_events(order), lambda: steps.other_house.apply_carrier_events(order))
    await steps.tell_all()
    closed = await twice(lambda: house.close_order(order))

    assert closed.closed
    assert await hub.quantities("SO-1") == {1: {"ordered": 8, "shipped": 8, "delivered": 8}}
    assert await hub.postings("SO-1") == [
        "reservation confirmed",
        "amendment confirmed",
        "pick confirmed",
        "goods_issue confirmed",
        "delivery confirmed",
    ]
    kinds = [d["kind"] for d in await partners.documents(hub.tenant, "SO-1")]
    assert kinds == ["accepted", "reserved", "amended", "shipped", "delivered"]


async def test_a_cancelled_order_whose_every_step_runs_twice_leaks_nothing(
    hub: Hub, steps: Steps, partners: Partners
) -> None:
    house, order = steps.house, steps.order
    await hub.receive("MUG", 20)
    await steps.decide(hub.pushing("SO-1", {1: ("MUG", 10)}, await hub.keep_address()))
    await steps.decide(hub.picking("SO-1", {1: ("MUG", 10)}))
    await steps.decide(hub.shipping("SO-1"))
    (label,) = (await house.load_order(order)).carrier_steps
    await steps.carriers.book_label(label)

    await at_once(lambda: house.cancel_from_temporal(order), lambda: steps.other_house.cancel_from_temporal(order))
    (void,) = (await house.load_order(order)).carrier_steps
    await at_once(lambda: steps.carriers.void_label(void), lambda: steps.carriers.void_label(void))
    await steps.carriers.book_label(label)
    await steps.decide(hub.putting_back("SO-1", {1: ("MUG", 10)}))
    await steps.tell_all()

    assert [b["status"] for b in await partners.bookings(hub.tenant, "SO-1")] == ["voided"]
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10}}
    assert (await twice(lambda: house.close_order(order))).closed
    kinds = [d["kind"] for d in await partners.documents(hub.tenant, "SO-1")]
    assert kinds == ["accepted", "reserved", "cancelled"]


async def test_a_scan_that_proves_the_hand_over_and_its_confirmation_at_once_post_one_goods_issue(
    hub: Hub, steps: Steps
) -> None:
    await hub.receive("MUG", 20)
    await steps.decide(hub.pushing("SO-1", {1: ("MUG", 10)}, await hub.keep_address()))
    await steps.decide(hub.picking("SO-1", {1: ("MUG", 10)}))
    await steps.decide(hub.shipping("SO-1"))
    (label,) = (await steps.house.load_order(steps.order)).carrier_steps
    await steps.carriers.book_label(label)
    (number,) = await hub.tracking_numbers("SO-1")
    await hub.hear(number, "picked_up")

    decisions, _ = await asyncio.gather(steps.decide(HANDED_OVER), steps.other_house.apply_carrier_events(steps.order))

    assert all(decision.accepted for decision in decisions)
    assert [what.split()[0] for what in await hub.postings("SO-1")].count("goods_issue") == 1
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "shipped": 10}}
    assert [message["kind"] for message in await hub.messages("SO-1")].count("shipped") == 1


@pytest.mark.usefixtures("well_behaved")
async def test_an_intercept_whose_every_step_runs_twice_is_asked_for_once(steps: Steps, partners: Partners) -> None:
    label = await steps.hand_over()
    assert await steps.intercept() == "not_labeled", "what the carrier does not know can't be asked for"
    await steps.carriers.book_label(label)
    step = await steps.intercept()
    assert isinstance(step, m.CarrierStep)

    await partners.carrier_fault("timeout_after", operation="intercept", count=1)
    await partners.carrier_fault("fault", operation="intercept", count=1)
    with pytest.raises(ApplicationError, match="no usable answer"):
        await steps.carriers.intercept_parcel(step)
    unknown = await steps.intercepts_are()
    work = await at_once(lambda: steps.carriers.intercept_parcel(step), lambda: steps.carriers.intercept_parcel(step))

    assert (unknown, await steps.intercepts_are()) == ([("unknown", None)], [("done", None)])
    assert work.carrier_steps == ()
    assert [fault["operation"] for fault in await partners.faults()] == ["intercept"], (
        "it was asked for, not sent again"
    )


class StopsNothing:
    """A carrier whose adapter can all that each must, and no more."""

    def __init__(self, port: CarrierPort) -> None:
        self.book, self.find, self.void, self.track = port.book, port.find, port.void, port.track
        self.verify_callback, self.parse_callback = port.verify_callback, port.parse_callback


async def test_a_carrier_that_stops_no_parcels_is_not_asked(steps: Steps, carrier: CarrierPort) -> None:
    await steps.carriers.book_label(await steps.hand_over())
    step = await steps.intercept()
    assert isinstance(step, m.CarrierStep)

    carriers = Lending(StopsNothing(carrier))
    await twice(lambda: CarrierActivities(steps.hub.engine, carriers).intercept_parcel(step))

    ((state, refusal),) = await steps.intercepts_are()
    assert state == "skipped"
    assert refusal is not None
    assert refusal.startswith("sandbox can't stop a parcel")


async def test_a_person_who_is_asked_for_twice_is_asked_for_once(hub: Hub, steps: Steps) -> None:
    await hub.receive("MUG", 20)
    await steps.decide(hub.pushing("SO-1", {1: ("MUG", 10)}, await hub.keep_address()))
    attention = m.Attention(reason="a test", actions=("retry_step",), step="erp/1")

    work = await twice(lambda: steps.house.request_attention(m.Stuck(order=steps.order, attention=attention)))

    assert work.needs_attention
    assert work.attention is not None
    assert work.attention["step"] == "erp/1"


async def test_a_revision_that_comes_as_its_order_closes_leaves_nothing_to_be_told(hub: Hub, steps: Steps) -> None:
    await hub.receive("MUG", 10)
    address_id = await hub.keep_address()
    await steps.decide(hub.pushing("SO-1", {1: ("MUG", 4)}, address_id))
    await steps.decide(("cancel", "cancel/SO-1/X-1", {"cancel_no": "X-1", "reason": "customer"}))
    await steps.tell_all()
    assert (await hub.must_have("SO-1"))["closed_at"] is not None

    decided = await steps.decide(hub.pushing("SO-1", {1: ("MUG", 6)}, address_id, 2))

    assert {decision.problem and decision.problem["code"] for decision in decided} == {"order_closed"}
    assert [message["kind"] for message in await hub.messages("SO-1")] == ["accepted", "reserved", "cancelled"]
