"""Has holds give way in what has expired, once a day has begun at a site.

One sweep over all sites, not a timer for each lot: a lot that got another date has it when it is looked at. What it
posts, it posts once: a sku, a site and a day make the key.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import StockbridgeError, Unavailable
from ledger.days import Site
from ledger.reads import lots
from ledger.requests import ExpireStock
from ledger.writing.writer import LedgerWriter, translating
from records.inventory import places

log = structlog.get_logger(__name__)

ACTOR: Final = "expires_on"
AGAIN_S: Final = 3600.0
"""After so long a site is looked at again: what was being promised as its day began may have been overlooked."""
AT_ONCE: Final = 100


@dataclass(frozen=True)
class ExpiredStock:
    """The sweep. It remembers which day of a site it has seen to, and when."""

    engine: AsyncEngine
    ledger: LedgerWriter
    _seen: dict[Site, tuple[date, float]] = field(default_factory=dict, init=False)

    async def round(self) -> int:
        """See to each site whose day has begun. Returns how many skus had something to give way."""
        with translating():
            async with self.engine.connect() as connection:
                sites = await places.sites_by_clock(connection)
        zones = {(tenant, site): zone for tenant, site, zone, _ in sites if zone}
        self.ledger.days.hear(zones, [(tenant, site) for tenant, site, *_ in sites])
        done = 0
        for tenant, site, zone, clock in sites:
            day, now = self.ledger.days.today(zone, clock), time.monotonic()
            before, since = self._seen.get((tenant, site), (None, 0.0))
            if before != day or now - since > AGAIN_S:
                done += await self._see_to(tenant, site, day)
                self._seen[tenant, site] = day, now
        return done

    async def _see_to(self, tenant: str, site: str, day: date) -> int:
        with translating():
            async with self.engine.connect() as connection:
                skus = await lots.held_though_expired(connection, tenant, site, day)
        posted = 0
        for start in range(0, len(skus), AT_ONCE):
            page = [self._post(tenant, site, sku, day) for sku in skus[start : start + AT_ONCE]]
            posted += sum(await asyncio.gather(*page))
        return posted

    async def _post(self, tenant: str, site: str, sku: str, day: date) -> int:
        request = ExpireStock(tenant=tenant, key=f"expiry/{site}/{sku}/{day}", actor=ACTOR, site=site, sku=sku, day=day)
        try:
            outcome = await self.ledger.post(request)
        except Unavailable:
            raise
        except StockbridgeError:  # our own fault, and no reason to leave the others
            log.exception("stock.not_expired", site=site, sku=sku)
            return 0
        if outcome.posting_id is None or outcome.replayed:
            return 0
        log.info("stock.expired", site=site, sku=sku, day=str(day), displaced=len(outcome.displaced))
        return 1
