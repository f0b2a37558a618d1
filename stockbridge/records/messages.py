"""The feed of an order to its ERP: numbered messages, sent in their order, each exactly once in effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.erp import ErpMessageKind
from stockbridge.records.tables import erp_message, orders

Message = dict[str, Any]


async def append(
    connection: AsyncConnection, tenant: str, order_ref: str, kind: ErpMessageKind, payload: Mapping[str, Any]
) -> int:
    """Put a message at the end of an order's feed. The caller holds the order's lock, or this takes it.

    The revision that the message is about is the order's now, not when the ERP can be reached.
    """
    number, revision = (
        await connection.execute(
            update(orders)
            .where(orders.c.tenant == tenant, orders.c.order_ref == order_ref)
            .values(next_erp_number=orders.c.next_erp_number + 1)
            .returning(orders.c.next_erp_number - 1, orders.c.revision)
        )
    ).one()
    await connection.execute(
        insert(erp_message).values(
            tenant=tenant,
            order_ref=order_ref,
            number=number,
            kind=kind,
            reference=f"{tenant}/{order_ref}/{number}",
            payload={"revision": revision, **payload},
            state="intended",
        )
    )
    return int(number)


Said = tuple[ErpMessageKind, Mapping[str, Any]]
"""What the ERP is to hear, and what of it."""


async def renew(connection: AsyncConnection, message: Message) -> None:
    """Let a message that is not done be told in its place as one that the ERP can't know yet: under a new reference."""
    await connection.execute(
        update(erp_message)
        .where(
            erp_message.c.tenant == message["tenant"],
            erp_message.c.order_ref == message["order_ref"],
            erp_message.c.number == message["number"],
        )
        .values(reference=f"{message['reference']}+", state="intended", attempts=0, last_error=None)
    )


async def get(connection: AsyncConnection, tenant: str, order_ref: str, number: int) -> Message | None:
    """Return a message by its number."""
    query = select(erp_message).where(
        erp_message.c.tenant == tenant, erp_message.c.order_ref == order_ref, erp_message.c.number == number
    )
    found = (await connection.execute(query)).mappings().one_or_none()
    return dict(found) if found else None


async def waiting(connection: AsyncConnection, tenant: str, order_ref: str) -> list[Message]:
    """Return what the ERP has not been told yet, in the order of the feed."""
    query = (
        select(erp_message)
        .where(
            erp_message.c.tenant == tenant,
            erp_message.c.order_ref == order_ref,
            erp_message.c.state.not_in(("done", "skipped")),
        )
        .order_by(erp_message.c.number)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def move(
    connection: AsyncConnection, tenant: str, order_ref: str, number: int, state: str, **fields: Any
) -> None:
    """Move a message to a state. What is done stays done."""
    values: dict[str, Any] = {"state": state, **fields}
    if state == "sent":
        values["attempts"] = erp_message.c.attempts + 1
    if state == "done":
        values["done_at"] = case((erp_message.c.done_at.is_(None), func.clock_timestamp()), else_=erp_message.c.done_at)
    await connection.execute(
        update(erp_message)
        .where(
            erp_message.c.tenant == tenant,
            erp_message.c.order_ref == order_ref,
            erp_message.c.number == number,
            erp_message.c.state.not_in(("done", "skipped")),
        )
        .values(**values)
    )
