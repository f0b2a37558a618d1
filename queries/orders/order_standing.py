"""How an order stands, for those who are about to talk to its workflow."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.messages import OrderId
from ledger.writing.writer import translating
from postgres.statements import alone
from records.orders import inbox, orders

Standing = Literal["unknown", "open", "closed"]


async def standing_of(engine: AsyncEngine, order: OrderId) -> Standing:
    """Say whether an order is accepted, and still open."""
    async with alone(engine).connect() as connection:
        row = await orders.get(connection, order)
    if row is None:
        return "unknown"
    return "closed" if row.closed_at else "open"


async def is_undecided(engine: AsyncEngine, inbox_id: int) -> bool:
    """Say whether a command waits for a decision."""
    with translating():
        async with alone(engine).connect() as connection:
            return await inbox.is_undecided(connection, inbox_id)
