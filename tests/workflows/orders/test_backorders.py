"""What waits is served by what comes in or is given up, and what a count takes goes back to the queue."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from domain.stock import Place, StreamKey
from ledger.requests import AdjustStock
from tests.workflows.hub import Hub

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_backorder_is_served_by_a_receipt_and_workflow_and_erp_hear_of_it(hub: Hub) -> None:
    await hub.receive("MUG", 4)
    await hub.push("SO-1", {1: ("MUG", 10)})
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 4, "backordered": 6}}
    await hub.until_told("SO-1", "accepted", "reserved", "backordered")

    await hub.receive("MUG", 20, "GR-2")

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 10}}
    await hub.until_told("SO-1", "accepted", "reserved", "backordered", "reserved")

    async def shown() -> bool:
        return (await hub.workflow("SO-1").describe()).search_attributes.get("OrderStatus") == ["reserved"]

    await hub.until("Temporal shows the order as reserved", shown)


async def test_a_backorder_is_served_by_another_orders_cancellation(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.push("SO-2", {1: ("MUG", 10)})
    assert await hub.quantities("SO-2") == {1: {"ordered": 10, "backordered": 10}}

    await hub.cancel("SO-1")

    assert await hub.quantities("SO-2") == {1: {"ordered": 10, "reserved": 10}}
    await hub.until_told("SO-2", "accepted", "backordered", "reserved")


async def test_a_count_that_takes_a_hold_flags_the_order_and_tells_its_erp(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.until_told("SO-1", "accepted", "reserved")

    await hub.ledger.post(
        AdjustStock(
            tenant=hub.tenant,
            key="count/A-1",
            actor="counter",
            stream=StreamKey(hub.tenant, "MUG", Place("HAM-A-01", "HAM")),
            delta=-4,
            cause="cycle_count",
        )
    )

    attention = await hub.until_attention("SO-1")
    assert set(attention["actions"]) >= {"accept_short", "release_hold"}
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 6, "backordered": 4}}
    await hub.until_told("SO-1", "accepted", "reserved", "backordered")

    await hub.operate("SO-1", "accept_short")

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 6, "cancelled": 4}}
    assert not (await hub.must_have("SO-1"))["needs_attention"]


async def test_a_hold_is_released_by_a_person_and_the_order_closes(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})

    await hub.operate("SO-1", "release_hold")

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10}}
    await hub.until_closed("SO-1")


async def test_what_waits_past_its_deadline_is_cancelled_and_the_erp_hears_of_it(hub: Hub) -> None:
    await hub.receive("MUG", 4)
    await hub.push("SO-1", {1: ("MUG", 10)}, backorder_until="2026-01-24T12:00:00+01:00")

    await hub.until_told("SO-1", "accepted", "reserved", "backordered", "cancelled")

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 4, "cancelled": 6}}
    acts = await hub.rows("select actor, state, answer from records.inbox where tenant = :tenant and kind = 'operate'")
    assert [(act["actor"], act["state"], act["answer"]["outcome"]) for act in acts] == [
        ("backorder_until", "accepted", "done")
    ]


async def test_a_deadline_that_passes_leaves_the_flag_of_what_a_person_must_look_at(hub: Hub) -> None:
    await hub.receive("MUG", 4)
    await hub.push("SO-1", {1: ("MUG", 4), 2: ("CUP", 2)}, backorder_until="2099-01-24T12:00:00+01:00")
    await hub.pick("SO-1", {1: ("MUG", 4)})
    await hub.ship("SO-1")
    (number,) = await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")
    await hub.hear(number, "return_to_sender")
    flagged = await hub.until_attention("SO-1")

    async with hub.engine.begin() as connection:
        passed = "update records.orders set backorder_until = now() where tenant = :tenant"
        await connection.execute(text(passed), {"tenant": hub.tenant})
    await hub.until_told("SO-1", "accepted", "reserved", "backordered", "shipped", "cancelled")

    assert (await hub.must_have("SO-1"))["attention"] == flagged
