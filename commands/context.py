"""The context at which every command is decided: PostgreSQL and the ledger are at hand.

What the decisions share happens here: an order is opened, its lines are read, the command is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.attention import Ask, Attention
from domain.errors import Kind, Rejected
from domain.linked_lines import LinkedLine
from domain.lot_numbers import LotPattern
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.payloads import Kept
from domain.stock import Evidence
from domain.window import USUAL, Window
from ledger.reads.balances import order_lines
from ledger.writing.writer import LedgerWriter
from postgres.statements import alone
from records.orders import inbox, order_reads, orders
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow


@dataclass(frozen=True)
class CommandContext:
    """What a command reads from and writes to, and by which rules of the house.

    Of what happened, times in the `window` are believed, by PostgreSQL's clock. `lot_patterns` are those of tenants
    that number lots in a way of their own.
    """

    engine: AsyncEngine
    ledger: LedgerWriter
    window: Window = USUAL
    lot_patterns: Mapping[str, LotPattern] = field(default_factory=dict)

    def reading(self) -> AsyncConnection:
        """Return a connection for statements that each stand alone: none of them opens a transaction."""
        return alone(self.engine).connect()


async def open_order(connection: AsyncConnection, row: InboxRow[Kept], *, or_closed: bool = False) -> OrderRow:
    """Return the order, if it is there and open."""
    return _open(row, await orders.get(connection, row.order), or_closed=or_closed)


async def lock_open_order(connection: AsyncConnection, row: InboxRow[Kept]) -> OrderRow:
    """Return the order, if it is there and open, and let nobody change it meanwhile."""
    name = (row.tenant, row.order_ref)
    return _open(row, (await orders.lock(connection, [name])).get(name))


def _open(row: InboxRow[Kept], order: OrderRow | None, *, or_closed: bool = False) -> OrderRow:
    if order is None:
        raise Rejected("unknown_order", f"There is no order {row.order_ref}.", kind=Kind.UNKNOWN)
    if order.closed_at is not None and not or_closed:
        raise Rejected("order_closed", "The order is closed.", kind=Kind.CONFLICT)
    return order


async def read_lines(connection: AsyncConnection, order: OrderId) -> list[OrderLine]:
    """Return the order's lines as the ledger has them."""
    return (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])


async def read_linked(connection: AsyncConnection, row: InboxRow[Kept]) -> tuple[LinkedLine, ...]:
    """Return the lines that came along with others in the order's latest accepted revision."""
    return (await order_reads.revision(connection, row.order)).came_along


async def accept_alone(context: CommandContext, row: InboxRow[Kept], outcome: str) -> None:
    """Accept a command that posts nothing."""
    async with context.engine.begin() as connection:
        await inbox.accept(connection, row.inbox_id, {"outcome": outcome})


async def clear_attention(connection: AsyncConnection, order: OrderId) -> None:
    """Take back that the order needs a person."""
    await orders.set_attention(connection, order, None)


async def ask_for_a_person(connection: AsyncConnection, order: OrderId, ask: Ask, said_id: str | None = None) -> None:
    """Flag an order: what is stuck, why, and which named actions unstick it; and the id of what a partner said."""
    now = (await connection.execute(func.clock_timestamp().select())).scalar_one()
    attention = Attention(ask.reason, now.isoformat(), ask.actions, ask.step, said_id)
    await orders.set_attention(connection, order, attention)


def instant(row: InboxRow[Kept]) -> datetime | None:
    """Return when it happened, if the command tells: no later than it came."""
    told = row.payload.occurred_at
    return min(told, row.received_at) if told else None


def evidence_of(row: InboxRow[Kept]) -> Evidence:
    """Return how we know: a device scanned it, or somebody says so."""
    return Evidence.SCANNED if row.payload.device else Evidence.CONFIRMED
