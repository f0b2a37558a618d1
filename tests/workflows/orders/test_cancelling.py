"""A cancelled order gives up what it can: nothing is leaked at the carrier, and no stock is lost."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from records.erp import messages
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners

pytestmark = pytest.mark.usefixtures("worker")


async def test_an_order_that_is_cancelled_before_the_pick_frees_its_stock_and_closes(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})

    await hub.cancel("SO-1")

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10}}
    await hub.until_closed("SO-1")
    await hub.until_told("SO-1", "accepted", "reserved", "cancelled")
    await hub.push("SO-2", {1: ("MUG", 10)})
    assert await hub.quantities("SO-2") == {1: {"ordered": 10, "reserved": 10}}


async def test_what_was_picked_is_to_be_put_back_before_a_cancelled_order_closes(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})

    await hub.cancel("SO-1")

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10, "to_put_back": 10}}
    await hub.until_told("SO-1", "accepted", "reserved", "cancelled")
    assert (await hub.must_have("SO-1"))["closed_at"] is None
    await hub.put_back("SO-1", {1: ("MUG", 10)})
    await hub.until_closed("SO-1")


async def test_a_label_is_voided_at_the_carrier_when_its_order_is_cancelled(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    await hub.until_labeled("SO-1")

    await hub.cancel("SO-1")
    await hub.put_back("SO-1", {1: ("MUG", 10)})

    await hub.until_closed("SO-1")
    assert [b["status"] for b in await partners.bookings(hub.tenant, "SO-1")] == ["voided"]
    steps = await hub.rows("select step_id, state from records.carrier_step where tenant = :tenant order by kind")
    assert [step["state"] for step in steps] == ["undone", "done"]


@pytest.mark.usefixtures("well_behaved")
async def test_a_label_whose_booking_was_not_heard_of_is_found_and_voided(hub: Hub, partners: Partners) -> None:
    await partners.carrier_fault("timeout_after", operation="book", count=1)
    await partners.carrier_fault("down", operation="find_shipments")
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")

    async def booked() -> bool:
        return len(await partners.bookings(hub.tenant, "SO-1")) == 1

    await hub.until("the carrier has booked", booked)
    await hub.cancel("SO-1")
    await hub.put_back("SO-1", {1: ("MUG", 10)})
    await partners.behave()

    await hub.until_closed("SO-1")
    assert [b["status"] for b in await partners.bookings(hub.tenant, "SO-1")] == ["voided"]


async def test_what_has_left_is_not_cancelled(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")

    refused = await hub.cancel("SO-1")

    assert refused.answer is not None
    assert (refused.state, refused.answer["code"]) == ("refused", "already_shipped")
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "shipped": 10}}


async def test_cancelling_the_workflow_in_temporal_cancels_the_order(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})

    await hub.workflow("SO-1").cancel()

    await hub.until_closed("SO-1")
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10}}
    await hub.until_told("SO-1", "accepted", "reserved", "cancelled")
    assert await hub.workflow("SO-1").result() == "cancelled"


async def test_cancelling_the_workflow_of_what_has_left_changes_nothing_and_the_order_goes_on(
    hub: Hub, partners: Partners
) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    numbers = await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")

    await hub.workflow("SO-1").cancel()
    await partners.collect(numbers)

    await hub.until_closed("SO-1")
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "shipped": 10, "delivered": 10}}


async def test_a_workflow_that_was_not_told_of_a_step_is_woken(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.until_told("SO-1", "accepted", "reserved")

    async with hub.engine.begin() as connection:  # as a command does whose worker and server die at once
        number = await messages.append(connection, hub.named("SO-1"), "amended", {"lines": []})
        long_ago = text("update records.erp_message set created_at = now() - interval '2 min' where tenant = :tenant")
        await connection.execute(long_ago, {"tenant": hub.tenant})

    assert number == 3
    await hub.until("the relay wakes the workflow", lambda: tried(hub))


async def tried(hub: Hub) -> bool:
    query = "select number from records.erp_message where tenant = :tenant and number = 3 and attempts > 0"
    return bool(await hub.rows(query))


async def test_a_terminated_workflow_is_started_again_and_goes_on_from_postgresql(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    numbers = await hub.until_labeled("SO-1")
    run_id = (await hub.workflow("SO-1").describe()).run_id

    await hub.workflow("SO-1").terminate("a test")

    async def runs_again() -> bool:
        found = await hub.workflow("SO-1").describe()
        return found.run_id != run_id and found.search_attributes.get("OrderStatus") == ["labeled"]

    await hub.until("the relay has started the workflow again", runs_again)
    await hub.hand_over("SO-1")
    await partners.collect(numbers)
    await hub.until_closed("SO-1")
    assert len(await partners.bookings(hub.tenant, "SO-1")) == 1
    documents = await partners.documents(hub.tenant, "SO-1")
    assert [d["kind"] for d in documents] == ["accepted", "reserved", "shipped", "delivered"]
