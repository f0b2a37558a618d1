"""Parcels that will never arrive: lost, or damaged beyond delivery."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, clear_attention, evidence_of, instant, open_order, quantities, read_lines
from commands.shipping import delivery
from commands.shipping.part_of_parcel import part_of
from commands.shipping.underway import read_underway
from domain.attention import parcel_step
from domain.erp import Said
from domain.erp_lines import amounts
from domain.errors import Fault, Rejected
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import of_units, without
from ledger.requests import LoseParcel
from ledger.writing.writer import Outcome
from queries.erp_changes import demand_changes
from queries.packing import read_still_underway
from records.erp import messages
from records.orders import inbox, orders
from records.orders.inbox import InboxRow
from records.shipping import shipments
from records.shipping.shipments import Parcel

Contents = list[dict[str, Any]]


async def lose(context: CommandContext, row: InboxRow) -> None:
    """Write off what is still underway of the parcels that were named, or of all of a shipment."""
    order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    shipment_no, resend = row.payload["shipment_no"], row.payload["resend"]
    async with context.reading() as connection:
        await open_order(connection, row)
        lost = await _lost(connection, row)
        former = await read_lines(connection, row)
    request = LoseParcel(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        evidence=evidence_of(row),
        occurred_at=instant(row),
        order_ref=row.order_ref,
        shipment_no=shipment_no,
        cause=row.payload["reason"],
        resend=resend,
        reason_code=row.payload["reason"],
        lines=quantities([content for _, contents in lost for content in contents]),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        known = (await orders.lock(connection, [(row.tenant, row.order_ref)]))[row.tenant, row.order_ref]
        goods = await _note_losses(connection, row, lost, outcome)
        ended = [] if row.payload.get("resolved") else [parcel_step(box.tracking_number) for box, _ in lost]
        if (known.attention or {}).get("step") in ended:
            await clear_attention(connection, row)
        lines = await read_lines(connection, row)
        for kind, said in [*_loss(row, lines, goods), *await demand_changes(connection, order, former, lines)]:
            await messages.append(connection, row.tenant, row.order_ref, kind, said)
        await delivery.go_on_without(connection, order, shipment_no)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    await context.ledger.post(request, attach)


def _loss(row: InboxRow, lines: Iterable[OrderLine], goods: Contents) -> list[Said]:
    """Write what the ERP hears of a loss: how much of what had left is given up, and why."""
    told = {name: row.payload[name] for name in ("shipment_no", "reason")} | {"lines": amounts(lines, of_units(goods))}
    return [("cancelled", told)] if goods else []


async def _lost(connection: AsyncConnection, row: InboxRow) -> list[tuple[Parcel, Contents]]:
    """Return the parcels that are lost, each with what is still underway of what it held, or with the part that is."""
    found = await read_underway(connection, row, instead="count what is missing where it lies")
    order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    there = await read_still_underway(connection, order, row.payload["shipment_no"], found.named, found.rest)
    told = row.payload.get("resolved")
    if told:
        if len(there) > 1:
            detail = f"{len(there)} parcels are underway: name the one of which a part is lost."
            raise Rejected("parcel_required", detail, [Fault("/parcel_no", "parcel_required", detail)])
        there = [part_of(there[0], told)]
    return list(zip(found.named, there, strict=True))


async def _note_losses(
    connection: AsyncConnection, row: InboxRow, lost: list[tuple[Parcel, Contents]], outcome: Outcome
) -> Contents:
    """Let each parcel's row say that it is lost, and what was written off for it. Returns all that was.

    One of which only a part is lost goes on without it.
    """
    at = outcome.occurred_at
    parts = iter(outcome.answer["lost"])
    every: Contents = []
    for box, contents in lost:
        goods = [
            {**{name: content[name] for name in ("line_no", "sku", "site")}, **part}
            for content in contents
            for part in next(parts)
        ]
        left = without(box.lines, contents) if row.payload.get("resolved") else []
        loss = {"reason": row.payload["reason"], "resend": row.payload["resend"], "lines": goods}
        ended: dict[str, Any] = {"lines": left} if left else {"lost_at": at, "loss": loss}
        name = (row.tenant, row.order_ref, box.shipment_no, box.parcel_no)
        await shipments.set_parcel(connection, *name, **ended)
        every += goods
    return every
