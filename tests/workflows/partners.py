"""The sandbox's own side: what its ERP and its carriers have, and how they misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import httpx
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.carriers.port import CarrierPort
from commands.connections.add import add
from commands.connections.context import By
from domain.connections import ConnectionKind, Flow, NewConnection
from records.access import connections
from records.access.connections import Named
from records.access.sealing import SealingKeys
from sandbox.settings import SandboxSettings

SANDBOX: Final = "sandbox"
PIGEON: Final = "pigeon"
"""The carriers' names, as orders name them."""
SEALING: Final = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEYS: Final = SealingKeys.parse(SEALING)


@dataclass
class Partners:
    """The ERP, the carrier and another of each, by their admin doors. Only the first two misbehave."""

    erp_url: str
    carrier_url: str
    pigeon_url: str
    other_erp_url: str
    settings: SandboxSettings
    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def at(
        cls, erp_url: str, carrier_url: str, pigeon_url: str, other_erp_url: str, settings: SandboxSettings
    ) -> AsyncIterator[Self]:
        async with httpx.AsyncClient(timeout=10) as http:
            yield cls(erp_url, carrier_url, pigeon_url, other_erp_url, settings, http)

    async def connect_to_others(self, engine: AsyncEngine, tenant: str) -> None:
        """Connect a tenant to the other ERP and the other carrier, by the names that others have the first ones by."""
        async with engine.begin() as connection:
            await add(connection, KEYS, tenant, self.carrier(SANDBOX, self.pigeon_url), By("test"), public_id=tenant)
            settings = {"address": f"{self.other_erp_url}/soap/orders", "user": self.settings.erp_user}
            await add(connection, KEYS, tenant, self.erp(settings=settings), By("test"))

    async def connect(self, engine: AsyncEngine, tenant: str, source: str = "erp") -> None:
        """Connect a tenant to the ERP and both carriers. Callbacks of the first one go by the tenant's name."""
        carriers = ((SANDBOX, self.carrier_url, tenant), (PIGEON, self.pigeon_url, f"{tenant}-{PIGEON}"))
        async with engine.begin() as connection:
            for name, url, public_id in carriers:
                await add(connection, KEYS, tenant, self.carrier(name, url), By("test"), public_id=public_id)
            await add(connection, KEYS, tenant, self.erp(source), By("test"))

    def erp(self, source: str = "erp", **changes: Any) -> NewConnection:
        given = {
            "kind": ConnectionKind.ERP,
            "name": source,
            "adapter": "mapping",
            "mapping": "sandbox",
            "settings": {"address": f"{self.erp_url}/soap/orders", "user": self.settings.erp_user},
            "secrets": {"password": SecretStr(self.settings.erp_password)},
            "flow": Flow.BOTH,
            "start_at": datetime(2026, 1, 1, tzinfo=UTC),
            "timeout_s": 3,
        }
        return NewConnection.model_validate({**given, **changes})

    def carrier(self, name: str = SANDBOX, url: str | None = None) -> NewConnection:
        secrets = {"token": self.settings.carrier_token, "secret": self.settings.carrier_secret}
        return NewConnection(
            kind=ConnectionKind.CARRIER,
            name=name,
            adapter="sandbox",
            settings={"base_url": url or self.carrier_url},
            secrets={field: SecretStr(secret) for field, secret in secrets.items()},
            timeout_s=3,
        )

    async def references(self, erp_url: str, order_no: str) -> set[str]:
        """Name the tenants whose orders with this number an ERP has heard of."""
        found = (await self.http.get(f"{erp_url}/admin/documents", params={"order_no": order_no})).json()
        return {document["reference"].partition("/")[0] for document in found}

    async def documents(self, tenant: str, order_no: str) -> list[dict[str, Any]]:
        """What the ERP made of our messages: of this tenant, for many tests use the same ERP."""
        found = (await self.http.get(f"{self.erp_url}/admin/documents", params={"order_no": order_no})).json()
        return [document for document in found if document["reference"].startswith(f"{tenant}/")]

    async def bookings(self, tenant: str, order_no: str) -> list[dict[str, Any]]:
        """What the carriers have booked for an order, each with the carrier's name."""
        found = [
            {**booking, "carrier": carrier}
            for carrier, url in ((SANDBOX, self.carrier_url), (PIGEON, self.pigeon_url))
            for booking in (await self.http.get(f"{url}/admin/shipments")).json()
        ]
        return [booking for booking in found if booking["reference"].startswith(f"{tenant}/{order_no}/")]

    async def collect(self, tracking_numbers: list[str]) -> None:
        for number in tracking_numbers:
            (await self.http.post(f"{self.carrier_url}/admin/parcels/{number}/collect")).raise_for_status()

    async def scan(self, tracking_number: str, status: str) -> None:
        url = f"{self.carrier_url}/admin/parcels/{tracking_number}/scan"
        (await self.http.post(url, json={"status": status})).raise_for_status()

    async def erp_fault(self, kind: str, **fields: Any) -> None:
        (await self.http.post(f"{self.erp_url}/admin/faults", json={"kind": kind, **fields})).raise_for_status()

    async def carrier_fault(self, kind: str, **fields: Any) -> None:
        (await self.http.post(f"{self.carrier_url}/admin/faults", json={"kind": kind, **fields})).raise_for_status()

    async def faults(self) -> list[dict[str, Any]]:
        """What is still to go wrong."""
        answers = [await self.http.get(f"{url}/admin/faults") for url in (self.erp_url, self.carrier_url)]
        return [fault for answer in answers for fault in answer.json()]

    async def behave(self) -> None:
        """Clear every fault."""
        for url in (self.erp_url, self.carrier_url):
            (await self.http.delete(f"{url}/admin/faults")).raise_for_status()


@dataclass(frozen=True)
class Lending:
    """Lends one port to all, as any tenant's carrier."""

    port: CarrierPort

    @asynccontextmanager
    async def of(self, tenant: str, carrier: str, least: Flow = Flow.BOTH) -> AsyncIterator[CarrierPort]:  # noqa: ARG002
        yield self.port


async def disconnect(engine: AsyncEngine, tenant: str) -> None:
    """Let nothing be done for a tenant any more: its tests are over."""
    async with engine.begin() as connection:
        for row in await connections.every(connection, tenant):
            await connections.remove(connection, Named(tenant, row.kind, row.name))
