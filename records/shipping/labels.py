"""What a label is bought for, and what it brings: a packer waits for it, so each is read and written in one go.

Every label stays known with its parcel, also once another was bought in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.sql import SQL
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carriers import PHYSICAL, Address, LabeledParcel, ParcelRequest
from domain.labels import Label, Labels, matched_as
from domain.messages import OfOrder, OrderId
from domain.packing import Content, holds_the_same
from domain.shipping.parcels import Parcel, Shipment
from domain.shipping.shipment_state import ShipmentState
from postgres.statements import Query, composed, listed
from records.shipping.shipments import Step, name_of
from records.tables import carrier_step, label


@dataclass(frozen=True)
class Wanted:
    """A label's step, whether it is withdrawn, and what its booking says; no site where its shipment is gone."""

    step: Step
    withdrawn: bool
    site: str | None
    ship_from: Address
    ship_to: Address
    boxes: tuple[ParcelRequest, ...]


# It was to be voided, or bought again since, or its shipment was dissolved.
_WITHDRAWN: Final = SQL(
    """
    exists (
      select from records.carrier_step later
      where later.tenant = s.tenant and later.order_ref = s.order_ref and later.shipment_no = s.shipment_no
        and (later.kind = 'label' and later.version > s.version or later.kind = 'void' and later.version = s.version)
    ) or not exists (
      select from records.shipment h
      where h.tenant = s.tenant and h.order_ref = s.order_ref and h.shipment_no = s.shipment_no
        and h.dissolved_at is null
    )
    """
)


async def wanted(connection: AsyncConnection, order: OrderId, step_id: str) -> Wanted | None:
    """Return a label's step, locked, with what is to be booked. The caller holds the order's lock."""
    row = await _WANTED.mapping(connection, tenant=order.tenant, order_ref=order.order_ref, step_id=step_id)
    if row is None:
        return None
    ship_from, ship_to = row["ship_from"] or {}, row["ship_to"] or {}
    return Wanted(
        step=Step.of(row),
        withdrawn=row["withdrawn"],
        site=row["site"],
        ship_from=_address(ship_from),
        ship_to=_address(ship_to.get("ship_to") or ship_to),
        boxes=tuple(ParcelRequest(**box) for box in row["boxes"]),
    )


def _address(data: Mapping[str, Any]) -> Address:
    return Address(
        name=data.get("name") or "",
        street=tuple(data.get("street") or ()),
        postal_code=data.get("postal_code", ""),
        city=data.get("city", ""),
        country=data.get("country", ""),
        company=data.get("company"),
        state=data.get("state"),
        phone=data.get("phone"),
        email=data.get("email"),
    )


_OF_BOOKING: Final = ("withdrawn", "site", "ship_from", "ship_to", "boxes")
_WANTED: Final = Query(
    composed(
        """
        select {of_step}, {withdrawn}, h.site, f.address, a.data, (
          select coalesce(jsonb_agg(jsonb_build_object('parcel_no', b.parcel_no, 'weight_g', b.weight_g,
            'length_mm', b.length_mm, 'width_mm', b.width_mm, 'height_mm', b.height_mm) order by b.parcel_no), '[]')
          from records.parcel b
          where b.tenant = s.tenant and b.order_ref = s.order_ref and b.shipment_no = s.shipment_no and b.lines <> '[]'
        )
        from records.carrier_step s
        join records.orders o on o.tenant = s.tenant and o.order_ref = s.order_ref
        left join records.address a on a.address_id = o.address_id
        left join records.shipment h
          on h.tenant = s.tenant and h.order_ref = s.order_ref and h.shipment_no = s.shipment_no
        left join records.location f on f.tenant = s.tenant and f.location_id = h.site and f.type = 'site'
        where s.tenant = %(tenant)s and s.order_ref = %(order_ref)s and s.step_id = %(step_id)s
        for update of s
        """,
        of_step=SQL(listed(carrier_step.c.keys(), "s.")),
        withdrawn=_WITHDRAWN,
    ),
    (*carrier_step.c.keys(), *_OF_BOOKING),
)


