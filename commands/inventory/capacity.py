"""How much a location takes: counted under its lock, in the transaction of what is put there.

Who brings stock to a location that takes so many units, or to one below it, locks it: after the pools, before the
orders, all of a batch in one sorted order. So whoever is next counts what came before. Others lock nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Fault, Rejected
from ledger.writing.writer import Outcome
from postgres.statements import Query
from records import catalog
from records.inventory import discrepancies
from records.inventory.discrepancies import Found

# In one sorted order. Not against what is put below the location in the tree meanwhile, which locks its key.
_LOCK: Final = Query(
    """
    select tenant, location_id, site, (capacity ->> 'max_units')::bigint from records.location
    where (tenant, location_id) in (select * from unnest(%(tenants)s::text[], %(location_ids)s::text[]))
    order by tenant, location_id for no key update
    """
)
_HELD: Final = Query(
    """
    select coalesce(sum(t.on_hand), 0)::bigint from ledger.stream s
    cross join lateral (
      select on_hand from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
    ) t
    where s.tenant = %(tenant)s and s.location_id = any(%(location_ids)s) and s.open
    """
)
# What lay there already and only moved about in it is not brought.
_BROUGHT: Final = Query(
    """
    select e.posting_id, s.sku, sum(e.on_hand_delta)::bigint from ledger.entry e join ledger.stream s using (stream_id)
    where e.posting_id = any(%(posting_ids)s) and s.location_id = any(%(location_ids)s)
    group by e.posting_id, s.sku having sum(e.on_hand_delta) > 0
    order by e.posting_id, s.sku
    """
)


@dataclass(frozen=True)
class _Limit:
    """A location that takes so many base units, of all skus, at it and below it."""

    tenant: str
    location_id: str
    site: str
    max_units: int


async def check(connection: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
    """Refuse requests that fill a location beyond what it takes; facts are noted. Raises `Rejected`."""
    limited = [outcome for outcome in outcomes if outcome.posting_id and outcome.request.limited_by()]
    for limit in await _locked(connection, limited) if limited else ():
        await _check(connection, limit, limited)


async def _locked(connection: AsyncConnection, outcomes: Iterable[Outcome]) -> list[_Limit]:
    named = {(outcome.request.tenant, name) for outcome in outcomes for name in outcome.request.limited_by()}
    tenants, location_ids = zip(*named, strict=True)
    rows = await _LOCK.rows(connection, tenants=list(tenants), location_ids=list(location_ids))
    return [_Limit(*row) for row in rows if row[-1] is not None]


async def _check(connection: AsyncConnection, limit: _Limit, outcomes: Sequence[Outcome]) -> None:
    below = await catalog.subtree(connection, limit.tenant, limit.location_id)
    ((held,),) = await _HELD.rows(connection, tenant=limit.tenant, location_ids=below)
    if held <= limit.max_units:
        return
    posting_ids = [outcome.posting_id for outcome in outcomes if outcome.request.tenant == limit.tenant]
    brought = await _BROUGHT.rows(connection, posting_ids=posting_ids, location_ids=below)
    requests = {outcome.posting_id: outcome.request for outcome in outcomes}
    for posting_id, _, _ in brought:
        if (at := requests[posting_id].limit_at) is not None:
            raise _no_room(limit, at, held, sum(quantity for other, _, quantity in brought if other == posting_id))
    for posting_id, sku, quantity in brought:
        found = Found(
            tenant=limit.tenant,
            kind=discrepancies.OVER_CAPACITY,
            order_ref=requests[posting_id].only_order(),
            sku=sku,
            site=limit.site,
            quantity=quantity,
            detail=f"{limit.location_id} takes {limit.max_units} units and holds {held}",
            posting_id=posting_id,
        )
        await discrepancies.add(connection, found)


def _no_room(limit: _Limit, at: str, held: int, quantity: int) -> Rejected:
    """Refuse a request. Of several in a batch it fails them all, and they are tried one by one."""
    detail = (
        f"{limit.location_id} takes {limit.max_units} units and holds {held - quantity}: "
        f"there is no room for {quantity} more."
    )
    return Rejected("over_capacity", detail, [Fault(at, "over_capacity", detail)])
