"""An operator rescues an order from the Temporal UI: the named updates, as the UI sends them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.client import WorkflowUpdateFailedError

from records import people
from records.tables import location
from tests.workflows.hub import ADDRESS, Hub
from tests.workflows.partners import Partners

pytestmark = pytest.mark.usefixtures("worker", "well_behaved")

IDA = {"by": "ida", "reason": "the period is open again"}


async def send(hub: Hub, verb: str, act: dict[str, Any], update_id: str = "u-1") -> dict[str, Any]:
    """Send an update as the UI does: its name, and JSON."""
    answer: dict[str, Any] = await hub.workflow("SO-1").execute_update(verb, act, id=update_id, result_type=dict)
    return answer


async def refused_by_the_erp(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 10)
    await partners.erp_fault("fault", operation="AcknowledgeOrder", code="PERIOD_CLOSED", message="No open period.")
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.until_listed("SO-1", "NeedsAttention = true")


async def test_a_stuck_order_is_found_by_filter_retried_by_name_and_goes_on(hub: Hub, partners: Partners) -> None:
    await refused_by_the_erp(hub, partners)
    details = await hub.details("SO-1")
    assert "posting period for this time isn't open" in details
    assert "`retry_step`" in details
    await partners.behave()

    answer = await send(hub, "retry_step", IDA)

    assert (answer["accepted"], answer["outcome"]) == (True, "done")
    await hub.until_told("SO-1", "accepted", "reserved")
    await hub.until_listed("SO-1", "NeedsAttention = false")
    (act,) = await hub.rows("select actor, payload from records.inbox where tenant = :tenant and kind = 'operate'")
    assert act["actor"] == "ida"
    assert (act["payload"]["verb"], act["payload"]["reason"]) == ("retry_step", IDA["reason"])


async def test_the_same_update_again_is_the_same_act(hub: Hub, partners: Partners) -> None:
    await refused_by_the_erp(hub, partners)
    await partners.behave()
    answers = [await send(hub, "retry_step", IDA) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(await hub.rows("select from records.inbox where tenant = :tenant and kind = 'operate'")) == 1


@pytest.mark.parametrize("act", [{}, {"by": "ida"}, {"by": " ", "reason": "because"}])
async def test_an_act_without_who_and_why_is_turned_away(hub: Hub, partners: Partners, act: dict[str, Any]) -> None:
    await refused_by_the_erp(hub, partners)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await send(hub, "retry_step", act)
    assert "Say who and why" in str(refused.value.cause)
    assert await hub.rows("select from records.inbox where tenant = :tenant and kind = 'operate'") == []


async def test_an_act_that_makes_no_sense_is_refused_with_the_reason(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    answer = await send(hub, "accept_short", IDA)
    assert (answer["accepted"], answer["problem"]["code"]) == (False, "nothing_to_give_up")
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 10}}


@pytest.mark.parametrize(
    ("verb", "end"),
    [
        ("accept_short", {"ordered": 10, "reserved": 6, "cancelled": 4}),
        ("release_hold", {"ordered": 10, "cancelled": 10}),
    ],
)
async def test_what_is_short_is_given_up_by_name(hub: Hub, verb: str, end: dict[str, int]) -> None:
    await hub.receive("MUG", 6)
    await hub.push("SO-1", {1: ("MUG", 10)})
    assert (await send(hub, verb, IDA))["accepted"]
    assert await hub.quantities("SO-1") == {1: end}


async def test_a_message_is_skipped_or_told_again_by_name(hub: Hub, partners: Partners) -> None:
    await refused_by_the_erp(hub, partners)
    assert (await send(hub, "skip_step", {**IDA, "target": "erp/1"}))["accepted"]
    await hub.until_told("SO-1", "reserved")
    await partners.behave()
    assert (await send(hub, "resend_to_erp", {**IDA, "target": "erp/1"}, "u-2"))["accepted"]
    await hub.until_told("SO-1", "reserved", "accepted")


NOWHERE = {**ADDRESS, "name": "Quirina Quist", "country": "XX"}
SOMEWHERE = {**ADDRESS, "name": "Zacharias Zorn", "street": ["Zirkusweg 7"]}


async def refused_by_the_carrier(hub: Hub) -> None:
    """Take SO-1 to a label that no carrier sells for its address."""
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)}, ship_to=NOWHERE)
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    await hub.until_attention("SO-1")


async def stored(hub: Hub, ship_to: dict[str, Any] = SOMEWHERE, order_no: str = "SO-1") -> str:
    """Store an address for an order, as the API does."""
    address_id = people.address_id(hub.named(order_no), "A-1")
    async with hub.engine.begin() as connection:
        await people.keep(connection, address_id, hub.tenant, people.Address(ship_to, order_no))
    return str(address_id)


def templates(details: str) -> dict[str, dict[str, Any]]:
    """Read what an operator may send from what Temporal shows."""
    return {action: json.loads(said) for action, said in re.findall(r"^- `(\w+)` `(.+)`$", details, re.MULTILINE)}


async def test_details_say_since_when_and_what_to_send_for_each_action(hub: Hub) -> None:
    await refused_by_the_carrier(hub)
    attention = (await hub.must_have("SO-1"))["attention"]

    details = await hub.details("SO-1")

    assert f"since {attention['since']}" in details
    assert list(templates(details)) == attention["actions"]
    assert templates(details)["skip_step"]["target"] == attention["step"]


@pytest.mark.parametrize("action", ["retry_step", "skip_step", "cancel_order", "use_address"])
async def test_each_action_that_is_offered_works_as_an_update_of_its_name(hub: Hub, action: str) -> None:
    await refused_by_the_carrier(hub)
    act = {**templates(await hub.details("SO-1"))[action], **IDA}
    if action == "use_address":
        act["address_id"] = await stored(hub)

    answer = await send(hub, action, act)

    assert (answer["accepted"], answer["outcome"]) == (True, "done")


async def test_an_order_is_cancelled_by_name(hub: Hub) -> None:
    await refused_by_the_carrier(hub)

    await send(hub, "cancel_order", IDA)

    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10, "to_put_back": 10}}
    assert not (await hub.must_have("SO-1"))["needs_attention"]
    again = await send(hub, "cancel_order", IDA, "u-2")
    assert (again["accepted"], again["problem"]["code"]) == (False, "nothing_to_give_up")


async def test_another_address_is_used_by_its_id_and_no_name_enters_a_history(hub: Hub, partners: Partners) -> None:
    await refused_by_the_carrier(hub)

    await send(hub, "use_address", {**IDA, "address_id": await stored(hub)})

    await hub.until_labeled("SO-1")
    (booking,) = await partners.bookings(hub.tenant, "SO-1")
    assert not (await hub.must_have("SO-1"))["needs_attention"]
    assert booking["status"] == "booked"
    history = (await hub.workflow("SO-1").fetch_history()).to_json()
    assert [name for name in ("Quirina", "Quist", "Zacharias", "Zorn", "Zirkusweg") if name in history] == []


async def test_an_address_that_a_person_chose_stands_until_the_erp_changes_its_own(hub: Hub) -> None:
    await refused_by_the_carrier(hub)
    await send(hub, "use_address", {**IDA, "address_id": await stored(hub)})
    (first,) = await hub.until_labeled("SO-1")
    chosen = (await hub.must_have("SO-1"))["address_id"]

    await hub.push("SO-1", {1: ("MUG", 10)}, revision=2, ship_to=NOWHERE, requested_delivery="2026-12-24")
    assert (await hub.must_have("SO-1"))["address_id"] == chosen
    assert await hub.tracking_numbers("SO-1") == [first], "the same address buys no other label"

    await hub.push("SO-1", {1: ("MUG", 10)}, revision=3, ship_to=ADDRESS)
    assert (await hub.must_have("SO-1"))["address_id"] != chosen
    await hub.until_labeled("SO-1", but=first)


async def test_an_address_of_another_order_or_of_none_is_refused(hub: Hub) -> None:
    await refused_by_the_carrier(hub)
    foreign = await stored(hub, order_no="SO-2")

    for nth, address_id in enumerate((foreign, "no-id", "00000000-0000-0000-0000-000000000000")):
        answer = await send(hub, "use_address", {**IDA, "address_id": address_id}, f"u-{nth}")
        assert (answer["accepted"], answer["problem"]["code"]) == (False, "unknown_address")
    assert (await hub.must_have("SO-1"))["needs_attention"]
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await send(hub, "use_address", IDA, "u-9")
    assert "address_id" in str(refused.value.cause)


async def test_what_has_left_goes_to_no_other_address(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1", handed_over=True)

    answer = await send(hub, "use_address", {**IDA, "address_id": await stored(hub)})

    assert (answer["accepted"], answer["problem"]["code"]) == (False, "already_shipped")


async def test_a_site_whose_address_has_no_name_gets_labels_under_its_own(hub: Hub, partners: Partners) -> None:
    nameless = {**ADDRESS, "name": None}
    async with hub.engine.begin() as connection:
        at_home = (location.c.tenant == hub.tenant) & (location.c.location_id == "HAM")
        await connection.execute(update(location).where(at_home).values(address=nameless))
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")

    await hub.until_labeled("SO-1")
    assert len(await partners.bookings(hub.tenant, "SO-1")) == 1
