"""A label is voided: a row before it is asked for. What was never bought, or is void already, is voided well."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.carriers.port import CarrierPort, Carriers
from commands.hearing import hearing
from commands.order_status import refresh_status
from commands.remembered import Recalling
from commands.shipping.carrier_steps import asked_of, lock_order_of, note_numbers
from domain import messages as m
from domain.errors import Rejected
from records.shipping import shipments


class LabelVoiding:
    """Voids labels of tenants' carriers."""

    def __init__(self, engine: AsyncEngine, carriers: Carriers) -> None:
        self._engine = engine
        self._carriers = carriers
        self._recalling = Recalling(engine)

    async def void(self, step: m.CarrierStep) -> None:
        """Void a label. Voiding what was never bought, or is void already, succeeds."""
        memory = await self._recalling.before_sending(step)
        async with hearing(self._engine, asked_of(step)):
            is_there = await self._void(step)
        if not is_there:
            await self._recalling.is_gone(step, memory)

    async def _void(self, step: m.CarrierStep) -> bool:
        """Void a label. Says no where there is no such step."""
        async with self._engine.begin() as connection:
            order = await lock_order_of(connection, step)
            row = await shipments.find_step(connection, step.order, step.step_id, locked=True)
            if row is None or order is None:
                return False
            if row.state not in shipments.OPEN:
                return True
            label_id = f"label/{row.shipment_no}/{row.version}"
            label = await shipments.get_step(connection, step.order, label_id)
            await shipments.move_step(connection, step.order, step.step_id, "sent")
        carrier = row.carrier or order.carrier
        async with self._carriers.of(step.tenant, carrier) as port:
            booking_id = label.booking_id or await self._find_unheard(port, step, carrier, label)
            if booking_id is not None and not await self._ask_void(port, step, booking_id):
                return True
        async with self._engine.begin() as connection:
            state = "undone" if booking_id else "skipped"
            await lock_order_of(connection, step)
            await shipments.move_step(connection, step.order, label_id, state, booking_id=booking_id)
            await shipments.move_step(connection, step.order, step.step_id, "done")
            await refresh_status(connection, [(step.tenant, step.order_ref)])
        return True

    async def _find_unheard(
        self, port: CarrierPort, step: m.CarrierStep, carrier: str, label: shipments.Step
    ) -> str | None:
        """Find the booking of a label whose answer never came; its numbers are kept, too."""
        found = await port.find(label.reference)
        if found is None:
            return None
        async with self._engine.begin() as connection:
            await lock_order_of(connection, step)
            await note_numbers(connection, label, carrier, found, in_use=False)
        return found.booking_id

    async def _ask_void(self, port: CarrierPort, step: m.CarrierStep, booking_id: str) -> bool:
        """Ask for a void. Says no where it was refused, and is not wanted any more: the parcel left meanwhile."""
        try:
            await port.void(booking_id)
        except Rejected as error:
            async with self._engine.begin() as connection:
                await lock_order_of(connection, step)
                row = await shipments.get_step(connection, step.order, step.step_id, locked=True)
                if row.state not in shipments.OPEN:
                    return False
                await shipments.move_step(connection, step.order, step.step_id, "intended", last_error=error.detail)
            raise
        return True
