"""The parcels of a shipment were given to the carrier."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, accept_alone, open_order
from commands.shipping.goods_issue import accept_handed_over, issue_request
from domain.errors import Conflict
from domain.payloads import KeptHandOver
from domain.shipping.parcels import contents_of
from domain.shipping.shipment_state import existing
from ledger.writing.writer import Outcome
from queries.shipping.packing import kept_for_others
from records.orders.inbox import InboxRow
from records.shipping import shipments


async def hand_over(context: CommandContext, row: InboxRow[KeptHandOver]) -> None:
    """Issue a shipment's goods. One that is known to have left stays as it is."""
    shipment_no = row.payload.shipment_no
    async with context.reading() as connection:
        known = await shipments.find(connection, row.order, shipment_no)
        await open_order(connection, row, or_closed=known is not None)
        state = existing(known, shipment_no)
        kept = await kept_for_others(connection, row.order, shipment_no)
    if state.has_left:
        await accept_alone(context, row, "unchanged")
        return

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await accept_handed_over(connection, row, state, outcome)

    try:
        await context.ledger.post(issue_request(row, contents_of(state.parcels), kept), attach)
    except Conflict:  # a scan proved meanwhile that it left
        await accept_alone(context, row, "unchanged")
