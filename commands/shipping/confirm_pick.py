"""A pick is confirmed: what was taken is held in staging, and what was missing is to be counted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, accept_alone, evidence_of, instant, open_order, read_lines, read_linked
from commands.shipping import repack
from commands.shipping.handling import accept_handled, picked_lines
from domain.erp_lines import changes
from domain.orders import OrderLine
from domain.payloads import KeptPick
from ledger.outcomes import Missing
from ledger.requests import ConfirmPick, PickedLine
from ledger.writing.writer import Attachment, Outcome
from queries.orders.erp_changes import cancelled_changes
from records.erp import messages
from records.inventory import count_tasks, places
from records.inventory.count_tasks import NewCountTask
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.shipping import shipments


async def confirm_pick(context: CommandContext, row: InboxRow[KeptPick]) -> None:
    """Post a pick. One of goods that are known to have left comes too late, and changes nothing."""
    async with context.reading() as connection:
        picked = await picked_lines(connection, row)
        inferred = await _was_inferred(connection, row, picked)
        if not inferred:
            await open_order(connection, row)
        staging = tuple([await places.staging_of(connection, row.tenant, s) for s in {x.site for x in picked}])
        short = row.payload.short
        lines = await read_lines(connection, row.order) if short else []
        linked = await read_linked(connection, row) if short else ()
    if inferred:
        await accept_alone(context, row, "unchanged")
        return
    request = ConfirmPick(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        evidence=evidence_of(row),
        occurred_at=instant(row),
        order_ref=row.order_ref,
        lines=picked,
        staging=staging,
        short=short,
        linked=linked,
    )
    await context.ledger.post(request, _missed(row, lines) if short else accept_handled(row))


def _missed(row: InboxRow[KeptPick], former: list[OrderLine]) -> Attachment:
    """Return what accepts a short pick, has counted what was missing, and tells the ERP what was not made up for.

    Parcels may name what is not picked yet: they lose what is held no more.
    """

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await count_tasks.add(connection, _count_tasks(row, outcome.missing()))
        lines = await read_lines(connection, row.order)
        order = row.order
        cancelled = await cancelled_changes(connection, order, former, lines)
        for kind, payload in [*changes("backordered", former, lines), *cancelled]:
            await messages.append(connection, row.order, kind, payload)
        await repack.fit(connection, order, lines, lines)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    return attach


def _count_tasks(row: InboxRow[KeptPick], missing: Iterable[Missing]) -> list[NewCountTask]:
    """Ask for a count of what was missing, one for each line, place and lot."""
    bucket = attrgetter("bucket")
    buckets = [list(gone) for _, gone in groupby(sorted(missing, key=bucket), key=bucket)]
    return [
        NewCountTask(
            tenant=row.tenant,
            task_no=count_tasks.task_no_of(row.order_ref, row.payload.pick_no, number),
            site=gone[0].site,
            location_id=gone[0].location_id,
            sku=gone[0].sku,
            lot=gone[0].lot,
            serial_numbers=[each.serial_number for each in gone if each.serial_number],
            missing=sum(each.quantity for each in gone),
            order_ref=row.order_ref,
            line_no=gone[0].line_no,
            pick_no=row.payload.pick_no,
        )
        for number, gone in enumerate(buckets, 1)
    ]


async def _was_inferred(connection: AsyncConnection, row: InboxRow[KeptPick], picked: tuple[PickedLine, ...]) -> bool:
    """Say whether a late pick is of goods that a carrier scan proved to have left."""
    if not await shipments.left_unseen(connection, row.order):
        return False
    lines = {line.line_no: line for line in await read_lines(connection, row.order)}
    return all(
        (line := lines.get(x.line_no)) is not None and line.shipped and (x.quantity or 0) > line.unpicked
        for x in picked
    )
