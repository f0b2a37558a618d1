"""Shipments, their parcels, and the steps at the carrier: each label and each void is a row before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from domain.carriers import LabeledParcel, TrackingStatus
from domain.errors import InvariantViolated
from domain.messages import OrderId
from domain.packing import Content
from domain.shipping.parcels import Loss, NewShipment, Parcel, Shipment, ShipmentName
from domain.shipping.shipment_state import ShipmentState
from postgres.statements import Query, adding, change
from records.tables import carrier_step, parcel, shipment


def name_of(named: ShipmentName) -> dict[str, str]:
    """Return the name of a shipment, or of whose shipment something is, as statements take it."""
    return {"tenant": named.tenant, "order_ref": named.order_ref, "shipment_no": named.shipment_no}


@dataclass(frozen=True)
class Step(ShipmentName):
    """What is, or was, to be asked of a carrier: to buy a label, to void it, to send a parcel back.

    `refusal` is in our words why it would not; what it said itself is apart.
    """

    step_id: str
    kind: str
    parcel_no: int | None
    version: int
    carrier: str | None
    reference: str
    state: str
    booking_id: str | None
    attempts: int
    last_error: str | None
    refusal: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of `records.carrier_step`, which may have more."""
        return cls(**{each.name: row[each.name] for each in fields(cls)})


OPEN: Final = frozenset({"intended", "sent", "unknown"})
"""The states of a step that the carrier has not answered."""

_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_ORDER_REF: Final[BindParameter[str]] = bindparam("order_ref")
_ORDER_REFS: Final = bindparam("order_refs", type_=ARRAY(Text))

_OF_ORDER: Final = Query.of(
    select(shipment)
    .where(shipment.c.tenant == _TENANT, shipment.c.order_ref == _ORDER_REF)
    .order_by(shipment.c.created_at, shipment.c.shipment_no)
)


async def find(connection: AsyncConnection, order: OrderId, shipment_no: str) -> ShipmentState | None:
    """Return a shipment of an order with its parcels, if it has one with this number."""
    named = name_of(ShipmentName(order.tenant, order.order_ref, shipment_no))
    rows = await _STATE.rows(connection, **named)
    if not rows:
        return None
    width = len(shipment.c)
    boxes = [dict(zip(_PARCELS.columns, row[width:], strict=True)) for row in rows]
    return ShipmentState(Shipment(*rows[0][:width]), tuple(_parcel(box) for box in boxes if box["parcel_no"]))


async def get(connection: AsyncConnection, order: OrderId, shipment_no: str) -> ShipmentState:
    """Return a shipment with its parcels, which its order has."""
    found = await find(connection, order, shipment_no)
    if found is None:
        raise InvariantViolated(f"order {order.order_ref} has no shipment {shipment_no}")
    return found


async def prove_delivery(
    connection: AsyncConnection, order: OrderId, shipment_no: str, at: datetime, proof: dict[str, Any]
) -> None:
    """Note that all of a shipment that arrives has arrived, and by what that is proved."""
    named = name_of(ShipmentName(order.tenant, order.order_ref, shipment_no))
    await change(connection, shipment, named, {"delivered_at": at, "proof_of_delivery": proof})


async def number_taken(connection: AsyncConnection, tenant: str, shipment_no: str) -> bool:
    """Say whether any order of the tenant has a shipment with this number."""
    return await _TAKEN.row(connection, tenant=tenant, shipment_no=shipment_no) is not None


_TAKEN: Final = Query.of(
    select(shipment.c.order_ref).where(shipment.c.tenant == _TENANT, shipment.c.shipment_no == bindparam("shipment_no"))
)


async def of_order(connection: AsyncConnection, order: OrderId) -> list[Shipment]:
    """Return an order's shipments as they were made."""
    return [Shipment(*row) for row in await _OF_ORDER.rows(connection, tenant=order.tenant, order_ref=order.order_ref)]


async def left_unseen(connection: AsyncConnection, order: OrderId) -> bool:
    """Say whether a shipment of an order left of which only a carrier's scan tells."""
    return await _LEFT_UNSEEN.row(connection, tenant=order.tenant, order_ref=order.order_ref) is not None


