"""A label is bought: a row before it is asked for, with our reference.

One that may have been bought unheard is asked for by reference before it is asked for again.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.carriers.port import CarrierPort, Carriers
from commands.hearing import hearing
from commands.order_status import refresh_status
from commands.remembered import Recalling
from commands.shipping import replaced_labels
from commands.shipping.carrier_steps import asked_of, lock_order_of, note_numbers
from domain import messages as m
from domain.attention import replaced_step
from domain.carriers import Address, Booking, BookingRequest
from domain.errors import OutcomeUnknown, Rejected
from postgres.statements import alone
from records import restorations
from records.orders import orders
from records.restorations import Memory
from records.shipping import labels, shipments
from records.shipping.shipments import Step

_SENT: Final = frozenset({"sent", "unknown"})

FORGOTTEN_VERSIONS: Final = 3
"""How often a label may have been bought again since the backup, so that what was bought is still found."""


@dataclass(frozen=True)
class _Claimed:
    """A label that is going to be bought: its row as it was before, what is booked, and of whom."""

    row: Step
    request: BookingRequest
    carrier: str
    port: CarrierPort


class _Settled:
    """A label of which nothing is left to do."""


_SETTLED: Final = _Settled()


class LabelBooking:
    """Buys labels of tenants' carriers."""

    def __init__(self, engine: AsyncEngine, carriers: Carriers) -> None:
        self._engine = engine
        self._reading = alone(engine)
        self._carriers = carriers
        self._recalling = Recalling(engine)

    async def book(self, step: m.CarrierStep) -> None:
        """Book a shipment and keep its labels. A second run finds the booking by our reference."""
        memory = await self._recalling.before_sending(step)
        async with AsyncExitStack() as lent:
            before = await self._claim(step, lent)
            if before is None:
                await self._recalling.is_gone(step, memory)
            elif isinstance(before, _Claimed):
                async with hearing(self._engine, asked_of(step)):
                    booking = await self._find(before, memory) or await self._book(before.port, step, before.request)
                await self._keep(step, before, booking)

    async def _claim(self, step: m.CarrierStep, lent: AsyncExitStack) -> _Claimed | _Settled | None:
        """Mark a label as sent, unless it is done or no longer wanted. None where there is no such step."""
        async with self._engine.begin() as connection:
            order = await lock_order_of(connection, step)
            wanted = await labels.wanted(connection, step.order, step.step_id)
            if wanted is None or order is None:
                return None
            row = wanted.step
            if row.state not in shipments.OPEN:
                return _SETTLED
            if wanted.withdrawn:
                await shipments.move_step(connection, step.order, step.step_id, "skipped")
                return _SETTLED
            request = _request(wanted, order)
            carrier = row.carrier or order.carrier
            port = await lent.enter_async_context(self._carriers.of(step.tenant, carrier))
            await labels.asked_for(connection, row, carrier)
            await shipments.move_step(connection, step.order, step.step_id, "sent")
            return _Claimed(row, request, carrier, port)

    async def _find(self, claimed: _Claimed, memory: Memory) -> Booking | None:
        """Ask by our reference, if it may have been booked: by an attempt of ours, or in a life that was forgotten."""
        row, port = claimed.row, claimed.port
        if memory.asks_first(row.created_at):
            return await self._recall(claimed)
        return await port.find(row.reference) if row.state in _SENT else None

    async def _recall(self, claimed: _Claimed) -> Booking | None:
        """Find a booking of the shipment that is what we would book now, under this version or a forgotten one.

        Another one under this very reference is of a life that is over: voided, for nobody could tell the two apart.
        """
        row = claimed.row
        for version in range(row.version, row.version + 1 + FORGOTTEN_VERSIONS):
            found = await claimed.port.find(shipments.label_reference(row, version))
            if found is None or await self._is_of_another_step(row, found.booking_id):
                continue
            if found.is_of(claimed.request):
                return found
            if version == row.version:
                await self._undo(claimed, found.booking_id)
        return None

    async def _undo(self, claimed: _Claimed, booking_id: str) -> None:
        await claimed.port.void(booking_id)
        async with self._engine.begin() as connection:
            await restorations.settle_booking(connection, claimed.row.order, booking_id)

    async def _is_of_another_step(self, row: Step, booking_id: str) -> bool:
        async with self._reading.connect() as connection:
            return await labels.is_known_booking(connection, row.tenant, row.carrier, row.step_id, booking_id)

    async def _book(self, port: CarrierPort, step: m.CarrierStep, request: BookingRequest) -> Booking:
        try:
            return await port.book(request)
        except OutcomeUnknown as error:
            await self._move(step, "unknown", last_error=str(error))
            raise
        except Rejected as error:
            await self._move(step, "intended", last_error=error.detail)
            raise

    async def _move(self, step: m.CarrierStep, state: str, **fields: Any) -> None:
        async with self._engine.begin() as connection:
            await shipments.move_step(connection, step.order, step.step_id, state, **fields)

    async def _keep(self, step: m.CarrierStep, claimed: _Claimed, booking: Booking) -> None:
        """Keep labels and tracking numbers; events that came before their number was known find their parcel."""
        async with self._engine.begin() as connection:
            order = await lock_order_of(connection, step)
            wanted = await labels.bought(connection, step.order, step.step_id, booking.booking_id)
            await note_numbers(connection, claimed.row, claimed.carrier, booking, in_use=wanted)
            if not wanted:
                return
            for labeled in booking.parcels:
                await shipments.set_label(connection, claimed.row, labeled)
            await refresh_status(connection, [(step.tenant, step.order_ref)])
            if order is not None and order.stuck_at == replaced_step(step.shipment_no):
                await replaced_labels.look(connection, step.order, step.shipment_no)


def _request(label: labels.Wanted, order: orders.OrderRow) -> BookingRequest:
    if label.site is None:
        raise Rejected("unknown_shipment", f"Shipment {label.step.shipment_no} is gone.")
    return BookingRequest(
        reference=label.step.reference,
        service_level=order.service_level,
        ship_from=_named(label.ship_from, label.site),
        ship_to=label.ship_to,
        parcels=label.boxes,
    )


def _named(address: Address, site: str) -> Address:
    """Return a site's address, under the site's own name where it has none: a carrier books from nobody."""
    return address if address.name.strip() else replace(address, name=site)
