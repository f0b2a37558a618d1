"""What leaves: its posting, and what is written down with it, whoever says that it left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import evidence_of, instant, quantities
from domain.messages import OrderId
from domain.packing import Row, moved
from domain.packing import quantities as totals
from ledger.requests import IssueGoods, LineQuantity
from ledger.writing.writer import Outcome
from queries.erp_changes import shipped_lines
from records.erp import messages
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.shipping import shipments
from records.shipping.shipments import NewShipment, Parcel, contents_of


def parcels_of_shipment(boxes: Iterable[Parcel], shipment_no: str) -> list[Parcel]:
    """Return those of an order's parcels that are a shipment's."""
    return [box for box in boxes if box.shipment_no == shipment_no]


def issue_request(row: InboxRow, shipment_no: str, goods: Iterable[Row], kept: tuple[LineQuantity, ...]) -> IssueGoods:
    """Ask for the posting of what leaves with a shipment; `kept` is what parcels of others name."""
    return IssueGoods(
        tenant=row.tenant,
        key=f"goods_issue/{row.order_ref}/{shipment_no}",
        actor=row.actor,
        evidence=evidence_of(row),
        occurred_at=instant(row),
        order_ref=row.order_ref,
        shipment_no=shipment_no,
        lines=quantities(list(goods)),
        kept=kept,
    )


async def accept_handed_over(
    connection: AsyncConnection, row: InboxRow, shipment: NewShipment, boxes: list[Parcel], outcome: Outcome
) -> None:
    """Accept a command by which a shipment left, and write that down."""
    order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    await note_handover(connection, order, shipment, boxes, outcome)
    await inbox.accept(connection, row.inbox_id, {"outcome": "done"})


async def note_handover(
    connection: AsyncConnection,
    order: OrderId,
    shipment: NewShipment,
    boxes: Iterable[Parcel],
    outcome: Outcome,
) -> None:
    """Write down that a shipment left with these parcels, in the transaction of its goods issue, and tell the ERP.

    What the ledger says that left is what the parcels hold.
    """
    shipment_no, at = shipment.shipment_no, outcome.occurred_at
    evidence = outcome.request.evidence.value
    await shipments.set_fields(
        connection, order.tenant, order.order_ref, shipment_no, handed_over_at=at, handover_evidence=evidence
    )
    goods = iter(outcome.answer["left"])
    boxes = [await note_contents(connection, box, box.lines, goods) for box in boxes]
    payload = {
        "shipment_no": shipment_no,
        "carrier": shipment.carrier,
        "occurred_at": at.isoformat(),
        "lines": await shipped_lines(connection, order, contents_of(boxes)),
    }
    await messages.append(connection, order.tenant, order.order_ref, "shipped", payload)


async def note_contents(
    connection: AsyncConnection, box: Parcel, asked: Sequence[Row], goods: Iterator[list[dict[str, Any]]]
) -> Parcel:
    """Return a parcel with what was posted for it, row by row, and let it say so, unless part of it had gone before."""
    rows = moved(asked, [next(goods) for _ in asked])
    if rows != box.lines and totals(rows) == totals(box.lines):
        name = (box.tenant, box.order_ref, box.shipment_no, box.parcel_no)
        await shipments.set_parcel(connection, *name, lines=rows)
    return replace(box, lines=rows or box.lines)
