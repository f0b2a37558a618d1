"""What a carrier's event does to an order: events commute, and what they prove is posted.

A physical scan of a parcel that was never handed over proves that it left: the goods issue is posted with evidence
`inferred`. Duplicates, late and contradicting events change nothing that is already known.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stockbridge.activities import arriving
from stockbridge.activities.bookkeeping import parcel_step
from stockbridge.activities.deciding.desk import clear_attention
from stockbridge.activities.deciding.operators import ask_for_a_person
from stockbridge.activities.deciding.shipping import note_contents, note_handover
from stockbridge.activities.found import deliver_lost
from stockbridge.activities.messages import OrderId
from stockbridge.activities.packing import as_quantity, kept_for_others, read_still_underway
from stockbridge.domain.carriers import GONE_WRONG, PHYSICAL, TrackingStatus
from stockbridge.domain.errors import Conflict, Rejected
from stockbridge.domain.stock import Evidence
from stockbridge.driver import alone
from stockbridge.ledger.requests import DeliverParcel, IssueGoods
from stockbridge.ledger.writer import LedgerWriter, Outcome
from stockbridge.records import events, orders, shipments, tracking

Event = dict[str, Any]
Shipment = dict[str, Any]
Parcel = dict[str, Any]

_CANCELLED_HERE: Final = (
    "The carrier has cancelled the label of parcel {}; retry_step buys another one",
    ("retry_step", "cancel", "amend the address"),
)
_CANCELLED_THERE: Final = (
    "The carrier says that parcel {} was cancelled, though it was handed over: ask it; retry_step takes note",
    ("retry_step",),
)
_COMES_BACK: Final = (
    "The carrier sends parcel {} back; it is taken in as a return when it is here",
    ("return", "retry_step"),
)


class Tracking:
    """Applies carrier events to an order, one after the other. May run twice: every effect has its own key."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._engine = engine
        self._reading = alone(engine)
        self._ledger = ledger

    async def apply_all(self, order: OrderId) -> None:
        """Apply every event of the order that was not dealt with yet."""
        async with self._reading.connect() as connection:
            waiting = await events.unapplied(connection, order.tenant, order.order_ref)
        for event in waiting:
            await self._apply(order, event)

    async def _apply(self, order: OrderId, event: Event) -> None:
        async with self._reading.connect() as connection:
            shipment = await shipments.get(connection, order.tenant, order.order_ref, event["shipment_no"])
            row = await orders.get(connection, order.tenant, order.order_ref)
        own = await self._parcels(order, event)
        box = next((box for box in own if box["parcel_no"] == event["parcel_no"]), None)
        if shipment is None or box is None or row is None:
            await self._note(event, "its parcel is gone")
            return
        status = TrackingStatus(event["status"])
        if shipment["dissolved_at"] is not None:
            await self._wonder(order, event, status)
            return
        if status in PHYSICAL and shipment["handed_over_at"] is None:
            await self._infer_handover(order, shipment, own, event)
            own = await self._parcels(order, event)  # what left may be known by now
            box = next(box for box in own if box["parcel_no"] == event["parcel_no"])
        if status is TrackingStatus.DELIVERED and box["lost_at"] is not None:
            try:
                with suppress(Conflict):  # another run posted it meanwhile
                    await deliver_lost(self._reading, self._ledger, order, row["site"], shipment, own, box, event)
            except Rejected as refusal:
                await self._cannot_believe(order, event, refusal)
                return
        arrives = status is TrackingStatus.DELIVERED and tracking.is_underway(box)
        if not (arrives and await self._deliver(order, row, shipment, own, box, event)):
            async with self._engine.begin() as connection:
                await self._advance(connection, order, shipment, box, event)

    async def _parcels(self, order: OrderId, event: Event) -> list[Parcel]:
        """Return the parcels of an event's shipment."""
        async with self._reading.connect() as connection:
            boxes = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
        return [box for box in boxes if box["shipment_no"] == event["shipment_no"]]

    async def _advance(
        self, connection: AsyncConnection, order: OrderId, shipment: Shipment, box: Parcel, event: Event
    ) -> None:
        """Move the parcel on, and note what the event changed."""
        name, status = (order.tenant, order.order_ref), TrackingStatus(event["status"])
        now = (await orders.lock(connection, [name]))[name]
        effect, changed = await tracking.advance(connection, box, status)
        if await events.mark_applied(connection, event["carrier_event_id"], effect) and changed:
            await self._see_whether_stuck(connection, order, now, shipment, box, status)

    async def _see_whether_stuck(
        self,
        connection: AsyncConnection,
        order: OrderId,
        now: dict[str, Any],
        shipment: Shipment,
        box: Parcel,
        status: TrackingStatus,
    ) -> None:
        """Ask for a person where a parcel will not arrive; and no more where a later scan says that it does.

        Only its latest status decides, so that events still commute.
        """
        step = parcel_step(box["tracking_number"])
        if status in GONE_WRONG and tracking.is_underway(box):
            cancelled = _CANCELLED_THERE if shipment["handed_over_at"] else _CANCELLED_HERE
            reason, actions = cancelled if status is TrackingStatus.CANCELLED else _COMES_BACK
            await ask_for_a_person(connection, order, reason.format(box["tracking_number"]), actions, step)
        elif (now["attention"] or {}).get("step") == step:
            await clear_attention(connection, order)

    async def _wonder(self, order: OrderId, event: Event, status: TrackingStatus) -> None:
        """Ask for a person where the carrier has a parcel of a shipment that was cancelled."""
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(order.tenant, order.order_ref)])
            new = await events.mark_applied(
                connection, event["carrier_event_id"], "nothing: its shipment was cancelled"
            )
            if new and status in PHYSICAL:
                reason = f"The carrier has parcel {event['tracking_number']}, whose shipment was cancelled: {status}."
                step = parcel_step(event["tracking_number"])
                await ask_for_a_person(connection, order, reason, ("retry_step",), step)

    async def _cannot_believe(self, order: OrderId, event: Event, refusal: Rejected) -> None:
        """Ask for a person where what was lost can't have arrived, as far as we know."""
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(order.tenant, order.order_ref)])
            if await events.mark_applied(connection, event["carrier_event_id"], f"nothing: {refusal.detail}"):
                reason = f"The carrier says that parcel {event['tracking_number']}, which was lost, has arrived, but: "
                step = f"found/{event['tracking_number']}"
                await ask_for_a_person(connection, order, reason + refusal.detail, ("retry_step",), step)

    async def _note(self, event: Event, effect: str) -> None:
        async with self._engine.begin() as connection:
            await events.mark_applied(connection, event["carrier_event_id"], effect)

    async def _infer_handover(self, order: OrderId, shipment: Shipment, boxes: list[Parcel], event: Event) -> None:
        async with self._reading.connect() as connection:
            kept = await kept_for_others(connection, order, shipment["shipment_no"])
        request = IssueGoods(
            tenant=order.tenant,
            key=f"goods_issue/{order.order_ref}/{shipment['shipment_no']}",
            actor=f"carrier {shipment['carrier']}",
            evidence=Evidence.INFERRED,
            occurred_at=event["occurred_at"],
            order_ref=order.order_ref,
            shipment_no=shipment["shipment_no"],
            lines=tuple(as_quantity(content) for box in boxes for content in box["lines"]),
            kept=kept,
        )

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            await note_handover(connection, order, shipment, boxes, outcome)

        with suppress(Conflict):  # it was handed over meanwhile, by a person's word
            await self._ledger.post(request, attach)

    async def _deliver(
        self,
        order: OrderId,
        row: dict[str, Any],
        shipment: Shipment,
        boxes: list[Parcel],
        box: Parcel,
        event: Event,
    ) -> bool:
        """Post the delivery of a parcel: the delivered event is a fact in the ledger. Says no if it was there."""
        others = [other for other in boxes if other["parcel_no"] != box["parcel_no"]]
        async with self._reading.connect() as connection:
            (there,) = await read_still_underway(connection, order, shipment["shipment_no"], [box], others)
        contents = there or [{**content, "quantity": 0} for content in box["lines"]]
        request = DeliverParcel(
            tenant=order.tenant,
            key=f"delivery/{order.order_ref}/{shipment['shipment_no']}/{box['parcel_no']}",
            actor=f"carrier {shipment['carrier']}",
            evidence=Evidence.CONFIRMED,
            occurred_at=event["occurred_at"],
            order_ref=order.order_ref,
            shipment_no=shipment["shipment_no"],
            order_site=row["site"],
            lines=tuple(as_quantity(content) for content in contents),
        )

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            arrived = await note_contents(connection, box, contents, iter(outcome.answer["arrived"]))
            await self._delivered(connection, order, shipment, [arrived, *others], arrived, event, outcome)
            await self._advance(connection, order, shipment, box, event)

        try:
            return not (await self._ledger.post(request, attach)).replayed
        except Conflict:  # another run posted it meanwhile, of what was underway then
            return False

    async def _delivered(
        self,
        connection: AsyncConnection,
        order: OrderId,
        shipment: Shipment,
        boxes: list[Parcel],
        box: Parcel,
        event: Event,
        outcome: Outcome,
    ) -> None:
        at = outcome.occurred_at
        await shipments.set_parcel(
            connection, order.tenant, order.order_ref, box["shipment_no"], box["parcel_no"], delivered_at=at
        )
        others = [other for other in boxes if other["parcel_no"] != box["parcel_no"]]
        if not any(map(tracking.is_underway, others)):
            arrived = [box, *(other for other in others if other["delivered_at"] is not None)]
            await arriving.tell(connection, order, shipment["shipment_no"], arrived, event, at)
