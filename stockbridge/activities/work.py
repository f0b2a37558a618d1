"""Reading an order as PostgreSQL has it: the authority that a workflow goes on from, whenever it starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.activities.messages import CarrierStep, Decision, ErpStep, LineBrief, OrderId, OrderWork
from stockbridge.domain.orders import OrderLine, OrderStatus
from stockbridge.ledger.balances import order_lines
from stockbridge.records import order_work

_DONE: Final = frozenset({OrderStatus.DELIVERED, OrderStatus.CANCELLED, OrderStatus.RETURNED})


async def read_work(connection: AsyncConnection, order: OrderId) -> OrderWork:
    """Read what an order is and what is still to be done for it."""
    return await _work_of(connection, order, await order_work.read(connection, order.tenant, order.order_ref))


async def read_decision(connection: AsyncConnection, order: OrderId, inbox_id: int) -> Decision:
    """Read what became of a command, with the order as it is."""
    command, row = await order_work.read_with_command(connection, order.tenant, order.order_ref, inbox_id)
    answer = command["answer"] or {}
    accepted = command["command_state"] == "accepted"
    return Decision(
        inbox_id=inbox_id,
        kind=command["command_kind"],
        key=command["key"],
        accepted=accepted,
        outcome=answer.get("outcome", ""),
        problem=None if accepted else answer,
        work=await _work_of(connection, order, row),
    )


async def _work_of(connection: AsyncConnection, order: OrderId, row: dict[str, Any] | None) -> OrderWork:
    if row is None:
        return OrderWork()
    lines = (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
    name = order.model_dump()
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
        lines=tuple(LineBrief(line_no=x.line_no, sku=x.sku, quantities=x.quantities()) for x in lines),
        tracking_numbers=tuple(row["tracking_numbers"]),
        carrier_steps=tuple(CarrierStep(**name, **step) for step in row["carrier_steps"]),
        erp_steps=tuple(ErpStep(**name, **step) for step in row["erp_steps"]),
        events_waiting=row["heard"],
    )


def _is_over(row: dict[str, Any], lines: Sequence[OrderLine]) -> bool:
    """Say whether all is delivered or cancelled, nothing is held, and nobody waits for a decision."""
    holds_nothing = all(not (line.reserved or line.to_put_back or line.backordered) for line in lines)
    waits = row["needs_attention"] or row["heard"] or row["undecided"]
    return row["status"] in _DONE and holds_nothing and not waits
