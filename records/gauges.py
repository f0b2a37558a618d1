"""How much waits, counted for the monitoring. Each count walks a partial index over what is still open."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from records.tables import (
    carrier_event,
    count_task,
    discrepancy,
    erp_message,
    inbox,
    missing_row,
    orders,
    outbox,
    restoration,
)


@dataclass(frozen=True)
class Gauges:
    """What is open, and what waits, over all tenants."""

    open_orders: dict[str, int]
    needing_attention: int
    undecided_commands: int
    waiting_erp_messages: int
    undelivered_signals: int
    unapplied_events: int
    open_counts: int
    open_discrepancies: int
    missing_rows: int


async def read(connection: AsyncConnection) -> Gauges:
    """Count."""
    by_status = select(orders.c.status, func.count()).where(orders.c.closed_at.is_(None)).group_by(orders.c.status)
    told = select(func.max(restoration.c.restored_at)).scalar_subquery()
    waits = select(
        _count(orders).where(orders.c.closed_at.is_(None), orders.c.needs_attention).scalar_subquery(),
        _count(inbox).where(inbox.c.state == "queued").scalar_subquery(),
        _count(erp_message).where(erp_message.c.state.not_in(("done", "skipped"))).scalar_subquery(),
        _count(outbox).where(outbox.c.delivered_at.is_(None)).scalar_subquery(),
        _count(carrier_event).where(carrier_event.c.applied_at.is_(None)).scalar_subquery(),
        _count(count_task).where(count_task.c.done_at.is_(None)).scalar_subquery(),
        _count(discrepancy).where(discrepancy.c.resolved_at.is_(None)).scalar_subquery(),
        _count(missing_row).where(missing_row.c.found_at > func.coalesce(told, text("'-infinity'"))).scalar_subquery(),
    )
    statuses = {status: int(count) for status, count in await connection.execute(by_status)}
    return Gauges(statuses, *(int(count) for count in (await connection.execute(waits)).one()))


def _count(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)
