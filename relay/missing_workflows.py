"""Sees to it that every open order has a workflow that knows of it.

A workflow is missing after a termination, or the loss of Temporal's own data; it overlooks a step where worker and
server died together in the middle of a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.writing.writer import translating
from records.orders import order_work, orders
from relay.order_gateway import OrderGateway
from workflows import names

log = structlog.get_logger(__name__)

PAGE: Final = 500


@dataclass(frozen=True)
class MissingWorkflows:
    """The loop over open orders."""

    engine: AsyncEngine
    orders: OrderGateway

    async def round(self) -> int:
        """Start what is missing, wake what overlooks a step. Returns 0: there is no hurry."""
        await self._start_missing()
        await self._wake()
        return 0

    async def _wake(self) -> None:
        with translating():
            async with self.engine.connect() as connection:
                found = await order_work.overlooked(connection, PAGE)
        for order in found:
            log.info("workflow.woken", order_ref=order.order_ref)
            await self.orders.signal(order, "stock_allocated")

    async def _start_missing(self) -> None:
        """Compare open orders with running workflows."""
        running = await self.orders.running()
        after = ("", "")
        while True:
            with translating():
                async with self.engine.connect() as connection:
                    page = await orders.open_orders(connection, PAGE, after)
            for row in page:
                if names.order_workflow(row.order) not in running:
                    log.info("workflow.started_again", order_ref=row.order_ref)
                    await self.orders.start(row.order)
            if len(page) < PAGE:
                return
            after = (page[-1].tenant, page[-1].order_ref)
