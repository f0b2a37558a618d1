"""An order that lives long: hundreds of amendments, thousands of carrier events, several runs of its workflow."""

from __future__ import annotations

import asyncio
from itertools import cycle, islice

import pytest
from temporalio.client import WorkflowExecutionStatus

from records.orders.inbox import InboxRow
from tests.workflows.hub import Hub
from workflows import names

pytestmark = pytest.mark.usefixtures("worker")

AMENDMENTS = 500
BURSTS = (*[1] * 10, 5)
"""How many revisions come at once, again and again."""
EVENTS = 2000
MIDDLE = ("in_transit", "delivery_delayed", "on_hold", "out_for_delivery", "delivery_failed")


def quantity(revision: int) -> int:
    return 5 + revision * 7 % 20


async def kept(hub: Hub, revision: int) -> InboxRow:
    """Store a revision, as the API does before it tells the workflow."""
    said = hub.pushing("SO-1", {1: ("MUG", quantity(revision))}, await hub.keep_address(), revision)
    return await hub.keep("SO-1", *said)


async def runs(hub: Hub) -> list[WorkflowExecutionStatus | None]:
    query = f"WorkflowId = '{names.order_workflow(hub.named('SO-1'))}'"
    return [run.status async for run in hub.client.list_workflows(query)]


async def test_an_order_amended_500_times_and_given_2000_carrier_events_lives_on_and_loses_nothing(hub: Hub) -> None:
    await hub.receive("MUG", 1000)
    await hub.push("SO-1", {1: ("MUG", quantity(1))})

    last = AMENDMENTS + 1
    revisions, bursts = iter(range(2, last + 1)), cycle(BURSTS)
    while rows := [await kept(hub, revision) for revision in islice(revisions, next(bursts))]:
        await asyncio.gather(*(hub.deliver(row) for row in rows))

    decided = await hub.rows("select state, count(*) from records.inbox where tenant = :tenant group by 1")
    assert decided == [{"state": "accepted", "count": AMENDMENTS + 1}]
    assert await hub.quantities("SO-1") == {1: {"ordered": quantity(last), "reserved": quantity(last)}}
    await hub.until_told("SO-1", "accepted", "reserved", *["amended"] * AMENDMENTS)

    await hub.pick("SO-1", {1: ("MUG", quantity(last))})
    await hub.ship("SO-1")
    (number,) = await hub.until_labeled("SO-1")
    for nth in range(EVENTS):
        await hub.hear(number, MIDDLE[nth % len(MIDDLE)], f"{number}/{nth}")
    await hub.until_status("SO-1", "shipped")
    await hub.hear(number, "delivered")
    await hub.until_closed("SO-1")
    await hub.workflow("SO-1").result()

    of_all = await hub.rows("select count(*) from records.carrier_event where tenant = :tenant and applied_at is null")
    assert of_all == [{"count": 0}]
    end = {"ordered": quantity(last), "shipped": quantity(last), "delivered": quantity(last)}
    assert await hub.quantities("SO-1") == {1: end}
    assert (await hub.must_have("SO-1"))["status"] == "delivered"
    assert len(await hub.postings("SO-1")) == AMENDMENTS + 4
    ended = await runs(hub)
    assert ended.count(WorkflowExecutionStatus.COMPLETED) == 1
    assert ended.count(WorkflowExecutionStatus.CONTINUED_AS_NEW) == len(ended) - 1 > 0
