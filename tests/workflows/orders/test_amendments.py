"""An order is amended in place, however far it is; a refused revision changes nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.errors import Conflict
from tests.workflows.hub import ADDRESS, Hub
from tests.workflows.partners import Partners

pytestmark = pytest.mark.usefixtures("worker")


async def labeled(hub: Hub, order_no: str, quantity: int = 10) -> list[str]:
    """Take a new order of mugs to its label."""
    await hub.receive("MUG", 50, f"GR-{order_no}")
    await hub.push(order_no, {1: ("MUG", quantity)})
    await hub.pick(order_no, {1: ("MUG", quantity)})
    await hub.ship(order_no)
    return await hub.until_labeled(order_no)


async def ledger_of(hub: Hub) -> list[dict[str, Any]]:
    return await hub.rows("select stream_id, seq, posting_id from ledger.entry where tenant = :tenant order by 1, 2")


async def statuses(hub: Hub, partners: Partners, order_no: str) -> list[str]:
    return [booking["status"] for booking in await partners.bookings(hub.tenant, order_no)]


async def test_up_down_another_sku_a_removed_and_an_added_line(hub: Hub) -> None:
    for sku in ("MUG", "CUP", "JUG"):
        await hub.receive(sku, 50)
    await hub.push("SO-1", {1: ("MUG", 10), 2: ("CUP", 10), 3: ("JUG", 3)})

    await hub.push("SO-1", {1: ("MUG", 15), 2: ("CUP", 4), 3: ("JUG", 3)}, revision=2)
    assert await hub.quantities("SO-1") == {
        1: {"ordered": 15, "reserved": 15},
        2: {"ordered": 4, "reserved": 4},
        3: {"ordered": 3, "reserved": 3},
    }

    await hub.push("SO-1", {1: ("CUP", 7), 2: ("CUP", 4), 4: ("JUG", 1)}, revision=5)
    assert await hub.quantities("SO-1") == {
        1: {"ordered": 7, "reserved": 7},
        2: {"ordered": 4, "reserved": 4},
        4: {"ordered": 1, "reserved": 1},
    }
    assert {line.line_no for line in await hub.lines("SO-1")} == {1, 2, 3, 4}, "a removed line stays in the view"
    await hub.until_told("SO-1", "accepted", "reserved", "amended", "amended")


async def test_price_note_and_date_write_nothing_to_the_ledger_and_buy_no_label(hub: Hub, partners: Partners) -> None:
    numbers = await labeled(hub, "SO-1")
    before = await ledger_of(hub)

    row = await hub.push(
        "SO-1", {1: ("MUG", 10)}, revision=2, requested_delivery="2026-12-24", note_id=str(UUID(int=2))
    )

    assert row.state == "accepted"
    await hub.until_told("SO-1", "accepted", "reserved", "amended")
    assert await ledger_of(hub) == before
    assert await hub.tracking_numbers("SO-1") == numbers
    assert await statuses(hub, partners, "SO-1") == ["booked"]


async def test_less_of_a_picked_line_is_a_put_back_task_and_stays_held_until_then(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})

    await hub.push("SO-1", {1: ("MUG", 6)}, revision=2)

    assert await hub.quantities("SO-1") == {1: {"ordered": 6, "reserved": 6, "picked": 6, "to_put_back": 4}}
    waiting = await hub.push("SO-2", {1: ("MUG", 4)})
    assert waiting.state == "accepted"
    assert await hub.quantities("SO-2") == {1: {"ordered": 4, "backordered": 4}}
    await hub.put_back("SO-1", {1: ("MUG", 4)})
    assert await hub.quantities("SO-1") == {1: {"ordered": 6, "reserved": 6, "picked": 6}}
    assert await hub.quantities("SO-2") == {1: {"ordered": 4, "reserved": 4}}


async def test_what_is_added_to_a_labeled_line_joins_its_parcel_which_gets_another_label(
    hub: Hub, partners: Partners
) -> None:
    (first,) = await labeled(hub, "SO-1")
    await hub.weigh("MUG", 300)
    weight = (await hub.rows("select weight_g from records.parcel where tenant = :tenant"))[0]["weight_g"]

    await hub.push("SO-1", {1: ("MUG", 12)}, revision=2)

    (second,) = await hub.until_labeled("SO-1", but=first)
    assert await statuses(hub, partners, "SO-1") == ["voided", "booked"]
    box = (await hub.rows("select lines, weight_g from records.parcel where tenant = :tenant"))[0]
    assert [line["quantity"] for line in box["lines"]] == [12]
    assert box["weight_g"] == weight + 2 * 300
    await hub.pick("SO-1", {1: ("MUG", 2)}, pick_no="P-2")
    await hub.hand_over("SO-1")
    await partners.collect([second])
    await hub.until_closed("SO-1")
    assert await hub.quantities("SO-1") == {1: {"ordered": 12, "shipped": 12, "delivered": 12}}


async def test_another_sku_on_a_labeled_line_leaves_the_parcel(hub: Hub, partners: Partners) -> None:
    await hub.receive("CUP", 20)
    await hub.receive("MUG", 20)
    await hub.push("SO-1", {1: ("MUG", 4), 2: ("CUP", 2)})
    await hub.pick("SO-1", {1: ("MUG", 4), 2: ("CUP", 2)})
    await hub.ship("SO-1")
    (first,) = await hub.until_labeled("SO-1")

    await hub.push("SO-1", {1: ("MUG", 4), 2: ("MUG", 2)}, revision=2)

    await hub.until_labeled("SO-1", but=first)
    assert await statuses(hub, partners, "SO-1") == ["voided", "booked"]
    box = (await hub.rows("select lines from records.parcel where tenant = :tenant"))[0]
    assert [(line["line_no"], line["sku"], line["quantity"]) for line in box["lines"]] == [(1, "MUG", 4)]


async def test_less_of_a_labeled_line_voids_the_label_and_buys_it_again(hub: Hub, partners: Partners) -> None:
    (first,) = await labeled(hub, "SO-1")

    await hub.push("SO-1", {1: ("MUG", 6)}, revision=2)

    (second,) = await hub.until_labeled("SO-1", but=first)
    assert second != first
    assert await statuses(hub, partners, "SO-1") == ["voided", "booked"]
    box = (await hub.rows("select lines from records.parcel where tenant = :tenant"))[0]
    assert [line["quantity"] for line in box["lines"]] == [6]
    await hub.put_back("SO-1", {1: ("MUG", 4)})
    await hub.hand_over("SO-1")
    await partners.collect([second])
    await hub.until_closed("SO-1")
    assert await hub.quantities("SO-1") == {1: {"ordered": 6, "shipped": 6, "delivered": 6}}


async def test_a_new_address_voids_the_label_and_buys_it_again_and_the_ledger_hears_nothing(
    hub: Hub, partners: Partners
) -> None:
    (first,) = await labeled(hub, "SO-1")
    before = await ledger_of(hub)

    await hub.push("SO-1", {1: ("MUG", 10)}, revision=2, ship_to={**ADDRESS, "street": ["Kehrwieder 3"]})

    await hub.until_labeled("SO-1", but=first)
    assert await statuses(hub, partners, "SO-1") == ["voided", "booked"]
    assert await ledger_of(hub) == before


async def test_an_amendment_of_what_has_left_is_refused_with_the_reason_of_each_line(hub: Hub) -> None:
    await hub.receive("CUP", 20)
    await hub.receive("MUG", 50)
    await hub.push("SO-1", {1: ("MUG", 10), 2: ("CUP", 5)})
    await hub.pick("SO-1", {1: ("MUG", 10), 2: ("CUP", 5)})
    await hub.ship("SO-1")
    await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")
    before, entries = await hub.must_have("SO-1"), await ledger_of(hub)

    refused = await hub.push("SO-1", {1: ("MUG", 4), 2: ("JUG", 5)}, revision=2)

    assert refused.state == "refused"
    assert refused.answer is not None
    assert refused.answer["status"] == 409
    assert [fault["code"] for fault in refused.answer["errors"]] == ["already_shipped", "already_shipped"]
    assert {fault["detail"] for fault in refused.answer["errors"]} == {
        "Line 1: 10 of 10 have left already; the least is 10.",
        "Line 2: 5 of 5 have left already; the least is 5.",
    }
    after = await hub.must_have("SO-1")
    assert (after["revision"], after["address_id"], after["status"]) == (1, before["address_id"], "shipped")
    assert await ledger_of(hub) == entries
    await hub.until_told("SO-1", "accepted", "reserved", "shipped", "refused")


async def test_a_refused_revision_leaves_everything_as_it_was_and_may_be_sent_again(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.receive("CUP", 10)
    await hub.push("SO-1", {1: ("MUG", 5), 2: ("CUP", 5)}, shortage_policy="reject")
    before = await hub.quantities("SO-1")

    refused = await hub.push("SO-1", {1: ("MUG", 2), 2: ("CUP", 50)}, revision=2, shortage_policy="reject")

    assert refused.state == "refused"
    assert await hub.quantities("SO-1") == before
    assert (await hub.must_have("SO-1"))["revision"] == 1
    await hub.receive("CUP", 50, "GR-2")
    again = await hub.push("SO-1", {1: ("MUG", 2), 2: ("CUP", 50)}, revision=2, shortage_policy="reject")
    assert again.state == "accepted"


async def test_the_same_revision_again_changes_nothing_and_with_other_content_conflicts(hub: Hub) -> None:
    await hub.receive("MUG", 50)
    first = await hub.push("SO-1", {1: ("MUG", 10)})
    entries = await ledger_of(hub)

    again = await hub.push("SO-1", {1: ("MUG", 10)})

    assert (again.inbox_id, again.state) == (first.inbox_id, "accepted")
    with pytest.raises(Conflict):
        await hub.push("SO-1", {1: ("MUG", 11)})
    assert await ledger_of(hub) == entries


async def test_a_lower_revision_that_was_never_seen_is_stale(hub: Hub) -> None:
    await hub.receive("MUG", 50)
    await hub.push("SO-1", {1: ("MUG", 10)}, revision=3)

    late = await hub.push("SO-1", {1: ("MUG", 1)}, revision=2)

    assert late.answer is not None
    assert (late.state, late.answer["code"]) == ("refused", "stale_revision")
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 10}}
