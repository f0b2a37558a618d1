"""Orders that are sent in place of others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from records.tables import inbox, orders, shipment


@dataclass(frozen=True)
class Original:
    """What became of an accepted order, as far as it never changes again."""

    has_left: bool
    has_return: bool


async def original(
    connection: AsyncConnection, tenant: str, source: str, order_no: str, return_no: str | None
) -> Original | None:
    """Return what became of an order: whether anything of it left the house, and whether it has that return."""
    left = exists().where(
        shipment.c.tenant == orders.c.tenant,
        shipment.c.order_ref == orders.c.order_ref,
        shipment.c.handed_over_at.is_not(None),
    )
    returned = exists().where(
        inbox.c.tenant == orders.c.tenant,
        inbox.c.order_ref == orders.c.order_ref,
        inbox.c.kind == "return",
        inbox.c.state == "accepted",
        inbox.c.payload["return_no"].astext == return_no,
    )
    named = (orders.c.tenant == tenant, orders.c.source == source, orders.c.order_no == order_no)
    found = (await connection.execute(select(left, returned).select_from(orders).where(*named))).one_or_none()
    return None if found is None else Original(*found)


@dataclass(frozen=True)
class Replacement:
    """An accepted order that is sent in place of another one, for a return of that, or in advance."""

    order_no: str
    return_no: str | None
    accepted_at: datetime


async def of_order(connection: AsyncConnection, tenant: str, source: str, order_no: str) -> list[Replacement]:
    """Return the orders that are sent in place of an order, as they were accepted."""
    query = (
        select(orders.c.order_no, orders.c.replaces_return, orders.c.created_at)
        .where(orders.c.tenant == tenant, orders.c.source == source, orders.c.replaces == order_no)
        .order_by(orders.c.created_at)
    )
    return [Replacement(*row) for row in await connection.execute(query)]
