"""Whether there is anything of a sku: in the house, on the road, with customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from postgres.statements import Query

SHOWN: Final = 3
"""How many customers are named."""

# Open streams only, so what is empty for ever costs nothing; of customers, who may be many, the first few.
_GOODS: Final = Query(
    """
    with pools as (select pool_id from ledger.pool where tenant = %(tenant)s and sku = %(sku)s),
    here as (
      select s.kind, t.on_hand, t.reserved from ledger.stream s
      cross join lateral (
        select e.on_hand, e.reserved from ledger.entry e where e.stream_id = s.stream_id order by e.seq desc limit 1
      ) t
      where s.pool_id in (select pool_id from pools) and s.kind in ('storage', 'staging', 'transit') and s.open
    )
    select coalesce(sum(on_hand) filter (where kind <> 'transit'), 0)::bigint,
           coalesce(sum(on_hand) filter (where kind = 'transit'), 0)::bigint,
           coalesce(sum(reserved), 0)::bigint,
           array(
             select distinct s.location_id from ledger.stream s
             where s.pool_id in (select pool_id from pools) and s.kind = 'customer' and s.open
             order by s.location_id limit %(shown)s
           )
    from here
    """
)


@dataclass(frozen=True)
class InUse:
    """What there is of a sku. `customers` are the first few orders whose customers have some, by name."""

    on_hand: int
    in_transit: int
    reserved: int
    customers: list[str]


async def goods_of(connection: AsyncConnection, tenant: str, sku: str) -> InUse:
    """Return what there is of a sku at all sites."""
    ((on_hand, in_transit, reserved, places),) = await _GOODS.rows(connection, tenant=tenant, sku=sku, shown=SHOWN)
    return InUse(on_hand, in_transit, reserved, [place.removeprefix("customer/") for place in places])
