"""Asks, after a restore from a backup, what others know of orders and PostgreSQL does not: once for each restore.

What is said again is found by whoever sends it. This is for what nobody may say again: a label that was bought, a
message that was told, an order that was pushed. It is listed for a person, and nothing is done about it by itself; but
a label that the carrier knows as void is heard of as such, for no parcel would leave with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.carriers.port import CarrierPort, Carriers
from adapters.erp.port import Erps
from commands.erp.tell import recalled
from commands.hearing import hearing
from domain.carriers import Booking, TrackingEvent, TrackingStatus
from domain.connections import Flow
from domain.erp import ERP_MESSAGE_KINDS, ErpReceipt
from domain.errors import Rejected, Unavailable
from domain.shipping.parcels import NewShipment
from ledger.writing.writer import translating
from records import restorations
from records.erp import erp_feed
from records.orders import orders
from records.partner_words import Asked
from records.restorations import Concerned, KnownElsewhere, Restoration
from records.shipping import carrier_events, labels, shipments
from relay.order_gateway import OrderGateway

log = structlog.get_logger(__name__)

PAGE: Final = 20
FORGOTTEN_LABELS: Final = 2
"""How many labels of a shipment, and how many shipments of an order, are looked for beyond those that are known."""


@dataclass
class KnownElsewhereSweep:
    """The sweep. A partner that is away keeps it from no other: its orders are asked about again."""

    engine: AsyncEngine
    orders: OrderGateway
    carriers: Carriers
    erps: Erps
    _epoch: int = field(default=0, init=False)
    _after: tuple[str, str] = field(default=("", ""), init=False)
    _again: list[Concerned] = field(default_factory=list, init=False)

    async def round(self) -> int:
        """Ask about the next orders. Returns how many there were."""
        with translating():
            async with self.engine.connect() as connection:
                restoration = await restorations.unfinished(connection)
            if restoration is None or restoration.looked_at is not None:
                return 0
            if restoration.epoch != self._epoch:
                await self._ask_temporal(restoration)
                self._epoch, self._after, self._again = restoration.epoch, ("", ""), []
            return await self._ask_about_next(restoration)

    async def _ask_about_next(self, restoration: Restoration) -> int:
        async with self.engine.connect() as connection:
            page = await restorations.concerned(connection, restoration, PAGE, self._after)
        waiting, self._again = [*self._again, *page], []
        await asyncio.gather(*(self._ask_about(restoration.epoch, order) for order in waiting))
        if page:
            self._after = (page[-1].tenant, page[-1].order_ref)
        elif not self._again:
            async with self.engine.begin() as connection:
                await restorations.looked(connection, restoration.epoch)
            log.info("restoration.looked", epoch=restoration.epoch)
        return len(page)

    async def _ask_about(self, epoch: int, order: Concerned) -> None:
        """Ask the order's carriers and its ERP. Who is away is asked again in another round."""
        try:
            async with hearing(self.engine, Asked(order.order, restorations.STEP, "a partner")):
                known = [each async for each in self._known_of(epoch, order)]
            async with self.engine.begin() as connection:
                for each in known:
                    await restorations.note_known_elsewhere(connection, epoch, each)
        except (Unavailable, TimeoutError) as error:
            log.info("restoration.asks_again", order_ref=order.order_ref, reason=str(error))
            self._again.append(order)
        except Rejected as refusal:  # who does not understand the question now never will
            log.warning("restoration.not_told", order_ref=order.order_ref, reason=refusal.detail, code=refusal.code)

    async def _known_of(self, epoch: int, order: Concerned) -> AsyncIterator[KnownElsewhere]:
        async with self.engine.connect() as connection:
            made = await shipments.of_order(connection, order.order)
            latest = {each.shipment_no: await _label_of(connection, order, each.shipment_no) for each in made}
        here = {each.shipment_no for each in made if each.is_here}
        for shipment in [*made, *_guessed(order, made)]:
            label = latest.get(shipment.shipment_no)
            try:
                async with self.carriers.of(order.tenant, shipment.carrier, Flow.INBOUND) as port:
                    if label is not None and label.state == "done" and shipment.shipment_no in here:
                        await self._hear_of_a_void(epoch, order, port, label)
                    beyond = [each async for each in self._bookings_beyond(port, shipment, label)]
            except Rejected as refusal:
                if refusal.code != "unknown_carrier":
                    raise
                continue
            for booking in beyond:
                yield _bought(order, shipment, booking)
        async for document in self._documents(order):
            yield document

    async def _bookings_beyond(
        self, port: CarrierPort, shipment: NewShipment, label: shipments.Step | None
    ) -> AsyncIterator[Booking]:
        """Yield what the carrier has booked for a shipment as versions that nobody here knows of."""
        known = label.version if label else 0
        for version in range(known + 1, known + 1 + FORGOTTEN_LABELS):
            booking = await port.find(shipments.label_reference(shipment, version))
            if booking is None:
                continue
            async with self.engine.connect() as connection:
                given = (shipment.tenant, shipment.carrier, "", booking.booking_id)
                is_known = await labels.is_known_booking(connection, *given)
            if not is_known:
                yield booking

    async def _hear_of_a_void(self, epoch: int, order: Concerned, port: CarrierPort, label: shipments.Step) -> None:
        """Hear that the carrier has a label as void that is good as far as we know: as if it had told us so itself."""
        if await port.find(label.reference) is not None:
            return
        async with self.engine.begin() as connection:
            await orders.lock(connection, [(order.tenant, order.order_ref)])
            now = await _label_of(connection, order, label.shipment_no)
            if now is None or now.step_id != label.step_id:
                return  # another was bought meanwhile
            for number in await _numbers_of(connection, order, label.shipment_no):
                event = TrackingEvent(f"{number}/void/{epoch}", number, TrackingStatus.CANCELLED, "void", None)
                carrier = label.carrier or order.carrier
                heard = carrier_events.Heard(order.tenant, carrier, "poll")
                await carrier_events.store(connection, heard, event)

    async def _documents(self, order: Concerned) -> AsyncIterator[KnownElsewhere]:
        """Yield what the ERP was told of an order, and nobody here knows of."""
        async with self.engine.connect() as connection:
            known = erp_feed.known_of(
                await erp_feed.KNOWN.rows(connection, tenant=order.tenant, order_ref=order.order_ref)
            )
        stem = f"{order.tenant}/{order.order_ref}"
        for receipt in await asyncio.to_thread(self._recalled, order, stem, known):
            if receipt.document_no is not None and receipt.document_no not in known.document_nos:
                told = receipt.document.kind if receipt.document else None
                kind = told if told in ERP_MESSAGE_KINDS else "something"
                detail = f"the ERP was told '{kind}': document {receipt.document_no}, under {receipt.reference}"
                yield KnownElsewhere(order.tenant, order.order_ref, "erp", receipt.document_no, detail)

    def _recalled(self, order: Concerned, stem: str, known: erp_feed.KnownFeed) -> list[ErpReceipt]:
        """Return all that the ERP has of an order's feed beyond what is certain; nothing where no ERP is connected."""
        try:
            with self.erps.of(order.tenant, order.source, Flow.INBOUND) as erp:
                return list(recalled(erp.find, stem, known.from_number, known.last_number))
        except Rejected as refusal:
            if refusal.code != "unknown_source":
                raise
            return []

    async def _ask_temporal(self, restoration: Restoration) -> None:
        """Note orders that have a workflow and no row. One that still runs is told so, and ends."""
        async with self.engine.connect() as connection:
            since = await restorations.last_heard_at(connection, restoration)
        async for known in self.orders.since(since):
            async with self.engine.begin() as connection:
                if await restorations.is_known(connection, known.order):
                    continue
                detail = f"it was pushed after the backup: its workflow {known.workflow_id} {known.ended}"
                found = KnownElsewhere(known.order.tenant, known.order.order_ref, "temporal", known.workflow_id, detail)
                await restorations.note_known_elsewhere(connection, restoration.epoch, found)
            await self.orders.wake(known.workflow_id)


