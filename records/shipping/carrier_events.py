"""Carrier events as they were heard, and the outbox that tells an order's workflow of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.sql import SQL, Identifier
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carriers import PHYSICAL, TrackingEvent, TrackingStatus
from domain.labels import matched_as
from domain.messages import OrderId
from domain.shipping.parcels import Parcel
from domain.shipping.scans import REPLACED
from domain.shipping.shipment_state import advance
from domain.shipping.tracking import concerns_its_order
from domain.window import USUAL, Window
from postgres.statements import Query, change, composed
from records.orders import orders, outbox
from records.shipping import labels, shipments
from records.shipping.labels import Found
from records.shipping.shipments import name_of
from records.tables import carrier_event, label, parcel


@dataclass(frozen=True)
class Heard:
    """How events are heard of: by which connection of whom, and which of their times are believed.

    `carrier` is the connection's name, as orders name it: a poll and a callback of the same scan are one event.
    """

    tenant: str
    carrier: str
    by: Literal["callback", "poll"]
    window: Window = USUAL


async def store(connection: AsyncConnection, heard: Heard, event: TrackingEvent) -> str | None:
    """Store an event once, and let it act: what moves no stock at once, else through its order's workflow.

    A time that can't be is kept as told, and the event happened when it was received.
    Returns the order_ref that must hear of it. An event of a parcel that is not known is kept until its tracking number
    appears. One at a time for an order: its row is locked.
    """
    found = await labels.find(connection, heard.tenant, heard.carrier, event.tracking_number)
    if found is not None:
        await orders.lock(connection, [(found.tenant, found.order_ref)])
    new = await _insert(connection, heard, event, found)
    if found is None:
        return None
    await _heard_of(connection, found.tenant, found.tracking_number)
    missed = new is None and await match(connection, found.tenant, heard.carrier, found.owner, found.tracking_number)
    if missed or (new is not None and not await _applied_at_once(connection, found, new, event.status)):
        if event.status in PHYSICAL:
            await _open_again(connection, found, event.status)
        await outbox.put(connection, found.order, "carrier_event")
        return found.order_ref
    return None


async def _open_again(connection: AsyncConnection, found: Found, status: TrackingStatus) -> None:
    """Open an order again if it was closed, and must hear what nobody thought of.

    What arrived is a parcel of it that was lost, or the carrier has one under a label that was replaced.
    """
    delivered = status is TrackingStatus.DELIVERED
    await _OPEN_AGAIN.run(
        connection, tenant=found.tenant, delivered=delivered, **found.owner, tracking_number=found.tracking_number
    )


_OPEN_AGAIN: Final = Query(
    """
    update records.orders o set closed_at = null, updated_at = clock_timestamp()
    where tenant = %(tenant)s and order_ref = %(order_ref)s and closed_at is not null and exists (
      select from records.parcel p
      where p.tenant = o.tenant and p.order_ref = o.order_ref and p.shipment_no = %(shipment_no)s
        and p.parcel_no = %(parcel_no)s
        and (p.lost_at is not null and %(delivered)s or p.tracking_number is distinct from %(tracking_number)s)
    )
    """
)


async def _insert(connection: AsyncConnection, heard: Heard, event: TrackingEvent, label: Found | None) -> int | None:
    """Write an event, unless it is there. Returns its id if it is new.

    It names its parcel as the label does, however the carrier wrote the number this time; one of a label that is not
    known yet, by what that is matched by.
    """
    found = await _INSERT.row(
        connection,
        tenant=heard.tenant,
        carrier=heard.carrier,
        event_id=event.event_id,
        tracking_number=label.tracking_number if label else matched_as(event.tracking_number),
        status=event.status.value,
        vendor_status=event.vendor_status,
        told=event.occurred_at,
        ahead=heard.window.ahead,
        back=heard.window.back,
        location=event.location,
        signed_by=event.signed_by,
        heard_by=heard.by,
        **(label.owner if label else _NOBODY),
    )
    return int(found[0]) if found else None


_NOBODY: Final = {"order_ref": None, "shipment_no": None, "parcel_no": None}
_INSERT: Final = Query(
    """
    with receipt as materialized (select clock_timestamp() as received_at, %(told)s::timestamptz as told),
    believed as (
      select *, told between received_at - %(back)s::interval and received_at + %(ahead)s::interval as can_be
      from receipt
    )
    insert into records.carrier_event (tenant, carrier, event_id, tracking_number, status, vendor_status,
      occurred_at, told_at, received_at, location, signed_by, heard_by, order_ref, shipment_no, parcel_no)
    select %(tenant)s, %(carrier)s, %(event_id)s, %(tracking_number)s, %(status)s,
      %(vendor_status)s, case when can_be then least(told, received_at) when told is not null then received_at end,
      case when not can_be then told end, received_at, %(location)s, %(signed_by)s, %(heard_by)s, %(order_ref)s,
      %(shipment_no)s, %(parcel_no)s
    from believed
    on conflict do nothing returning carrier_event_id
    """
)


async def _applied_at_once(
    connection: AsyncConnection, found: Found, carrier_event_id: int, status: TrackingStatus
) -> bool:
    """Apply an event that its order need not hear of. Says no to others, and where the shipment was cancelled.

    Of a label that was replaced, only what proves that the carrier has the parcel is news, and only until a person
    took note.
    """
    state = await shipments.get(connection, found.order, found.shipment_no)
    box = state.parcel(found.parcel_no)
    assert box is not None
    if box.tracking_number != found.tracking_number:
        news = status in PHYSICAL and not await _is_settled(connection, found)
        return not news and await mark_applied(connection, carrier_event_id, REPLACED)
    if state.shipment.dissolved_at is not None or concerns_its_order(status, state.shipment, box):
        return False
    advanced = advance(state, box, status)
    await shipments.save(connection, state, advanced.state)
    await mark_applied(connection, carrier_event_id, advanced.words)
    return True


async def _is_settled(connection: AsyncConnection, found: Found) -> bool:
    """Say whether an order is closed, and whoever closed it knew of a label's scans."""
    order = await orders.get(connection, found.order)
    noted = await labels.was_noted(connection, found.order, found.tracking_number)
    return noted and order is not None and order.closed_at is not None


