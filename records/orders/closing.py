"""Closing an order. Synchronous: also who tells the ERP does it, on a thread."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from domain.messages import OrderId

_LOCK: Final = text("select from records.orders where tenant = :tenant and order_ref = :order_ref for update")
_CLOSE: Final = text(
    """
    update records.orders set closed_at = clock_timestamp(), updated_at = clock_timestamp()
    where tenant = :tenant and order_ref = :order_ref and closed_at is null
    """
)


def lock(connection: Connection, order: OrderId) -> None:
    """Lock an order, so that what is read of it next stays so."""
    connection.execute(_LOCK, {"tenant": order.tenant, "order_ref": order.order_ref})


def close(connection: Connection, order: OrderId) -> None:
    """Close an order that the caller has locked, and of which nothing is left to do."""
    connection.execute(_CLOSE, {"tenant": order.tenant, "order_ref": order.order_ref})
