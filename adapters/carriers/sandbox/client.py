"""The sandbox carrier's transport: JSON over HTTPS with a bearer token. It knows no shipments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from adapters.egress import Egress
from adapters.guarded import guarded_async_transport
from adapters.wire import Answer, exchange, options

_MAX_BYTES = 16 * 1024 * 1024


class SandboxCarrierClient:
    """One connection pool to one account. `send` raises httpx's errors, `TimeoutError` and `Unreadable`."""

    def __init__(self, base_url: str, token: str, timeout_s: float, egress: Egress) -> None:
        self._timeout_s = timeout_s
        made_with = options(timeout_s, {"Authorization": f"Bearer {token}", "Accept": "application/json"})
        guarded = guarded_async_transport(egress, verify=made_with["verify"], limits=made_with["limits"])
        self._http = httpx.AsyncClient(base_url=base_url, transport=guarded, trust_env=False, **made_with)

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
        return await exchange(self._http, request, max_bytes=_MAX_BYTES, max_s=2 * self._timeout_s)
