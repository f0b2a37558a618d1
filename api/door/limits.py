"""How large a body may be, counted as it comes in, whatever its header says. None is unpacked."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.door.problems import problem

MOST_DRAINED: Final = 8
"""A sender that does not stop to listen gets the answer only after its body: so many limits of it are thrown away."""


class TooLargeError(HTTPException):
    """The body is longer than the limit."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class BodyLimit:
    """Refuses bodies over a limit with 413, and with 415 those that are compressed: who knows how long they are."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if _is_encoded(request):
            detail = "The body must come as it is, not compressed or otherwise encoded."
            status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            plain = {"Accept-Encoding": "identity"}
            answer = problem(request, "unsupported_media_type", status, detail, headers=plain)
            await answer(scope, receive, send)
            return
        if self._declared(request) > self._limit:
            if "expect" not in request.headers:
                await _drain(receive, MOST_DRAINED * self._limit)
            detail = f"The body has more than {self._limit} bytes."
            answer = problem(request, "too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            await answer(scope, receive, send)
            return
        await self._app(scope, self._counting(receive), send)

    def _declared(self, request: Request) -> int:
        length = request.headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) < 20 else 0  # noqa: PLR2004 - fits 64 bits

    def _counting(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                await _drain(receive, MOST_DRAINED * self._limit)
                raise TooLargeError
            return message

        return counted


def _is_encoded(request: Request) -> bool:
    """Say whether a body is encoded in any way but in chunks, which the server takes apart."""
    content = _listed(request, "content-encoding") - {"identity"}
    transfer = _listed(request, "transfer-encoding") - {"identity", "chunked"}
    return bool(content | transfer)


def _listed(request: Request, header: str) -> set[str]:
    """Return what a header lists, however often it comes."""
    every = ",".join(request.headers.getlist(header)).split(",")
    return {each.strip().lower() for each in every} - {""}


async def _drain(receive: Receive, most: int) -> None:
    """Read on for a while, so that the sender gets to hear the answer."""
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
