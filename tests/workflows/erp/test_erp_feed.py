"""What the feed makes of what an ERP's port says: told, nothing to tell, not there yet, or not known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from activities.orders import OrderActivities
from adapters.erp.port import NotThereYet
from commands.erp.tell import ErpFeed
from domain import messages as m
from domain.erp import ErpMessage, ErpReceipt
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from runtime.processes import clients
from runtime.settings import Settings
from tests.workflows.hub import Hub


@dataclass
class SaysNext:
    """An ERP that does what it is told to: it fails, or makes a document, or makes none."""

    says: StockbridgeError | str | None = "D-1"
    digest: str = "1" * 64
    told: list[ErpMessage] = field(default_factory=list)

    def tell(self, message: ErpMessage) -> ErpReceipt:
        self.told.append(message)
        if isinstance(self.says, StockbridgeError):
            raise self.says
        return ErpReceipt(message.reference, self.says)

    def find(self, reference: str) -> ErpReceipt | None:
        raise AssertionError(f"nobody is to ask for {reference}")


@dataclass
class Feed:
    """An order of which the ERP has not been told yet."""

    hub: Hub
    port: SaysNext
    feed: ErpFeed
    step: m.ErpStep

    async def tell(self) -> m.Told:
        return await asyncio.to_thread(self.feed.tell, self.step)

    async def row(self) -> dict[str, Any]:
        (row,) = await self.hub.rows(
            "select state, document_no, nothing_told, waits_since, mapping_digest, attempts, last_error"
            " from records.erp_message where tenant = :tenant and number = 1"
        )
        return row


@pytest_asyncio.fixture
async def feed(hub: Hub, settings: Settings) -> AsyncIterator[Feed]:
    house = OrderActivities(hub.engine, hub.ledger)
    row = await hub.keep("SO-1", *hub.pushing("SO-1", {1: ("MUG", 10)}, await hub.keep_address()))
    await house.decide_next(
        m.Command(tenant=row.tenant, order_ref=row.order_ref, inbox_id=row.inbox_id, kind=row.kind, key=row.key)
    )
    (first, *_) = (await house.load_order(hub.named("SO-1"))).erp_steps
    engine, port = clients.thread_engine_of(settings), SaysNext()
    yield Feed(hub, port, ErpFeed(engine, {"erp": port}), first)
    engine.dispose()


async def test_what_is_told_names_its_document_and_the_mapping_by_which_it_was_told(feed: Feed) -> None:
    await feed.tell()
    row = await feed.row()
    assert (row["state"], row["document_no"], row["nothing_told"]) == ("done", "D-1", False)
    assert row["mapping_digest"] == "1" * 64
    assert not feed.port.told[0].repeated


async def test_where_there_is_nothing_to_tell_a_message_is_done_without_a_document(feed: Feed) -> None:
    feed.port.says = None
    await feed.tell()
    row = await feed.row()
    assert (row["state"], row["document_no"], row["nothing_told"]) == ("done", None, True)


async def test_a_second_attempt_says_that_it_is_one_and_asks_nothing_before(feed: Feed) -> None:
    feed.port.says = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        await feed.tell()
    assert (await feed.row())["state"] == "unknown"
    feed.port.says, feed.port.digest = "D-2", "2" * 64
    await feed.tell()
    assert [message.repeated for message in feed.port.told[:2]] == [False, True]
    assert ((await feed.row())["document_no"], (await feed.row())["mapping_digest"]) == ("D-2", "2" * 64)


async def test_what_the_erp_is_to_make_is_waited_for_and_then_a_person_is_asked(feed: Feed) -> None:
    feed.port.says = NotThereYet("The delivery isn't there.", wait_s=3600)
    for _ in range(2):
        with pytest.raises(NotThereYet):
            await feed.tell()
    since = (await feed.row())["waits_since"]
    feed.port.says = NotThereYet("The delivery isn't there.", wait_s=0)
    with pytest.raises(Rejected, match=r"The delivery isn't there\. ") as refusal:
        await feed.tell()
    assert refusal.value.code == "erp_waited"
    row = await feed.row()
    assert (row["waits_since"], row["last_error"]) == (since, "The delivery isn't there.")


@pytest.mark.parametrize("says", ["D-1", None, Rejected("erp_refused", "No."), OutcomeUnknown("no answer")])
async def test_a_wait_ends_with_whatever_else_the_erp_says(feed: Feed, says: StockbridgeError | str | None) -> None:
    feed.port.says = NotThereYet("The delivery isn't there.", wait_s=3600)
    with pytest.raises(NotThereYet):
        await feed.tell()
    assert (await feed.row())["waits_since"] is not None
    feed.port.says = says
    with suppress(Rejected, OutcomeUnknown):
        await feed.tell()
    assert (await feed.row())["waits_since"] is None


async def test_a_message_that_waited_for_its_label_is_told_for_the_first_time(feed: Feed) -> None:
    hub = feed.hub
    async with hub.engine.begin() as connection:
        await connection.exec_driver_sql(
            "update records.erp_message set kind = 'shipped', payload = payload || '{\"shipment_no\": \"S-1\"}'"
            " where tenant = %(tenant)s and number = 1",
            {"tenant": hub.tenant},
        )
        await connection.exec_driver_sql(
            "insert into records.carrier_step"
            " (tenant, order_ref, step_id, kind, shipment_no, version, reference, state, carrier)"
            " values (%(tenant)s, 'SO-1', 'label/S-1', 'label', 'S-1', 1, 'r', 'intended', 'sandbox')",
            {"tenant": hub.tenant},
        )
    with pytest.raises(Unavailable, match="not labeled"):
        await feed.tell()
    row = await feed.row()
    assert (row["mapping_digest"], row["state"], row["last_error"]) == (None, "intended", "waits for the label")
    async with hub.engine.begin() as connection:
        await connection.exec_driver_sql(
            "update records.carrier_step set state = 'done', booking_id = 'B-1' where tenant = %(tenant)s",
            {"tenant": hub.tenant},
        )
    await feed.tell()
    assert [message.repeated for message in feed.port.told[:1]] == [False]
