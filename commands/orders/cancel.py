"""The cancellation of what was pushed: of lines, or of all that has not left."""

from __future__ import annotations

from dataclasses import astuple
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, clear_attention, open_order, read_lines, read_linked
from commands.shipping import repack
from domain.attention import replaced_step
from domain.erp_lines import cancelled_lines
from domain.errors import Kind, Rejected
from domain.orders import HAS_LEFT, OrderLine
from domain.payloads import CancelledLine, Kept, KeptCancel
from domain.reasons import code_of
from ledger.requests import CancelLines, LineQuantity
from ledger.writing.writer import Outcome
from queries.shipping.packing import cancelled_goods
from records.erp import messages
from records.orders import inbox
from records.orders.inbox import InboxRow


async def cancel(context: CommandContext, row: InboxRow[KeptCancel]) -> None:
    """Cancel the lines that were named, or all that has not left."""
    async with context.reading() as connection:
        await open_order(connection, row)
        lines = await read_lines(connection, row.order)
        linked = await read_linked(connection, row)
    asked = row.payload.resolved or all_unshipped(lines)
    request = CancelLines(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        order_ref=row.order_ref,
        lines=tuple(LineQuantity(*astuple(line)) for line in asked),
        linked=linked,
        reason_code=code_of(row.payload.reason),
    )
    await post_cancel(context, row, request)


async def post_cancel(
    context: CommandContext, row: InboxRow[Kept], request: CancelLines, *, by_deadline: bool = False
) -> None:
    """Post a cancellation, with its parcels and what the ERP is to hear. The order needs no person any more."""
    order = row.order

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        lines = await read_lines(connection, row.order)
        about = {line.line_no for line in outcome.lines if line.order_ref == row.order_ref}
        cancelled = [x for x in lines if x.line_no in about and x.cancelled]
        if cancelled:
            told = cancelled_lines(cancelled, await cancelled_goods(connection, order, cancelled))
            await messages.append(connection, row.order, "cancelled", {"lines": told})
        await repack.fit(connection, order, lines, lines)
        await _need_no_person(connection, row, by_deadline=by_deadline)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    await context.ledger.post(request, attach)


_TRIED_AGAIN: Final = ("label/", "void/", "intercept/", "erp/", "house")
"""The steps that the order's workflow tries again after a cancellation, and flags again where that does not help."""


async def _need_no_person(connection: AsyncConnection, row: InboxRow[Kept], *, by_deadline: bool) -> None:
    """Take the flag off, but for that of a parcel that left under a label which was replaced: nobody has said what of.

    Where a deadline passed, nobody has looked: then only that of a step that is tried again.
    """
    order = await open_order(connection, row)
    step = order.stuck_at or ""
    if step.startswith(_TRIED_AGAIN) or not (by_deadline or step.startswith(replaced_step(""))):
        await clear_attention(connection, row.order)


def all_unshipped(lines: list[OrderLine]) -> list[CancelledLine]:
    """Return what is to be cancelled of an order as a whole. Raises `Rejected` where all of it has left."""
    asked = [CancelledLine(line.line_no, line.sku, line.site, None) for line in lines if line.unshipped]
    if not asked and any(line.shipped for line in lines):
        raise Rejected("already_shipped", f"All that was not cancelled has left. {HAS_LEFT}", kind=Kind.CONFLICT)
    return asked
