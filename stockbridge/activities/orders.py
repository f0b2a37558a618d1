"""What an order's workflow asks of the house itself: decide, refresh, close, ask for a person.

Short and idempotent, so they run as local activities first. Each returns the order as PostgreSQL has it afterwards.
"""

from __future__ import annotations

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from stockbridge.activities import messages as m
from stockbridge.activities.deciding import Deciding, ask_for_a_person
from stockbridge.activities.failures import as_failures
from stockbridge.activities.tracking import Tracking
from stockbridge.activities.work import read_work
from stockbridge.ledger.writer import LedgerWriter
from stockbridge.records import inbox, orders


class OrderActivities:
    """The order's own verbs."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._engine = engine
        self._deciding = Deciding(engine, ledger)
        self._tracking = Tracking(engine, ledger)

    @activity.defn
    async def load_order(self, order: m.OrderId) -> m.OrderWork:
        """Read an order: all that a workflow needs to go on, whenever it starts."""
        with as_failures():
            return await self._work(order)

    @activity.defn
    async def decide_next(self, command: m.Command) -> m.Decision:
        """Decide the order's first undecided command up to this one; without one, tell this one's decision."""
        with as_failures():
            row = await self._next(command)
            if row.state == "queued":
                await self._deciding.decide(row)
            return await self._decision(row.inbox_id, m.OrderId(tenant=row.tenant, order_ref=row.order_ref))

    async def _next(self, command: m.Command) -> inbox.InboxRow:
        async with self._engine.connect() as connection:
            waiting = await inbox.undecided(connection, command.tenant, command.order_ref)
            first = next((row for row in waiting if row.inbox_id <= command.inbox_id), None)
            return first or await inbox.get(connection, command.inbox_id)

    async def _decision(self, inbox_id: int, order: m.OrderId) -> m.Decision:
        async with self._engine.connect() as connection:
            row = await inbox.get(connection, inbox_id)
            work = await read_work(connection, order)
        answer = row.answer or {}
        accepted = row.state == "accepted"
        return m.Decision(
            inbox_id=row.inbox_id,
            kind=row.kind,
            key=row.key,
            accepted=accepted,
            outcome=answer.get("outcome", ""),
            problem=None if accepted else answer,
            verb=answer.get("verb"),
            target=answer.get("target"),
            work=work,
        )

    @activity.defn
    async def apply_carrier_events(self, order: m.OrderId) -> m.OrderWork:
        """Apply what carriers said of the order's parcels and was not dealt with yet."""
        with as_failures():
            await self._tracking.apply_all(order)
            return await self._work(order)

    @activity.defn
    async def close_order(self, order: m.OrderId) -> m.OrderWork:
        """Close an order of which nothing is left to do: all delivered or cancelled, nothing held, the ERP told."""
        with as_failures():
            async with self._engine.begin() as connection:
                await orders.lock(connection, [(order.tenant, order.order_ref)])
                work = await read_work(connection, order)
                undecided = await inbox.undecided(connection, order.tenant, order.order_ref)
                if work.closable and not work.closed and not undecided:
                    await orders.set_fields(
                        connection, order.tenant, order.order_ref, closed_at=func.clock_timestamp()
                    )
            return await self._work(order)

    @activity.defn
    async def request_attention(self, stuck: m.Stuck) -> m.OrderWork:
        """Flag an order that needs a person."""
        order, attention = stuck.order, stuck.attention
        with as_failures():
            async with self._engine.begin() as connection:
                await ask_for_a_person(connection, order, attention.reason, attention.actions, attention.step)
            return await self._work(order)

    @activity.defn
    async def cancel_from_temporal(self, order: m.OrderId) -> m.OrderWork:
        """Cancel an order because its workflow was cancelled: the same command as the API's, by its own key."""
        with as_failures():
            async with self._engine.begin() as connection:
                row, _ = await inbox.put(
                    connection,
                    tenant=order.tenant,
                    order_ref=order.order_ref,
                    kind="cancel",
                    key=f"cancel/{order.order_ref}/temporal",
                    digest=bytes(32),
                    payload={"cancel_no": "temporal", "reason": "cancelled in the Temporal UI", "lines": None},
                    actor="Temporal UI",
                )
            if row.state == "queued":
                await self._deciding.decide(row)
            return await self._work(order)

    async def _work(self, order: m.OrderId) -> m.OrderWork:
        async with self._engine.connect() as connection:
            return await read_work(connection, order)
