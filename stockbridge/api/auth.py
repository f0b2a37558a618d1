"""Who speaks: the API key of a request decides the tenant and the source."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Final, cast

import structlog
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from stockbridge.domain.errors import Rejected
from stockbridge.records import keys
from stockbridge.records.keys import ApiKey

CACHED_S: Final = 30.0
MOST_CACHED: Final = 10_000
_LONGEST_KEY: Final = 512

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Authenticator:
    """Looks keys up by their hash. Those that are found are remembered for half a minute."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: dict[bytes, tuple[ApiKey, float]] = {}

    async def caller(self, authorization: str | None) -> ApiKey:
        """Return whom an `Authorization` header speaks for. Raises `Rejected` with status 401."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(key) <= _LONGEST_KEY:
            raise _unauthorized("The request has no API key: send it as a bearer token.")
        key_hash = keys.hash_of(key.strip())
        found, until = self._known.get(key_hash, (None, 0.0))
        if found is None or until < time.monotonic():
            found = await self._look_up(key_hash)
        return found

    async def _look_up(self, key_hash: bytes) -> ApiKey:
        async with self._engine.connect() as connection:
            found = await keys.find_key(connection, key_hash)
        if found is None:
            self._known.pop(key_hash, None)
            raise _unauthorized("The API key is not known.")
        if len(self._known) >= MOST_CACHED:
            self._known.clear()
        self._known[key_hash] = found, time.monotonic() + CACHED_S
        return found


def _unauthorized(detail: str) -> Rejected:
    return Rejected("unauthorized", detail, status=HTTPStatus.UNAUTHORIZED)


class Door(APIRoute):
    """A route behind the door: who speaks is known, and the body is JSON, before a byte of the body is read."""

    def get_route_handler(self) -> Handler:
        """Return the route's handler with the checks in front of it."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            authenticator = cast("Authenticator", request.app.state.authenticator)
            caller = await authenticator.caller(request.headers.get("authorization"))
            request.state.caller = caller
            structlog.contextvars.bind_contextvars(tenant=caller.tenant)
            _check_content_type(request)
            return await handle(request)

        return checked


def _check_content_type(request: Request) -> None:
    headers = request.headers
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and request.method != "GET" and content_type != "application/json":
        raise Rejected(
            "unsupported_media_type",
            "The body must be application/json.",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )


async def caller_of(request: Request) -> ApiKey:
    """Return whom the request speaks for."""
    return cast("ApiKey", request.state.caller)


BEARER: Final = Depends(HTTPBearer(auto_error=False, description="An API key; it names the tenant and the source."))
"""Documents the key; the check itself is in front of the route."""

Caller = Annotated[ApiKey, Depends(caller_of)]


def actor_of(caller: ApiKey, said: str | None) -> str:
    """Name who did it: as the sender says, else the system that sent it."""
    return said or caller.source or "office"
