"""The ERP is down, busy, talks garbage, forgets to answer, or refuses: the warehouse goes on, and it catches up."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.workflows.hub import Hub
from tests.workflows.partners import Partners

pytestmark = pytest.mark.usefixtures("worker", "well_behaved")

ALL = ["accepted", "reserved", "shipped", "delivered"]


@pytest.mark.parametrize("fault", ["down", "busy", "garbage"])
async def test_the_warehouse_goes_on_without_the_erp_which_catches_up_in_order(
    hub: Hub, partners: Partners, fault: str
) -> None:
    await hub.receive("MUG", 10)
    await partners.erp_fault(fault)

    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    numbers = await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")
    await partners.collect(numbers)
    await hub.until_status("SO-1", "delivered")
    assert await partners.documents(hub.tenant, "SO-1") == []
    assert not (await hub.must_have("SO-1"))["needs_attention"], "it will be back; nobody is needed"

    await partners.behave()
    await hub.until_closed("SO-1")
    assert [d["kind"] for d in await partners.documents(hub.tenant, "SO-1")] == ALL


async def test_what_the_erp_did_without_answering_is_found_and_not_told_twice(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 10)
    for operation in ("AcknowledgeOrder", "ReportReservation", "ReportShipment", "ReportDelivery"):
        await partners.erp_fault("timeout_after", operation=operation, count=1)

    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    numbers = await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")
    await partners.collect(numbers)

    await hub.until_closed("SO-1")
    documents = await partners.documents(hub.tenant, "SO-1")
    assert [d["kind"] for d in documents] == ALL
    assert [m["document_no"] for m in await hub.messages("SO-1")] == [d["document_no"] for d in documents]


async def refused_by_the_erp(hub: Hub, partners: Partners, operation: str) -> None:
    await hub.receive("MUG", 10)
    await partners.erp_fault("fault", operation=operation, code="PERIOD_CLOSED", message="No open posting period.")
    await hub.push("SO-1", {1: ("MUG", 10)})


async def test_a_refusal_needs_a_person_and_says_what_is_stuck_why_and_what_unsticks_it(
    hub: Hub, partners: Partners
) -> None:
    await refused_by_the_erp(hub, partners, "AcknowledgeOrder")

    attention = await hub.until_attention("SO-1")

    assert attention["step"] == "erp/1"
    assert "posting period for this time isn't open" in attention["reason"]
    assert set(attention["actions"]) >= {"retry_step", "skip_step", "resend_to_erp"}
    assert "posting period for this time isn't open" in await hub.details("SO-1")
    picked = await hub.pick("SO-1", {1: ("MUG", 10)})
    assert picked.state == "accepted", "the warehouse does not wait for it"

    async def shown() -> bool:
        return (await hub.workflow("SO-1").describe()).search_attributes.get("NeedsAttention") == [True]

    await hub.until("Temporal shows that the order needs attention", shown)


async def test_a_step_is_retried_when_the_reason_is_gone(hub: Hub, partners: Partners) -> None:
    await refused_by_the_erp(hub, partners, "AcknowledgeOrder")
    await hub.until_attention("SO-1")
    await partners.behave()

    await hub.operate("SO-1", "retry_step")

    await hub.until_told("SO-1", "accepted", "reserved")
    row = await hub.must_have("SO-1")
    assert (row["needs_attention"], row["attention"]) == (False, None)


async def test_a_step_that_is_retried_in_vain_needs_a_person_again(hub: Hub, partners: Partners) -> None:
    await refused_by_the_erp(hub, partners, "AcknowledgeOrder")
    first = await hub.until_attention("SO-1")

    await hub.operate("SO-1", "retry_step")

    async def flagged_again() -> bool:
        attention = (await hub.must_have("SO-1"))["attention"]
        return attention is not None and attention["since"] > first["since"]

    await hub.until("the order is flagged again", flagged_again)


async def test_a_step_is_skipped_by_whoever_dealt_with_it_and_the_others_go_on(hub: Hub, partners: Partners) -> None:
    await refused_by_the_erp(hub, partners, "AcknowledgeOrder")
    await hub.until_attention("SO-1")

    await hub.operate("SO-1", "skip_step")

    await hub.until_told("SO-1", "reserved")
    assert not (await hub.must_have("SO-1"))["needs_attention"]
    assert [m["state"] for m in await hub.messages("SO-1")] == ["skipped", "done"]


async def test_a_message_that_an_older_build_let_be_dated_ahead_is_told_all_the_same(
    hub: Hub, partners: Partners
) -> None:
    await hub.receive("MUG", 10)
    await partners.erp_fault("down")
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.pick("SO-1", {1: ("MUG", 10)})
    await hub.ship("SO-1")
    await hub.until_labeled("SO-1")
    await hub.hand_over("SO-1")
    async with hub.engine.begin() as connection:
        dated = """update records.erp_message set payload = payload || '{"occurred_at": "2190-01-01T00:00:00+00:00"}'
          where tenant = :tenant and kind = 'shipped'"""
        await connection.execute(text(dated), {"tenant": hub.tenant})
    await partners.behave()
    await hub.until_told("SO-1", "accepted", "reserved", "shipped")


async def test_a_message_is_told_again_in_its_place_under_a_new_reference(hub: Hub, partners: Partners) -> None:
    await refused_by_the_erp(hub, partners, "AcknowledgeOrder")
    await hub.until_attention("SO-1")
    await partners.behave()

    await hub.operate("SO-1", "resend_to_erp", "erp/1")

    await hub.until_told("SO-1", "accepted", "reserved")
    documents = await partners.documents(hub.tenant, "SO-1")
    assert [d["kind"] for d in documents] == ["accepted", "reserved"]
    assert documents[0]["reference"] == f"{hub.tenant}/SO-1/1+"


async def test_a_message_that_the_erp_lost_is_told_again_at_the_end_of_the_feed(hub: Hub, partners: Partners) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    await hub.until_told("SO-1", "accepted", "reserved")

    await hub.operate("SO-1", "resend_to_erp", "erp/2")

    await hub.until_told("SO-1", "accepted", "reserved", "reserved")
    assert len(await partners.documents(hub.tenant, "SO-1")) == 3


async def test_an_act_on_a_step_that_is_not_there_is_refused(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})

    for number, (verb, target) in enumerate(
        (("skip_step", "erp/77"), ("resend_to_erp", "erp/77"), ("skip_step", None))
    ):
        refused = await hub.operate("SO-1", verb, target, f"O-{number}")
        assert refused.answer is not None
        assert (refused.state, refused.answer["code"]) == ("refused", "unknown_step")