_LEFT_UNSEEN: Final = Query(
    """
    select from records.shipment
    where tenant = %(tenant)s and order_ref = %(order_ref)s and handover_evidence = 'inferred' limit 1
    """
)
_PARCEL: Final = [column for column in parcel.c if column.name != "label"]
_PARCELS: Final = Query.of(
    select(*_PARCEL)
    .where(parcel.c.tenant == _TENANT, parcel.c.order_ref == func.any(_ORDER_REFS))
    .order_by(parcel.c.order_ref, parcel.c.shipment_no, parcel.c.parcel_no)
)


async def parcels_of(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> list[Parcel]:
    """Return the parcels of orders, without their labels."""
    rows = await _PARCELS.mappings(connection, tenant=tenant, order_refs=list(order_refs))
    return [_parcel(row) for row in rows]


def _parcel(row: dict[str, Any]) -> Parcel:
    """Read what of a parcel is stored as documents and words."""
    read = {
        "lines": tuple(map(Content.of_document, row["lines"])),
        "loss": None if row["loss"] is None else Loss.of_document(row["loss"]),
        "tracking_status": TrackingStatus(row["tracking_status"]),
    }
    return Parcel(**{**row, **read})


async def get_parcel(connection: AsyncConnection, order: OrderId, shipment_no: str, parcel_no: int) -> Parcel:
    """Return a parcel, without its label."""
    boxes = await parcels_of(connection, order.tenant, [order.order_ref])
    return next(box for box in boxes if (box.shipment_no, box.parcel_no) == (shipment_no, parcel_no))


@dataclass(frozen=True)
class Waiting:
    """What is in a parcel that has a label and was not handed over."""

    order_ref: str
    lines: tuple[Content, ...]


async def waiting_parcels(connection: AsyncConnection, tenant: str, order_refs: Sequence[str]) -> list[Waiting]:
    """Return what is in the parcels of orders that are labeled and were not handed over."""
    rows = await _WAITING.rows(connection, tenant=tenant, order_refs=list(order_refs))
    return [Waiting(order_ref, tuple(map(Content.of_document, lines))) for order_ref, lines in rows]


def _its_shipment() -> ColumnElement[bool]:
    return and_(
        shipment.c.tenant == parcel.c.tenant,
        shipment.c.order_ref == parcel.c.order_ref,
        shipment.c.shipment_no == parcel.c.shipment_no,
    )


_STATE: Final = Query.of(
    select(*shipment.c, *_PARCEL)
    .join_from(shipment, parcel, _its_shipment(), isouter=True)
    .where(
        shipment.c.tenant == _TENANT,
        shipment.c.order_ref == _ORDER_REF,
        shipment.c.shipment_no == bindparam("shipment_no"),
    )
    .order_by(parcel.c.parcel_no)
)
_WAITING: Final = Query.of(
    select(parcel.c.order_ref, parcel.c.lines)
    .join(shipment, _its_shipment())
    .where(
        parcel.c.tenant == _TENANT,
        parcel.c.order_ref == func.any(_ORDER_REFS),
        parcel.c.tracking_number.is_not(None),
        shipment.c.handed_over_at.is_(None),
        shipment.c.dissolved_at.is_(None),
    )
)


@dataclass(frozen=True)
class NewParcel:
    """A parcel that is packed: grams and millimeters."""

    parcel_no: int
    weight_g: int
    length_mm: int | None
    width_mm: int | None
    height_mm: int | None
    lines: Sequence[Content]

    def as_row(self) -> dict[str, Any]:
        """Return it as it is written."""
        return {**vars(self), "lines": [content.document for content in self.lines]}


async def add(connection: AsyncConnection, made: NewShipment, parcels: Sequence[NewParcel]) -> None:
    """Write a shipment and its parcels, and that its label is going to be bought."""
    label = _step(made, "label", 1, made.carrier)
    asked = {name: label[name] for name in ("step_id", "reference")}
    await _ADD.run(connection, **asdict(made), parcels=[box.as_row() for box in parcels], **asked)


_ADD: Final = Query(
    """
    with made as (
      insert into records.shipment (tenant, order_ref, shipment_no, site, carrier, service_level, tracking_status)
      values (%(tenant)s, %(order_ref)s, %(shipment_no)s, %(site)s, %(carrier)s, %(service_level)s, 'pending')
      returning tenant, order_ref, shipment_no, carrier
    ), packed as (
      insert into records.parcel (tenant, order_ref, shipment_no, parcel_no, weight_g, length_mm, width_mm, height_mm,
        lines, tracking_status)
      select tenant, order_ref, shipment_no, parcel_no, weight_g, length_mm, width_mm, height_mm, lines, 'pending'
      from made cross join jsonb_to_recordset(%(parcels)s) as box (
        parcel_no integer, weight_g integer, length_mm integer, width_mm integer, height_mm integer, lines jsonb
      )
    )
    insert into records.carrier_step (tenant, order_ref, step_id, kind, shipment_no, version, carrier, reference, state)
    select tenant, order_ref, %(step_id)s, 'label', shipment_no, 1, carrier, %(reference)s, 'intended' from made
    """,
    documents=frozenset({"parcels"}),
)


async def save(connection: AsyncConnection, before: ShipmentState, after: ShipmentState) -> None:
    """Write what has changed of a shipment and its parcels."""
    if changed := _changed(before.shipment, after.shipment):
        await change(connection, shipment, name_of(after.shipment), changed)
    for was, box in zip(before.parcels, after.parcels, strict=True):
        if changed := _changed(was, box):
            await change(connection, parcel, {**name_of(box), "parcel_no": box.parcel_no}, changed)


def _changed(before: Shipment | Parcel, after: Shipment | Parcel) -> dict[str, Any]:
    """Return what has changed of a row, as it is stored."""
    names = [each.name for each in fields(after)]
    changed = {name: getattr(after, name) for name in names if getattr(before, name) != getattr(after, name)}
    return {name: _STORED.get(name, lambda value: value)(value) for name, value in changed.items()}


_STORED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "lines": lambda lines: [content.document for content in lines],
    "loss": lambda loss: loss and loss.document,
}
"""How what is a document is stored."""


