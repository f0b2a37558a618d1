"""Orders that wait for stock longer than they were to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OfOrder

# An order is backordered as long as any unit of it is. What it waits for anew after an expiry (a picker missed
# something, say) expires in its turn, as the next one of that deadline.
_EXPIRED: Final = text(
    """
    select o.tenant, o.order_ref, o.backorder_until, 1 + (
      select count(*) from records.inbox i
      where i.tenant = o.tenant and i.order_ref = o.order_ref and i.kind = 'operate' and i.state = 'accepted'
        and (i.payload ->> 'backorder_until')::timestamptz = o.backorder_until
    ) as number
    from records.orders o
    where o.status = 'backordered' and o.closed_at is null and o.backorder_until <= now()
      and not exists (
        select from records.inbox i
        where i.tenant = o.tenant and i.order_ref = o.order_ref and i.kind = 'operate' and i.state = 'queued'
          and i.payload ->> 'backorder_until' is not null)
    order by o.backorder_until limit :limit
    """
)


@dataclass(frozen=True)
class Expired(OfOrder):
    """An order that still waits for stock after its deadline; `number` tells this expiry from earlier ones."""

    tenant: str
    order_ref: str
    backorder_until: datetime
    number: int


async def expired(connection: AsyncConnection, limit: int) -> list[Expired]:
    """Return orders whose backorders have expired and are not being given up, the earliest deadline first."""
    return [Expired(*row) for row in await connection.execute(_EXPIRED, {"limit": limit})]
