"""What an order's workflow asks of the house itself: decide, refresh, close, ask for a person.

Short and idempotent, so they run as local activities first. Each returns the order as PostgreSQL has it afterwards.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.failures import as_failures
from commands.context import ask_for_a_person
from commands.decide import Decisions
from commands.orders.close import close_if_done
from commands.orders.from_temporal import keep_act, keep_cancellation
from commands.remembered import Recalling
from commands.shipping.carrier_events import CarrierEvents
from domain import messages as m
from domain.attention import Ask
from domain.payloads import Kept
from ledger.writing.writer import LedgerWriter
from postgres.statements import alone
from queries.orders.order_work import read_decision, read_work
from records.orders import inbox, orders
from records.shipping import shipments


class OrderActivities:
    """The order's own verbs."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._engine = engine
        self._reading = alone(engine)
        self._deciding = Decisions(engine, ledger)
        self._tracking = CarrierEvents(engine, ledger)
        self._recalling = Recalling(engine)

    @activity.defn
    async def load_order(self, order: m.OrderId) -> m.OrderWork:
        """Read an order: all that a workflow needs to go on, whenever it starts."""
        with as_failures():
            return await self._work(order)

    @activity.defn
    async def decide_next(self, command: m.Command) -> m.Decision:
        """Decide the order's first undecided command up to this one; without one, tell this one's decision."""
        with as_failures():
            row = await self._decide_first(command)
            order = command.order
            async with self._reading.connect() as connection:
                return await read_decision(connection, order, row.inbox_id)

    async def _decide_first(self, command: m.Command) -> inbox.InboxRow[Kept]:
        row = await self._recalling.next_up(command)
        if row.state == "queued":
            await self._deciding.decide(row)
        return row

    @activity.defn
    async def keep_act(self, act: m.Act) -> m.Command:
        """Store an operator's act that came by Temporal: the same row as the API's, decided in its turn."""
        with as_failures():
            row = await keep_act(self._engine, act)
        return row.command

    @activity.defn
    async def apply_carrier_events(self, order: m.OrderId) -> m.OrderWork:
        """Apply what carriers said of the order's parcels and was not dealt with yet."""
        with as_failures():
            await self._tracking.apply_all(order)
            return await self._work(order)

    @activity.defn
    async def close_order(self, order: m.OrderId) -> m.OrderWork:
        """Close an order of which nothing is left to do, where that was not seen when the ERP was told the last."""
        with as_failures():
            async with self._engine.begin() as connection:
                await connection.run_sync(close_if_done, order)
            return await self._work(order)

    @activity.defn
    async def request_attention(self, stuck: m.Stuck) -> m.OrderWork:
        """Flag an order that needs a person, unless that is for a step which is not wanted any more."""
        order, attention = stuck.order, stuck.attention
        with as_failures():
            async with self._engine.begin() as connection:
                await orders.lock(connection, [(order.tenant, order.order_ref)])
                if not await shipments.is_over(connection, order, attention.step):
                    ask = Ask(attention.reason, attention.actions, attention.step)
                    await ask_for_a_person(connection, order, ask, attention.said_id)
            return await self._work(order)

    @activity.defn
    async def cancel_from_temporal(self, order: m.OrderId) -> m.OrderWork:
        """Cancel an order because its workflow was cancelled: the same command as the API's, by its own key."""
        with as_failures():
            row = await keep_cancellation(self._engine, order)
            while (await self._decide_first(row.command)).inbox_id != row.inbox_id:
                pass  # what came before it is decided before it
            return await self._work(order)

    async def _work(self, order: m.OrderId) -> m.OrderWork:
        async with self._reading.connect() as connection:
            return await read_work(connection, order)
