"""A parcel that was lost arrives after all: a fact, whatever was decided meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from commands.context import ask_for_a_person, read_lines
from commands.shipping import delivery, repack
from domain.erp import Said
from domain.erp_lines import amounts
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import of_units
from domain.stock import Evidence
from ledger.requests import DeliverLostParcel, LineQuantity
from ledger.writing.writer import LedgerWriter, Outcome
from queries.erp_changes import demand_changes
from records.erp import messages
from records.orders import orders
from records.shipping import shipments, tracking
from records.shipping.carrier_events import CarrierEventRow
from records.shipping.shipments import Parcel, Shipment, contents_of

_ACTIONS: Final = ("cancel_order", "retry_step")


async def deliver_lost(
    engine: AsyncEngine,
    ledger: LedgerWriter,
    order: OrderId,
    site: str,
    shipment: Shipment,
    boxes: list[Parcel],
    box: Parcel,
    event: CarrierEventRow,
) -> None:
    """Post the delivery of a parcel that was lost: from where it was written off to, as if it had never been.

    Raises `Rejected` where a serial number of it was found elsewhere meanwhile.
    """
    loss = box.loss
    assert loss is not None
    async with engine.connect() as connection:
        former = await read_lines(connection, order)
    request = DeliverLostParcel(
        tenant=order.tenant,
        key=f"delivery/{order.order_ref}/{shipment.shipment_no}/{box.parcel_no}",
        actor=f"carrier {shipment.carrier}",
        evidence=Evidence.CONFIRMED,
        occurred_at=event.occurred_at,
        order_ref=order.order_ref,
        shipment_no=shipment.shipment_no,
        order_site=site,
        sent_again=loss["resend"],
        lines=tuple(_written_off(line) for line in loss["lines"]),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        at = outcome.occurred_at
        await orders.lock(connection, [(order.tenant, order.order_ref)])
        await _note_arrival(connection, order, box, at)
        lines = await read_lines(connection, order)
        await repack.fit(connection, order, former, lines)
        for kind, payload in [_found(lines, loss), *await demand_changes(connection, order, former, lines)]:
            await messages.append(connection, order.tenant, order.order_ref, kind, payload)
        await _tell_arrival(connection, order, shipment, boxes, loss, event, at)
        if _has_too_much(former, lines):
            await _ask(connection, order, box)

    await ledger.post(request, attach)


def _written_off(line: dict[str, Any]) -> LineQuantity:
    return LineQuantity(line["line_no"], line["sku"], line["site"], line["quantity"], line["lot"], _serials(line))


def _serials(line: dict[str, Any]) -> tuple[str, ...]:
    return (line["serial_number"],) if line["serial_number"] else ()


async def _note_arrival(connection: AsyncConnection, order: OrderId, box: Parcel, at: datetime) -> None:
    """Let the parcel's row say that it was delivered, and is lost no more."""
    ended = {"delivered_at": at, "lost_at": None, "loss": None}
    await shipments.set_parcel(connection, order.tenant, order.order_ref, box.shipment_no, box.parcel_no, **ended)


def _found(lines: list[OrderLine], loss: dict[str, Any]) -> Said:
    """Write to the ERP that the loss is none."""
    return "cancelled", {"reason": "found", "lines": amounts(lines, of_units(loss["lines"]))}


async def _tell_arrival(
    connection: AsyncConnection,
    order: OrderId,
    shipment: Shipment,
    boxes: list[Parcel],
    loss: dict[str, Any],
    event: CarrierEventRow,
    at: datetime,
) -> None:
    """Tell the ERP of the delivery, once nothing of the shipment is underway; of the others only if it was not told."""
    if any(map(tracking.is_underway, boxes)):
        return
    others = [other for other in boxes if other.delivered_at is not None and shipment.delivered_at is None]
    goods = [*contents_of(others), *of_units(loss["lines"])]
    await delivery.tell(connection, order, shipment.shipment_no, goods, event, at)


def _has_too_much(former: Iterable[OrderLine], lines: Iterable[OrderLine]) -> bool:
    """Say whether more has left than was ordered: what was sent again, beside what was found."""
    return sum(line.ordered for line in lines) > sum(line.ordered for line in former)


async def _ask(connection: AsyncConnection, order: OrderId, box: Parcel) -> None:
    reason = (
        f"Parcel {box.tracking_number}, which was lost, has arrived after all, beside what was sent instead: "
        "cancel what has not left of that, or take back what is too much; retry_step takes note"
    )
    await ask_for_a_person(connection, order, reason, _ACTIONS, f"found/{box.tracking_number}")