async def bought(connection: AsyncConnection, order: OrderId, step_id: str, booking_id: str) -> bool:
    """Note that a label was bought. Says no where it is not wanted any more: its void finds the booking here."""
    found = await _BOUGHT.row(
        connection, tenant=order.tenant, order_ref=order.order_ref, step_id=step_id, booking_id=booking_id
    )
    return found is not None and not found[0]


_BOUGHT: Final = Query(
    composed(
        """
        update records.carrier_step s
        set state = 'done', booking_id = %(booking_id)s, updated_at = clock_timestamp()
        where tenant = %(tenant)s and order_ref = %(order_ref)s and step_id = %(step_id)s
        returning {withdrawn}
        """,
        withdrawn=_WITHDRAWN,
    )
)


async def asked_for(connection: AsyncConnection, step: Step, carrier: str) -> None:
    """Note what each parcel holds that a label is about to be asked for."""
    await _ASKED_FOR.run(connection, **_of_step(step), carrier=carrier)


_ASKED_FOR: Final = Query(
    """
    insert into records.label (tenant, order_ref, shipment_no, version, parcel_no, carrier, service_level, packing,
      lines)
    select tenant, order_ref, shipment_no, %(version)s, parcel_no, %(carrier)s, o.service_level, p.packing, p.lines
    from records.parcel p join records.orders o using (tenant, order_ref)
    where tenant = %(tenant)s and order_ref = %(order_ref)s and shipment_no = %(shipment_no)s and p.lines <> '[]'
    on conflict do nothing
    """
)


async def came(connection: AsyncConnection, step: Step, parcels: Iterable[LabeledParcel], *, in_use: bool) -> None:
    """Keep the numbers of a booking; its documents, too, where the parcels do not go by it and have none of it."""
    for labeled in parcels:
        await _CAME.run(
            connection,
            **_of_step(step),
            parcel_no=labeled.parcel_no,
            tracking_number=labeled.tracking_number,
            matched_as=matched_as(labeled.tracking_number),
            document=None if in_use else labeled.label,
            media_type=None if in_use else labeled.label_media_type,
        )


# The row is there, unless an older build asked for the label.
_CAME: Final = Query(
    """
    insert into records.label as l (tenant, order_ref, shipment_no, version, parcel_no, carrier, service_level, packing,
      lines, tracking_number, matched_as, document, media_type)
    select tenant, order_ref, shipment_no, %(version)s, parcel_no, s.carrier, s.service_level, p.packing, p.lines,
      %(tracking_number)s, %(matched_as)s, %(document)s, %(media_type)s
    from records.parcel p join records.shipment s using (tenant, order_ref, shipment_no)
    where tenant = %(tenant)s and order_ref = %(order_ref)s and shipment_no = %(shipment_no)s
      and parcel_no = %(parcel_no)s
    on conflict (tenant, order_ref, shipment_no, version, parcel_no) do update
    set tracking_number = excluded.tracking_number, matched_as = excluded.matched_as,
      document = coalesce(excluded.document, l.document), media_type = coalesce(excluded.media_type, l.media_type)
    """
)


def _of_step(step: Step) -> dict[str, Any]:
    return {**name_of(step), "version": step.version}


async def put_away(connection: AsyncConnection, boxes: Iterable[Parcel], version: int) -> None:
    """Keep the labels that a shipment's parcels go by until now, documents and all: another is going to be bought."""
    for box in boxes:
        if box.tracking_number is not None:
            its = {"version": version, "parcel_no": box.parcel_no, "matched_as": matched_as(box.tracking_number)}
            await _PUT_AWAY.run(connection, **name_of(box), **its)


