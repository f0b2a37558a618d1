"""Every request has an id, a log line and a place in the metrics; and none ends without an answer."""

from __future__ import annotations

import re
import time
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from api.door.problems import of_error

_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_BUCKETS: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0)

log = structlog.get_logger(__name__)


class RequestMetrics:
    """Counts requests and how long they took, by route."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._count = Counter("stockbridge_http_requests", "Requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "stockbridge_http_request_seconds", "Time to answer", labels[:2], registry=registry, buckets=_BUCKETS
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._count.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class Observed:
    """Gives each request its id, logs it, counts it, and answers what went wrong with a problem."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request_id = _id_of(request)
        request.state.request_id = request_id
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer.send)
            except Exception as error:
                if answer.status:
                    raise
                await of_error(request, error)(scope, receive, answer.send)
            finally:
                self._note(request, answer.status, time.perf_counter() - started)

    def _note(self, request: Request, status: int, seconds: float) -> None:
        route = _route_of(request.scope)
        self._metrics.note(request.method, route, status, seconds)
        write = log.debug if request.url.path in _QUIET else log.info
        write(
            "http.request",
            method=request.method,
            path=request.url.path,
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )
        structlog.contextvars.unbind_contextvars("tenant", "key_name")


class _Answer:
    """Sends an answer with the request's id, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (b"x-request-id", request_id.encode())
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), self._header]}
        await self._send(message)


def _id_of(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if _GIVEN_ID.fullmatch(given) else str(uuid7())


def _route_of(scope: dict[str, Any] | Scope) -> str:
    """Name the route, not the path: there are few of the one, and no end of the other."""
    return getattr(scope.get("route"), "path", "(none)")