def _guessed(order: Concerned, made: Sequence[NewShipment]) -> list[NewShipment]:
    """Name shipments that the order may have had, if they were numbered as is usual: nobody can ask for all."""
    known = {shipment.shipment_no for shipment in made}
    numbers = [f"{order.order_no}-{number}" for number in range(1, len(made) + 1 + FORGOTTEN_LABELS)]
    of_it = (order.tenant, order.order_ref)
    return [NewShipment(*of_it, number, "", order.carrier, "") for number in numbers if number not in known]


def _bought(order: Concerned, shipment: NewShipment, booking: Booking) -> KnownElsewhere:
    numbers = ", ".join(parcel.tracking_number for parcel in booking.parcels)
    detail = f"{shipment.carrier} has a label of {shipment.shipment_no}: {numbers}, booking {booking.booking_id}"
    return KnownElsewhere(order.tenant, order.order_ref, "carrier", booking.booking_id, detail)


async def _label_of(connection: AsyncConnection, order: Concerned, shipment_no: str) -> shipments.Step | None:
    """Return the latest label of a shipment, if it has one."""
    steps = await shipments.steps_of(connection, order.order)
    bought = [step for step in steps if step.kind == "label" and step.shipment_no == shipment_no]
    return max(bought, key=attrgetter("version"), default=None)


async def _numbers_of(connection: AsyncConnection, order: Concerned, shipment_no: str) -> list[str]:
    boxes = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    return [box.tracking_number for box in boxes if box.shipment_no == shipment_no and box.tracking_number]
