"""What the feed makes of what an ERP's port says: told, nothing to tell, not there yet, or not known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert

from activities.orders import OrderActivities
from adapters.erp.port import NotThereYet
from commands.erp.tell import ErpFeed
from domain import messages as m
from domain.connections import Flow
from domain.erp import ErpContent, ErpMessage, ErpParcel, ErpReceipt
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from records.tables import erp_message, parcel, shipment
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
class Lends:
    """The only ERP that there is."""

    port: SaysNext

    @contextmanager
    def of(self, tenant: str, source: str, least: Flow = Flow.BOTH) -> Iterator[SaysNext]:
        assert (tenant, source, least) == (tenant, "erp", Flow.BOTH)
        yield self.port


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
    yield Feed(hub, port, ErpFeed(engine, Lends(port)), first)
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


async def test_a_shipment_is_told_with_what_is_in_which_parcel(feed: Feed) -> None:
    named = {"tenant": feed.hub.tenant, "order_ref": feed.step.order_ref}
    lots = [{"line_no": 1, "sku": "MUG", "site": "HAM", "quantity": 3, "lot": "L-1", "serial_numbers": []}]
    units = [{"line_no": 1, "sku": "MUG", "site": "HAM", "quantity": 2, "lot": "", "serial_numbers": ["S-1", "S-2"]}]
    async with feed.hub.engine.begin() as connection:
        await connection.execute(
            insert(shipment).values(
                **named,
                shipment_no=f"{feed.hub.tenant}-1",
                site="HAM",
                carrier="sandbox",
                service_level="ground",
                tracking_status="in_transit",
            )
        )
        for number, lines in enumerate((lots, units), 1):
            box = {"parcel_no": number, "weight_g": 1, "lines": lines, "tracking_number": f"T-{number}"}
            of_it = {"shipment_no": f"{feed.hub.tenant}-1", "tracking_status": "in_transit"}
            await connection.execute(insert(parcel).values(**named, **of_it, **box))
        told = {"revision": 1, "shipment_no": f"{feed.hub.tenant}-1", "carrier": "sandbox"}
        of_message = {"kind": "shipped", "reference": f"{feed.hub.tenant}/99", "state": "intended", "payload": told}
        await connection.execute(insert(erp_message).values(**named, **of_message, number=99))
    await asyncio.to_thread(feed.feed.tell, feed.step.model_copy(update={"number": 99}))
    assert feed.port.told[-1].parcels == (
        ErpParcel(1, "T-1", (ErpContent(1, 3, "L-1"),)),
        ErpParcel(2, "T-2", (ErpContent(1, 2, None, ("S-1", "S-2")),)),
    )
