"""What a carrier's event does to an order: events commute, and what they prove is posted.

A physical scan of a parcel that was never handed over proves that it left: the goods issue is posted with evidence
`inferred`. Duplicates, late and contradicting events change nothing that is already known.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from commands.context import ask_for_a_person
from commands.shipping import delivery, replaced_labels
from commands.shipping.goods_issue import note_contents, note_handover
from commands.shipping.lost_parcel_delivered import deliver_lost
from commands.shipping.stuck_parcels import see_whether_stuck
from domain.attention import parcel_step
from domain.carriers import PHYSICAL, TrackingStatus
from domain.errors import Conflict, Rejected
from domain.messages import OrderId
from domain.stock import Evidence
from ledger.requests import DeliverParcel, IssueGoods
from ledger.writing.writer import LedgerWriter, Outcome
from postgres.statements import alone
from queries.packing import as_quantity, kept_for_others, read_still_underway
from records.orders import orders
from records.shipping import carrier_events, shipments, tracking
from records.shipping.carrier_events import CarrierEventRow
from records.shipping.shipments import Parcel, Shipment, contents_of


@dataclass(frozen=True)
class _Seen:
    """What an event is about: the order's site, the shipment and its parcels, the parcel, and whether by its label."""

    site: str
    shipment: Shipment
    boxes: list[Parcel]
    box: Parcel
    goes_by_it: bool


