"""Which methods an address takes: all of them are named where one is not, and HEAD is taken where GET is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.door.problems import problem

_ALWAYS: Final = frozenset({"OPTIONS"})

Addresses = dict[str, tuple[re.Pattern[str], frozenset[str]]]
"""How an address is recognized, and what it takes, by the path as it is described."""


class Methods:
    """Answers OPTIONS, HEAD, and methods that an address does not take; the router knows one route for each method."""

    def __init__(self, app: ASGIApp, described: FastAPI) -> None:
        self._app = app
        self._described = described
        self._addresses: Addresses | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on where its address takes its method, HEAD as a GET without its body."""
        taken = self._taken_at(scope["path"]) if scope["type"] == "http" else None
        if taken is None or scope["method"] in taken - {"HEAD"} - _ALWAYS:
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD" and "HEAD" in taken:
            await self._app({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await _refuse_or_tell(Request(scope), taken)(scope, receive, send)

    def _taken_at(self, path: str) -> frozenset[str] | None:
        """Return what an address takes; None where there is none."""
        if self._addresses is None:
            self._addresses = _addresses_of(self._described.routes)
        taken = [methods for pattern, methods in self._addresses.values() if pattern.match(path)]
        return frozenset().union(*taken) if taken else None


def _addresses_of(routes: Iterable[BaseRoute]) -> Addresses:
    """Gather what each address takes."""
    found: Addresses = {}
    for route in iter_route_contexts(list(routes)):
        if route.path is not None and route.methods:
            pattern, methods = found.get(route.path, (compile_path(route.path)[0], _ALWAYS))
            found[route.path] = pattern, methods | route.methods | ({"HEAD"} if "GET" in route.methods else set())
    return found


def _refuse_or_tell(request: Request, taken: frozenset[str]) -> Response:
    headers = {"Allow": ", ".join(sorted(taken))}
    if request.method in _ALWAYS:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    detail = f"This address does not take {request.method}, but {headers['Allow']}."
    return problem(request, "method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=headers)


def _without_body(send: Send) -> Send:
    """Send an answer's head with the headers that GET has, its length among them, and nothing else."""

    async def headed(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return headed
