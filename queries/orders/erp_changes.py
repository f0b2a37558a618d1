"""What ERP messages tell of goods that only the ledger and the records together know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.erp import Said
from domain.erp_lines import amounts, cancelled_lines, changed_lines, changes, erp_lines
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import Content
from ledger.reads.balances import order_lines
from queries.shipping.packing import cancelled_goods


async def shipped_lines(connection: AsyncConnection, order: OrderId, goods: Iterable[Content]) -> list[dict[str, Any]]:
    """Return what parcels hold as an ERP message tells it, by line, lot and serial numbers."""
    lines = (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
    return amounts(lines, goods)


async def cancelled_changes(
    connection: AsyncConnection, order: OrderId, before: Sequence[OrderLine], after: Sequence[OrderLine]
) -> list[Said]:
    """Write a message about the lines of which more, or less, is cancelled now, with what is known of the goods."""
    changed = changed_lines("cancelled", before, after)
    if not changed:
        return []
    goods = await cancelled_goods(connection, order, after)
    return [("cancelled", {"lines": cancelled_lines(changed, goods) if goods else erp_lines(changed, "cancelled")})]


async def demand_changes(
    connection: AsyncConnection, order: OrderId, before: Sequence[OrderLine], after: Sequence[OrderLine]
) -> list[Said]:
    """Write messages about what of the demand is met otherwise now: cancelled, waiting, reserved."""
    return [
        *await cancelled_changes(connection, order, before, after),
        *changes("backordered", before, after),
        *changes("reserved", before, after),
    ]
