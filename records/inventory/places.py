"""Locations as the ledger sees them: places of a kind, in a site, each for stock of some status, some for so much."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Fault, Rejected
from domain.stock import Place, PlaceKind, StockStatus
from postgres.statements import Query

STAGING_TYPES: Final = frozenset({"staging", "dock"})
KEPT: Final = {"quarantine": StockStatus.QUARANTINED, "returns": StockStatus.INSPECTION}
"""What stock becomes that is put into a location of a type."""

# Locations, each with those that limit it: itself and what it lies in, as far as they take only so much.
PLACES: Final = Query(
    """
    select l.location_id, l.site, l.type, array(
      with recursive up as (
        select l.location_id, l.parent, l.site, l.capacity
        union all
        select p.location_id, p.parent, p.site, p.capacity from up
        join records.location p on p.tenant = l.tenant and p.location_id = up.parent
      )
      select location_id from up where (capacity ->> 'max_units') is not null
      union
      select s.location_id from records.location s
      where s.tenant = l.tenant and s.location_id = l.site and (s.capacity ->> 'max_units') is not null
      order by location_id
    )
    from records.location l where l.tenant = %(tenant)s and l.location_id = any(%(location_ids)s)
    """
)
_STAGING: Final = Query(
    "select location_id from records.location "
    "where tenant = %(tenant)s and site = %(site)s and type = 'staging' order by location_id limit 1"
)
_TIME_ZONES: Final = Query(
    "select tenant, location_id, time_zone from records.location "
    "where type = 'site' and time_zone is not null "
    "and (tenant, location_id) in (select * from unnest(%(tenants)s::text[], %(sites)s::text[]))"
)
_TIME_ZONES_OF: Final = Query(
    "select location_id, time_zone from records.location "
    "where tenant = %(tenant)s and type = 'site' and time_zone is not null"
)
_CLOCK_OF: Final = Query(
    "select clock_timestamp(), ("
    "select time_zone from records.location where tenant = %(tenant)s and location_id = %(site)s)"
)
_SITES_BY_CLOCK: Final = Query(
    "select tenant, location_id, time_zone, clock_timestamp() from records.location where type = 'site' order by 1, 2"
)


def kind_of(location_type: str) -> PlaceKind:
    """Return what a location of this type is to the ledger: only stock in staging is never promised."""
    return PlaceKind.STAGING if location_type in STAGING_TYPES else PlaceKind.STORAGE


def place(location_id: str, site: str, location_type: str, limited_by: Iterable[str]) -> Place:
    """Return a location as a place."""
    keeps = KEPT.get(location_type, StockStatus.AVAILABLE)
    return Place(location_id, site, kind_of(location_type), keeps, tuple(limited_by))


async def place_of(connection: AsyncConnection, tenant: str, location_id: str) -> Place:
    """Return a location as a place. Raises `Rejected` with code `unknown_location`."""
    found = await PLACES.row(connection, tenant=tenant, location_ids=[location_id])
    if found is None:
        detail = f"There is no location {location_id}."
        raise Rejected("unknown_location", detail, [Fault("/location_id", "unknown_location", detail)])
    return place(*found)


async def staging_of(connection: AsyncConnection, tenant: str, site: str) -> Place:
    """Return a site's staging location, the first by name. Raises `Rejected` with code `no_staging`."""
    found = await _STAGING.row(connection, tenant=tenant, site=site)
    if found is None:
        detail = f"Site {site} has no staging location to pick into."
        raise Rejected("no_staging", detail, [Fault("/lines", "no_staging", detail)])
    return Place(found[0], site, PlaceKind.STAGING)


async def time_zones(connection: AsyncConnection, sites: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the time zones of sites, each named with its tenant; of those that have one."""
    tenants, names = zip(*sites, strict=True) if sites else ((), ())
    rows = await _TIME_ZONES.rows(connection, tenants=list(tenants), sites=list(names))
    return {(tenant, site): zone for tenant, site, zone in rows}


async def time_zones_of(connection: AsyncConnection, tenant: str) -> dict[str, str]:
    """Return the time zones of a tenant's sites."""
    return dict(await _TIME_ZONES_OF.rows(connection, tenant=tenant))


async def clock_of(connection: AsyncConnection, tenant: str, site: str) -> tuple[datetime, str | None]:
    """Return what time it is by PostgreSQL's clock, and a site's time zone, where it has one."""
    ((now, zone),) = await _CLOCK_OF.rows(connection, tenant=tenant, site=site)
    return now, zone


async def sites_by_clock(connection: AsyncConnection) -> list[tuple[str, str, str | None, datetime]]:
    """Return all sites of all tenants with their time zones, and what time it is."""
    return [(tenant, site, zone, clock) for tenant, site, zone, clock in await _SITES_BY_CLOCK.rows(connection)]
