"""The days of sites, by the time zones that the catalog has."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.days import Days, Site
from postgres.statements import alone
from records.inventory import places


def site_days(engine: AsyncEngine) -> Days:
    """Return what says which day it is at the sites of the catalog."""

    async def zones(sites: Collection[Site]) -> Mapping[Site, str]:
        async with alone(engine).connect() as connection:
            return await places.time_zones(connection, sites)

    return Days(zones)
