"""How an order stands, for those who are about to talk to its workflow."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from stockbridge.activities.messages import OrderId
from stockbridge.domain.errors import Rejected
from stockbridge.records import inbox, orders

Standing = Literal["unknown", "open", "closed"]


async def standing_of(engine: AsyncEngine, order: OrderId) -> Standing:
    """Say whether an order is accepted, and still open."""
    async with engine.connect() as connection:
        row = await orders.get(connection, order.tenant, order.order_ref)
    if row is None:
        return "unknown"
    return "closed" if row["closed_at"] else "open"


async def refuse_if_closed(engine: AsyncEngine, order: OrderId, inbox_id: int) -> None:
    """Refuse a command whose order closed before it could be decided: its workflow is over."""
    if await standing_of(engine, order) != "closed":
        return
    try:
        async with engine.begin() as connection:
            await inbox.refuse(connection, inbox_id, Rejected("order_closed", "The order is closed.", status=409))
    except inbox.AlreadyDecided:
        return
