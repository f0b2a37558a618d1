"""What is asked of carriers: buy a label, void it. Each is a row before it is asked for, with our reference.

A step that may have been carried out unheard is asked for by reference before it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.failures import as_failures
from activities.hearing import hearing
from adapters.carriers.port import CarrierPort
from commands.order_status import refresh_status
from commands.orders.remembered import Recalling
from commands.shipping import replaced_labels
from domain import messages as m
from domain.attention import replaced_step
from domain.carriers import Address, Booking, BookingRequest, ParcelRequest
from domain.errors import OutcomeUnknown, Rejected
from postgres.statements import alone
from queries.order_work import read_work
from records import events, labels, orders, outbox, restorations, shipments
from records.partner_words import Asked
from records.restorations import Memory

_SENT: Final = frozenset({"sent", "unknown"})

FORGOTTEN_VERSIONS: Final = 3
"""How often a label may have been bought again since the backup, so that what was bought is still found."""


@dataclass(frozen=True)
class _Claimed:
    """A label that is going to be bought: its row as it was before, what is booked, and of whom."""

    row: dict[str, Any]
    request: BookingRequest
    port: CarrierPort


class _Settled:
    """A label of which nothing is left to do."""


_SETTLED: Final = _Settled()


class CarrierActivities:
    """The carriers' verbs; `carriers` are ports by the name that orders use."""

    def __init__(self, engine: AsyncEngine, carriers: Mapping[str, CarrierPort]) -> None:
        self._engine = engine
        self._reading = alone(engine)
        self._carriers = carriers
        self._recalling = Recalling(engine)

    @activity.defn
    async def book_label(self, step: m.CarrierStep) -> m.OrderWork:
        """Book a shipment and keep its labels. A second run finds the booking by our reference."""
        order = m.OrderId(tenant=step.tenant, order_ref=step.order_ref)
        with as_failures():
            memory = await self._recalling.before_sending(step)
            before = await self._claim(step)
            if before is None:
                await self._recalling.is_gone(step, memory)
            elif isinstance(before, _Claimed):
                async with hearing(self._engine, _asked(step)):
                    booking = await self._find(before, memory) or await self._book(before.port, step, before.request)
                await self._keep(step, before.row, booking)
            return await self._work(order)

    async def _claim(self, step: m.CarrierStep) -> _Claimed | _Settled | None:
        """Mark a label as sent, unless it is done or no longer wanted. None where there is no such step."""
        async with self._engine.begin() as connection:
            order = await _lock(connection, step)
            row = await labels.wanted(connection, step.tenant, step.order_ref, step.step_id)
            if row is None or order is None:
                return None
            if row["state"] not in shipments.OPEN:
                return _SETTLED
            if row["withdrawn"]:
                await shipments.move_step(connection, step.tenant, step.order_ref, step.step_id, "skipped")
                return _SETTLED
            request = _request(row, order)
            await labels.asked_for(connection, row, row["carrier"] or order["carrier"])
            await shipments.move_step(connection, step.tenant, step.order_ref, step.step_id, "sent")
            return _Claimed(row, request, self._port(row, order))

    def _port(self, row: dict[str, Any], order: orders.Order) -> CarrierPort:
        """Return the carrier that a step is asked of: the order may have another one by now."""
        return port_of(self._carriers, row["carrier"] or order["carrier"])

    async def _find(self, claimed: _Claimed, memory: Memory) -> Booking | None:
        """Ask by our reference, if it may have been booked: by an attempt of ours, or in a life that was forgotten."""
        row, port = claimed.row, claimed.port
        if memory.asks_first(row["created_at"]):
            return await self._recall(claimed)
        return await port.find(row["reference"]) if row["state"] in _SENT else None

    async def _recall(self, claimed: _Claimed) -> Booking | None:
        """Find a booking of the shipment that is what we would book now, under this version or a forgotten one.

        Another one under this very reference is of a life that is over: voided, for nobody could tell the two apart.
        """
        row = claimed.row
        for version in range(row["version"], row["version"] + 1 + FORGOTTEN_VERSIONS):
            found = await claimed.port.find(shipments.label_reference(row, version))
            if found is None or await self._is_of_another_step(row, found.booking_id):
                continue
            if found.is_of(claimed.request):
                return found
            if version == row["version"]:
                await self._undo(claimed, found.booking_id)
        return None

    async def _undo(self, claimed: _Claimed, booking_id: str) -> None:
        await claimed.port.void(booking_id)
        async with self._engine.begin() as connection:
            name = (claimed.row["tenant"], claimed.row["order_ref"])
            await restorations.settle_booking(connection, *name, booking_id)

    async def _is_of_another_step(self, row: dict[str, Any], booking_id: str) -> bool:
        async with self._reading.connect() as connection:
            return await labels.is_known_booking(connection, row["tenant"], row["carrier"], row["step_id"], booking_id)

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
            await shipments.move_step(connection, step.tenant, step.order_ref, step.step_id, state, **fields)

    async def _keep(self, step: m.CarrierStep, row: labels.Wanted, booking: Booking) -> None:
        """Keep labels and tracking numbers; events that came before their number was known find their parcel."""
        async with self._engine.begin() as connection:
            order = await _lock(connection, step)
            wanted = await labels.bought(connection, step.tenant, step.order_ref, step.step_id, booking.booking_id)
            await _note_numbers(connection, row, booking, in_use=wanted)
            if not wanted:
                return
            for labeled in booking.parcels:
                await shipments.set_parcel(
                    connection,
                    step.tenant,
                    step.order_ref,
                    step.shipment_no,
                    labeled.parcel_no,
                    tracking_number=labeled.tracking_number,
                    label=labeled.label,
                    label_media_type=labeled.label_media_type,
                )
            await refresh_status(connection, [(step.tenant, step.order_ref)])
            if order is not None and (order["attention"] or {}).get("step") == replaced_step(step.shipment_no):
                named = m.OrderId(tenant=step.tenant, order_ref=step.order_ref)
                await replaced_labels.look(connection, named, step.shipment_no)

    @activity.defn
    async def void_label(self, step: m.CarrierStep) -> m.OrderWork:
        """Void a label. Voiding what was never bought, or is void already, succeeds."""
        order = m.OrderId(tenant=step.tenant, order_ref=step.order_ref)
        with as_failures():
            memory = await self._recalling.before_sending(step)
            async with hearing(self._engine, _asked(step)):
                is_there = await self._void(step)
            if not is_there:
                await self._recalling.is_gone(step, memory)
            return await self._work(order)

    async def _void(self, step: m.CarrierStep) -> bool:
        """Void a label. Says no where there is no such step."""
        async with self._engine.begin() as connection:
            order = await _lock(connection, step)
            row = await shipments.find_step(connection, step.tenant, step.order_ref, step.step_id, locked=True)
            if row is None or order is None:
                return False
            if row["state"] not in shipments.OPEN:
                return True
            label_id = f"label/{row['shipment_no']}/{row['version']}"
            label = await shipments.get_step(connection, step.tenant, step.order_ref, label_id)
            await shipments.move_step(connection, step.tenant, step.order_ref, step.step_id, "sent")
        port = self._port(row, order)
        booking_id = label["booking_id"] or await self._find_unheard(port, step, label)
        if booking_id is not None and not await self._ask_void(port, step, booking_id):
            return True
        async with self._engine.begin() as connection:
            state = "undone" if booking_id else "skipped"
            await _lock(connection, step)
            await shipments.move_step(connection, step.tenant, step.order_ref, label_id, state, booking_id=booking_id)
            await shipments.move_step(connection, step.tenant, step.order_ref, step.step_id, "done")
            await refresh_status(connection, [(step.tenant, step.order_ref)])
        return True

    async def _find_unheard(self, port: CarrierPort, step: m.CarrierStep, label: shipments.Step) -> str | None:
        """Find the booking of a label whose answer never came; its numbers are kept, too."""
        found = await port.find(label["reference"])
        if found is None:
            return None
        async with self._engine.begin() as connection:
            await _lock(connection, step)
            await _note_numbers(connection, label, found, in_use=False)
        return found.booking_id

    async def _ask_void(self, port: CarrierPort, step: m.CarrierStep, booking_id: str) -> bool:
        """Ask for a void. Says no where it was refused, and is not wanted any more: the parcel left meanwhile."""
        try:
            await port.void(booking_id)
        except Rejected as error:
            async with self._engine.begin() as connection:
                await _lock(connection, step)
                row = await shipments.get_step(connection, step.tenant, step.order_ref, step.step_id, locked=True)
                if row["state"] not in shipments.OPEN:
                    return False
                await shipments.move_step(
                    connection, step.tenant, step.order_ref, step.step_id, "intended", last_error=error.detail
                )
            raise
        return True

    async def _work(self, order: m.OrderId) -> m.OrderWork:
        async with self._reading.connect() as connection:
            return await read_work(connection, order)


