"""What is available though it lies where nothing is: it was put there before the location said what its stock is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock import StockStatus, StreamKey
from ledger.reading import key_of
from postgres.statements import Query
from records.inventory import places

# Locations of these types are few; what lies in them is found by the streams' index of locations.
_MISPLACED: Final = Query(
    """
    select l.type, t.on_hand, t.reserved,
      s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status
    from records.location l
    join ledger.stream s on s.tenant = l.tenant and s.location_id = l.location_id
    cross join lateral (
      select on_hand, reserved from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
    ) t
    where l.tenant = %(tenant)s and l.type = any(%(types)s) and s.open and s.stock_status = 'available'
      and (%(site)s::text is null or l.site = %(site)s)
      and (%(location_id)s::text is null or l.location_id = %(location_id)s)
      and (s.location_id, s.stream_id) > (%(after_location)s, %(after_stream)s::uuid)
    order by s.location_id, s.stream_id limit %(limit)s
    """
)
_SKUS: Final = Query(
    """
    select distinct sku from ledger.stream
    where tenant = %(tenant)s and location_id = %(location_id)s and open and stock_status = 'available' order by sku
    """
)

BEGINNING: Final = ("", UUID(int=0))


@dataclass(frozen=True)
class Misplaced:
    """A bucket of available stock, and what its location is for."""

    key: StreamKey
    on_hand: int
    reserved: int
    becomes: StockStatus


@dataclass(frozen=True)
class MisplacedFilter:
    """Which are wanted; None is any. `after` is the location and the stream of the last one on the page before."""

    site: str | None = None
    location_id: str | None = None
    after: tuple[str, UUID] = BEGINNING
    limit: int = 100


async def page(connection: AsyncConnection, tenant: str, wanted: MisplacedFilter) -> list[Misplaced]:
    """Return what is misplaced, by location."""
    rows = await _MISPLACED.rows(
        connection,
        tenant=tenant,
        types=list(places.KEPT),
        site=wanted.site,
        location_id=wanted.location_id,
        after_location=wanted.after[0],
        after_stream=wanted.after[1],
        limit=wanted.limit,
    )
    return [Misplaced(key_of(key), on_hand, reserved, places.KEPT[kind]) for kind, on_hand, reserved, *key in rows]


async def skus_at(connection: AsyncConnection, tenant: str, location_id: str) -> tuple[str, ...]:
    """Return the skus of which something is available at a location."""
    rows = await _SKUS.rows(connection, tenant=tenant, location_id=location_id)
    return tuple(sku for (sku,) in rows)
