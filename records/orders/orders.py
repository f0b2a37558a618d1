"""Accepted orders and their revisions. An order's row is the lock of everything that is said of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from psycopg.sql import SQL
from sqlalchemy import bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.attention import Attention, Flag
from domain.errors import Conflict, InvariantViolated, Kind, Rejected
from domain.messages import OfOrder, OrderId
from postgres.statements import Query, composed, listed
from records.tables import order_revision, orders


@dataclass(frozen=True)
class OrderRow(OfOrder):
    """An accepted order. `attention` is what a person is needed for."""

    tenant: str
    order_ref: str
    source: str
    order_no: str
    site: str
    status: str
    needs_attention: bool
    attention: Attention | None
    revision: int
    priority: int
    shortage_policy: str
    customer_no: str | None
    requested_delivery: date | None
    carrier: str
    service_level: str
    address_id: UUID
    ordered_at: datetime
    ship_complete: bool
    backorder_until: datetime | None
    replaces: str | None
    replaces_return: str | None
    next_erp_number: int
    cancel_requested: bool
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> OrderRow:
        """Read all that the table has, in its order."""
        read = dict(zip(cls.__dataclass_fields__, row, strict=True))
        return cls(**{**read, "attention": attention_of(read["attention"])})

    @property
    def stuck_at(self) -> str | None:
        """The step that a person is needed for."""
        return self.attention.step if self.attention else None

    @property
    def flag(self) -> Flag | None:
        """What a person is needed for now; None where nobody is."""
        return self.attention.flag if self.attention and self.needs_attention else None


def attention_of(stored: Mapping[str, Any] | None) -> Attention | None:
    """Read what a person is needed for, as an order's row has it."""
    return Attention.of_row(stored) if stored else None


_GET: Final = Query.of(
    select(orders).where(orders.c.tenant == bindparam("tenant"), orders.c.order_ref == bindparam("order_ref"))
)


async def get(connection: AsyncConnection, order: OrderId) -> OrderRow | None:
    """Return an accepted order's row."""
    row = await _GET.row(connection, tenant=order.tenant, order_ref=order.order_ref)
    return None if row is None else OrderRow.of_row(row)


async def site_of(connection: AsyncConnection, order: OrderId) -> str:
    """Return the site that an order was sent to."""
    row = await get(connection, order)
    if row is None:
        raise InvariantViolated(f"there is no order {order.order_ref}")
    return row.site


# It does not lock out who refers to an order's name: another order that replaces it, accepted at the same time.
_LOCK: Final = Query(
    composed(
        """
        select {fields} from records.orders
        where (tenant, order_ref) in (select * from unnest(%(tenants)s::text[], %(refs)s::text[]))
        order by tenant, order_ref for no key update
        """,
        fields=SQL(listed(orders.c.keys())),
    ),
    tuple(orders.c.keys()),
)


async def lock(connection: AsyncConnection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], OrderRow]:
    """Lock the rows of orders, in one sorted order, and return those that exist."""
    tenants, refs = [tenant for tenant, _ in names], [order_ref for _, order_ref in names]
    rows = [OrderRow.of_row(row) for row in await _LOCK.rows(connection, tenants=tenants, refs=refs)]
    return {(row.tenant, row.order_ref): row for row in rows}


async def lock_one(connection: AsyncConnection, order: OrderId) -> OrderRow:
    """Lock the row of an order that there is, and return it."""
    found = await lock(connection, [(order.tenant, order.order_ref)])
    if not found:
        raise InvariantViolated(f"there is no order {order.order_ref}")
    return next(iter(found.values()))


async def set_fields(connection: AsyncConnection, order: OrderId, **fields: Any) -> None:
    """Change an order's row; its time of change moves along."""
    await connection.execute(
        update(orders)
        .where(orders.c.tenant == order.tenant, orders.c.order_ref == order.order_ref)
        .values(**fields, updated_at=func.clock_timestamp())
    )


async def set_attention(connection: AsyncConnection, order: OrderId, attention: Attention | None) -> None:
    """Say what a person is needed for; None where for nothing any more."""
    needed = {"needs_attention": attention is not None, "attention": attention.as_row() if attention else None}
    await set_fields(connection, order, **needed)


async def set_statuses(connection: AsyncConnection, tenant: str, statuses: Mapping[str, str]) -> None:
    """Bring orders to their statuses, by order_ref; their time of change moves along."""
    await _SET_STATUSES.run(connection, tenant=tenant, refs=list(statuses), statuses=list(statuses.values()))


_SET_STATUSES: Final = Query(
    """
    update records.orders o set status = n.status, updated_at = clock_timestamp()
    from unnest(%(refs)s::text[], %(statuses)s::text[]) as n (order_ref, status)
    where o.tenant = %(tenant)s and o.order_ref = n.order_ref
    """
)


def check_revision(order: OrderRow, revision: int) -> None:
    """Compare a revision under the order's lock. Raises `Conflict` or `Rejected`: stale, or the order is closed."""
    if revision <= order.revision:
        raise Conflict(f"Revision {order.revision} was accepted already.", code="stale_revision")
    if order.closed_at is not None:
        raise Rejected("order_closed", "The order is closed; it takes no new revision.", kind=Kind.CONFLICT)


async def add_revision(
    connection: AsyncConnection,
    order: OrderId,
    revision: int,
    digest: bytes,
    content: Mapping[str, Any],
    address_id: UUID,
) -> None:
    """Keep an accepted revision."""
    await connection.execute(
        insert(order_revision).values(
            tenant=order.tenant,
            order_ref=order.order_ref,
            revision=revision,
            digest=digest,
            content=dict(content),
            address_id=address_id,
        )
    )


async def pushed_address(connection: AsyncConnection, order: OrderRow) -> UUID:
    """Return the address of an order's latest revision; a person may have chosen another one since."""
    found = await _PUSHED_ADDRESS.row(
        connection, tenant=order.tenant, order_ref=order.order_ref, revision=order.revision
    )
    if found is None:
        raise InvariantViolated(f"order {order.order_ref} has no revision {order.revision}")
    address_id: UUID = found[0]
    return address_id


_PUSHED_ADDRESS: Final = Query(
    """
    select address_id from records.order_revision
    where tenant = %(tenant)s and order_ref = %(order_ref)s and revision = %(revision)s
    """
)


async def open_orders(connection: AsyncConnection, limit: int, after: tuple[str, str] = ("", "")) -> list[OrderRow]:
    """Return open orders by name, a page at a time: each must have a workflow."""
    query = (
        select(orders)
        .where(orders.c.closed_at.is_(None), tuple_(orders.c.tenant, orders.c.order_ref) > after)
        .order_by(orders.c.tenant, orders.c.order_ref)
        .limit(limit)
    )
    return [OrderRow.of_row(row) for row in await connection.execute(query)]