def _asked(step: m.CarrierStep) -> Asked:
    return Asked(step.tenant, step.order_ref, step.step_id, step.carrier or "carrier")


def port_of(carriers: Mapping[str, CarrierPort], carrier: str) -> CarrierPort:
    """Return a carrier by its name. Raises `Rejected` with code `unknown_carrier`."""
    if carrier not in carriers:
        raise Rejected("unknown_carrier", f"There is no carrier {carrier}.")
    return carriers[carrier]


async def _lock(connection: AsyncConnection, step: m.CarrierStep) -> orders.Order | None:
    """Return the order of a step, if it is there, and let nobody change it meanwhile."""
    name = (step.tenant, step.order_ref)
    return (await orders.lock(connection, [name])).get(name)


async def _note_numbers(connection: AsyncConnection, row: shipments.Step, booking: Booking, *, in_use: bool) -> None:
    """Keep the numbers of a booking, and give its order what was heard of them before."""
    await labels.came(connection, row, booking.parcels, in_use=in_use)
    for labeled in booking.parcels:
        owner = {name: row[name] for name in ("order_ref", "shipment_no")} | {"parcel_no": labeled.parcel_no}
        if await events.match(connection, row["tenant"], owner, labeled.tracking_number):
            await outbox.put(connection, row["tenant"], row["order_ref"], "carrier_event")


def _request(label: labels.Wanted, order: orders.Order) -> BookingRequest:
    if label["site"] is None:
        raise Rejected("unknown_shipment", f"Shipment {label['shipment_no']} is gone.")
    ship_to = label["ship_to"] or {}
    return BookingRequest(
        reference=label["reference"],
        service_level=order["service_level"],
        ship_from=_named(_address(label["ship_from"] or {}), label["site"]),
        ship_to=_address(ship_to.get("ship_to") or ship_to),
        parcels=tuple(ParcelRequest(**box) for box in label["boxes"]),
    )


def _named(address: Address, site: str) -> Address:
    """Return a site's address, under the site's own name where it has none: a carrier books from nobody."""
    return address if address.name.strip() else replace(address, name=site)


def _address(data: dict[str, Any]) -> Address:
    return Address(
        name=data.get("name") or "",
        street=tuple(data.get("street") or ()),
        postal_code=data.get("postal_code", ""),
        city=data.get("city", ""),
        country=data.get("country", ""),
        company=data.get("company"),
        state=data.get("state"),
        phone=data.get("phone"),
        email=data.get("email"),
    )
