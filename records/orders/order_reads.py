"""Reading orders as the door shows them: accepted ones, and pushes that are not accepted yet, or never were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from psycopg.sql import SQL
from sqlalchemy import BindParameter, Text, bindparam, func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Rejected
from domain.messages import OrderId
from domain.order_commands import kept
from domain.payloads import KeptPush
from domain.revisions import Revision
from postgres.statements import Query, composed, listed
from records.orders.orders import OrderRow
from records.tables import inbox, orders, parcel

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

    @property
    def revision(self) -> int | None:
        """Return which revision was pushed, if one was; also by a build that this one can't read."""
        return self.payload.get("revision") if self.kind == "submit" else None

    @cached_property
    def push(self) -> KeptPush | None:
        """Return what was pushed, if it is a push."""
        told = kept(self.kind, self.payload)
        return told if isinstance(told, KeptPush) else None

    @property
    def refusal(self) -> Rejected | None:
        """Return why it was refused, if it was."""
        return Rejected.from_json(self.answer) if self.state == "refused" and self.answer is not None else None


@dataclass(frozen=True)
class OrderFilter:
    """Which orders are wanted; None is any. `after` is the position of the last one on the page before."""

    status: str | None = None
    needs_attention: bool | None = None
    updated_since: datetime | None = None
    source: str | None = None
    after: tuple[datetime, str] | None = None
    limit: int = 100


_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_ORDER_REFS: Final = bindparam("order_refs", type_=ARRAY(Text))
_SAID = tuple(inbox.c[name] for name in Said.__dataclass_fields__)


