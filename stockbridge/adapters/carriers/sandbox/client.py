"""The sandbox carrier's transport: JSON over HTTPS with a bearer token. It knows no shipments."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from stockbridge.adapters.wire import Answer, limits, read_within, tls

_MAX_BYTES = 16 * 1024 * 1024


class SandboxCarrierClient:
    """One connection pool to one account. `send` raises httpx's errors, `TimeoutError` and `Unreadable`."""

    def __init__(self, base_url: str, token: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=limits(timeout_s),
            verify=tls(),
        )

    async def get(self, path: str, params: Mapping[str, str]) -> Answer:
        """Ask; an answer with an error status is an answer."""
        return await self._send(self._http.build_request("GET", path, params=params))

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Have something done; an answer with an error status is an answer."""
        return await self._send(self._http.build_request("POST", path, json=body))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, request: httpx.Request) -> Answer:
        # httpx limits each silence; an answer that drips needs an end, too.
        async with asyncio.timeout(2 * self._timeout_s):
            response = await self._http.send(request, stream=True)
            try:
                return await read_within(response, _MAX_BYTES)
            finally:
                await response.aclose()