_PUT_AWAY: Final = Query(
    """
    insert into records.label (tenant, order_ref, shipment_no, version, parcel_no, carrier, service_level, packing,
      lines, tracking_number, matched_as, document, media_type)
    select tenant, order_ref, shipment_no, %(version)s, parcel_no, s.carrier, s.service_level, p.packing, p.lines,
      p.tracking_number, %(matched_as)s, p.label, p.label_media_type
    from records.parcel p join records.shipment s using (tenant, order_ref, shipment_no)
    where tenant = %(tenant)s and order_ref = %(order_ref)s and shipment_no = %(shipment_no)s
      and parcel_no = %(parcel_no)s
    on conflict (tenant, order_ref, shipment_no, version, parcel_no) do update
    set tracking_number = excluded.tracking_number, matched_as = excluded.matched_as, document = excluded.document,
      media_type = excluded.media_type
    """
)


async def go_by(connection: AsyncConnection, shipment: Shipment, version: int) -> None:
    """Let a shipment and its parcels go by a version of its labels, as it was bought."""
    await _GO_BY.run(connection, **name_of(shipment), version=version)
    await _GO_BY_CARRIER.run(connection, **name_of(shipment), version=version)


_GO_BY: Final = Query(
    """
    update records.parcel p
    set tracking_number = l.tracking_number, label = l.document, label_media_type = l.media_type
    from records.label l
    where (p.tenant, p.order_ref, p.shipment_no, p.parcel_no) = (l.tenant, l.order_ref, l.shipment_no, l.parcel_no)
      and l.tenant = %(tenant)s and l.order_ref = %(order_ref)s and l.shipment_no = %(shipment_no)s
      and l.version = %(version)s
    """
)
_GO_BY_CARRIER: Final = Query(
    """
    update records.shipment s set carrier = l.carrier, service_level = l.service_level
    from records.label l
    where (s.tenant, s.order_ref, s.shipment_no) = (l.tenant, l.order_ref, l.shipment_no)
      and l.tenant = %(tenant)s and l.order_ref = %(order_ref)s and l.shipment_no = %(shipment_no)s
      and l.version = %(version)s
    """
)


@dataclass(frozen=True)
class Found(OfOrder):
    """Whose label a number is of, and how its carrier writes it."""

    tenant: str
    order_ref: str
    shipment_no: str
    parcel_no: int
    tracking_number: str

    @property
    def owner(self) -> dict[str, str | int]:
        """Return what an event of it says of its parcel."""
        return {"order_ref": self.order_ref, "shipment_no": self.shipment_no, "parcel_no": self.parcel_no}


async def find(connection: AsyncConnection, tenant: str, carrier: str, tracking_number: str) -> Found | None:
    """Find the parcel of a carrier's number, without regard to case and blanks: of its label, else of a former one."""
    key = matched_as(tracking_number)
    row = await _FIND.row(connection, tenant=tenant, carrier=carrier, matched_as=key, numbers=[tracking_number, key])
    return Found(tenant, *row) if row else None


# A label that an older build bought, or of an order that was closed long ago, is only on its parcel.
_FIND: Final = Query(
    """
    select order_ref, shipment_no, parcel_no, tracking_number from (
      select l.order_ref, l.shipment_no, l.parcel_no, l.tracking_number, l.created_at,
        p.tracking_number is not distinct from l.tracking_number as in_use
      from records.label l join records.parcel p using (tenant, order_ref, shipment_no, parcel_no)
      where l.tenant = %(tenant)s and l.carrier = %(carrier)s and l.matched_as = %(matched_as)s
      union all
      select order_ref, shipment_no, parcel_no, tracking_number, null, true
      from records.parcel p join records.shipment s using (tenant, order_ref, shipment_no)
      where p.tenant = %(tenant)s and s.carrier = %(carrier)s and p.tracking_number = any(%(numbers)s)
    ) found order by in_use desc, created_at desc nulls last limit 1
    """
)


