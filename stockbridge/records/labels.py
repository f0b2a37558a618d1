"""What a label is bought for, and what it brings: a packer waits for it, so each is read and written in one go."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.errors import InvariantViolated
from stockbridge.driver import Query, listed
from stockbridge.records.tables import carrier_step

Wanted = dict[str, Any]
"""A label's step, whether it is `withdrawn`, and what its booking says: `site`, `ship_from`, `ship_to`, `boxes`."""

# It was to be voided, or bought again since, or its shipment was dissolved.
_WITHDRAWN: Final = """
  exists (
    select from records.carrier_step later
    where later.tenant = s.tenant and later.order_ref = s.order_ref and later.shipment_no = s.shipment_no
      and (later.kind = 'label' and later.version > s.version or later.kind = 'void' and later.version = s.version)
  ) or not exists (
    select from records.shipment h
    where h.tenant = s.tenant and h.order_ref = s.order_ref and h.shipment_no = s.shipment_no and h.dissolved_at is null
  )
"""


async def wanted(connection: AsyncConnection, tenant: str, order_ref: str, step_id: str) -> Wanted:
    """Return a label's step, locked, with what is to be booked. The caller holds the order's lock."""
    found = await _WANTED.mapping(connection, tenant=tenant, order_ref=order_ref, step_id=step_id)
    if found is None:
        raise InvariantViolated(f"order {order_ref} has no step {step_id}")
    return found


_WANTED: Final = Query(
    f"""
    select {listed(carrier_step.c.keys(), "s.")}, {_WITHDRAWN}, h.site, f.address, a.data, (
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
    """,  # noqa: S608 - put together from constants
    (*carrier_step.c.keys(), "withdrawn", "site", "ship_from", "ship_to", "boxes"),
)


async def bought(connection: AsyncConnection, tenant: str, order_ref: str, step_id: str, booking_id: str) -> bool:
    """Note that a label was bought. Says no where it is not wanted any more: its void finds the booking here."""
    found = await _BOUGHT.row(connection, tenant=tenant, order_ref=order_ref, step_id=step_id, booking_id=booking_id)
    return found is not None and not found[0]


_BOUGHT: Final = Query(
    f"""
    update records.carrier_step s
    set state = 'done', booking_id = %(booking_id)s, updated_at = clock_timestamp()
    where tenant = %(tenant)s and order_ref = %(order_ref)s and step_id = %(step_id)s
    returning {_WITHDRAWN}
    """  # noqa: S608 - put together from constants
)
