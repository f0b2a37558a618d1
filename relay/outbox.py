"""Tells orders' workflows what others changed: served from the queue, displaced by a fact, heard of by a carrier."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import Unavailable
from ledger.writing.writer import translating
from records.orders import outbox
from relay.order_gateway import OrderGateway

BATCH: Final = 100


@dataclass(frozen=True)
class OutboxDrain:
    """The loop over the outbox."""

    engine: AsyncEngine
    orders: OrderGateway

    async def round(self) -> int:
        """Deliver waiting signals, oldest first. A signal may be delivered twice; it only says: go and see."""
        with translating():
            async with self.engine.connect() as connection:
                waiting = await outbox.undelivered(connection, BATCH)
            delivered = [i for i in await asyncio.gather(*(self._deliver(row) for row in waiting)) if i is not None]
            if delivered:
                async with self.engine.begin() as connection:
                    await outbox.mark_delivered(connection, delivered)
        if waiting and not delivered:
            raise Unavailable("no signal could be delivered")
        return len(delivered)

    async def _deliver(self, row: outbox.OutboxRow) -> int | None:
        try:
            if not row.closed:
                await self.orders.signal(row.order, row.signal)
        except (Unavailable, TimeoutError):
            return None
        return row.outbox_id