async def dissolve(connection: AsyncConnection, order: OrderId, shipment_no: str) -> None:
    """Note that a shipment is off for good, and its goods are no longer in it."""
    await connection.execute(
        update(shipment)
        .where(
            shipment.c.tenant == order.tenant,
            shipment.c.order_ref == order.order_ref,
            shipment.c.shipment_no == shipment_no,
        )
        .values(dissolved_at=func.clock_timestamp(), tracking_status="cancelled")
    )


async def set_label(connection: AsyncConnection, shipment: ShipmentName, labeled: LabeledParcel) -> None:
    """Let a parcel go by a label that was bought for it."""
    bought = {name: getattr(labeled, name) for name in ("tracking_number", "label", "label_media_type")}
    await change(connection, parcel, {**name_of(shipment), "parcel_no": labeled.parcel_no}, bought)


async def steps_of(connection: AsyncConnection, order: OrderId) -> list[Step]:
    """Return an order's steps at carriers, as they were intended."""
    query = (
        select(carrier_step)
        .where(carrier_step.c.tenant == order.tenant, carrier_step.c.order_ref == order.order_ref)
        .order_by(carrier_step.c.created_at, carrier_step.c.shipment_no, carrier_step.c.version, carrier_step.c.kind)
    )
    return [Step.of(dict(row)) for row in (await connection.execute(query)).mappings()]


async def get_step(connection: AsyncConnection, order: OrderId, step_id: str, *, locked: bool = False) -> Step:
    """Return a step, locked if it is going to be decided on."""
    found = await find_step(connection, order, step_id, locked=locked)
    if found is None:
        raise InvariantViolated(f"order {order.order_ref} has no step {step_id}")
    return found


async def find_step(connection: AsyncConnection, order: OrderId, step_id: str, *, locked: bool = False) -> Step | None:
    """Return a step, if the order has it."""
    query = _LOCK_STEP if locked else _GET_STEP
    row = await query.mapping(connection, tenant=order.tenant, order_ref=order.order_ref, step_id=step_id)
    return None if row is None else Step.of(row)