_HEARD_OF: Final = tuple(
    Query.of(
        update(table)
        .where(table.c.tenant == bindparam("tenant"), number == bindparam("number"))
        .values(last_heard_at=func.clock_timestamp())
    )
    for table, number in ((parcel, parcel.c.tracking_number), (label, label.c.matched_as))
)


async def _heard_of(connection: AsyncConnection, tenant: str, tracking_number: str) -> None:
    """Note that the parcel is not silent."""
    for query, number in zip(_HEARD_OF, (tracking_number, matched_as(tracking_number)), strict=True):
        await query.run(connection, tenant=tenant, number=number)


async def asked(connection: AsyncConnection, tenant: str, tracking_numbers: Sequence[str]) -> None:
    """Note that the carrier was asked about these parcels: they are next asked about after the same silence.

    One that somebody is changing just now is passed over: it is asked about again at once, and nobody waits in a ring.
    """
    for query in _ASKED:
        await query.run(
            connection,
            tenant=tenant,
            numbers=list(tracking_numbers),
            matched_as=list(map(matched_as, tracking_numbers)),
        )


_ASKED: Final = tuple(
    Query(
        composed(
            """
            with free as (
              select ctid from records.{table} where tenant = %(tenant)s and {named} for update skip locked
            )
            update records.{table} set last_heard_at = clock_timestamp() where ctid in (select ctid from free)
            """,
            table=Identifier(table),
            named=named,
        )
    )
    for table, named in (
        ("parcel", SQL("tracking_number = any(%(numbers)s::text[])")),
        ("label", SQL("matched_as = any(%(matched_as)s::text[])")),
    )
)


async def match(
    connection: AsyncConnection, tenant: str, carrier: str, owner: dict[str, Any], tracking_number: str
) -> bool:
    """Give events that came before their parcel's number was known to its order. Returns whether there were any."""
    key = {"tenant": tenant, "carrier": carrier, "tracking_number": matched_as(tracking_number), "order_ref": None}
    return bool(await change(connection, carrier_event, key, {**owner, "tracking_number": tracking_number}))


async def hear_again(connection: AsyncConnection, order: OrderId, tracking_numbers: list[str]) -> None:
    """Let an order hear again what carriers said of these labels, and it changed nothing."""
    await connection.execute(
        update(carrier_event)
        .where(
            carrier_event.c.tenant == order.tenant,
            carrier_event.c.order_ref == order.order_ref,
            carrier_event.c.tracking_number.in_(tracking_numbers),
            carrier_event.c.effect.startswith("nothing: "),
        )
        .values(applied_at=None, effect=None)
    )


@dataclass(frozen=True)
class CarrierEventRow:
    """What a carrier said of a label whose parcel is known: `status` in our words, `vendor_status` in its own.

    `effect` is what it changed. `occurred_at` is null where the carrier did not say when, and `told_at` is what it said
    where that can't have been.
    """

    carrier_event_id: int
    tenant: str
    carrier: str
    connection: str | None
    event_id: str
    tracking_number: str
    status: str
    vendor_status: str
    occurred_at: datetime | None
    told_at: datetime | None
    location: str | None
    signed_by: str | None
    heard_by: str
    received_at: datetime
    order_ref: str
    shipment_no: str
    parcel_no: int
    applied_at: datetime | None
    effect: str | None


async def delivery_of(connection: AsyncConnection, box: Parcel) -> CarrierEventRow:
    """Return the event by which a parcel was delivered."""
    query = (
        select(carrier_event)
        .where(
            *(carrier_event.c[part] == value for part, value in name_of(box).items()),
            carrier_event.c.parcel_no == box.parcel_no,
            carrier_event.c.status == TrackingStatus.DELIVERED.value,
        )
        .order_by(carrier_event.c.carrier_event_id)
        .limit(1)
    )
    return CarrierEventRow(*(await connection.execute(query)).one())


async def unapplied(connection: AsyncConnection, order: OrderId) -> list[CarrierEventRow]:
    """Return an order's events that were not dealt with yet, as they came."""
    rows = await _UNAPPLIED.rows(connection, tenant=order.tenant, order_ref=order.order_ref)
    return [CarrierEventRow(*row) for row in rows]


_UNAPPLIED: Final = Query.of(
    select(carrier_event)
    .where(
        carrier_event.c.tenant == bindparam("tenant"),
        carrier_event.c.order_ref == bindparam("order_ref"),
        carrier_event.c.applied_at.is_(None),
    )
    .order_by(carrier_event.c.carrier_event_id)
)
_APPLIED: Final = Query.of(
    update(carrier_event)
    .where(
        carrier_event.c.carrier_event_id == bindparam("event"),
        carrier_event.c.applied_at.is_(None),
    )
    .values(applied_at=func.clock_timestamp(), effect=bindparam("what"))
)


async def mark_applied(connection: AsyncConnection, carrier_event_id: int, effect: str) -> bool:
    """Note what an event changed. Returns False where another run was first."""
    return bool(await _APPLIED.run(connection, event=carrier_event_id, what=effect))
