"""A carrier's events are applied to an order: each is looked at with its shipment as it stands, and settled.

What an event means is decided by `domain.shipping.scans`. What it proves of the shipment is posted first, for then more
may be known of what is in the parcel.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from commands.context import CommandContext, ask_for_a_person, clear_attention
from commands.shipping import goods_issue, replaced_labels
from commands.shipping.deliver import deliver
from commands.shipping.deliver_lost import deliver_lost
from domain.attention import Ask
from domain.carriers import TrackingStatus
from domain.errors import Conflict, Rejected
from domain.messages import OrderId
from domain.shipping.scans import (
    REPLACED,
    Arrival,
    Departure,
    Ignored,
    OtherLabel,
    Proof,
    Scan,
    Stray,
    arrival_by,
    goes_by,
    meaning_of,
)
from domain.shipping.shipment_state import ShipmentState, advance
from domain.shipping.stuck import NeedNobody, about_incredible, after_scan
from ledger.writing.writer import LedgerWriter
from records.orders import orders
from records.orders.orders import OrderRow
from records.shipping import carrier_events, labels, shipments
from records.shipping.carrier_events import CarrierEventRow


class CarrierEvents:
    """Applies carrier events to an order, one after the other. May run twice: every effect has its own key."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._context = CommandContext(engine, ledger)

    async def apply_all(self, order: OrderId) -> None:
        """Apply every event of the order that was not dealt with yet."""
        async with self._context.reading() as connection:
            waiting = await carrier_events.unapplied(connection, order)
        for event in waiting:
            await self._apply(order, event)

    async def _apply(self, order: OrderId, event: CarrierEventRow) -> None:
        scan = Scan(event.parcel_no, event.tracking_number, TrackingStatus(event.status))
        async with self._context.reading() as connection:
            seen = await shipments.find(connection, order, event.shipment_no)
            bought = await labels.of_shipment(connection, seen) if seen and not goes_by(seen, scan) else None
        meaning = meaning_of(scan, seen, bought)
        if isinstance(meaning, Ignored):
            await self._ignore(order, event, meaning)
        elif isinstance(meaning, Stray):
            await self._note_stray(order, event)
        else:
            assert seen is not None
            await self._believe(order, event, scan, seen, meaning)

    async def _believe(
        self, order: OrderId, event: CarrierEventRow, scan: Scan, seen: ShipmentState, meaning: Proof
    ) -> None:
        """Post what a scan proves, and let its parcel be where it says."""
        if isinstance(meaning.proves, Departure):
            with suppress(Conflict):  # it was handed over meanwhile, by a person's word
                await goods_issue.infer(self._context, order, seen, event, meaning.proves.under)
        elif isinstance(meaning.proves, OtherLabel):
            async with self._context.engine.begin() as connection:
                await orders.lock_one(connection, order)
                await replaced_labels.leave_under(connection, order, event.shipment_no, meaning.proves.under)
        if meaning.proves is not None:
            async with self._context.reading() as connection:  # what left may be known by now
                seen = await shipments.get(connection, order, event.shipment_no)
        await self._place(order, event, scan, seen, was_replaced=meaning.was_replaced)

    async def _place(
        self, order: OrderId, event: CarrierEventRow, scan: Scan, seen: ShipmentState, *, was_replaced: bool
    ) -> None:
        """Let a parcel be where its scan says."""
        box = seen.parcel(scan.parcel_no)
        assert box is not None
        arrival = arrival_by(scan, box)

        async def settle(connection: AsyncConnection, locked: OrderRow, now: ShipmentState) -> None:
            await self._advance(connection, locked, event, scan, now, was_replaced=was_replaced)

        if arrival is Arrival.LOST:
            try:
                with suppress(Conflict):  # another run posted it meanwhile
                    await deliver_lost(self._context, order, seen, box, event)
            except Rejected as refusal:
                await self._cannot_believe(order, event, refusal)
                return
        elif arrival is Arrival.UNDERWAY:
            with suppress(Conflict):  # another run posted it meanwhile, of what was underway then
                if await deliver(self._context, order, seen, box, event, settle):
                    return
        async with self._context.engine.begin() as connection:
            locked = await orders.lock_one(connection, order)
            await settle(connection, locked, await shipments.get(connection, order, event.shipment_no))

    async def _advance(
        self,
        connection: AsyncConnection,
        locked: OrderRow,
        event: CarrierEventRow,
        scan: Scan,
        state: ShipmentState,
        *,
        was_replaced: bool,
    ) -> None:
        """Move the parcel on, and note what the event changed."""
        order, box = locked.order, state.parcel(scan.parcel_no)
        assert box is not None
        advanced = advance(state, box, scan.status)
        await shipments.save(connection, state, advanced.state)
        if not await carrier_events.mark_applied(connection, event.carrier_event_id, advanced.words):
            return
        if was_replaced and await replaced_labels.look(connection, order, event.shipment_no):
            return
        now = advanced.state.parcel(scan.parcel_no)
        if advanced.is_news and now is not None:
            await self._flag(connection, order, after_scan(state.shipment, now, locked.stuck_at))

    async def _flag(self, connection: AsyncConnection, order: OrderId, found: Ask | NeedNobody | None) -> None:
        if isinstance(found, Ask):
            await ask_for_a_person(connection, order, found)
        elif found is not None:
            await clear_attention(connection, order)

    async def _ignore(self, order: OrderId, event: CarrierEventRow, meaning: Ignored) -> None:
        """Note that a scan moves nothing, and ask for a person where one is needed for it."""
        async with self._context.engine.begin() as connection:
            await orders.lock_one(connection, order)
            if await carrier_events.mark_applied(connection, event.carrier_event_id, meaning.words):
                await self._flag(connection, order, meaning.ask)

    async def _note_stray(self, order: OrderId, event: CarrierEventRow) -> None:
        """Ask for a person where the carrier has a parcel under a label that it does not go by."""
        async with self._context.engine.begin() as connection:
            await orders.lock_one(connection, order)
            if await carrier_events.mark_applied(connection, event.carrier_event_id, REPLACED):
                await replaced_labels.look(connection, order, event.shipment_no)

    async def _cannot_believe(self, order: OrderId, event: CarrierEventRow, refusal: Rejected) -> None:
        """Ask for a person where what was lost can't have arrived, as far as we know."""
        ask = about_incredible(event.tracking_number, refusal.detail)
        await self._ignore(order, event, Ignored(f"nothing: {refusal.detail}", ask))
