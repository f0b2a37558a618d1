"""A command whose order closed before it could be decided is answered: its workflow is over."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import Kind, Rejected
from domain.messages import OrderId
from domain.payloads import Kept, KeptHandOver, KeptPick
from domain.shipping.parcels import contents_of
from domain.stock import Evidence
from queries.orders.order_standing import standing_of
from records.orders import inbox
from records.shipping import shipments


async def answer_if_closed(engine: AsyncEngine, order: OrderId, inbox_id: int) -> None:
    """Answer a command whose order closed before it could be decided: its workflow is over.

    A late pick or hand-over of what a carrier's scan proved is taken note of; all else is refused.
    """
    if await standing_of(engine, order) != "closed":
        return
    try:
        async with engine.begin() as connection:
            row = await inbox.get(connection, inbox_id)
            if await _is_known_already(connection, order, row):
                await inbox.accept(connection, inbox_id, {"outcome": "unchanged"})
            else:
                await inbox.refuse(
                    connection, inbox_id, Rejected("order_closed", "The order is closed.", kind=Kind.CONFLICT)
                )
    except inbox.AlreadyDecided:
        return


async def _is_known_already(connection: AsyncConnection, order: OrderId, row: inbox.InboxRow[Kept]) -> bool:
    """Say whether a command tells of a hand-over that was posted, or of a pick of what a scan proved to have left."""
    gone = {
        shipment.shipment_no: shipment.handover_evidence
        for shipment in await shipments.of_order(connection, order)
        if shipment.handed_over_at
    }
    if row.kind not in {"hand_over", "confirm_pick"}:
        return False
    told = row.payload
    if isinstance(told, KeptHandOver):
        return told.shipment_no in gone
    assert isinstance(told, KeptPick)
    boxes = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    inferred = [box for box in boxes if gone.get(box.shipment_no) == Evidence.INFERRED.value]
    proved = {content.line_no for content in contents_of(inferred)}
    return all(line.line_no in proved for line in told.resolved)
