"""Sends undecided commands again until Temporal has answered: each order's first, so that they go in their order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import Unavailable
from domain.payloads import Kept
from ledger.writing.writer import translating
from records.orders import inbox
from relay.order_gateway import OrderGateway

log = structlog.get_logger(__name__)

AT_ONCE: Final = 20
"""Orders that are talked to at the same time: a backlog must not crowd out what comes in at the door."""


@dataclass
class InboxReplay:
    """The loop over the inbox. `patience_s` is how long a command is the API's own to deliver.

    Round by round it goes through all orders, so that some that can't be decided keep no others from it.
    """

    engine: AsyncEngine
    orders: OrderGateway
    patience_s: float = 6.0
    answer_timeout_s: float = 10.0
    _after: tuple[str, str] = field(default=("", ""), init=False)

    async def round(self) -> int:
        """Send the first waiting command of each of the next orders. Returns how many were decided."""
        with translating():
            async with self.engine.connect() as connection:
                waiting = await inbox.undecided_heads(connection, self.patience_s, AT_ONCE, self._after)
        there_are_more = len(waiting) == AT_ONCE
        self._after = (waiting[-1].tenant, waiting[-1].order_ref) if there_are_more else ("", "")
        return sum(await asyncio.gather(*(self._send(row) for row in waiting)))

    async def _send(self, row: inbox.InboxRow[Kept]) -> int:
        try:
            await self.orders.deliver(row, self.answer_timeout_s)
        except (Unavailable, TimeoutError) as error:
            log.info("inbox.still_undecided", key=row.key, reason=str(error))
            return 0
        log.info("inbox.replayed", key=row.key)
        return 1
