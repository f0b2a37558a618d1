"""What was said of an order and to it, for its timeline: commands, ERP messages, carrier events and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OrderId
from domain.payloads import Kept
from records.erp.messages import FeedMessage
from records.orders.inbox import InboxRow
from records.returns.return_authorizations import AuthorizationRow
from records.shipping.carrier_events import CarrierEventRow
from records.shipping.shipments import Step
from records.tables import carrier_event, carrier_step, erp_message, inbox, parcel, return_authorization


@dataclass(frozen=True)
class Intercept:
    """What a carrier was asked to send back, with the number of its parcel."""

    step: Step
    tracking_number: str | None


async def commands(connection: AsyncConnection, order: OrderId) -> list[InboxRow[Kept]]:
    """Return every command of an order, with each attempt."""
    return [InboxRow(*row) for row in await _of_order(connection, inbox, order)]


async def erp_messages(connection: AsyncConnection, order: OrderId) -> list[FeedMessage]:
    """Return the order's feed to its ERP."""
    return [FeedMessage(*row) for row in await _of_order(connection, erp_message, order)]


async def carrier_events(connection: AsyncConnection, order: OrderId) -> list[CarrierEventRow]:
    """Return the scans of an order's parcels."""
    return [CarrierEventRow(*row) for row in await _of_order(connection, carrier_event, order)]


async def intercepts(connection: AsyncConnection, order: OrderId) -> list[Intercept]:
    """Return what carriers were asked to send back of an order, each with its parcel's number."""
    steps = carrier_step.c
    same_parcel = and_(*(parcel.c[name] == steps[name] for name in ("tenant", "order_ref", "shipment_no", "parcel_no")))
    query = (
        select(carrier_step, parcel.c.tracking_number)
        .join(parcel, same_parcel)
        .where(steps.tenant == order.tenant, steps.order_ref == order.order_ref, steps.kind == "intercept")
    )
    rows = (await connection.execute(query)).mappings()
    return [Intercept(Step.of(dict(row)), row["tracking_number"]) for row in rows]


async def return_authorizations(connection: AsyncConnection, order: OrderId) -> list[AuthorizationRow]:
    """Return what the office lets come back of an order."""
    return [AuthorizationRow(*row) for row in await _of_order(connection, return_authorization, order)]


async def _of_order(connection: AsyncConnection, table: Table, order: OrderId) -> Sequence[Sequence[Any]]:
    query = select(table).where(table.c.tenant == order.tenant, table.c.order_ref == order.order_ref)
    return (await connection.execute(query)).all()
