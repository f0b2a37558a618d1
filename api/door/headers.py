"""What every answer says to what carries and shows it: guess no type, and store nothing of the API."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIX: Final = "/api/"

_ALWAYS: Final = (b"x-content-type-options", b"nosniff")
_OF_THE_API: Final = (b"cache-control", b"no-store")
"""Answers have names, addresses and prices in them, refusals too: they quote what was sent."""


class AnswerHeaders:
    """Adds headers to all answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        more = [_ALWAYS, _OF_THE_API] if scope["path"].startswith(_PREFIX) else [_ALWAYS]

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        await self._app(scope, receive, headed)
