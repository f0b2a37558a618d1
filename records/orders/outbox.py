"""The outbox: what an order's workflow must hear because another order or a carrier changed something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OfOrder, OrderId
from postgres.statements import Query, adding
from records.tables import outbox

SignalName = Literal["carrier_event", "stock_allocated", "hold_displaced"]


@dataclass(frozen=True)
class OutboxRow(OfOrder):
    """A signal that is still to be delivered."""

    outbox_id: int
    tenant: str
    order_ref: str
    signal: SignalName
    closed: bool
    """Its order is closed by now, and nobody is left to hear it."""


async def put(connection: AsyncConnection, order: OrderId, signal: SignalName) -> None:
    """Leave a signal for an order's workflow, in the transaction of what it is about."""
    await _PUT.run(connection, tenant=order.tenant, order_ref=order.order_ref, signal=signal)


_PUT: Final = adding(outbox, ("tenant", "order_ref", "signal"))
# Asked ten times a second.
_UNDELIVERED: Final = Query(
    """
    select b.outbox_id, b.tenant, b.order_ref, b.signal, o.closed_at is not null
    from records.outbox b left join records.orders o using (tenant, order_ref)
    where b.delivered_at is null order by b.outbox_id limit %(limit)s
    """
)


async def undelivered(connection: AsyncConnection, limit: int) -> list[OutboxRow]:
    """Return signals that were not delivered yet, oldest first."""
    return [OutboxRow(*row) for row in await _UNDELIVERED.rows(connection, limit=limit)]


async def mark_delivered(connection: AsyncConnection, outbox_ids: list[int]) -> None:
    """Note that Temporal has taken the signals."""
    await _DELIVERED.run(connection, outbox_ids=outbox_ids)


_DELIVERED: Final = Query(
    "update records.outbox set delivered_at = clock_timestamp() where outbox_id = any(%(outbox_ids)s)"
)
