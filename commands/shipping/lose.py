"""Parcels that will never arrive: lost, or damaged beyond delivery."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, clear_attention, evidence_of, instant, open_order, read_lines
from commands.shipping import deliver
from domain.erp import Said
from domain.erp_lines import amounts
from domain.orders import OrderLine
from domain.packing import Content
from domain.payloads import KeptLoss
from domain.shipping.losses import Losing, losing, lost, steps_ended
from domain.shipping.underway import underway
from ledger.requests import LineQuantity, LoseParcel
from ledger.writing.writer import Outcome
from queries.orders.erp_changes import demand_changes
from queries.shipping.packing import read_still_underway
from records.erp import messages
from records.orders import inbox, orders
from records.orders.inbox import InboxRow
from records.shipping import shipments


async def lose(context: CommandContext, row: InboxRow[KeptLoss]) -> None:
    """Write off what is still underway of the parcels that were named, or of all of a shipment."""
    order, told = row.order, row.payload
    async with context.reading() as connection:
        await open_order(connection, row)
        parts = await _parts(connection, row)
        former = await read_lines(connection, row.order)
    contents = [content for part in parts for content in part.contents]
    request = LoseParcel(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        evidence=evidence_of(row),
        occurred_at=instant(row),
        order_ref=row.order_ref,
        shipment_no=told.shipment_no,
        cause=told.reason,
        resend=told.resend,
        reason_code=told.reason,
        lines=tuple(map(LineQuantity.of, contents)),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        locked = await orders.lock_one(connection, order)
        before = await shipments.get(connection, order, told.shipment_no)
        gone = iter(_written_off(contents, outcome))
        now = lost(before, told, parts, gone, outcome.occurred_at)
        if locked.stuck_at in steps_ended(told, parts):
            await clear_attention(connection, row.order)
        lines = await read_lines(connection, row.order)
        for kind, said in [*_loss(told, lines, now.units), *await demand_changes(connection, order, former, lines)]:
            await messages.append(connection, row.order, kind, said)
        await deliver.go_on_without(connection, order, before, now.state)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    await context.ledger.post(request, attach)


async def _parts(connection: AsyncConnection, row: InboxRow[KeptLoss]) -> list[Losing]:
    """Return the parcels that are lost, each with what is still underway of what it held, or with the part that is."""
    state = await shipments.find(connection, row.order, row.payload.shipment_no)
    found = underway(state, row.payload, instead="count what is missing where it lies")
    there = await read_still_underway(connection, row.order, row.payload.shipment_no, found.named, found.rest)
    return losing(row.payload, found.named, there)


def _written_off(contents: Iterable[Content], outcome: Outcome) -> list[list[Content]]:
    """Return what was written off of each content, unit by unit."""
    return [
        [Content.of_unit(content.line, part.quantity, part.lot, part.serial_number) for part in parts]
        for content, parts in zip(contents, outcome.moved("lost"), strict=True)
    ]


def _loss(told: KeptLoss, lines: Iterable[OrderLine], units: Sequence[Content]) -> list[Said]:
    """Write what the ERP hears of a loss: how much of what had left is given up, and why."""
    rows = amounts(lines, units)
    return [("cancelled", {"shipment_no": told.shipment_no, "reason": told.reason, "lines": rows})] if units else []
