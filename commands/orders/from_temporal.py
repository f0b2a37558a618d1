"""What a person says in the Temporal UI: kept as the same command that the API would keep, and decided in its turn."""

from __future__ import annotations

import json
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.characters import as_line, storable
from domain.messages import Act, OrderId
from domain.order_commands import ORDER_COMMANDS
from domain.payloads import Kept
from records.orders import inbox
from records.orders.inbox import InboxRow


async def keep_act(engine: AsyncEngine, act: Act) -> InboxRow[Kept]:
    """Keep an operator's act, once under its number. Its address is left out where it names none."""
    without = {"address_id"} if act.said.address_id is None else set()
    said = {
        name: storable(told) if isinstance(told, str) else told
        for name, told in act.said.model_dump(exclude=without).items()
    }
    payload = {"act_no": act.act_no, "verb": act.verb, **said}
    async with engine.begin() as connection:
        row, _ = await inbox.put(
            connection,
            act.order,
            kind="operate",
            key=ORDER_COMMANDS["operate"].key(act.order.order_ref, act.act_no),
            digest=sha256(json.dumps(payload, sort_keys=True).encode()).digest(),
            payload=payload,
            actor=as_line(act.said.by),
        )
    return row


async def keep_cancellation(engine: AsyncEngine, order: OrderId) -> InboxRow[Kept]:
    """Keep that an order is cancelled because its workflow was: once, whoever cancels it again."""
    async with engine.begin() as connection:
        row, _ = await inbox.put(
            connection,
            order,
            kind="cancel",
            key=ORDER_COMMANDS["cancel"].key(order.order_ref, "temporal"),
            digest=bytes(32),
            payload={"cancel_no": "temporal", "reason": "cancelled in the Temporal UI", "lines": None},
            actor="Temporal UI",
        )
    return row
