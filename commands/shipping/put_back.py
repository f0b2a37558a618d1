"""What was picked goes back to where it may be picked again."""

from __future__ import annotations

from commands.context import CommandContext, instant, open_order
from commands.shipping.handling import accept_handled, picked_lines
from domain.payloads import KeptPutBack
from ledger.requests import PutBack
from records.orders.inbox import InboxRow


async def put_back(context: CommandContext, row: InboxRow[KeptPutBack]) -> None:
    """Post that picked lines went back."""
    async with context.reading() as connection:
        await open_order(connection, row)
        lines = await picked_lines(connection, row)
    request = PutBack(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        occurred_at=instant(row),
        order_ref=row.order_ref,
        lines=lines,
    )
    await context.ledger.post(request, accept_handled(row))
