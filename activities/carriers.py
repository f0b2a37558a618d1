"""What is asked of carriers: buy a label, void it, have a parcel sent back. Each returns the order as it is then."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.failures import as_failures
from adapters.carriers.port import Carriers
from commands.shipping.ask_intercept import Interception
from commands.shipping.book_label import LabelBooking
from commands.shipping.void_label import LabelVoiding
from domain import messages as m
from postgres.statements import alone
from queries.orders.order_work import read_work


class CarrierActivities:
    """The carriers' verbs."""

    def __init__(self, engine: AsyncEngine, carriers: Carriers) -> None:
        self._reading = alone(engine)
        self._booking = LabelBooking(engine, carriers)
        self._voiding = LabelVoiding(engine, carriers)
        self._intercepting = Interception(engine, carriers)

    @activity.defn
    async def book_label(self, step: m.CarrierStep) -> m.OrderWork:
        """Book a shipment and keep its labels."""
        with as_failures():
            await self._booking.book(step)
            return await self._work(step)

    @activity.defn
    async def void_label(self, step: m.CarrierStep) -> m.OrderWork:
        """Void a label."""
        with as_failures():
            await self._voiding.void(step)
            return await self._work(step)

    @activity.defn
    async def intercept_parcel(self, step: m.CarrierStep) -> m.OrderWork:
        """Have the carrier send a parcel back."""
        with as_failures():
            await self._intercepting.ask(step)
            return await self._work(step)

    async def _work(self, step: m.CarrierStep) -> m.OrderWork:
        async with self._reading.connect() as connection:
            return await read_work(connection, step.order)
