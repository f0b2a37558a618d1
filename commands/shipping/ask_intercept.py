"""What is asked of a carrier once it has a parcel: to stop it, and to send it back.

A carrier that says no leaves why in the step's row, and nobody is needed: the parcel just goes on its way.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.carriers.port import CarrierPort, Carriers, InterceptingCarrier
from commands.hearing import hearing
from commands.remembered import Recalling
from domain import messages as m
from domain.errors import Kind, OutcomeUnknown, Rejected
from postgres.statements import alone
from records.orders import orders
from records.partner_words import Asked
from records.shipping import intercepts, shipments
from records.shipping.shipments import Step

_CAN_NOT: Final = "{} can't stop a parcel: ask its people, or take the goods back as a return once they have arrived."


class Interception:
    """Asks tenants' carriers for parcels."""

    def __init__(self, engine: AsyncEngine, carriers: Carriers) -> None:
        self._engine = engine
        self._reading = alone(engine)
        self._carriers = carriers
        self._recalling = Recalling(engine)

    async def ask(self, step: m.CarrierStep) -> None:
        """Have the carrier send a parcel back. A second run finds what was asked by our reference."""
        memory = await self._recalling.before_sending(step)
        row = await self._claim(step)
        if row is None:
            await self._recalling.is_gone(step, memory)
        elif row.state in shipments.OPEN:
            maybe_asked = row.state != "intended" or memory.asks_first(row.created_at)
            async with self._carriers.of(step.tenant, row.carrier or "") as port:
                await self._ask(port, row, maybe_asked=maybe_asked)

    async def _claim(self, step: m.CarrierStep) -> Step | None:
        """Mark an intercept as sent, if it was not answered. Returns the row as it was before, if there is one."""
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(step.tenant, step.order_ref)])
            row = await shipments.find_step(connection, step.order, step.step_id, locked=True)
            if row is not None and row.state in shipments.OPEN:
                await shipments.move_step(connection, step.order, step.step_id, "sent")
        return row

    async def _ask(self, port: CarrierPort, row: Step, *, maybe_asked: bool) -> None:
        async with self._reading.connect() as connection:
            box = await intercepts.parcel_of(connection, row)
        if not isinstance(port, InterceptingCarrier):
            await self._refuse(row, _CAN_NOT.format(row.carrier))
        elif not (maybe_asked and await self._is_intercepted(port, row)):
            assert box.tracking_number is not None
            await self._intercept(port, row, box.tracking_number)
        else:
            await self._accept(row)

    async def _is_intercepted(self, port: InterceptingCarrier, row: Step) -> bool:
        async with hearing(self._engine, _asked(row)):
            return await port.is_intercepted(row.reference)

    async def _intercept(self, port: InterceptingCarrier, row: Step, tracking_number: str) -> None:
        try:
            async with hearing(self._engine, _asked(row)):
                await port.intercept(tracking_number, row.reference)
        except OutcomeUnknown as error:
            await self._note(row, "unknown", str(error))
            raise
        except Rejected as refusal:
            # No is where the parcel is too far, which the carrier knows; else it did not understand us.
            if refusal.kind is not Kind.CONFLICT:
                await self._note(row, "intended", refusal.detail)
                raise
            await self._refuse(row, refusal.detail)
        else:
            await self._accept(row)

    async def _accept(self, row: Step) -> None:
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(row.tenant, row.order_ref)])
            await intercepts.accepted(connection, row)

    async def _refuse(self, row: Step, refusal: str) -> None:
        async with self._engine.begin() as connection:
            await intercepts.refused(connection, row, refusal)

    async def _note(self, row: Step, state: intercepts.Unanswered, error: str) -> None:
        async with self._engine.begin() as connection:
            await intercepts.unanswered(connection, row, state, error)


def _asked(row: Step) -> Asked:
    return Asked(row.order, row.step_id, row.carrier or "carrier")
