"""Gives up what orders still wait for after their deadline: a command like an operator's, decided in its turn.

One sweep over all orders, not a timer in each: a deadline that was amended is another one when it is looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.order_commands import ORDER_COMMANDS
from ledger.writing.writer import translating
from records.orders import backorders, inbox
from records.orders.backorders import Expired

log = structlog.get_logger(__name__)

BATCH: Final = 100
ACTOR: Final = "backorder_until"


@dataclass(frozen=True)
class ExpiredBackorders:
    """The sweep."""

    engine: AsyncEngine

    async def round(self) -> int:
        """Put an act into the inbox of each order whose backorders have expired. Returns how many there were."""
        with translating():
            async with self.engine.begin() as connection:
                expired = await backorders.expired(connection, BATCH)
                for order in expired:
                    await _give_up(connection, order)
        return len(expired)


async def _give_up(connection: AsyncConnection, order: Expired) -> None:
    deadline = order.backorder_until.astimezone(UTC).isoformat()
    act_no = f"{ACTOR}/{deadline}/{order.number}"
    act = _act(act_no, deadline)
    await inbox.put(
        connection,
        order.order,
        kind="operate",
        key=ORDER_COMMANDS["operate"].key(order.order_ref, act_no),
        digest=sha256(json.dumps(act, sort_keys=True).encode()).digest(),
        payload=act,
        actor=ACTOR,
    )
    log.info("backorder.expired", order_ref=order.order_ref, deadline=deadline)


def _act(act_no: str, deadline: str) -> dict[str, Any]:
    """Write the act. Its number is none that a person could give: it has a colon."""
    return {
        "act_no": act_no,
        "verb": "accept_short",
        "by": ACTOR,
        "reason": f"it was to wait for stock until {deadline}, no longer",
        "target": None,
        "backorder_until": deadline,
    }
