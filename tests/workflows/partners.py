"""The sandbox's own side: what its ERP and its carriers have, and how they misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx

from runtime.processes.clients import SANDBOX
from sandbox.settings import SandboxSettings

PIGEON: Final = "pigeon"
"""The other carrier's name, as orders name it."""


@dataclass
class Partners:
    """The ERP, the carrier and another carrier, by their admin doors. Only the first two misbehave."""

    erp_url: str
    carrier_url: str
    pigeon_url: str
    settings: SandboxSettings
    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def at(
        cls, erp_url: str, carrier_url: str, pigeon_url: str, settings: SandboxSettings
    ) -> AsyncIterator[Self]:
        async with httpx.AsyncClient(timeout=10) as http:
            yield cls(erp_url, carrier_url, pigeon_url, settings, http)

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
