"""Asks carriers about parcels that nothing was heard of: a lost callback must not lose a delivery.

One sweep over all parcels, in batches within the carrier's limits, not a timer in each order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from stockbridge.adapters.carriers.port import CarrierPort
from stockbridge.domain.carriers import TrackingEvent
from stockbridge.domain.window import USUAL, Window
from stockbridge.ledger.writer import translating
from stockbridge.records import events, shipments

log = structlog.get_logger(__name__)

BATCH: Final = 50


@dataclass(frozen=True)
class SilentParcels:
    """The sweep. `silent_for_s` is how long a parcel may be quiet; `carriers` are ports by name.

    Of what they tell, times outside of the `window` are not believed.
    """

    engine: AsyncEngine
    carriers: Mapping[str, CarrierPort]
    silent_for_s: float
    window: Window = USUAL

    async def round(self) -> int:
        """Ask about the parcels that were silent the longest. Returns how many events were new."""
        with translating():
            async with self.engine.connect() as connection:
                silent = await shipments.silent_parcels(connection, self.silent_for_s, BATCH)
        by_carrier: dict[tuple[str, str], list[str]] = defaultdict(list)
        for parcel in silent:
            by_carrier[parcel["tenant"], parcel["carrier"]].append(parcel["tracking_number"])
        return sum([await self._ask(*key, numbers) for key, numbers in by_carrier.items()])

    async def _ask(self, tenant: str, carrier: str, numbers: list[str]) -> int:
        port = self.carriers.get(carrier)
        if port is None:
            return 0
        heard = await port.track(numbers)
        with translating():
            async with self.engine.begin() as connection:
                name = await events.connection_of(connection, tenant, carrier)
                await events.asked(connection, tenant, numbers)
            how = events.Heard(name, carrier, tenant, "poll", self.window)
            new = [await self._store(how, event) for event in heard]
        if any(new):
            log.info("silent_parcels.heard", carrier=carrier, events=sum(map(bool, new)))
        return 0

    async def _store(self, how: events.Heard, event: TrackingEvent) -> str | None:
        """Store an event in a transaction of its own: it locks its order."""
        async with self.engine.begin() as connection:
            return await events.store(connection, how, event)
