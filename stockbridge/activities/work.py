"""Reading an order as PostgreSQL has it: the authority that a workflow goes on from, whenever it starts."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.activities.messages import CarrierStep, ErpStep, LineBrief, OrderId, OrderWork
from stockbridge.domain.orders import OrderLine, OrderStatus
from stockbridge.ledger.balances import order_lines
from stockbridge.records import events, messages, orders, shipments

OPEN_STEPS = frozenset({"intended", "sent", "unknown"})


async def read_work(connection: AsyncConnection, order: OrderId) -> OrderWork:
    """Read what an order is and what is still to be done for it."""
    row = await orders.get(connection, order.tenant, order.order_ref)
    if row is None:
        return OrderWork()
    lines = (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
    steps = [s for s in await shipments.steps_of(connection, order.tenant, order.order_ref) if s["state"] in OPEN_STEPS]
    waiting = await messages.waiting(connection, order.tenant, order.order_ref)
    parcels = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    heard = bool(await events.unapplied(connection, order.tenant, order.order_ref))
    return OrderWork(
        exists=True,
        closed=row["closed_at"] is not None,
        closable=not steps and not waiting and not heard and _is_over(row, lines),
        status=row["status"],
        needs_attention=row["needs_attention"],
        attention=row["attention"],
        revision=row["revision"],
        site=row["site"],
        carrier=row["carrier"],
        lines=tuple(LineBrief(line_no=x.line_no, sku=x.sku, quantities=x.quantities()) for x in lines),
        tracking_numbers=tuple(p["tracking_number"] for p in parcels if p["tracking_number"]),
        carrier_steps=tuple(
            CarrierStep(**order.model_dump(), step_id=s["step_id"], kind=s["kind"], shipment_no=s["shipment_no"])
            for s in steps
        ),
        erp_steps=tuple(ErpStep(**order.model_dump(), number=m["number"], kind=m["kind"]) for m in waiting),
        events_waiting=heard,
    )


_OVER = frozenset({OrderStatus.DELIVERED, OrderStatus.CANCELLED, OrderStatus.RETURNED})


def _is_over(row: dict[str, Any], lines: list[OrderLine]) -> bool:
    """Say whether all is delivered or cancelled, and nothing is held."""
    holds_nothing = all(not (line.reserved or line.to_put_back or line.backordered) for line in lines)
    return holds_nothing and row["status"] in _OVER and not row["needs_attention"]
