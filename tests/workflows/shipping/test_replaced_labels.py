"""A label was bought anew, and the carrier scans the old one: a fact about its parcel, whatever came first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.workflows.hub import ADDRESS, Hub
from tests.workflows.partners import PIGEON, Partners

pytestmark = pytest.mark.usefixtures("worker", "well_behaved")

ELSEWHERE = {**ADDRESS, "street": ["Neue Gasse 9"]}


async def replaced(hub: Hub, order_no: str = "SO-1", quantity: int = 10, **push: Any) -> tuple[str, str]:
    """Take an order to its label, and have that replaced: by another address, if nothing else is pushed."""
    await hub.receive("MUG", 50, f"GR-{order_no}")
    await hub.push(order_no, {1: ("MUG", 10)})
    await hub.pick(order_no, {1: ("MUG", 10)})
    await hub.ship(order_no)
    (old,) = await hub.until_labeled(order_no)
    await hub.push(order_no, {1: ("MUG", quantity)}, revision=2, **(push or {"ship_to": ELSEWHERE}))
    (new,) = await hub.until_labeled(order_no, but=old)
    return old, new


async def until_booked_as(hub: Hub, partners: Partners, *statuses: str) -> None:
    async def so() -> bool:
        return [booking["status"] for booking in await partners.bookings(hub.tenant, "SO-1")] == list(statuses)

    await hub.until(f"the carrier has {statuses}", so)


async def shipment(hub: Hub) -> dict[str, Any]:
    (row,) = await hub.rows("select * from records.shipment where tenant = :tenant")
    return row


async def test_a_parcel_left_under_the_label_that_was_replaced_and_arrives_under_it(
    hub: Hub, partners: Partners
) -> None:
    old, _ = await replaced(hub)

    await hub.hear(old, "picked_up")

    await hub.until_status("SO-1", "shipped")
    assert (await hub.postings("SO-1"))[-1] == "goods_issue inferred"
    assert await hub.tracking_numbers("SO-1") == [old]
    await until_booked_as(hub, partners, "voided", "voided")
    assert not (await hub.must_have("SO-1"))["needs_attention"]
    await hub.hear(old, "delivered")
    await hub.until_closed("SO-1")
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "shipped": 10, "delivered": 10}}
    told = await partners.documents(hub.tenant, "SO-1")
    (shipped,) = [document["payload"] for document in told if document["kind"] == "shipped"]
    assert [parcel["tracking_number"] for parcel in shipped["parcels"]] == [old]


async def test_a_parcel_left_under_the_label_of_the_carrier_that_it_had_before(hub: Hub, partners: Partners) -> None:
    old, _ = await replaced(hub, carrier=PIGEON)

    await hub.hear(old, "in_transit")

    await hub.until_status("SO-1", "shipped")
    assert (await shipment(hub))["carrier"] == "sandbox"
    pigeons = [b for b in await partners.bookings(hub.tenant, "SO-1") if b["carrier"] == PIGEON]
    await hub.until("the other label is void", lambda: hub.is_done("SO-1", "void/SO-1-1/2"))
    assert len(pigeons) == 1


async def test_a_void_that_is_still_to_be_sent_is_sent_no_more_once_the_parcel_left(
    hub: Hub, partners: Partners
) -> None:
    await partners.carrier_fault("down", operation="void")
    old, _ = await replaced(hub, carrier=PIGEON)

    await hub.hear(old, "picked_up")
    await hub.until_status("SO-1", "shipped")
    await partners.behave()

    await until_booked_as(hub, partners, "booked", "voided")
    (void,) = await hub.rows(
        "select state from records.carrier_step where tenant = :tenant and step_id like 'void/%/1'"
    )
    assert void["state"] == "skipped"


async def test_a_void_that_was_refused_needs_no_person_once_a_scan_says_why(hub: Hub, partners: Partners) -> None:
    await partners.carrier_fault("fault", operation="void", code="already_shipped", message="It is on its way.")
    old, _ = await replaced(hub)
    attention = await hub.until_attention("SO-1")
    assert attention["step"] == "void/SO-1-1/1"
    await partners.behave()

    await hub.hear(old, "picked_up")

    await hub.until_status("SO-1", "shipped")
    await until_booked_as(hub, partners, "booked", "voided")
    assert not (await hub.must_have("SO-1"))["needs_attention"]


async def test_a_label_that_is_not_bought_yet_is_not_needed_any_more(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    (old,) = await hub.until_labeled("SO-1")
    await partners.carrier_fault("down", operation="book")
    await hub.push("SO-1", {1: ("MUG", 10)}, revision=2, ship_to=ELSEWHERE)

    await hub.hear(old, "picked_up")

    await hub.until_status("SO-1", "shipped")
    assert await hub.tracking_numbers("SO-1") == [old]
    await partners.behave()
    await hub.hear(old, "delivered")
    await hub.until_closed("SO-1")
    assert len(await partners.bookings(hub.tenant, "SO-1")) == 1


async def test_a_parcel_whose_content_changed_since_needs_a_person_with_both_numbers(hub: Hub) -> None:
    old, new = await replaced(hub, quantity=6)
    before = await hub.postings("SO-1")

    await hub.hear(old, "picked_up")
    await hub.hear(old, "in_transit")

    attention = await hub.until_attention("SO-1")
    assert old in attention["reason"]
    assert new in attention["reason"]
    assert attention["actions"] == ["retry_step", "skip_step"]
    assert await hub.postings("SO-1") == before
    assert await hub.tracking_numbers("SO-1") == [new]


async def test_what_left_as_it_was_before_is_handed_over_once_the_order_says_so_again(hub: Hub) -> None:
    old, new = await replaced(hub, quantity=6)
    await hub.hear(old, "picked_up")
    await hub.until_attention("SO-1")
    assert (await hub.operate("SO-1", "retry_step")).state == "accepted"
    assert old in (await hub.until_attention("SO-1"))["reason"], "it is another content still"
    await hub.push("SO-1", {1: ("MUG", 10)}, revision=3)
    await hub.until_labeled("SO-1", but=new)
    assert (await hub.must_have("SO-1"))["needs_attention"], "an amendment tells nobody what has left"

    await hub.operate("SO-1", "retry_step", act_no="O-2")

    await hub.until_status("SO-1", "shipped")
    assert await hub.tracking_numbers("SO-1") == [old]
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "shipped": 10}}
    assert not (await hub.must_have("SO-1"))["needs_attention"]


async def test_a_person_who_has_dealt_with_it_takes_note_and_is_asked_no_more(hub: Hub) -> None:
    old, new = await replaced(hub, quantity=6)
    await hub.hear(old, "picked_up")
    await hub.until_attention("SO-1")

    noted = await hub.operate("SO-1", "skip_step")
    await hub.hear(old, "delivered")

    assert noted.state == "accepted"
    await hub.hear(new, "picked_up")
    await hub.until_status("SO-1", "shipped")
    row = await hub.must_have("SO-1")
    assert (row["needs_attention"], await hub.tracking_numbers("SO-1")) == (False, [new])


async def test_a_cancellation_does_not_hide_that_the_carrier_has_the_parcel(hub: Hub) -> None:
    old, _ = await replaced(hub, quantity=6)
    await hub.hear(old, "picked_up")
    await hub.until_attention("SO-1")

    await hub.cancel("SO-1")

    assert old in (await hub.must_have("SO-1"))["attention"]["reason"]


async def test_what_was_handed_over_under_the_new_label_needs_a_person_who_may_go_back_to_the_old_one(
    hub: Hub, partners: Partners
) -> None:
    old, new = await replaced(hub)
    await hub.hand_over("SO-1")

    await hub.hear(old, "picked_up")

    attention = await hub.until_attention("SO-1")
    assert old in attention["reason"]
    assert new in attention["reason"]
    assert await hub.tracking_numbers("SO-1") == [new]
    await hub.operate("SO-1", "retry_step")
    assert await hub.tracking_numbers("SO-1") == [old]
    await until_booked_as(hub, partners, "voided", "voided")
    assert not (await hub.must_have("SO-1"))["needs_attention"]


async def test_an_order_that_is_closed_hears_of_a_label_that_was_replaced(hub: Hub) -> None:
    old, new = await replaced(hub)
    await hub.hear(new, "delivered")
    await hub.until_closed("SO-1")

    await hub.hear(old, "in_transit")

    attention = await hub.until_attention("SO-1")
    assert old in attention["reason"]
    await hub.until("its workflow runs", lambda: hub.has_workflow("SO-1"))
    await hub.operate("SO-1", "skip_step")
    await hub.until_closed("SO-1")
    await hub.hear(old, "delivered")
    assert (await hub.must_have("SO-1"))["closed_at"] is not None


async def test_the_carrier_is_asked_about_labels_that_were_replaced_too(hub: Hub, partners: Partners) -> None:
    old, _ = await replaced(hub)

    await partners.scan(old, "picked_up")

    await hub.until_status("SO-1", "shipped")
    assert await hub.tracking_numbers("SO-1") == [old]


@pytest.mark.parametrize("written", [str.lower, lambda number: f" {number[:3]} {number[3:7]}\t{number[7:]} "])
async def test_numbers_match_without_regard_to_case_and_blanks(hub: Hub, written: Any) -> None:
    old, _ = await replaced(hub)

    await hub.hear(written(old), "picked_up")

    await hub.until_status("SO-1", "shipped")
    assert await hub.tracking_numbers("SO-1") == [old]
    heard = await hub.rows("select tracking_number from records.carrier_event where tenant = :tenant")
    assert {row["tracking_number"] for row in heard} == {old}, "an event names its parcel as its label does"
    await hub.hear(written(old), "delivered", "later")
    await hub.until_closed("SO-1")


async def test_a_number_that_is_not_known_yet_matches_however_it_was_written(hub: Hub, partners: Partners) -> None:
    await partners.carrier_fault("timeout_after", operation="book", count=1)
    await partners.carrier_fault("down", operation="find_shipments")
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")

    async def booked() -> bool:
        return bool(await partners.bookings(hub.tenant, "SO-1"))

    await hub.until("the carrier has booked what we have not heard of", booked)
    (booking,) = await partners.bookings(hub.tenant, "SO-1")
    await hub.hear(booking["parcels"][0]["tracking_number"].lower(), "delivered")
    await partners.behave()

    await hub.until_closed("SO-1")


async def test_scans_at_once_and_again_end_as_one_does(hub: Hub, partners: Partners) -> None:
    old, _ = await replaced(hub)

    scans = [(status, nth) for status in ("picked_up", "in_transit", "out_for_delivery") for nth in range(3)]
    await asyncio.gather(*(hub.hear(old, status, f"{old}/{status}/{nth}") for status, nth in scans))

    await hub.until_status("SO-1", "shipped")
    assert [posting for posting in await hub.postings("SO-1") if "issue" in posting] == ["goods_issue inferred"]
    await until_booked_as(hub, partners, "voided", "voided")
