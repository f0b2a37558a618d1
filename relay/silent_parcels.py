"""Asks carriers about parcels that nothing was heard of: a lost callback must not lose a delivery.

One sweep over the parcels of each carrier connection, in batches within its limits, not a timer in each order. Each
goes by itself, so that one that is away holds up no other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.carriers.port import CarrierPort, Carriers
from domain.carriers import TrackingEvent
from domain.connections import Flow
from domain.errors import Rejected, Unavailable
from domain.window import USUAL, Window
from ledger.writing.writer import translating
from records import partner_words
from records.partner_words import Asked
from records.shipping import carrier_events, labels, shipments

log = structlog.get_logger(__name__)

BATCH: Final = 50


@dataclass(frozen=True)
class SilentParcels:
    """The sweep over the parcels of one tenant's carrier. `silent_for_s` is how long one may be quiet.

    Of what they tell, times outside of the `window` are not believed.
    """

    engine: AsyncEngine
    carriers: Carriers
    tenant: str
    carrier: str
    silent_for_s: float
    window: Window = USUAL

    async def round(self) -> int:
        """Ask about the parcels that were silent the longest. Returns how many, where there may be more."""
        with translating():
            async with self.engine.connect() as connection:
                silent = await shipments.silent_parcels(connection, self.tenant, self.carrier, self.silent_for_s, BATCH)
        if silent:
            await self._ask(silent)
        return len(silent) if len(silent) == BATCH else 0

    async def _ask(self, numbers: Sequence[str]) -> None:
        """Store what the carrier knows of parcels, and note that it was asked: also where storing one event fails."""
        async with self.carriers.of(self.tenant, self.carrier, Flow.INBOUND) as port:
            heard = await self._track(port, numbers)
        how = carrier_events.Heard(self.tenant, self.carrier, "poll", self.window)
        new = [await self._store(how, event) for event in heard]
        with translating():
            async with self.engine.begin() as connection:
                await carrier_events.asked(connection, self.tenant, numbers)
        if any(new):
            log.info("silent_parcels.heard", tenant=self.tenant, carrier=self.carrier, events=sum(map(bool, new)))

    async def _track(self, port: CarrierPort, numbers: Sequence[str]) -> list[TrackingEvent]:
        """Return what the carrier knows of parcels. One that it does not want to be asked about spoils no other's."""
        try:
            return await port.track(numbers)
        except Rejected as refusal:
            if len(numbers) > 1:
                middle = len(numbers) // 2
                halves = (numbers[:middle], numbers[middle:])
                return [event for half in halves for event in await self._track(port, half)]
            said_id = await self._keep(numbers[0], refusal)
            log.warning(
                "silent_parcels.refused",
                tenant=self.tenant,
                carrier=self.carrier,
                parcel=numbers[0],
                reason=refusal.detail,
                code=refusal.code,
                said_id=said_id,
            )
            return []

    async def _keep(self, number: str, refusal: Rejected) -> str | None:
        """Keep what the carrier said of a parcel with the order that it is of, and return its id."""
        if refusal.said is None:
            return None
        with translating():
            async with self.engine.begin() as connection:
                found = await labels.find(connection, self.tenant, self.carrier, number)
                if found is None:
                    return None
                asked = Asked(found.order, f"track/{number}", self.carrier)
                return str(await partner_words.keep(connection, asked, refusal.code, refusal.said))

    async def _store(self, how: carrier_events.Heard, event: TrackingEvent) -> str | None:
        """Store an event in a transaction of its own: it locks its order."""
        try:
            with translating():
                async with self.engine.begin() as connection:
                    return await carrier_events.store(connection, how, event)
        except Unavailable:
            raise
        except Exception:
            log.exception("silent_parcels.not_stored", carrier=self.carrier, event_id=event.event_id)
            return None
