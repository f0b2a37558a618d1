"""Goods come back: from the customer, or from a carrier that could not deliver them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, clear_attention, instant, open_order, read_lines
from commands.returns.authorization import check_authorized
from commands.shipping import deliver
from domain.attention import parcel_step
from domain.erp_lines import amounts
from domain.errors import Fault, Rejected
from domain.packing import Content, moved
from domain.payloads import HandledLine, KeptReturn
from domain.shipping.coming_back import Match, came_back, match, sent_back
from domain.shipping.parcels import of_shipment
from domain.stock import StockStatus
from ledger.reads.balances import goods_at, goods_underway
from ledger.requests import ReturnedLine, ReturnGoods
from ledger.writing.writer import Outcome
from queries.orders.erp_changes import demand_changes
from records.erp import messages
from records.inventory import places
from records.orders import inbox, orders
from records.orders.inbox import InboxRow
from records.shipping import shipments


async def receive_return(context: CommandContext, row: InboxRow[KeptReturn]) -> None:
    """Receive goods back. What never arrived is cancelled, or sent again."""
    async with context.reading() as connection:
        order = await open_order(connection, row, or_closed=True)
        place = await places.place_of(connection, row.tenant, row.payload.location_id)
        undelivered, asked = await _what_came(connection, row)
        former = await read_lines(connection, row.order)
    resend = row.payload.resend
    if resend and undelivered is None:
        detail = "Only what never arrived is sent again; what the customer had needs a new order."
        raise Rejected("not_undelivered", detail, [Fault("/resend", "not_undelivered", detail)])
    request = ReturnGoods(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        occurred_at=instant(row),
        order_ref=row.order_ref,
        place=place,
        order_site=order.site,
        shipment_no=undelivered,
        resend=resend,
        lines=tuple(_returned_line(line) for line in asked),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        locked = await orders.lock_one(connection, row.order)
        await check_authorized(connection, row)
        lines = await read_lines(connection, row.order)
        back = _came_back(asked, outcome)
        payload = {"lines": amounts(lines, [content for content, _ in back])}
        for kind, said in [("returned", payload), *await demand_changes(connection, row.order, former, lines)]:
            await messages.append(connection, row.order, kind, said)
        ended = await _note_parcels(connection, row, undelivered, outcome.occurred_at) if undelivered else []
        if locked.stuck_at in ended:
            await clear_attention(connection, row.order)
        came = [{**content.document, "condition": condition} for content, condition in back]
        await inbox.accept(connection, row.inbox_id, {"outcome": "done", "lines": came})

    await context.ledger.post(request, attach)


def _returned_line(line: HandledLine) -> ReturnedLine:
    return ReturnedLine.of(line, condition=StockStatus(line.condition or StockStatus.INSPECTION))


def _came_back(asked: Sequence[Content], outcome: Outcome) -> list[tuple[Content, str]]:
    """Return what came back, as the ledger has it, each with its condition."""
    return [
        (row, status)
        for line, goods in zip(asked, outcome.moved("back"), strict=True)
        for status in dict.fromkeys(part.stock_status for part in goods)
        for row in moved([line], [[part.amount for part in goods if part.stock_status == status]])
    ]


async def _what_came(
    connection: AsyncConnection, row: InboxRow[KeptReturn]
) -> tuple[str | None, Sequence[HandledLine]]:
    """Return the shipment that comes back undelivered, if one does, and what came, named as far as it can be known.

    That is where the goods are that are named: with the customer, or with a carrier that sends a parcel back. Where
    nothing tells, they are what the carrier sends back.
    """
    told = row.payload.resolved
    every = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
    found: dict[str | None, Match] = {}
    for shipment_no in (*sent_back(every), None):
        where = f"Shipment {shipment_no}" if shipment_no else "The customer"
        place = f"transit/{shipment_no}" if shipment_no else f"customer/{row.order_ref}"
        there = await goods_at(connection, row.order, place)
        expected = of_shipment(every, shipment_no) if shipment_no else []
        found[shipment_no] = match(where, told, expected, there)
        if found[shipment_no].is_there:
            return shipment_no, found[shipment_no].lines
    shipment_no, first = next(iter(found.items()))  # where they would come from if nothing tells
    if first.faults:
        raise Rejected(first.faults[0].code, first.faults[0].detail, first.faults)
    return shipment_no, first.lines


async def _note_parcels(
    connection: AsyncConnection, row: InboxRow[KeptReturn], shipment_no: str, at: datetime
) -> list[str]:
    """Let parcels say that they came back. Returns the steps that nobody is needed for any more."""
    before = await shipments.get(connection, row.order, shipment_no)
    there = await goods_underway(connection, row.order, shipment_no)
    now, back = came_back(before, there, at)
    await deliver.go_on_without(connection, row.order, before, now)
    return [parcel_step(box.tracking_number) for box in back if box.tracking_number is not None]
