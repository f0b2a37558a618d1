"""Shipments, their parcels, and the steps at the carrier: each label and each void is a row before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.records.tables import carrier_step, parcel, shipment

Shipment = dict[str, Any]
Parcel = dict[str, Any]
Step = dict[str, Any]


async def get(connection: AsyncConnection, tenant: str, order_ref: str, shipment_no: str) -> Shipment | None:
    """Return a shipment of an order."""
    query = select(shipment).where(
        shipment.c.tenant == tenant, shipment.c.order_ref == order_ref, shipment.c.shipment_no == shipment_no
    )
    found = (await connection.execute(query)).mappings().one_or_none()
    return dict(found) if found else None


async def number_taken(connection: AsyncConnection, tenant: str, shipment_no: str) -> bool:
    """Say whether any order of the tenant has a shipment with this number."""
    query = select(shipment.c.order_ref).where(shipment.c.tenant == tenant, shipment.c.shipment_no == shipment_no)
    return (await connection.execute(query)).first() is not None


async def of_order(connection: AsyncConnection, tenant: str, order_ref: str) -> list[Shipment]:
    """Return an order's shipments as they were made."""
    query = (
        select(shipment)
        .where(shipment.c.tenant == tenant, shipment.c.order_ref == order_ref)
        .order_by(shipment.c.created_at, shipment.c.shipment_no)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def parcels_of(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> list[Parcel]:
    """Return the parcels of orders, without their labels."""
    columns = [column for column in parcel.c if column.name != "label"]
    query = (
        select(*columns)
        .where(parcel.c.tenant == tenant, parcel.c.order_ref.in_(order_refs))
        .order_by(parcel.c.order_ref, parcel.c.shipment_no, parcel.c.parcel_no)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def get_parcel(
    connection: AsyncConnection, tenant: str, order_ref: str, shipment_no: str, parcel_no: int
) -> Parcel:
    """Return a parcel, without its label."""
    boxes = await parcels_of(connection, tenant, [order_ref])
    return next(box for box in boxes if (box["shipment_no"], box["parcel_no"]) == (shipment_no, parcel_no))


async def waiting_parcels(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> list[Parcel]:
    """Return what is in the parcels of orders that are labeled and were not handed over."""
    query = (
        select(parcel.c.order_ref, parcel.c.lines)
        .join(shipment, _its_shipment())
        .where(
            parcel.c.tenant == tenant,
            parcel.c.order_ref.in_(order_refs),
            parcel.c.tracking_number.is_not(None),
            shipment.c.handed_over_at.is_(None),
            shipment.c.dissolved_at.is_(None),
        )
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _its_shipment() -> ColumnElement[bool]:
    return and_(
        shipment.c.tenant == parcel.c.tenant,
        shipment.c.order_ref == parcel.c.order_ref,
        shipment.c.shipment_no == parcel.c.shipment_no,
    )


async def add(connection: AsyncConnection, row: Mapping[str, Any], parcels: Sequence[Mapping[str, Any]]) -> None:
    """Write a shipment and its parcels."""
    await connection.execute(insert(shipment).values(**row))
    await connection.execute(insert(parcel), [dict(box) for box in parcels])


async def set_fields(connection: AsyncConnection, tenant: str, order_ref: str, shipment_no: str, **fields: Any) -> None:
    """Change a shipment's row."""
    await connection.execute(
        update(shipment)
        .where(shipment.c.tenant == tenant, shipment.c.order_ref == order_ref, shipment.c.shipment_no == shipment_no)
        .values(**fields)
    )


async def set_parcel(
    connection: AsyncConnection, tenant: str, order_ref: str, shipment_no: str, parcel_no: int, **fields: Any
) -> None:
    """Change a parcel's row."""
    await connection.execute(
        update(parcel)
        .where(
            parcel.c.tenant == tenant,
            parcel.c.order_ref == order_ref,
            parcel.c.shipment_no == shipment_no,
            parcel.c.parcel_no == parcel_no,
        )
        .values(**fields)
    )


async def steps_of(connection: AsyncConnection, tenant: str, order_ref: str) -> list[Step]:
    """Return an order's steps at carriers, as they were intended."""
    query = (
        select(carrier_step)
        .where(carrier_step.c.tenant == tenant, carrier_step.c.order_ref == order_ref)
        .order_by(carrier_step.c.created_at, carrier_step.c.shipment_no, carrier_step.c.version, carrier_step.c.kind)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def get_step(
    connection: AsyncConnection, tenant: str, order_ref: str, step_id: str, *, locked: bool = False
) -> Step:
    """Return a step, locked if it is going to be decided on."""
    query = select(carrier_step).where(
        carrier_step.c.tenant == tenant, carrier_step.c.order_ref == order_ref, carrier_step.c.step_id == step_id
    )
    return dict((await connection.execute(query.with_for_update() if locked else query)).mappings().one())


async def is_withdrawn(connection: AsyncConnection, label: Step) -> bool:
    """Say whether a label was to be voided, or bought again since, or its shipment was dissolved."""
    query = select(carrier_step.c.step_id).where(
        carrier_step.c.tenant == label["tenant"],
        carrier_step.c.order_ref == label["order_ref"],
        carrier_step.c.shipment_no == label["shipment_no"],
        or_(
            carrier_step.c.version > label["version"],
            and_(carrier_step.c.version == label["version"], carrier_step.c.kind == "void"),
        ),
    )
    if (await connection.execute(query)).first() is not None:
        return True
    row = await get(connection, label["tenant"], label["order_ref"], label["shipment_no"])
    return row is None or row["dissolved_at"] is not None


async def intend(
    connection: AsyncConnection, tenant: str, order_ref: str, kind: str, shipment_no: str, version: int
) -> None:
    """Write down what is going to be asked of the carrier, with our reference, before it is asked."""
    await connection.execute(
        insert(carrier_step).values(
            tenant=tenant,
            order_ref=order_ref,
            step_id=f"{kind}/{shipment_no}/{version}",
            kind=kind,
            shipment_no=shipment_no,
            version=version,
            reference=f"{tenant}/{order_ref}/{shipment_no}/{version}",
            state="intended",
        )
    )


async def move_step(
    connection: AsyncConnection, tenant: str, order_ref: str, step_id: str, state: str, **fields: Any
) -> None:
    """Move a step to a state."""
    values: dict[str, Any] = {"state": state, "updated_at": func.clock_timestamp(), **fields}
    if state == "sent":
        values["attempts"] = carrier_step.c.attempts + 1
    await connection.execute(
        update(carrier_step)
        .where(
            carrier_step.c.tenant == tenant, carrier_step.c.order_ref == order_ref, carrier_step.c.step_id == step_id
        )
        .values(**values)
    )


async def silent_parcels(connection: AsyncConnection, silent_for_s: float, limit: int) -> list[Parcel]:
    """Return parcels on their way that nothing was heard of for a while, the longest silent first."""
    heard = func.coalesce(parcel.c.last_heard_at, shipment.c.created_at)
    query = (
        select(parcel.c.tenant, parcel.c.order_ref, parcel.c.tracking_number, shipment.c.carrier)
        .join(shipment, _its_shipment())
        .where(
            parcel.c.tracking_number.is_not(None),
            parcel.c.delivered_at.is_(None),
            shipment.c.dissolved_at.is_(None),
            parcel.c.tracking_status.not_in(("cancelled", "return_to_sender")),
            heard < func.now() - text(f"interval '{silent_for_s} s'"),
        )
        .order_by(heard)
        .limit(limit)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]
