"""The decision of each command: one transaction that posts to the ledger, keeps the records, and answers the inbox row.

A command is decided once. Whoever comes second (a retry, a second worker) finds the row decided and reads its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.context import CommandContext, read_lines
from commands.orders.cancel import cancel
from commands.orders.operate import operate
from commands.orders.submit import submit
from commands.returns.receive_return import receive_return
from commands.shipping.confirm_pick import confirm_pick
from commands.shipping.hand_over import hand_over
from commands.shipping.intercept import intercept
from commands.shipping.lose import lose
from commands.shipping.put_back import put_back
from commands.shipping.ship import ship
from domain.erp_lines import erp_lines
from domain.errors import InvariantViolated, Kind, Rejected, Unavailable
from domain.payloads import Kept, KeptPush
from ledger.writing.writer import LedgerWriter, translating
from records.erp import messages
from records.orders import inbox, orders
from records.orders.inbox import InboxRow

log = structlog.get_logger(__name__)


HANDLERS: Final[Mapping[str, Callable[[CommandContext, InboxRow[Any]], Awaitable[None]]]] = {
    "submit": submit,
    "cancel": cancel,
    "confirm_pick": confirm_pick,
    "put_back": put_back,
    "ship": ship,
    "hand_over": hand_over,
    "intercept": intercept,
    "lose": lose,
    "return": receive_return,
    "operate": operate,
}
"""What decides each of `domain.order_commands`."""


class Decisions:
    """Decides commands of orders. Every method may run twice."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._desk = CommandContext(engine, ledger)

    async def decide(self, row: InboxRow[Kept]) -> None:
        """Accept or refuse a command. Raises `Unavailable` while PostgreSQL can't be reached; the row then waits."""
        try:
            with translating():
                await HANDLERS[row.kind](self._desk, row)
        except inbox.AlreadyDecided:
            return
        except Rejected as refusal:
            await self._refuse(row, refusal)
        except InvariantViolated as bug:
            log.exception("command.invariant_violated", key=row.key)
            await self._refuse(row, Rejected("invariant_violated", str(bug), kind=Kind.BUG))

    async def _refuse(self, row: InboxRow[Kept], refusal: Rejected) -> None:
        """Keep a refusal. The ERP is told of a revision that an order of its own did not take."""
        try:
            with translating():
                await self._write_refusal(row, refusal)
        except inbox.AlreadyDecided:
            return
        except InvariantViolated as bug:
            # The row must not be lost over our bug: it waits, is tried again, and shows as pending in Temporal.
            log.exception("command.not_decided", key=row.key)
            raise Unavailable(f"{row.key} can't be decided: {bug}") from bug

    async def _write_refusal(self, row: InboxRow[Kept], refusal: Rejected) -> None:
        name = (row.tenant, row.order_ref)
        async with self._desk.engine.begin() as connection:
            order = (await orders.lock(connection, [name])).get(name)
            await inbox.refuse(connection, row.inbox_id, refusal)
            # A closed order has no feed any more: who sent a revision of it hears it as the answer.
            if isinstance(row.payload, KeptPush) and order is not None and order.closed_at is None:
                lines = erp_lines(await read_lines(connection, row.order), "ordered")
                payload = {"lines": lines, "reason": refusal.detail, "revision": row.payload.revision}
                await messages.append(connection, row.order, "refused", payload)
