"""Locations as the ledger sees them: places of a kind, in a site."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.errors import Rejected
from stockbridge.domain.stock import Place, PlaceKind
from stockbridge.records.tables import location

STAGING_TYPES: Final = frozenset({"staging", "dock"})


def kind_of(location_type: str) -> PlaceKind:
    """Return what a location of this type is to the ledger: only stock in staging is never promised."""
    return PlaceKind.STAGING if location_type in STAGING_TYPES else PlaceKind.STORAGE


async def place_of(connection: AsyncConnection, tenant: str, location_id: str) -> Place:
    """Return a location as a place. Raises `Rejected` with code `unknown_location`."""
    query = select(location.c.site, location.c.type).where(
        location.c.tenant == tenant, location.c.location_id == location_id
    )
    found = (await connection.execute(query)).one_or_none()
    if found is None:
        raise Rejected("unknown_location", f"There is no location {location_id}.")
    return Place(location_id, found.site, kind_of(found.type))


async def staging_of(connection: AsyncConnection, tenant: str, site: str) -> Place:
    """Return a site's staging location, the first by name. Raises `Rejected` with code `no_staging`."""
    query = (
        select(location.c.location_id)
        .where(location.c.tenant == tenant, location.c.site == site, location.c.type == "staging")
        .order_by(location.c.location_id)
        .limit(1)
    )
    found = (await connection.execute(query)).scalar_one_or_none()
    if found is None:
        raise Rejected("no_staging", f"Site {site} has no staging location to pick into.")
    return Place(found, site, PlaceKind.STAGING)


async def ship_from(connection: AsyncConnection, tenant: str, site: str) -> dict[str, Any]:
    """Return a site's address, with the site's name where the address has none."""
    query = select(location.c.address).where(
        location.c.tenant == tenant, location.c.location_id == site, location.c.type == "site"
    )
    data = (await connection.execute(query)).scalar_one_or_none() or {}
    return {"name": site, **data}
