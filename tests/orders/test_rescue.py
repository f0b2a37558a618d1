"""An operator rescues an order from the Temporal UI: the named updates, as the UI sends them."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from .hub import Hub
from .partners import Partners

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
    assert "No open period." in details
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
