"""The hub's partners: the sandbox's ERP and carrier, by the doors that a tester has there."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from runtime.demo.hub import Answer
from runtime.demo.world import Json


class Partner:
    """A server of the sandbox, which misbehaves on demand."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def _get(self, path: str, **query: Any) -> list[Json]:
        answer = await self._client.get(path, params=query)
        answer.raise_for_status()
        found: list[Json] = answer.json()
        return found

    async def _post(self, path: str, body: Any = None) -> Any:
        answer = await self._client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    @asynccontextmanager
    async def misbehaving(self, kind: str, **how: Any) -> AsyncIterator[None]:
        """Have a fault in force for as long as the block runs. Nothing of it is left then, whatever happened."""
        await self._post("/admin/faults", {"kind": kind, **how})
        try:
            yield
        finally:
            (await self._client.delete("/admin/faults")).raise_for_status()


class Erp(Partner):
    """The legacy ERP: it pushes orders, and books a document for each thing that it hears of."""

    async def load(self, items: list[Json]) -> None:
        """Give the ERP its item master."""
        await self._post("/admin/items", items)

    async def push(self, *orders: Json, times: int = 1) -> list[Answer]:
        """Have the ERP's outbound job push orders, each so many times. Returns what the hub said to each push."""
        told = await self._post("/admin/push", {"orders": orders, "times": times})
        return [Answer(answer["status"] or 0, answer["body"] or {}) for answer in told["answers"]]

    async def push_one(self, order: Json) -> Answer:
        """Have one order pushed once."""
        return (await self.push(order))[0]

    async def documents(self, **query: str) -> list[Json]:
        """List what the ERP has booked, in its order."""
        return await self._get("/admin/documents", **query)


class Carrier(Partner):
    """The carrier: it collects parcels, scans them on a fast clock, and calls back about each scan."""

    def __init__(self, client: httpx.AsyncClient, *, secret: str, callback_path: str) -> None:
        super().__init__(client)
        self._secret = secret
        self.callback_path = callback_path

    async def collect(self, tracking_number: str) -> None:
        """Give the carrier a parcel: its first scan is due at once."""
        await self._post(f"/admin/parcels/{tracking_number}/collect")

    async def shipments(self) -> list[Json]:
        """List bookings, voided ones too, with their parcels' scans."""
        return await self._get("/admin/shipments")

    async def callbacks(self, tracking_number: str | None = None) -> list[Json]:
        """List the callbacks that were owed for a parcel, or for all, and what became of each."""
        owed = await self._get("/admin/callbacks")
        return [one for one in owed if tracking_number in {None, one["tracking_number"]}]

    def signature(self, body: bytes, *, age_s: int = 0, secret: str | None = None) -> str:
        """Sign a callback as the carrier does; or as one does who replays an old one, or doesn't know the secret."""
        at = int(time.time()) - age_s
        key = (self._secret if secret is None else secret).encode()
        return f"t={at},v1={hmac.new(key, f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"
