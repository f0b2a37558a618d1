"""An order's life on real parts, from the push to the proof of delivery."""

from __future__ import annotations

import pytest

from tests.workflows.hub import Hub
from tests.workflows.partners import Partners

pytestmark = pytest.mark.usefixtures("worker")

MOST_EVENTS = 65
"""What a plain life may cost in Temporal, with all four scans of a parcel."""


async def live(hub: Hub, partners: Partners, order_no: str) -> None:
    await hub.push(order_no, {1: ("MUG", 10)})
    await hub.until_told(order_no, "accepted", "reserved")
    await hub.pick(order_no, {1: ("MUG", 10)})
    await hub.ship(order_no)
    numbers = await hub.until_labeled(order_no)
    await hub.hand_over(order_no)
    await partners.collect(numbers)
    await hub.until_closed(order_no)


async def test_an_order_goes_from_the_push_to_the_proof_of_delivery(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 20)

    await hub.push("SO-1", {1: ("MUG", 10)})
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 10}}
    await hub.push("SO-1", {1: ("MUG", 12)}, revision=2)
    await hub.pick("SO-1", {1: ("MUG", 12)})
    assert (await hub.must_have("SO-1"))["status"] == "picked"
    await hub.ship("SO-1")
    numbers = await hub.until_labeled("SO-1")
    await hub.until_status("SO-1", "labeled")
    await hub.hand_over("SO-1")
    await partners.collect(numbers)
    await hub.until_closed("SO-1")

    assert await hub.quantities("SO-1") == {1: {"ordered": 12, "shipped": 12, "delivered": 12}}
    assert await hub.postings("SO-1") == [
        "reservation confirmed",
        "amendment confirmed",
        "pick confirmed",
        "goods_issue confirmed",
        "delivery confirmed",
    ]
    shipment = (await hub.rows("select * from records.shipment where tenant = :tenant"))[0]
    assert shipment["proof_of_delivery"]["signed_by"] == "Ida Holm"
    assert shipment["tracking_status"] == "delivered"


async def test_the_erp_hears_of_every_step_in_order_and_of_each_once(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 20)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.push("SO-1", {1: ("MUG", 4)}, revision=2)
    await hub.pick("SO-1", {1: ("MUG", 4)})
    await hub.ship("SO-1")
    numbers = await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")
    await partners.collect(numbers)
    await hub.until_closed("SO-1")

    documents = await partners.documents(hub.tenant, "SO-1")
    assert [d["kind"] for d in documents] == ["accepted", "reserved", "amended", "shipped", "delivered"]
    assert [d["revision"] for d in documents] == [1, 1, 2, 2, 2]
    assert [d["payload"]["lines"][0]["quantity"] for d in documents] == [10, 10, 4, 4, 4]
    assert [m["document_no"] for m in await hub.messages("SO-1")] == [d["document_no"] for d in documents]


async def test_an_operator_finds_and_reads_the_order_in_temporal(hub: Hub) -> None:
    await hub.receive("MUG", 20)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    numbers = await hub.until_labeled("SO-1")
    await hub.until_status("SO-1", "labeled")

    async def shown() -> bool:
        found = await hub.workflow("SO-1").describe()
        return found.search_attributes.get("OrderStatus") == ["labeled"]

    await hub.until("Temporal shows the order as labeled", shown)
    found = await hub.workflow("SO-1").describe()
    assert found.search_attributes["Tenant"] == [hub.tenant]
    assert found.search_attributes["NeedsAttention"] == [False]
    assert found.search_attributes["Skus"] == ["MUG"]
    assert found.search_attributes["Carrier"] == ["sandbox"]
    assert found.search_attributes["TrackingNumber"] == numbers
    assert await found.static_summary() == "order SO-1: 1 line from HAM by sandbox"
    details = await hub.details("SO-1")
    assert "**labeled**, revision 1" in details
    assert "| 1 | MUG | 10 | 10 |" in details
    assert numbers[0] in details


async def test_a_life_is_short_in_temporal_and_names_nobody(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 20)
    await live(hub, partners, "SO-1")

    history = await hub.workflow("SO-1").fetch_history()
    assert len(history.events) <= MOST_EVENTS
    assert "Ida Holm" not in history.to_json()
    assert "Kehrwieder" not in history.to_json()


async def test_a_shipment_that_is_handed_over_as_it_is_made_tells_the_erp_its_numbers(
    hub: Hub, partners: Partners
) -> None:
    await hub.receive("MUG", 20)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})

    await hub.ship("SO-1", handed_over=True)

    numbers = await hub.until_labeled("SO-1")
    await hub.until_told("SO-1", "accepted", "reserved", "shipped")
    shipped = (await partners.documents(hub.tenant, "SO-1"))[-1]
    assert [parcel["tracking_number"] for parcel in shipped["payload"]["parcels"]] == numbers
    await partners.collect(numbers)
    await hub.until_closed("SO-1")


async def test_a_parcel_weighs_what_is_in_it_where_the_packer_does_not_say(hub: Hub) -> None:
    await hub.weigh("MUG", 350)
    await hub.receive("MUG", 20)
    await hub.receive("CUP", 20)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.push("SO-2", {1: ("MUG", 1), 2: ("CUP", 1)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-2", {1: ("MUG", 1), 2: ("CUP", 1)})

    await hub.ship("SO-1")
    await hub.ship("SO-2")

    weights = await hub.rows("select weight_g from records.parcel where tenant = :tenant order by order_ref")
    assert [row["weight_g"] for row in weights] == [3500, 1000]


async def test_a_refused_first_push_leaves_no_order_and_may_be_sent_again(hub: Hub) -> None:
    refused = await hub.push("SO-1", {1: ("MUG", 10)}, shortage_policy="reject")
    assert refused.state == "refused"
    assert refused.answer is not None
    assert refused.answer["code"] == "insufficient_stock"
    assert await hub.order("SO-1") is None

    await hub.receive("MUG", 10)
    accepted = await hub.push("SO-1", {1: ("MUG", 10)}, shortage_policy="reject")

    assert (accepted.state, accepted.attempt) == ("accepted", 2)


async def test_a_short_demand_is_cancelled_in_part_where_the_policy_says_so(hub: Hub) -> None:
    await hub.receive("MUG", 4)

    await hub.push("SO-1", {1: ("MUG", 10)}, shortage_policy="partial")

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 4, "cancelled": 6}}