async def of_shipment(connection: AsyncConnection, state: ShipmentState) -> Labels:
    """Return all labels that were ever bought for a shipment, beside its parcels."""
    named = name_of(state.shipment)
    rows = await _OF_SHIPMENT.rows(connection, **named, physical=[status.value for status in PHYSICAL])
    return Labels(
        [Label(*row) for row in rows],
        {box.parcel_no: box.packing for box in state.parcels if box.lines},
        {box.parcel_no: box.tracking_number for box in state.parcels},
    )


_OF_SHIPMENT: Final = Query(
    """
    select l.version, l.parcel_no, l.tracking_number, l.packing, exists (
        select from records.carrier_event e
        where e.tenant = l.tenant and e.order_ref = l.order_ref and e.tracking_number = l.tracking_number
          and e.status = any(%(physical)s)
      ), l.noted_at is not null
    from records.label l
    where l.tenant = %(tenant)s and l.order_ref = %(order_ref)s and l.shipment_no = %(shipment_no)s
      and l.tracking_number is not null
    order by l.version, l.parcel_no
    """
)


OtherNumbers = dict[tuple[str, int], list[str]]
"""By shipment and parcel, the numbers of labels that the parcel does not go by."""


async def other_numbers(connection: AsyncConnection, order: OrderId) -> OtherNumbers:
    """Return the numbers of all labels of an order that its parcels do not go by, the oldest first."""
    others: OtherNumbers = {}
    rows = await _OTHERS.rows(connection, tenant=order.tenant, order_ref=order.order_ref)
    for shipment_no, parcel_no, number in rows:
        others.setdefault((shipment_no, parcel_no), []).append(number)
    return others


_OTHERS: Final = Query(
    """
    select l.shipment_no, l.parcel_no, l.tracking_number
    from records.label l join records.parcel p using (tenant, order_ref, shipment_no, parcel_no)
    where tenant = %(tenant)s and order_ref = %(order_ref)s and l.tracking_number is not null
      and p.tracking_number is distinct from l.tracking_number
    order by l.version, l.parcel_no
    """
)


async def take_note(connection: AsyncConnection, order: OrderId, tracking_numbers: list[str]) -> None:
    """Note that a person knows of these scans."""
    await connection.execute(
        update(label)
        .where(
            label.c.tenant == order.tenant,
            label.c.order_ref == order.order_ref,
            label.c.tracking_number.in_(tracking_numbers),
        )
        .values(noted_at=func.clock_timestamp())
    )


async def was_noted(connection: AsyncConnection, order: OrderId, tracking_number: str) -> bool:
    """Say whether a person knows of a label's scans."""
    query = select(label.c.noted_at).where(
        label.c.tenant == order.tenant, label.c.order_ref == order.order_ref, label.c.tracking_number == tracking_number
    )
    return (await connection.execute(query)).scalar_one_or_none() is not None


async def compare_again(connection: AsyncConnection, state: ShipmentState) -> None:
    """Let labels fit their parcels again that hold once more what they held when they were bought."""
    now = {box.parcel_no: box for box in state.parcels}
    of_it = [label.c[part] == value for part, value in name_of(state.shipment).items()]
    query = select(label.c.version, label.c.parcel_no, label.c.lines).where(*of_it)
    for version, parcel_no, lines in (await connection.execute(query)).all():
        if holds_the_same(map(Content.of_document, lines), now[parcel_no].lines):
            its = (*of_it, label.c.version == version, label.c.parcel_no == parcel_no)
            await connection.execute(update(label).where(*its).values(packing=now[parcel_no].packing))


async def is_known_booking(
    connection: AsyncConnection, tenant: str, carrier: str | None, but_of: str, booking_id: str
) -> bool:
    """Say whether a carrier's booking is that of a step, other than this one."""
    given = {"tenant": tenant, "carrier": carrier, "but_of": but_of, "booking_id": booking_id}
    return await _KNOWN_BOOKING.row(connection, **given) is not None


_KNOWN_BOOKING: Final = Query(
    """
    select from records.carrier_step
    where tenant = %(tenant)s and carrier is not distinct from %(carrier)s and step_id <> %(but_of)s
      and booking_id = %(booking_id)s limit 1
    """
)
