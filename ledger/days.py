"""Which day it is at each site. "Today" comes from here, for what is promised, what is shown and what expires."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from domain.days import day_at

Site = tuple[str, str]
"""A tenant, and a site of it."""

Zones = Callable[[Collection[Site]], Awaitable[Mapping[Site, str]]]
"""Tells the time zones of sites, of those that have one."""

Today = Callable[[str, str], date]
"""Says which day it is at a tenant's site."""

_FRESH_S: Final = 60.0
"""A site whose time zone was changed has the new one after so long."""


class Days:
    """Knows the time zones of sites, which it asks for when it meets them, and again every minute.

    Where nobody tells it any, days are those of UTC. `ahead` is how far its today is ahead of the clock: nothing, but
    for who wants to see what tomorrow brings.
    """

    def __init__(self, zones: Zones | None = None) -> None:
        self.ahead = timedelta()
        self._ask = zones
        self._zones: dict[Site, str] = {}
        self._fresh_until: dict[Site, float] = {}

    async def learn(self, sites: Collection[Site]) -> None:
        """Ask for the time zones of those of the sites that are not known, or not lately."""
        if self._ask is None:
            return
        now = time.monotonic()
        unknown = [site for site in sites if self._fresh_until.get(site, 0.0) < now]
        if unknown:
            self.hear(await self._ask(unknown), unknown)

    def hear(self, zones: Mapping[Site, str], sites: Collection[Site]) -> None:
        """Take up the time zones of sites, as they are now."""
        self._zones |= zones
        self._fresh_until |= dict.fromkeys(sites, time.monotonic() + _FRESH_S)

    def on(self, clock: datetime) -> Today:
        """Return what says which day it is at a site that was learned of, by a clock."""
        known: dict[Site, date] = {}

        def today(tenant: str, site: str) -> date:
            if (tenant, site) not in known:
                known[tenant, site] = self.today(self._zones.get((tenant, site)), clock)
            return known[tenant, site]

        return today

    def today(self, zone: str | None, clock: datetime) -> date:
        """Return which day it is in a time zone, by a clock."""
        return day_at(clock + self.ahead, zone)
