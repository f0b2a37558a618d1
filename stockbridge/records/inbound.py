"""Stock that is expected: inbound orders, and how much of each line has arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.errors import Conflict
from stockbridge.records.tables import inbound_line, inbound_order


@dataclass(frozen=True)
class InboundLine:
    """What is expected of a sku, and what of it has arrived, in base units."""

    line_no: int
    sku: str
    uom: str
    factor: int
    expected: int
    received: int


@dataclass(frozen=True)
class InboundOrder:
    """A purchase order or an advance notice."""

    po_no: str
    site: str
    supplier: str
    created_at: datetime
    lines: tuple[InboundLine, ...]


async def add(
    connection: AsyncConnection,
    *,
    tenant: str,
    po_no: str,
    site: str,
    supplier: str,
    digest: bytes,
    lines: Sequence[Mapping[str, Any]],
) -> bool:
    """Keep an inbound order. Returns whether it is new. Raises `Conflict` where it came before with other content."""
    known = await digest_of(connection, tenant, po_no)
    if known is None:
        statement = upsert(inbound_order).values(
            tenant=tenant, po_no=po_no, site=site, supplier=supplier, digest=digest
        )
        stored = await connection.execute(statement.on_conflict_do_nothing().returning(inbound_order.c.po_no))
        if stored.first() is not None:
            rows = [{"tenant": tenant, "po_no": po_no, "received": 0, **line} for line in lines]
            await connection.execute(insert(inbound_line), rows)
            return True
        known = await digest_of(connection, tenant, po_no)
    check_same(po_no, known, digest)
    return False


def check_same(po_no: str, known: bytes | None, digest: bytes) -> None:
    """Raise `Conflict` where an inbound order came before with other content."""
    if known != digest:
        raise Conflict(f"Inbound order {po_no} came before with other content.")


async def digest_of(connection: AsyncConnection, tenant: str, po_no: str) -> bytes | None:
    """Return the digest of what an inbound order said."""
    query = select(inbound_order.c.digest).where(inbound_order.c.tenant == tenant, inbound_order.c.po_no == po_no)
    found = (await connection.execute(query)).scalar_one_or_none()
    return None if found is None else bytes(found)


async def get(connection: AsyncConnection, tenant: str, po_no: str) -> InboundOrder | None:
    """Return an inbound order."""
    found = await _read(connection, tenant, [po_no])
    return found[0] if found else None


async def list_orders(connection: AsyncConnection, tenant: str, after: str, limit: int) -> list[InboundOrder]:
    """Return inbound orders by number, from the one after `after`."""
    query = select(inbound_order.c.po_no).where(inbound_order.c.tenant == tenant, inbound_order.c.po_no > after)
    numbers = (await connection.execute(query.order_by(inbound_order.c.po_no).limit(limit))).scalars()
    return await _read(connection, tenant, list(numbers))


async def _read(connection: AsyncConnection, tenant: str, numbers: Sequence[str]) -> list[InboundOrder]:
    heads = select(
        inbound_order.c.po_no, inbound_order.c.site, inbound_order.c.supplier, inbound_order.c.created_at
    ).where(inbound_order.c.tenant == tenant, inbound_order.c.po_no.in_(numbers))
    found = (await connection.execute(heads.order_by(inbound_order.c.po_no))).all()
    lines: dict[str, list[InboundLine]] = defaultdict(list)
    query = (
        select(*(inbound_line.c[name] for name in ("po_no", *InboundLine.__dataclass_fields__)))
        .where(inbound_line.c.tenant == tenant, inbound_line.c.po_no.in_(numbers))
        .order_by(inbound_line.c.line_no)
    )
    for po_no, *line in await connection.execute(query):
        lines[po_no].append(InboundLine(*line))
    return [InboundOrder(*head, lines=tuple(lines[head.po_no])) for head in found]


async def lock_received(connection: AsyncConnection, tenant: str, po_no: str) -> dict[int, tuple[int, int]]:
    """Lock an inbound order's lines, and return what is expected and what has arrived of each."""
    query = (
        select(inbound_line.c.line_no, inbound_line.c.expected, inbound_line.c.received)
        .where(inbound_line.c.tenant == tenant, inbound_line.c.po_no == po_no)
        .order_by(inbound_line.c.line_no)
        .with_for_update()
    )
    return {line_no: (expected, received) for line_no, expected, received in await connection.execute(query)}


async def add_received(connection: AsyncConnection, tenant: str, po_no: str, line_no: int, quantity: int) -> None:
    """Count what has arrived of a line, in the transaction of its posting."""
    await connection.execute(
        update(inbound_line)
        .where(inbound_line.c.tenant == tenant, inbound_line.c.po_no == po_no, inbound_line.c.line_no == line_no)
        .values(received=inbound_line.c.received + quantity)
    )