class CarrierEvents:
    """Applies carrier events to an order, one after the other. May run twice: every effect has its own key."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._engine = engine
        self._reading = alone(engine)
        self._ledger = ledger

    async def apply_all(self, order: OrderId) -> None:
        """Apply every event of the order that was not dealt with yet."""
        async with self._reading.connect() as connection:
            waiting = await carrier_events.unapplied(connection, order.tenant, order.order_ref)
        for event in waiting:
            await self._apply(order, event)

    async def _apply(self, order: OrderId, event: CarrierEventRow) -> None:
        seen = await self._see(order, event)
        if seen is None:
            await self._note(event, "its parcel is gone")
        elif seen.shipment.dissolved_at is not None:
            await self._wonder(order, event)
        elif not seen.goes_by_it:
            await self._apply_to_former_label(order, event, seen.shipment)
        else:
            await self._apply_to_parcel(order, event, seen)

    async def _see(self, order: OrderId, event: CarrierEventRow) -> _Seen | None:
        """Read what an event is about; None where there is no such parcel."""
        async with self._reading.connect() as connection:
            shipment = await shipments.get(connection, order.tenant, order.order_ref, event.shipment_no)
            every = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
            row = await orders.get(connection, order.tenant, order.order_ref)
        boxes = [box for box in every if box.shipment_no == event.shipment_no]
        box = next((box for box in boxes if box.parcel_no == event.parcel_no), None)
        if shipment is None or box is None or row is None:
            return None
        return _Seen(row.site, shipment, boxes, box, box.tracking_number == event.tracking_number)

    async def _apply_to_former_label(self, order: OrderId, event: CarrierEventRow, shipment: Shipment) -> None:
        """Apply a scan of a label that was replaced: it proves that its parcel left, if that holds what it held then.

        Under which label is told by all that the carrier has scanned: the newest. Where the parcels left by a person's
        word, or under another label, too, a person is asked, and the parcel is where either scan says.
        """
        async with self._reading.connect() as connection:
            _, boxes, known = await replaced_labels.read(connection, order, event.shipment_no)
        label = known.of(event.tracking_number)
        if label is None or event.status not in PHYSICAL or not known.fits(label.version):
            await self._note_stray(order, event)
            return
        left_under = known.newest_scanned
        if left_under is not None and left_under != known.in_use:
            await self._leave_under(order, shipment, boxes, event, left_under)
        seen = await self._see(order, event)
        if seen is not None:
            await self._apply_to_parcel(order, event, seen, was_replaced=True)

    async def _leave_under(
        self, order: OrderId, shipment: Shipment, boxes: list[Parcel], event: CarrierEventRow, version: int
    ) -> None:
        """Let a shipment have left under a former label, unless a person said that it left, and so by which."""
        if shipment.handed_over_at is None:
            await self._infer_handover(order, shipment, boxes, event, version)
        elif shipment.handover_evidence == Evidence.INFERRED:
            async with self._engine.begin() as connection:
                await orders.lock(connection, [(order.tenant, order.order_ref)])
                await replaced_labels.leave_under(connection, order, shipment, version)

    async def _note_stray(self, order: OrderId, event: CarrierEventRow) -> None:
        """Ask for a person where the carrier has a parcel under a label that it does not go by."""
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(order.tenant, order.order_ref)])
            if await carrier_events.mark_applied(connection, event.carrier_event_id, carrier_events.REPLACED):
                await replaced_labels.look(connection, order, event.shipment_no)

    async def _apply_to_parcel(
        self, order: OrderId, event: CarrierEventRow, seen: _Seen, *, was_replaced: bool = False
    ) -> None:
        shipment, box = seen.shipment, seen.box
        status = TrackingStatus(event.status)
        if status in PHYSICAL and shipment.handed_over_at is None:
            await self._infer_handover(order, shipment, seen.boxes, event)
            seen = await self._see(order, event) or seen  # what left may be known by now
            box = seen.box
        if status is TrackingStatus.DELIVERED and box.lost_at is not None:
            try:
                with suppress(Conflict):  # another run posted it meanwhile
                    await deliver_lost(self._reading, self._ledger, order, seen.site, shipment, seen.boxes, box, event)
            except Rejected as refusal:
                await self._cannot_believe(order, event, refusal)
                return
        arrives = status is TrackingStatus.DELIVERED and tracking.is_underway(box)
        if not (arrives and await self._deliver(order, seen, event, was_replaced=was_replaced)):
            async with self._engine.begin() as connection:
                await self._advance(connection, order, seen, event, was_replaced=was_replaced)

    async def _advance(
        self, connection: AsyncConnection, order: OrderId, seen: _Seen, event: CarrierEventRow, *, was_replaced: bool
    ) -> None:
        """Move the parcel on, and note what the event changed."""
        name, status = (order.tenant, order.order_ref), TrackingStatus(event.status)
        now = (await orders.lock(connection, [name]))[name]
        effect, changed = await tracking.advance(connection, seen.box, status)
        if not await carrier_events.mark_applied(connection, event.carrier_event_id, effect):
            return
        if was_replaced and await replaced_labels.look(connection, order, event.shipment_no):
            return
        if changed:
            await see_whether_stuck(connection, order, now, seen.shipment, seen.box, status)

    async def _wonder(self, order: OrderId, event: CarrierEventRow) -> None:
        """Ask for a person where the carrier has a parcel of a shipment that was cancelled."""
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(order.tenant, order.order_ref)])
            new = await carrier_events.mark_applied(
                connection, event.carrier_event_id, "nothing: its shipment was cancelled"
            )
            if new and event.status in PHYSICAL:
                number, status = event.tracking_number, event.status
                reason = f"The carrier has parcel {number}, whose shipment was cancelled: {status}."
                await ask_for_a_person(connection, order, reason, ("retry_step",), parcel_step(number))

    async def _cannot_believe(self, order: OrderId, event: CarrierEventRow, refusal: Rejected) -> None:
        """Ask for a person where what was lost can't have arrived, as far as we know."""
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(order.tenant, order.order_ref)])
            if await carrier_events.mark_applied(connection, event.carrier_event_id, f"nothing: {refusal.detail}"):
                reason = f"The carrier says that parcel {event.tracking_number}, which was lost, has arrived, but: "
                step = f"found/{event.tracking_number}"
                await ask_for_a_person(connection, order, reason + refusal.detail, ("retry_step",), step)

    async def _note(self, event: CarrierEventRow, effect: str) -> None:
        async with self._engine.begin() as connection:
            await carrier_events.mark_applied(connection, event.carrier_event_id, effect)

    async def _infer_handover(
        self,
        order: OrderId,
        shipment: Shipment,
        boxes: list[Parcel],
        event: CarrierEventRow,
        version: int | None = None,
    ) -> None:
        """Post that a shipment left; under a version of its labels, where it is not the one that it goes by."""
        async with self._reading.connect() as connection:
            kept = await kept_for_others(connection, order, shipment.shipment_no)
        request = IssueGoods(
            tenant=order.tenant,
            key=f"goods_issue/{order.order_ref}/{shipment.shipment_no}",
            actor=f"carrier {event.carrier}",
            evidence=Evidence.INFERRED,
            occurred_at=event.occurred_at,
            order_ref=order.order_ref,
            shipment_no=shipment.shipment_no,
            lines=tuple(map(as_quantity, contents_of(boxes))),
            kept=kept,
        )

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            left = shipment
            if version is not None:
                left = await replaced_labels.leave_under(connection, order, shipment, version)
            await note_handover(connection, order, left, boxes, outcome)

        with suppress(Conflict):  # it was handed over meanwhile, by a person's word
            await self._ledger.post(request, attach)

    async def _deliver(self, order: OrderId, seen: _Seen, event: CarrierEventRow, *, was_replaced: bool) -> bool:
        """Post the delivery of a parcel: the delivered event is a fact in the ledger. Says no if it was there."""
        shipment, box = seen.shipment, seen.box
        others = [other for other in seen.boxes if other.parcel_no != box.parcel_no]
        async with self._reading.connect() as connection:
            (there,) = await read_still_underway(connection, order, shipment.shipment_no, [box], others)
        contents = there or [{**content, "quantity": 0} for content in box.lines]
        request = DeliverParcel(
            tenant=order.tenant,
            key=f"delivery/{order.order_ref}/{shipment.shipment_no}/{box.parcel_no}",
            actor=f"carrier {shipment.carrier}",
            evidence=Evidence.CONFIRMED,
            occurred_at=event.occurred_at,
            order_ref=order.order_ref,
            shipment_no=shipment.shipment_no,
            order_site=seen.site,
            lines=tuple(as_quantity(content) for content in contents),
        )

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            arrived = await note_contents(connection, box, contents, iter(outcome.answer["arrived"]))
            now = replace(seen, boxes=[arrived, *others], box=arrived)
            await self._delivered(connection, order, now, event, outcome)
            await self._advance(connection, order, seen, event, was_replaced=was_replaced)

        try:
            return not (await self._ledger.post(request, attach)).replayed
        except Conflict:  # another run posted it meanwhile, of what was underway then
            return False

    async def _delivered(
        self, connection: AsyncConnection, order: OrderId, seen: _Seen, event: CarrierEventRow, outcome: Outcome
    ) -> None:
        box, at = seen.box, outcome.occurred_at
        await shipments.set_parcel(
            connection, order.tenant, order.order_ref, box.shipment_no, box.parcel_no, delivered_at=at
        )
        others = [other for other in seen.boxes if other.parcel_no != box.parcel_no]
        if not any(map(tracking.is_underway, others)):
            arrived = [box, *(other for other in others if other.delivered_at is not None)]
            await delivery.tell(connection, order, box.shipment_no, contents_of(arrived), event, at)
