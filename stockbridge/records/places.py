"""Locations as the ledger sees them: places of a kind, in a site."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.errors import Rejected
from stockbridge.domain.stock import Place, PlaceKind
from stockbridge.driver import Query

STAGING_TYPES: Final = frozenset({"staging", "dock"})


_PLACE: Final = Query(
    "select site, type from records.location where tenant = %(tenant)s and location_id = %(location_id)s"
)
_STAGING: Final = Query(
    "select location_id from records.location "
    "where tenant = %(tenant)s and site = %(site)s and type = 'staging' order by location_id limit 1"
)


def kind_of(location_type: str) -> PlaceKind:
    """Return what a location of this type is to the ledger: only stock in staging is never promised."""
    return PlaceKind.STAGING if location_type in STAGING_TYPES else PlaceKind.STORAGE


async def place_of(connection: AsyncConnection, tenant: str, location_id: str) -> Place:
    """Return a location as a place. Raises `Rejected` with code `unknown_location`."""
    found = await _PLACE.row(connection, tenant=tenant, location_id=location_id)
    if found is None:
        raise Rejected("unknown_location", f"There is no location {location_id}.")
    site, location_type = found
    return Place(location_id, site, kind_of(location_type))


async def staging_of(connection: AsyncConnection, tenant: str, site: str) -> Place:
    """Return a site's staging location, the first by name. Raises `Rejected` with code `no_staging`."""
    found = await _STAGING.row(connection, tenant=tenant, site=site)
    if found is None:
        raise Rejected("no_staging", f"Site {site} has no staging location to pick into.")
    return Place(found[0], site, PlaceKind.STAGING)