async def find(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> dict[str, OrderRow]:
    """Return those of the orders that were accepted."""
    rows = await _FIND.rows(connection, tenant=tenant, order_refs=list(order_refs))
    return {row.order_ref: row for row in (OrderRow.of_row(found) for found in rows)}


_FIND: Final = Query.of(select(orders).where(orders.c.tenant == _TENANT, orders.c.order_ref == func.any(_ORDER_REFS)))


async def page(connection: AsyncConnection, tenant: str, wanted: OrderFilter) -> list[OrderRow]:
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
    return [OrderRow.of_row(row) for row in await connection.execute(query)]


async def revision(connection: AsyncConnection, order: OrderId) -> Revision:
    """Return what the latest accepted revision of an order says; nothing where none is accepted."""
    found = await _REVISION.row(connection, tenant=order.tenant, order_ref=order.order_ref)
    return Revision(found[0] if found else {})


_REVISION: Final = Query(
    """
    select content from records.orders join records.order_revision using (tenant, order_ref, revision)
    where tenant = %(tenant)s and order_ref = %(order_ref)s
    """
)


@dataclass(frozen=True)
class Told:
    """What is told of an order beside its row: its latest accepted revision, and the orders that replace it."""

    revision: Revision
    replaced_by: list[str]


async def told(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> dict[str, Told]:
    """Return what is told of accepted orders beside their rows."""
    rows = await _TOLD.rows(connection, tenant=tenant, order_refs=list(order_refs))
    return {order_ref: Told(Revision(content), replaced_by) for order_ref, content, replaced_by in rows}


_TOLD: Final = Query(
    """
    select o.order_ref, content, array(
      select n.order_no from records.orders n
      where n.tenant = o.tenant and n.source = o.source and n.replaces = o.order_no order by n.created_at
    )
    from records.orders o join records.order_revision using (tenant, order_ref, revision)
    where o.tenant = %(tenant)s and o.order_ref = any(%(order_refs)s)
    """
)


# -- what was said, and not decided or refused -----------------------------------------------------------------------


@dataclass(frozen=True)
class KnownOfKey:
    """What the inbox has when a command comes: how many of its order wait, and the last attempt with its key."""

    undecided: int
    inbox_id: int | None
    state: str | None
    digest: bytes | None


async def known_of_key(connection: AsyncConnection, order: OrderId, key: str) -> KnownOfKey:
    """Look into the inbox before a command is put there."""
    ((undecided, *last),) = await _KNOWN_OF_KEY.rows(
        connection, tenant=order.tenant, order_ref=order.order_ref, key=key
    )
    return KnownOfKey(undecided, *last)


_KNOWN_OF_KEY: Final = Query(
    """
    select waiting.undecided, last.inbox_id, last.state, last.digest
    from (
      select count(*) as undecided from records.inbox
      where tenant = %(tenant)s and order_ref = %(order_ref)s and state = 'queued'
    ) waiting
    left join (
      select inbox_id, state, digest from records.inbox
      where tenant = %(tenant)s and order_ref = %(order_ref)s and key = %(key)s order by attempt desc limit 1
    ) last on true
    """
)


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


@dataclass(frozen=True)
class Unaccepted:
    """By order, the command that it decides next, and its last one that was refused."""

    queued: dict[str, Said]
    refused: dict[str, Said]


async def unaccepted(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> Unaccepted:
    """Return of each order the command that it decides next, and its last one that was refused."""
    every = [Said(*row) for row in await _UNACCEPTED.rows(connection, tenant=tenant, order_refs=list(order_refs))]
    return Unaccepted(
        queued={said.order_ref: said for said in every if said.state == "queued"},
        refused={said.order_ref: said for said in every if said.state == "refused"},
    )


_UNACCEPTED: Final = Query(
    composed(
        """
        select distinct on (order_ref, state) {fields} from records.inbox
        where tenant = %(tenant)s and order_ref = any(%(order_refs)s) and state <> 'accepted'
        order by order_ref, state, case state when 'queued' then inbox_id else -inbox_id end
        """,
        fields=SQL(listed(Said.__dataclass_fields__)),
    )
)


async def open_orders_of(connection: AsyncConnection, tenant: str, sku: str, limit: int = 3) -> list[str]:
    """Name orders that are open, or wait for their first decision, and ask for a sku; a few of them.

    A line counts until its order is closed: what was cancelled of it may be wanted again.
    """
    named = [{"sku": sku}]
    rows = await _OPEN_ORDERS_OF.rows(connection, tenant=tenant, named=named, limit=limit)
    return [order_ref for (order_ref,) in rows]


_OPEN_ORDERS_OF: Final = Query(
    """
    select order_ref from (
      select o.order_ref, r.content as said
      from records.orders o join records.order_revision r using (tenant, order_ref, revision)
      where o.tenant = %(tenant)s and o.closed_at is null
      union all
      select order_ref, payload from records.inbox
      where tenant = %(tenant)s and state = 'queued' and kind = 'submit'
    ) asking
    where said -> 'lines' @> %(named)s or said -> 'resolved' @> %(named)s
    group by order_ref order by order_ref limit %(limit)s
    """,
    documents=frozenset({"named"}),
)


# -- shipments -------------------------------------------------------------------------------------------------------


async def order_of_shipment(connection: AsyncConnection, tenant: str, shipment_no: str) -> str | None:
    """Return the order that a shipment number is taken by."""
    found = await _OF_SHIPMENT.row(connection, tenant=tenant, shipment_no=shipment_no)
    return found[0] if found else None


_OF_SHIPMENT: Final = Query(
    "select order_ref from records.shipment where tenant = %(tenant)s and shipment_no = %(shipment_no)s"
)


async def waits_for_labels(connection: AsyncConnection, order: OrderId, shipment_no: str) -> bool:
    """Say whether a parcel of a shipment is still to get its label, and no person is needed before."""
    named = {"tenant": order.tenant, "order_ref": order.order_ref, "shipment_no": shipment_no}
    return await _WAITS.row(connection, **named, step=f"label/{shipment_no}/") is not None


_WAITS: Final = Query(
    """
    select from records.orders o join records.parcel p using (tenant, order_ref)
    where o.tenant = %(tenant)s and o.order_ref = %(order_ref)s and p.shipment_no = %(shipment_no)s
      and p.tracking_number is null and not starts_with(coalesce(o.attention ->> 'step', ''), %(step)s)
    limit 1
    """
)


async def label(
    connection: AsyncConnection, order: OrderId, shipment_no: str, parcel_no: int
) -> tuple[bytes, str] | None:
    """Return a parcel's label and its media type, if it has been bought."""
    query = select(parcel.c.label, parcel.c.label_media_type).where(
        parcel.c.tenant == order.tenant,
        parcel.c.order_ref == order.order_ref,
        parcel.c.shipment_no == shipment_no,
        parcel.c.parcel_no == parcel_no,
        parcel.c.label.is_not(None),
    )
    row = (await connection.execute(query)).one_or_none()
    return (bytes(row.label), row.label_media_type or "application/octet-stream") if row else None
