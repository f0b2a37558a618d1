"""The parcels of a shipment were given to the carrier."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, accept_alone, open_order
from commands.shipping.goods_issue import accept_handed_over, issue_request, parcels_of_shipment
from domain.errors import Conflict, Rejected
from domain.messages import OrderId
from ledger.writing.writer import Outcome
from queries.packing import kept_for_others
from records.orders.inbox import InboxRow
from records.shipping import shipments
from records.shipping.shipments import contents_of


async def hand_over(context: CommandContext, row: InboxRow) -> None:
    """Issue a shipment's goods. One that is known to have left stays as it is."""
    shipment_no = row.payload["shipment_no"]
    async with context.reading() as connection:
        known = await shipments.get(connection, row.tenant, row.order_ref, shipment_no)
        await open_order(connection, row, or_closed=known is not None)
        if known is None:
            raise Rejected("unknown_shipment", f"The order has no shipment {shipment_no}.", status=404)
        if known.dissolved_at:
            raise Rejected("shipment_cancelled", f"Shipment {shipment_no} was cancelled.", status=409)
        boxes = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
        kept = await kept_for_others(connection, OrderId(tenant=row.tenant, order_ref=row.order_ref), shipment_no)
    if known.handed_over_at:
        await accept_alone(context, row, "unchanged")
        return
    own = parcels_of_shipment(boxes, shipment_no)
    request = issue_request(row, shipment_no, contents_of(own), kept)

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await accept_handed_over(connection, row, known, own, outcome)

    try:
        await context.ledger.post(request, attach)
    except Conflict:  # a scan proved meanwhile that it left
        await accept_alone(context, row, "unchanged")