async def is_over(connection: AsyncConnection, order: OrderId, step_id: str) -> bool:
    """Say whether a step at a carrier is one that nothing is to be done for any more."""
    found = await _GET_STEP.mapping(connection, tenant=order.tenant, order_ref=order.order_ref, step_id=step_id)
    return found is not None and found["state"] not in OPEN


_STEP: Final = select(carrier_step).where(
    carrier_step.c.tenant == _TENANT,
    carrier_step.c.order_ref == _ORDER_REF,
    carrier_step.c.step_id == bindparam("step_id"),
)
_GET_STEP: Final = Query.of(_STEP)
_LOCK_STEP: Final = Query.of(_STEP.with_for_update())


async def intend(
    connection: AsyncConnection, shipment: ShipmentName, kind: str, version: int, carrier: str | None
) -> None:
    """Write down what is going to be asked of a carrier for a shipment, with our reference, before it is asked."""
    step = _step(shipment, kind, version, carrier)
    await adding(carrier_step, tuple(step)).run(connection, **step)


def _step(shipment: ShipmentName, kind: str, version: int, carrier: str | None) -> dict[str, Any]:
    return {
        "tenant": shipment.tenant,
        "order_ref": shipment.order_ref,
        "step_id": f"{kind}/{shipment.shipment_no}/{version}",
        "kind": kind,
        "shipment_no": shipment.shipment_no,
        "version": version,
        "carrier": carrier,
        "reference": label_reference(shipment, version),
        "state": "intended",
    }


def label_reference(shipment: ShipmentName, version: int) -> str:
    """Return our name for the booking of a shipment; what is bought again is the next version."""
    return f"{shipment.tenant}/{shipment.order_ref}/{shipment.shipment_no}/{version}"


async def move_step(
    connection: AsyncConnection,
    order: OrderId,
    step_id: str,
    state: str,
    *,
    booking_id: str | None = None,
    last_error: str | None = None,
) -> None:
    """Move a step to a state; what the carrier said of it is kept beside what it said before."""
    await _MOVE.run(
        connection,
        tenant=order.tenant,
        order_ref=order.order_ref,
        step_id=step_id,
        state=state,
        booking_id=booking_id,
        last_error=last_error,
    )


_MOVE: Final = Query(
    """
    update records.carrier_step
    set state = %(state)s::text, booking_id = coalesce(%(booking_id)s, booking_id),
      last_error = coalesce(%(last_error)s, last_error),
      attempts = attempts + (%(state)s::text = 'sent')::int, updated_at = clock_timestamp()
    where tenant = %(tenant)s and order_ref = %(order_ref)s and step_id = %(step_id)s
    """
)


async def silent_parcels(
    connection: AsyncConnection, tenant: str, carrier: str, silent_for_s: float, limit: int
) -> list[str]:
    """Return the numbers of parcels on their way with a tenant's carrier that were silent, the longest silent first.

    Of labels that were replaced, too: the parcel may have left under one.
    """
    rows = await _SILENT.rows(connection, tenant=tenant, carrier=carrier, silent_for_s=silent_for_s, limit=limit)
    return [number for (number,) in rows]


_SILENT: Final = Query(
    """
    select tracking_number from (
      select p.tracking_number, coalesce(p.last_heard_at, s.created_at) as heard
      from records.parcel p join records.shipment s using (tenant, order_ref, shipment_no)
      where s.tenant = %(tenant)s and s.carrier = %(carrier)s and p.tracking_number is not null
        and s.dissolved_at is null
        and num_nonnulls(p.delivered_at, p.lost_at, p.came_back_at) = 0
        and p.tracking_status not in ('cancelled', 'return_to_sender')
      union all
      select l.tracking_number, coalesce(l.last_heard_at, l.created_at)
      from records.label l
      join records.parcel p using (tenant, order_ref, shipment_no, parcel_no)
      join records.shipment s using (tenant, order_ref, shipment_no)
      where l.tenant = %(tenant)s and l.carrier = %(carrier)s and l.tracking_number is not null
        and l.noted_at is null and s.dissolved_at is null
        and p.tracking_number is distinct from l.tracking_number
        and num_nonnulls(p.delivered_at, p.lost_at, p.came_back_at) = 0
    ) parcel
    where heard < now() - make_interval(secs => %(silent_for_s)s)
    order by heard limit %(limit)s
    """
)
