"""What the office lets come back of an order, and how much of it did.

Nothing here is a total: what came back by an authorization are the accepted returns that name it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.sql import SQL
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OrderId
from postgres.statements import Query, composed
from records.tables import return_authorization, return_authorization_line

LineName = tuple[int, str]
"""The number of a line, and its sku: a number may have had several."""


@dataclass(frozen=True)
class Authorization:
    """An authorization, as it was given."""

    tenant: str
    order_ref: str
    authorization_no: str
    digest: bytes
    reason: str
    actor: str
    valid_until: datetime | None


@dataclass(frozen=True)
class AuthorizationRow(Authorization):
    """An authorization, as it is kept."""

    authorized_at: datetime


@dataclass(frozen=True)
class AuthorizedLine:
    """How much of a line may come back by an authorization, and how much did."""

    line_no: int
    sku: str
    authorized: int
    received: int

    @property
    def open(self) -> int:
        """What may still come back."""
        return self.authorized - self.received


async def add(connection: AsyncConnection, given: Authorization, quantities: Mapping[LineName, int]) -> None:
    """Keep a new authorization."""
    await connection.execute(insert(return_authorization).values(vars(given)))
    named = {name: getattr(given, name) for name in ("tenant", "order_ref", "authorization_no")}
    lines = [
        {**named, "line_no": line_no, "sku": sku, "quantity": quantity}
        for (line_no, sku), quantity in quantities.items()
    ]
    await connection.execute(insert(return_authorization_line), lines)


async def get(connection: AsyncConnection, order: OrderId, authorization_no: str) -> AuthorizationRow | None:
    """Return an authorization."""
    given = return_authorization.c
    query = select(return_authorization).where(
        given.tenant == order.tenant, given.order_ref == order.order_ref, given.authorization_no == authorization_no
    )
    found = (await connection.execute(query)).one_or_none()
    return AuthorizationRow(*found) if found else None


async def lines(connection: AsyncConnection, order: OrderId, authorization_no: str) -> Sequence[AuthorizedLine]:
    """Return the lines of an authorization, with what came back of each."""
    rows = await _LINES.rows(
        connection, tenant=order.tenant, order_ref=order.order_ref, authorization_no=authorization_no
    )
    return [AuthorizedLine(*row) for row in rows]


# What came back of a line of an authorization: by the returns that were accepted and name it.
_RECEIVED: Final = SQL("""(
      select coalesce(sum((line ->> 'quantity')::bigint), 0)::bigint
      from records.inbox i cross join jsonb_array_elements(i.payload -> 'resolved') line
      where i.tenant = a.tenant and i.order_ref = a.order_ref and i.kind = 'return' and i.state = 'accepted'
        and i.payload ->> 'authorization_no' = a.authorization_no
        and (line ->> 'line_no')::int = a.line_no and line ->> 'sku' = a.sku
    )""")

_LINES: Final = Query(
    composed(
        """
        select line_no, sku, quantity, {received}
        from records.return_authorization_line a
        where tenant = %(tenant)s and order_ref = %(order_ref)s and authorization_no = %(authorization_no)s
        order by line_no
        """,
        received=_RECEIVED,
    )
)


async def left_open(connection: AsyncConnection, order: OrderId) -> Counter[LineName]:
    """Return how much of each line may still come back by the authorizations of an order that are valid now."""
    rows = await _LEFT_OPEN.rows(connection, tenant=order.tenant, order_ref=order.order_ref)
    return Counter({(line_no, sku): int(quantity) for line_no, sku, quantity in rows})


_LEFT_OPEN: Final = Query(
    composed(
        """
        select line_no, sku, sum(quantity - {received})
        from records.return_authorization_line a
        join records.return_authorization using (tenant, order_ref, authorization_no)
        where a.tenant = %(tenant)s and a.order_ref = %(order_ref)s
          and (valid_until is null or valid_until >= clock_timestamp())
        group by line_no, sku
        """,
        received=_RECEIVED,
    )
)
