"""Starts the workflow of every open order that has none: after a termination, or the loss of Temporal's own data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from stockbridge.activities.messages import OrderId
from stockbridge.ledger.writer import translating
from stockbridge.records import orders
from stockbridge.workflows import names
from stockbridge.workflows.dispatch import OrderGateway

log = structlog.get_logger(__name__)

PAGE: Final = 500


@dataclass(frozen=True)
class MissingWorkflows:
    """The loop over open orders."""

    engine: AsyncEngine
    orders: OrderGateway

    async def round(self) -> int:
        """Compare open orders with running workflows, and start what is missing. Returns 0: there is no hurry."""
        running = await self.orders.running()
        after = ("", "")
        while True:
            with translating():
                async with self.engine.connect() as connection:
                    page = await orders.open_orders(connection, PAGE, after)
            for row in page:
                if names.order_workflow(row["tenant"], row["order_ref"]) not in running:
                    log.info("workflow.started_again", order_ref=row["order_ref"])
                    await self.orders.start(OrderId(tenant=row["tenant"], order_ref=row["order_ref"]))
            if len(page) < PAGE:
                return 0
            after = (page[-1]["tenant"], page[-1]["order_ref"])
