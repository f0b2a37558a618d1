"""Hanging up without an answer: what a client sees of a server that dies. ASGI has no word for it, a transport has."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TRANSPORT = "sandbox.transport"


class HangupProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also shows each request the connection that it came by."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn's own
        """Put the transport into the scope of every request on this connection."""
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[_TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


class Hangup(Response):
    """An answer that never comes: the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        """Cut the connection, and return only once the server knows, so that it sends no error page instead."""
        cast("asyncio.Transport", scope[_TRANSPORT]).abort()
        while (await receive())["type"] != "http.disconnect":
            pass
