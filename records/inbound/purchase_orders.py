"""Stock that is expected: purchase orders as they should be now, and how much of each line has arrived.

Whoever changes what is expected, or counts what arrived, locks the order first: so neither overlooks the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.inbound import InboundLine
from postgres.statements import Query
from records.tables import inbound_cancel, inbound_line, inbound_order, inbound_revision

HEAD: Final = ("site", "supplier", "order_date", "expected_date", "external_reference", "order_type")
"""What a purchase order says of itself, and an amendment may change."""


@dataclass(frozen=True)
class Cancelled:
    """A cancellation of what was expected: how much of each line, in base units."""

    cancel_no: str
    reason: str
    actor: str
    lines: dict[str, int]
    cancelled_at: datetime


@dataclass(frozen=True)
class InboundOrder:
    """A purchase order or an advance notice, as it is now."""

    po_no: str
    revision: int
    site: str
    supplier: str
    order_date: date | None
    expected_date: date | None
    external_reference: str | None
    order_type: str | None
    created_at: datetime
    lines: tuple[InboundLine, ...]
    cancellations: tuple[Cancelled, ...]

    def line(self, line_no: int) -> InboundLine | None:
        """Return a line by its number, unless it is expected no more and nothing of it has arrived."""
        return self._by_number.get(line_no)

    @cached_property
    def _by_number(self) -> dict[int, InboundLine]:
        return {x.line_no: x for x in reversed(self.lines) if x.expected or x.received}


async def add(
    connection: AsyncConnection,
    *,
    tenant: str,
    po_no: str,
    revision: int,
    digest: bytes,
    head: Mapping[str, Any],
    lines: Iterable[InboundLine],
) -> bool:
    """Keep a new purchase order. Returns False, and writes nothing, where the number is known."""
    statement = upsert(inbound_order).values(
        tenant=tenant, po_no=po_no, revision=revision, first_revision=revision, digest=digest, **head
    )
    stored = await connection.execute(statement.on_conflict_do_nothing().returning(inbound_order.c.po_no))
    if stored.first() is None:
        return False
    await connection.execute(insert(inbound_line), [{"tenant": tenant, "po_no": po_no, **vars(x)} for x in lines])
    return True


async def amend(
    connection: AsyncConnection,
    *,
    tenant: str,
    po_no: str,
    revision: int,
    digest: bytes,
    head: Mapping[str, Any],
    lines: Iterable[InboundLine],
) -> None:
    """Bring a locked purchase order to a revision."""
    named = {"tenant": tenant, "po_no": po_no}
    its_key = [inbound_order.c[name] == value for name, value in named.items()]
    await connection.execute(update(inbound_order).where(*its_key).values(revision=revision, **head))
    await _write_lines(connection, tenant, po_no, lines)
    await connection.execute(insert(inbound_revision).values(**named, revision=revision, digest=digest))


async def cancel(
    connection: AsyncConnection,
    *,
    tenant: str,
    po_no: str,
    digest: bytes,
    said: Mapping[str, Any],
    lines: Iterable[InboundLine],
) -> None:
    """Note what is not expected any more of a locked purchase order, and what was `said` of that."""
    await _write_lines(connection, tenant, po_no, lines)
    await connection.execute(insert(inbound_cancel).values(tenant=tenant, po_no=po_no, digest=digest, **said))


async def _write_lines(connection: AsyncConnection, tenant: str, po_no: str, lines: Iterable[InboundLine]) -> None:
    """Write lines as they should be now; what has arrived of them is counted elsewhere."""
    new = upsert(inbound_line)
    changed = {name: new.excluded[name] for name in ("sku", "uom", "factor", "expected", "cancelled")}
    statement = new.on_conflict_do_update(index_elements=["tenant", "po_no", "line_no"], set_=changed)
    await connection.execute(statement, [{"tenant": tenant, "po_no": po_no, **vars(line)} for line in lines])


# -- what was said before --------------------------------------------------------------------------------------------


async def digest_of(connection: AsyncConnection, tenant: str, po_no: str, revision: int) -> bytes | None:
    """Return the digest of what a revision said, where it was accepted."""
    row = await _DIGEST.row(connection, tenant=tenant, po_no=po_no, revision=revision)
    return None if row is None else bytes(row[0])


_DIGEST: Final = Query(
    """
    select digest from records.inbound_order
    where tenant = %(tenant)s and po_no = %(po_no)s and first_revision = %(revision)s
    union all
    select digest from records.inbound_revision
    where tenant = %(tenant)s and po_no = %(po_no)s and revision = %(revision)s
    """
)


async def digest_of_cancel(connection: AsyncConnection, tenant: str, po_no: str, cancel_no: str) -> bytes | None:
    """Return the digest of what a cancellation said."""
    row = await _DIGEST_OF_CANCEL.row(connection, tenant=tenant, po_no=po_no, cancel_no=cancel_no)
    return None if row is None else bytes(row[0])


_DIGEST_OF_CANCEL: Final = Query(
    "select digest from records.inbound_cancel "
    "where tenant = %(tenant)s and po_no = %(po_no)s and cancel_no = %(cancel_no)s"
)


# -- reading ---------------------------------------------------------------------------------------------------------


async def get(connection: AsyncConnection, tenant: str, po_no: str) -> InboundOrder | None:
    """Return a purchase order."""
    found = await _read(connection, tenant, [po_no])
    return found[0] if found else None


async def expecting(connection: AsyncConnection, tenant: str, sku: str, limit: int = 3) -> list[str]:
    """Name purchase orders by which more of a sku is expected, a few of them."""
    query = (
        select(inbound_line.c.po_no)
        .where(
            inbound_line.c.tenant == tenant,
            inbound_line.c.sku == sku,
            inbound_line.c.received < inbound_line.c.expected - inbound_line.c.cancelled,
        )
        .distinct()
        .order_by(inbound_line.c.po_no)
        .limit(limit)
    )
    return list((await connection.execute(query)).scalars())


async def list_orders(connection: AsyncConnection, tenant: str, after: str, limit: int) -> list[InboundOrder]:
    """Return purchase orders by number, from the one after `after`."""
    query = select(inbound_order.c.po_no).where(inbound_order.c.tenant == tenant, inbound_order.c.po_no > after)
    numbers = (await connection.execute(query.order_by(inbound_order.c.po_no).limit(limit))).scalars()
    return await _read(connection, tenant, list(numbers))


async def _read(connection: AsyncConnection, tenant: str, numbers: Sequence[str]) -> list[InboundOrder]:
    columns = [inbound_order.c[name] for name in ("po_no", "revision", *HEAD, "created_at")]
    heads = select(*columns).where(inbound_order.c.tenant == tenant, inbound_order.c.po_no.in_(numbers))
    found = (await connection.execute(heads.order_by(inbound_order.c.po_no))).mappings().all()
    lines: dict[str, list[InboundLine]] = defaultdict(list)
    query = (
        select(*(inbound_line.c[name] for name in ("po_no", *InboundLine.__dataclass_fields__)))
        .where(inbound_line.c.tenant == tenant, inbound_line.c.po_no.in_(numbers))
        .order_by(inbound_line.c.line_no)
    )
    for po_no, *line in await connection.execute(query):
        lines[po_no].append(InboundLine(*line))
    cancelled = await _cancellations(connection, tenant, numbers)
    return [_order(head, lines[head["po_no"]], cancelled[head["po_no"]]) for head in found]


def _order(head: RowMapping, lines: Iterable[InboundLine], cancelled: Iterable[Cancelled]) -> InboundOrder:
    return InboundOrder(**head, lines=tuple(lines), cancellations=tuple(cancelled))


async def _cancellations(
    connection: AsyncConnection, tenant: str, numbers: Sequence[str]
) -> dict[str, list[Cancelled]]:
    found: dict[str, list[Cancelled]] = defaultdict(list)
    query = (
        select(*(inbound_cancel.c[name] for name in ("po_no", *Cancelled.__dataclass_fields__)))
        .where(inbound_cancel.c.tenant == tenant, inbound_cancel.c.po_no.in_(numbers))
        .order_by(inbound_cancel.c.cancelled_at, inbound_cancel.c.cancel_no)
    )
    for po_no, *said in await connection.execute(query):
        found[po_no].append(Cancelled(*said))
    return found


# -- under the lock --------------------------------------------------------------------------------------------------


async def lock(connection: AsyncConnection, tenant: str, po_no: str) -> InboundOrder | None:
    """Lock a purchase order with its lines, and return it as it is then."""
    for statement in _LOCK:
        await statement.rows(connection, tenant=tenant, po_no=po_no)
    return await get(connection, tenant, po_no)


_LOCK: Final = (
    Query("select from records.inbound_order where tenant = %(tenant)s and po_no = %(po_no)s for update"),
    # An older build that receives locks no more than the lines.
    Query(
        "select from records.inbound_line where tenant = %(tenant)s and po_no = %(po_no)s order by line_no for update"
    ),
)


async def add_received(connection: AsyncConnection, tenant: str, po_no: str, quantities: Mapping[int, int]) -> None:
    """Count what has arrived of lines, or was taken back, in the transaction of its posting."""
    its_line = [
        inbound_line.c.tenant == tenant,
        inbound_line.c.po_no == po_no,
        inbound_line.c.line_no == bindparam("of_line"),
    ]
    counted = update(inbound_line).where(*its_line).values(received=inbound_line.c.received + bindparam("more"))
    await connection.execute(counted, [{"of_line": number, "more": more} for number, more in quantities.items()])
