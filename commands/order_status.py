"""The status of orders, computed anew from their lines and labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.orders import OrderStatus, status_of
from ledger.reads.balances import order_lines
from records.orders import orders
from records.shipping import shipments

OrderName = tuple[str, str]
"""A tenant, and an order_ref in it."""


async def refresh_status(connection: AsyncConnection, names: Collection[OrderName]) -> None:
    """Compute the status of orders, whose rows the caller has locked, from their lines and labels."""
    by_tenant: dict[str, list[str]] = defaultdict(list)
    for tenant, order_ref in names:
        by_tenant[tenant].append(order_ref)
    for tenant, order_refs in by_tenant.items():
        lines = await order_lines(connection, tenant, order_refs)
        statuses = {ref: status_of(lines.get(ref, ()), {}) for ref in order_refs}
        # Only what is picked can be labeled, too; most orders need not be asked about it.
        picked = [ref for ref, status in statuses.items() if status is OrderStatus.PICKED]
        labeled = await _labeled(connection, tenant, picked) if picked else {}
        statuses |= {ref: status_of(lines[ref], labeled[ref]) for ref in picked}
        await orders.set_statuses(connection, tenant, {ref: status.value for ref, status in statuses.items()})


async def _labeled(connection: AsyncConnection, tenant: str, order_refs: list[str]) -> dict[str, dict[int, int]]:
    """Sum what is labeled and not handed over, by order and line."""
    labeled: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for box in await shipments.waiting_parcels(connection, tenant, order_refs):
        for line in box.lines:
            labeled[box.order_ref][line.line_no] += line.quantity
    return labeled
