"""Reading an order as PostgreSQL has it: the authority that a workflow goes on from, whenever it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvariantViolated
from domain.messages import CarrierStep, Decision, ErpStep, LineBrief, OrderId, OrderWork
from domain.orders import QUANTITIES, OrderStatus
from ledger.queries import SELECT_LINE
from postgres.statements import Query
from records.orders import order_work

DONE: Final = frozenset({OrderStatus.DELIVERED, OrderStatus.CANCELLED, OrderStatus.RETURNED})
"""The statuses of an order of which all has arrived, or never will."""


_HELD: Final = ("reserved", "to_put_back", "backordered")


# An order's lines as the ledger has them, beside what the records say of it: no part is older than another.
_LINES: Final = f"""
    (select coalesce(jsonb_agg(jsonb_build_object(
        'line_no', l.line_no, 'sku', l.sku,
        'quantities', jsonb_build_object({", ".join(f"'{name}', l.{name}" for name in QUANTITIES)})
      ) order by l.line_no, l.ordered desc), '[]')
     from ({SELECT_LINE}) l where l.tenant = work.tenant and l.order_ref = work.order_ref
    ) as lines
    """  # noqa: S608 - put together from constants


_READ: Final = Query(
    f"select work.*, {_LINES} from ({order_work.READ}) work",  # noqa: S608
    (*order_work.COLUMNS, "lines"),
)


_READ_WITH_COMMAND: Final = Query(
    f"select work.*, {_LINES} from ({order_work.READ_WITH_COMMAND}) work",  # noqa: S608
    (*order_work.COLUMNS_WITH_COMMAND, "lines"),
)


async def read_work(connection: AsyncConnection, order: OrderId) -> OrderWork:
    """Read what an order is and what is still to be done for it."""
    row = await _READ.mapping(connection, **order.model_dump())
    return _work_of(order, row) if row else OrderWork()


def read_work_at_once(connection: Connection, order: OrderId) -> OrderWork:
    """Read the same on a thread's connection."""
    row = connection.exec_driver_sql(_READ.sql, order.model_dump()).mappings().one_or_none()
    return _work_of(order, row) if row else OrderWork()


async def read_decision(connection: AsyncConnection, order: OrderId, inbox_id: int) -> Decision:
    """Read what became of a command, with the order as it is."""
    row = await _READ_WITH_COMMAND.mapping(connection, **order.model_dump(), inbox_id=inbox_id)
    if row is None:
        raise InvariantViolated(f"there is no inbox row {inbox_id} of {order.order_ref}")
    answer = row["answer"] or {}
    accepted = row["command_state"] == "accepted"
    return Decision(
        inbox_id=inbox_id,
        kind=row["command_kind"],
        key=row["key"],
        accepted=accepted,
        outcome=answer.get("outcome", ""),
        problem=None if accepted else answer,
        work=_work_of(order, row) if row["tenant"] else OrderWork(),
        received_at=row["received_at"],
    )


def _work_of(order: OrderId, row: Mapping[Any, Any]) -> OrderWork:
    lines = tuple(LineBrief(**line) for line in row["lines"])
    read = {**order.model_dump(), "epoch": row["epoch"]}
    return OrderWork(
        exists=True,
        closed=row["closed_at"] is not None,
        over=_is_over(row, lines),
        status=row["status"],
        needs_attention=row["needs_attention"],
        attention=row["attention"],
        revision=row["revision"],
        site=row["site"],
        carrier=row["carrier"],
        lines=lines,
        tracking_numbers=tuple(row["tracking_numbers"]),
        carrier_steps=tuple(CarrierStep(**read, **step) for step in row["carrier_steps"]),
        erp_steps=tuple(ErpStep(**read, **step) for step in row["erp_steps"]),
        events_waiting=row["heard"],
        epoch=row["epoch"],
    )


def _is_over(row: Mapping[Any, Any], lines: Iterable[LineBrief]) -> bool:
    """Say whether all is delivered or cancelled, nothing is held, and nobody waits for a decision."""
    holds_nothing = not any(line.quantities[name] for line in lines for name in _HELD)
    waits = row["needs_attention"] or row["heard"] or row["undecided"]
    return row["status"] in DONE and holds_nothing and not waits
