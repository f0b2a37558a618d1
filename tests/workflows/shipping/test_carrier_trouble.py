"""The carrier forgets to answer, refuses, scans in any order, twice, early, or without a callback."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from tests.workflows.hub import ADDRESS, Hub
from tests.workflows.partners import PIGEON, SANDBOX, Partners

pytestmark = pytest.mark.usefixtures("worker", "well_behaved")

SCANS = ("picked_up", "in_transit", "out_for_delivery", "delivered")


async def shipped(hub: Hub, order_no: str, sku: str = "MUG", **push: Any) -> None:
    """Take a new order to its shipment."""
    await hub.receive(sku, 10, f"GR-{order_no}")
    await hub.push(order_no, {1: (sku, 10)}, **push)
    await hub.pick(order_no, {1: (sku, 10)})
    await hub.ship(order_no)


async def test_a_booking_whose_answer_was_lost_is_found_by_reference_and_not_bought_twice(
    hub: Hub, partners: Partners
) -> None:
    await partners.carrier_fault("timeout_after", operation="book", count=1)

    await shipped(hub, "SO-1")

    numbers = await hub.until_labeled("SO-1")
    (booking,) = await partners.bookings(hub.tenant, "SO-1")
    assert [parcel["tracking_number"] for parcel in booking["parcels"]] == numbers


@pytest.mark.parametrize("fault", ["down", "busy", "garbage"])
async def test_a_shipment_is_labeled_when_the_carrier_is_back(hub: Hub, partners: Partners, fault: str) -> None:
    await partners.carrier_fault(fault, operation="book", count=2)

    await shipped(hub, "SO-1")

    await hub.until_labeled("SO-1")
    assert len(await partners.bookings(hub.tenant, "SO-1")) == 1
    assert not (await hub.must_have("SO-1"))["needs_attention"]


async def test_a_refused_address_needs_a_person_and_an_amended_one_unsticks_it(hub: Hub, partners: Partners) -> None:
    await shipped(hub, "SO-1", ship_to={**ADDRESS, "country": "XX"})

    attention = await hub.until_attention("SO-1")
    assert attention["step"] == "label/SO-1-1/1"
    assert "does not deliver to the country" in attention["reason"]
    assert attention["actions"] == ["retry_step", "skip_step", "cancel_order", "use_address"]

    await hub.push("SO-1", {1: ("MUG", 10)}, revision=2)

    numbers = await hub.until_labeled("SO-1")
    row = await hub.must_have("SO-1")
    assert (row["needs_attention"], row["attention"]) == (False, None)
    bought = await hub.operate("SO-1", "skip_step", "label/SO-1-1/2")
    assert bought.state == "refused", "a label that was bought can't be skipped, or nobody would void it"
    await hub.hand_over("SO-1")
    await partners.collect(numbers)
    await hub.until_closed("SO-1")


async def test_a_label_that_a_person_deals_with_outside_is_skipped_and_the_order_goes_on(hub: Hub) -> None:
    await shipped(hub, "SO-1", ship_to={**ADDRESS, "country": "XX"})
    await hub.until_attention("SO-1")

    await hub.operate("SO-1", "skip_step")
    handed_over = await hub.hand_over("SO-1")

    assert handed_over.state == "accepted"
    assert not (await hub.must_have("SO-1"))["needs_attention"]
    attention = await hub.until_attention("SO-1")
    assert attention["step"] == "erp/3", "the ERP's delivery note wants a tracking number: a person tells it, too"


async def test_scans_in_any_order_and_twice_end_in_the_same_state(hub: Hub) -> None:
    orders = {f"SO-{n}": scans for n, scans in enumerate(itertools.permutations(SCANS))}
    await asyncio.gather(*(shipped(hub, order_no, order_no) for order_no in orders))
    numbers = {order_no: (await hub.until_labeled(order_no))[0] for order_no in orders}

    async def scan(order_no: str, scans: tuple[str, ...]) -> None:
        for status in scans:
            await hub.hear(numbers[order_no], status)
            await hub.hear(numbers[order_no], status)
        await hub.until_closed(order_no)
        for status in scans:
            await hub.hear(numbers[order_no], status, f"{numbers[order_no]}/{status}/again")

    await asyncio.gather(*(scan(order_no, scans) for order_no, scans in orders.items()))

    for order_no in orders:
        assert await hub.quantities(order_no) == {1: {"ordered": 10, "shipped": 10, "delivered": 10}}
        assert (await hub.postings(order_no))[2:] == ["goods_issue inferred", "delivery confirmed"]
        assert [m["kind"] for m in await hub.messages(order_no)] == ["accepted", "reserved", "shipped", "delivered"]
        assert not (await hub.must_have(order_no))["needs_attention"]
    ends = await hub.rows("select distinct tracking_status from records.parcel where tenant = :tenant")
    assert [row["tracking_status"] for row in ends] == ["delivered"]


async def test_a_physical_scan_proves_that_the_goods_left_and_a_late_hand_over_posts_nothing(hub: Hub) -> None:
    await shipped(hub, "SO-1")
    (number,) = await hub.until_labeled("SO-1")

    await hub.hear(number, "in_transit")

    await hub.until_status("SO-1", "shipped")
    before = await hub.postings("SO-1")
    assert before[-1] == "goods_issue inferred"
    late = await hub.hand_over("SO-1")
    assert late.answer is not None
    assert (late.state, late.answer["outcome"]) == ("accepted", "unchanged")
    assert await hub.postings("SO-1") == before
    shipment = (await hub.rows("select * from records.shipment where tenant = :tenant"))[0]
    assert shipment["handover_evidence"] == "inferred"


async def test_what_left_without_a_pick_is_taken_from_the_orders_own_hold_and_a_late_pick_posts_nothing(
    hub: Hub,
) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1", parcels=[{1: ("MUG", 10)}])
    (number,) = await hub.until_labeled("SO-1")

    await hub.hear(number, "picked_up")
    await hub.until_status("SO-1", "shipped")
    before = await hub.postings("SO-1")
    late = await hub.pick("SO-1", {1: ("MUG", 10)})

    assert late.answer is not None
    assert (late.state, late.answer["outcome"]) == ("accepted", "unchanged")
    assert await hub.postings("SO-1") == before == ["reservation confirmed", "goods_issue inferred"]
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "shipped": 10}}


async def test_a_scan_of_an_unknown_number_is_kept_until_its_label_appears(hub: Hub, partners: Partners) -> None:
    await partners.carrier_fault("timeout_after", operation="book", count=1)
    await partners.carrier_fault("down", operation="find_shipments")
    await shipped(hub, "SO-1")

    async def booked() -> bool:
        return bool(await partners.bookings(hub.tenant, "SO-1"))

    await hub.until("the carrier has booked what we have not heard of", booked)
    (booking,) = await partners.bookings(hub.tenant, "SO-1")
    await hub.hear(booking["parcels"][0]["tracking_number"], "delivered")
    assert await hub.tracking_numbers("SO-1") == []

    await partners.behave()

    await hub.until_closed("SO-1")
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "shipped": 10, "delivered": 10}}


async def test_a_lost_callback_is_made_up_for_by_asking(hub: Hub, partners: Partners) -> None:
    await shipped(hub, "SO-1")
    numbers = await hub.until_labeled("SO-1")

    await partners.collect(numbers)  # the partners know no hub to call back

    await hub.until_closed("SO-1")
    heard = await hub.rows("select distinct heard_by from records.carrier_event where tenant = :tenant")
    assert [row["heard_by"] for row in heard] == ["poll"]


async def test_a_parcel_of_a_cancelled_shipment_that_left_all_the_same_needs_a_person(
    hub: Hub, partners: Partners
) -> None:
    await shipped(hub, "SO-1")
    (number,) = await hub.until_labeled("SO-1")
    await partners.carrier_fault("down", operation="void")
    await hub.cancel("SO-1")

    await hub.hear(number, "picked_up")

    attention = await hub.until_attention("SO-1")
    assert number in attention["reason"]
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10, "to_put_back": 10}}


async def test_a_carrier_that_is_away_does_not_hold_up_the_one_that_was_changed_to(
    hub: Hub, partners: Partners
) -> None:
    await shipped(hub, "SO-1")
    (before,) = await hub.until_labeled("SO-1")
    await partners.carrier_fault("down", operation="void")

    await hub.push("SO-1", {1: ("MUG", 10)}, revision=2, carrier=PIGEON)

    await hub.until_labeled("SO-1", but=before)
    assert {b["carrier"] for b in await partners.bookings(hub.tenant, "SO-1")} == {SANDBOX, PIGEON}
    await partners.behave()
    await hub.until("the first label is void", lambda: hub.is_done("SO-1", "void/SO-1-1/1"))
