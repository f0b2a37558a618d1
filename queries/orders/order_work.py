"""Reading an order as PostgreSQL has it: the authority that a workflow goes on from, whenever it starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from psycopg.sql import SQL
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvariantViolated
from domain.messages import Decision, LineBrief, OrderId, OrderWork
from domain.orders import QUANTITIES, OrderStatus
from ledger.queries import SELECT_LINE
from postgres.statements import Query, Row, composed
from records.orders import order_work
from records.orders.order_work import CommandBrief, WorkRow

DONE: Final = frozenset({OrderStatus.DELIVERED, OrderStatus.CANCELLED, OrderStatus.RETURNED})
"""The statuses of an order of which all has arrived, or never will."""


_HELD: Final = ("reserved", "to_put_back", "backordered")


# An order's lines as the ledger has them, beside what the records say of it: no part is older than another.
_LINES: Final = SQL(
    """
    (select coalesce(jsonb_agg(jsonb_build_object(
        'line_no', l.line_no, 'sku', l.sku,
        'quantities', jsonb_build_object({quantities})
      ) order by l.line_no, l.ordered desc), '[]')
     from ({select_line}) l where l.tenant = work.tenant and l.order_ref = work.order_ref
    ) as lines
    """
).format(quantities=SQL(", ".join(f"'{name}', l.{name}" for name in QUANTITIES)), select_line=SELECT_LINE)


_READ: Final = Query(composed("select work.*, {lines} from ({read}) work", lines=_LINES, read=order_work.READ))
_READ_WITH_COMMAND: Final = Query(
    composed("select work.*, {lines} from ({read}) work", lines=_LINES, read=order_work.READ_WITH_COMMAND)
)


async def read_work(connection: AsyncConnection, order: OrderId) -> OrderWork:
    """Read what an order is and what is still to be done for it."""
    row = await _READ.row(connection, **order.model_dump())
    return _work_of(row) if row else OrderWork()


def read_work_at_once(connection: Connection, order: OrderId) -> OrderWork:
    """Read the same on a thread's connection, or on what `run_sync` lends of another: SQLAlchemy knows which it is."""
    row = connection.exec_driver_sql(_READ.sql, order.model_dump()).one_or_none()
    return _work_of(tuple(row)) if row else OrderWork()


async def read_decision(connection: AsyncConnection, order: OrderId, inbox_id: int) -> Decision:
    """Read what became of a command, with the order as it is."""
    row = await _READ_WITH_COMMAND.row(connection, **order.model_dump(), inbox_id=inbox_id)
    if row is None:
        raise InvariantViolated(f"there is no inbox row {inbox_id} of {order.order_ref}")
    command, work = CommandBrief(*row[:_OF_COMMAND]), row[_OF_COMMAND:]
    answer = command.answer or {}
    accepted = command.state == "accepted"
    return Decision(
        inbox_id=inbox_id,
        kind=command.kind,
        key=command.key,
        accepted=accepted,
        outcome=answer.get("outcome", ""),
        problem=None if accepted else answer,
        work=_work_of(work) if work[0] is not None else OrderWork(),
        received_at=command.received_at,
    )


_OF_COMMAND: Final = len(order_work.OF_COMMAND)


def _work_of(row: Row) -> OrderWork:
    *told, of_lines = row
    work = WorkRow.of_row(told)
    lines = tuple(LineBrief(**line) for line in of_lines)
    return OrderWork(
        exists=True,
        closed=work.closed_at is not None,
        over=_is_over(work, lines),
        status=work.status,
        needs_attention=work.needs_attention,
        attention=work.attention and work.attention.as_row(),
        revision=work.revision,
        site=work.site,
        carrier=work.carrier,
        lines=lines,
        tracking_numbers=tuple(work.tracking_numbers),
        carrier_steps=work.carrier_steps,
        erp_steps=work.erp_steps,
        events_waiting=work.heard,
        epoch=work.epoch,
    )


def _is_over(work: WorkRow, lines: Iterable[LineBrief]) -> bool:
    """Say whether all is delivered or cancelled, nothing is held, and nobody waits for a decision."""
    holds_nothing = not any(line.quantities[name] for line in lines for name in _HELD)
    waits = work.needs_attention or work.heard or work.undecided
    return work.status in DONE and holds_nothing and not waits
