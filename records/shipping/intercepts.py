"""Intercepts: parcels that the carrier is asked to stop and send back. Each is a step's row before it is asked for."""

from __future__ import annotations

from typing import Final, Literal

from psycopg.sql import SQL
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OrderId
from domain.shipping.parcels import Parcel
from postgres.statements import Query, adding, composed, listed
from records.shipping import shipments
from records.shipping.shipments import Step, name_of
from records.tables import carrier_step


async def latest(connection: AsyncConnection, order: OrderId, shipment_no: str) -> dict[int, Step]:
    """Return the latest intercept of each parcel of a shipment that has one, by the parcel's number."""
    steps = await _LATEST.mappings(connection, tenant=order.tenant, order_ref=order.order_ref, shipment_no=shipment_no)
    return {step["parcel_no"]: Step.of(step) for step in steps}


_LATEST: Final = Query(
    composed(
        """
        select distinct on (parcel_no) {fields} from records.carrier_step
        where tenant = %(tenant)s and order_ref = %(order_ref)s and shipment_no = %(shipment_no)s and kind = 'intercept'
        order by parcel_no, version desc
        """,
        fields=SQL(listed(carrier_step.c.keys())),
    ),
    tuple(carrier_step.c.keys()),
)


async def intend(connection: AsyncConnection, box: Parcel, version: int, carrier: str) -> None:
    """Write down that a parcel is to be intercepted, with our reference, before the carrier is asked."""
    place = f"{box.shipment_no}/{box.parcel_no}/{version}"
    step = {
        **name_of(box),
        "parcel_no": box.parcel_no,
        "step_id": f"intercept/{place}",
        "kind": "intercept",
        "version": version,
        "carrier": carrier,
        "reference": f"{box.tenant}/{box.order_ref}/{place}",
        "state": "intended",
    }
    await adding(carrier_step, tuple(step)).run(connection, **step)


async def parcel_of(connection: AsyncConnection, step: Step) -> Parcel:
    """Return the parcel that is to be intercepted."""
    assert step.parcel_no is not None
    return await shipments.get_parcel(connection, step.order, step.shipment_no, step.parcel_no)


async def accepted(connection: AsyncConnection, step: Step) -> None:
    """Note that the carrier sends the parcel back."""
    await _ACCEPTED.run(connection, **_names(step))


_ACCEPTED: Final = Query(
    """
    with step as (
      update records.carrier_step set state = 'done', refusal = null, updated_at = clock_timestamp()
      where tenant = %(tenant)s and order_ref = %(order_ref)s and step_id = %(step_id)s
      returning tenant, order_ref, shipment_no, parcel_no
    )
    update records.parcel p set intercepted_at = coalesce(p.intercepted_at, clock_timestamp())
    from step where (p.tenant, p.order_ref, p.shipment_no, p.parcel_no)
      = (step.tenant, step.order_ref, step.shipment_no, step.parcel_no)
    """
)


Unanswered = Literal["intended", "unknown"]


async def unanswered(connection: AsyncConnection, step: Step, state: Unanswered, error: str) -> None:
    """Note why there is no answer: `unknown` if the carrier may send it back, `intended` if it surely was not asked.

    Unless another run has heard its answer.
    """
    await _UNANSWERED.run(connection, **_names(step), state=state, error=error)


_UNANSWERED: Final = Query(
    """
    update records.carrier_step set state = %(state)s, last_error = %(error)s, updated_at = clock_timestamp()
    where tenant = %(tenant)s and order_ref = %(order_ref)s and step_id = %(step_id)s
      and state in ('intended', 'sent', 'unknown')
    """
)


async def refused(connection: AsyncConnection, step: Step, refusal: str) -> None:
    """Note that the carrier does not, and why. Unless another run has heard otherwise."""
    await _REFUSED.run(connection, **_names(step), refusal=refusal)


_REFUSED: Final = Query(
    """
    update records.carrier_step set state = 'skipped', refusal = %(refusal)s, updated_at = clock_timestamp()
    where tenant = %(tenant)s and order_ref = %(order_ref)s and step_id = %(step_id)s
      and state in ('intended', 'sent', 'unknown')
    """
)


def _names(step: Step) -> dict[str, str]:
    return {"tenant": step.tenant, "order_ref": step.order_ref, "step_id": step.step_id}
