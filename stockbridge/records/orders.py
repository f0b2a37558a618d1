"""Accepted orders and their revisions. An order's row is the lock of everything that is said of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.errors import Conflict, Rejected
from stockbridge.records.tables import address, order_revision, orders

Order = dict[str, Any]


async def get(connection: AsyncConnection, tenant: str, order_ref: str) -> Order | None:
    """Return an accepted order's row."""
    query = select(orders).where(orders.c.tenant == tenant, orders.c.order_ref == order_ref)
    found = (await connection.execute(query)).mappings().one_or_none()
    return dict(found) if found else None


_LOCK: Final = text(
    """
    select * from records.orders
    where (tenant, order_ref) in (select * from unnest(cast(:tenants as text[]), cast(:refs as text[])))
    order by tenant, order_ref for update
    """
)


async def lock(connection: AsyncConnection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Order]:
    """Lock the rows of orders, in one sorted order, and return those that exist."""
    asked = {"tenants": [tenant for tenant, _ in names], "refs": [order_ref for _, order_ref in names]}
    rows = (await connection.execute(_LOCK, asked)).mappings()
    return {(row["tenant"], row["order_ref"]): dict(row) for row in rows}


async def set_fields(connection: AsyncConnection, tenant: str, order_ref: str, **fields: Any) -> None:
    """Change an order's row; its time of change moves along."""
    statement = (
        update(orders)
        .where(orders.c.tenant == tenant, orders.c.order_ref == order_ref)
        .values(**fields, updated_at=func.clock_timestamp())
    )
    await connection.execute(statement)


async def set_statuses(connection: AsyncConnection, tenant: str, statuses: Mapping[str, str]) -> None:
    """Bring orders to their statuses, by order_ref; their time of change moves along."""
    given = {"tenant": tenant, "refs": list(statuses), "statuses": list(statuses.values())}
    await connection.execute(_SET_STATUSES, given)


_SET_STATUSES: Final = text(
    """
    update records.orders o set status = n.status, updated_at = clock_timestamp()
    from unnest(cast(:refs as text[]), cast(:statuses as text[])) as n (order_ref, status)
    where o.tenant = :tenant and o.order_ref = n.order_ref
    """
)


def check_revision(order: Order, revision: int) -> None:
    """Compare a revision under the order's lock. Raises `Conflict` or `Rejected`: stale, or the order is closed."""
    if revision <= order["revision"]:
        raise Conflict(f"Revision {order['revision']} was accepted already.", code="stale_revision")
    if order["closed_at"] is not None:
        raise Rejected("order_closed", "The order is closed; it takes no new revision.", status=409)


async def add_revision(
    connection: AsyncConnection,
    tenant: str,
    order_ref: str,
    revision: int,
    digest: bytes,
    content: Mapping[str, Any],
    address_id: UUID,
) -> None:
    """Keep an accepted revision."""
    await connection.execute(
        insert(order_revision).values(
            tenant=tenant,
            order_ref=order_ref,
            revision=revision,
            digest=digest,
            content=dict(content),
            address_id=address_id,
        )
    )


async def get_address(connection: AsyncConnection, address_id: UUID) -> dict[str, Any]:
    """Return people's data of an order; empty once erased."""
    query = select(address.c.data).where(address.c.address_id == address_id)
    return dict((await connection.execute(query)).scalar_one_or_none() or {})


async def open_orders(connection: AsyncConnection, limit: int, after: tuple[str, str] = ("", "")) -> list[Order]:
    """Return open orders by name, a page at a time: each must have a workflow."""
    query = (
        select(orders)
        .where(orders.c.closed_at.is_(None), tuple_(orders.c.tenant, orders.c.order_ref) > after)
        .order_by(orders.c.tenant, orders.c.order_ref)
        .limit(limit)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]
