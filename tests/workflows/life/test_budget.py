"""What an order costs in Temporal: billable actions and history events, counted in real histories.

`make bench` prints the first of these; all are pinned here, so that nobody makes every order dearer unawares.
"""

from __future__ import annotations

import pytest

from bench.budget import Cost, cost_of
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners

pytestmark = pytest.mark.usefixtures("worker", "well_behaved")

HAPPY = Cost(actions=16, events=55)
AN_AMENDMENT = 4


async def pushed(hub: Hub, order_no: str) -> None:
    await hub.receive("MUG", 50)
    await hub.push(order_no, {1: ("MUG", 10)})
    await hub.until_told(order_no, "accepted", "reserved")


async def shipped_and_delivered(hub: Hub, order_no: str, quantity: int, *told: str) -> Cost:
    await hub.pick(order_no, {1: ("MUG", quantity)})
    await hub.ship(order_no, handed_over=True)
    (number,) = await hub.until_labeled(order_no)
    await hub.until_told(order_no, "accepted", "reserved", *told, "shipped")
    await hub.hear(number, "delivered")
    await hub.until_closed(order_no)
    await hub.workflow(order_no).result()
    return await cost(hub, order_no)


async def cost(hub: Hub, order_no: str) -> Cost:
    return cost_of((await hub.workflow(order_no).fetch_history()).events)


async def test_a_plain_order_costs_sixteen_actions_and_fifty_five_events(hub: Hub) -> None:
    await pushed(hub, "SO-1")
    spent = await shipped_and_delivered(hub, "SO-1", 10)
    assert spent.actions <= HAPPY.actions
    assert spent.events <= HAPPY.events


async def test_an_amendment_costs_four_actions_more(hub: Hub) -> None:
    await pushed(hub, "SO-1")
    before = await cost(hub, "SO-1")
    for revision, quantity in ((2, 12), (3, 8)):
        await hub.push("SO-1", {1: ("MUG", quantity)}, revision=revision)
        await hub.until_told("SO-1", "accepted", "reserved", *["amended"] * (revision - 1))
    after = await cost(hub, "SO-1")
    assert after.actions - before.actions <= 2 * AN_AMENDMENT
    spent = await shipped_and_delivered(hub, "SO-1", 8, "amended", "amended")
    assert spent.actions <= HAPPY.actions + 2 * AN_AMENDMENT


async def test_a_carrier_that_is_down_for_a_moment_shows_in_the_order_list_all_the_same(
    hub: Hub, partners: Partners
) -> None:
    await pushed(hub, "SO-1")
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await partners.carrier_fault("down")
    await hub.ship("SO-1", handed_over=True)
    await hub.until_listed("SO-1", "OrderStatus = 'shipped'")
    await partners.behave()
    (number,) = await hub.until_labeled("SO-1")
    await hub.until_listed("SO-1", f"TrackingNumber = '{number}'")
