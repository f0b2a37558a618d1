"""Reading orders as the door shows them: accepted ones, and pushes that are not accepted yet, or never were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.records.tables import inbox, order_revision, orders, parcel, shipment

Order = dict[str, Any]

ANSWERED_202 = "answered_202"
"""The key in a command's payload that says that its sender was told to wait: what became of it must stay readable."""


@dataclass(frozen=True)
class Said:
    """A command of an order, as far as a view tells of it."""

    inbox_id: int
    order_ref: str
    kind: str
    key: str
    state: str
    payload: dict[str, Any]
    answer: dict[str, Any] | None
    received_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True)
class OrderFilter:
    """Which orders are wanted; None is any. `after` is the position of the last one on the page before."""

    status: str | None = None
    needs_attention: bool | None = None
    updated_since: datetime | None = None
    source: str | None = None
    after: tuple[datetime, str] | None = None
    limit: int = 100


_SAID = tuple(inbox.c[name] for name in Said.__dataclass_fields__)


async def find(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> dict[str, Order]:
    """Return those of the orders that were accepted."""
    query = select(orders).where(orders.c.tenant == tenant, orders.c.order_ref.in_(order_refs))
    return {row["order_ref"]: dict(row) for row in (await connection.execute(query)).mappings()}


async def page(connection: AsyncConnection, tenant: str, wanted: OrderFilter) -> list[Order]:
    """Return accepted orders by their time of change, oldest first."""
    conditions = [orders.c.tenant == tenant]
    for column, value in (
        (orders.c.status, wanted.status),
        (orders.c.needs_attention, wanted.needs_attention),
        (orders.c.source, wanted.source),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.updated_since is not None:
        conditions.append(orders.c.updated_at >= wanted.updated_since)
    position = tuple_(orders.c.updated_at, orders.c.order_ref)
    if wanted.after is not None:
        conditions.append(position > wanted.after)
    query = select(orders).where(*conditions).order_by(orders.c.updated_at, orders.c.order_ref).limit(wanted.limit)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def contents(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what the latest accepted revision of each order says, without people's data."""
    latest = (order_revision.c.order_ref == orders.c.order_ref) & (order_revision.c.revision == orders.c.revision)
    query = (
        select(order_revision.c.order_ref, order_revision.c.content)
        .join(orders, latest & (order_revision.c.tenant == orders.c.tenant))
        .where(orders.c.tenant == tenant, orders.c.order_ref.in_(order_refs))
    )
    return {row.order_ref: row.content for row in await connection.execute(query)}


# -- what was said, and not decided or refused -----------------------------------------------------------------------


async def last_of_key(
    connection: AsyncConnection, tenant: str, order_ref: str, key: str
) -> tuple[int, str, bytes] | None:
    """Return the last attempt of a command: its row's id, its state and its digest."""
    query = (
        select(inbox.c.inbox_id, inbox.c.state, inbox.c.digest)
        .where(inbox.c.tenant == tenant, inbox.c.order_ref == order_ref, inbox.c.key == key)
        .order_by(inbox.c.attempt.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (row.inbox_id, row.state, bytes(row.digest))


async def count_undecided(connection: AsyncConnection, tenant: str, order_ref: str) -> int:
    """Count the commands of an order that wait for a decision."""
    query = select(func.count()).where(
        inbox.c.tenant == tenant, inbox.c.order_ref == order_ref, inbox.c.state == "queued"
    )
    return int((await connection.execute(query)).scalar_one())


async def mark_answered_202(connection: AsyncConnection, inbox_id: int) -> bool:
    """Note that a command's sender is told to wait. Returns False where it is decided by now."""
    marked = inbox.c.payload.op("||")(literal_column(f"'{{\"{ANSWERED_202}\": true}}'::jsonb", JSONB))
    statement = update(inbox).where(inbox.c.inbox_id == inbox_id, inbox.c.state == "queued").values(payload=marked)
    return bool((await connection.execute(statement)).rowcount)


async def first_pushes(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> dict[str, Said]:
    """Return the latest push of each order that waits for a decision, or was refused after its sender waited."""
    readable = or_(inbox.c.state == "queued", inbox.c.payload.has_key(ANSWERED_202))
    query = (
        select(*_SAID)
        .ext(distinct_on(inbox.c.order_ref))
        .where(
            inbox.c.tenant == tenant,
            inbox.c.order_ref.in_(order_refs),
            inbox.c.kind == "submit",
            inbox.c.state != "accepted",
            readable,
        )
        .order_by(inbox.c.order_ref, inbox.c.inbox_id.desc())
    )
    return {row.order_ref: Said(*row) for row in await connection.execute(query)}


async def pending(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> dict[str, Said]:
    """Return the command that each order decides next."""
    return await _first_of_each(connection, tenant, order_refs, "queued", newest=False)


async def last_refused(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> dict[str, Said]:
    """Return the last command of each order that was refused."""
    return await _first_of_each(connection, tenant, order_refs, "refused", newest=True)


async def _first_of_each(
    connection: AsyncConnection, tenant: str, order_refs: Sequence[str], state: str, *, newest: bool
) -> dict[str, Said]:
    query = (
        select(*_SAID)
        .ext(distinct_on(inbox.c.order_ref))
        .where(inbox.c.tenant == tenant, inbox.c.order_ref.in_(order_refs), inbox.c.state == state)
        .order_by(inbox.c.order_ref, inbox.c.inbox_id.desc() if newest else inbox.c.inbox_id)
    )
    return {row.order_ref: Said(*row) for row in await connection.execute(query)}


# -- shipments -------------------------------------------------------------------------------------------------------


async def order_of_shipment(connection: AsyncConnection, tenant: str, shipment_no: str) -> str | None:
    """Return the order that a shipment number is taken by."""
    query = select(shipment.c.order_ref).where(shipment.c.tenant == tenant, shipment.c.shipment_no == shipment_no)
    return (await connection.execute(query)).scalar_one_or_none()


async def label(
    connection: AsyncConnection, tenant: str, order_ref: str, shipment_no: str, parcel_no: int
) -> tuple[bytes, str] | None:
    """Return a parcel's label and its media type, if it has been bought."""
    query = select(parcel.c.label, parcel.c.label_media_type).where(
        parcel.c.tenant == tenant,
        parcel.c.order_ref == order_ref,
        parcel.c.shipment_no == shipment_no,
        parcel.c.parcel_no == parcel_no,
        parcel.c.label.is_not(None),
    )
    row = (await connection.execute(query)).one_or_none()
    return (bytes(row.label), row.label_media_type or "application/octet-stream") if row else None
