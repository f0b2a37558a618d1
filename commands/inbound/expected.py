"""The purchase order that something is said of."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.refusals import not_found
from records.inbound import purchase_orders
from records.inbound.purchase_orders import InboundOrder


async def found_order(connection: AsyncConnection, tenant: str, po_no: str) -> InboundOrder:
    """Return a purchase order. Raises `Rejected` where there is none."""
    order = await purchase_orders.get(connection, tenant, po_no)
    if order is None:
        raise not_found(f"inbound order {po_no}")
    return order
