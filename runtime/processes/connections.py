"""What a connection to the door may cost before anybody has said who he is: bytes, time, and one of so many places.

It is uvicorn's own protocol with limits around it. Everything here happens before a request is one, or beside it: what
is refused never reaches the application. Each connection notes what it waits for since when; one loop looks at all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from http import HTTPStatus
from math import ceil
from typing import Any, Final, cast

import structlog
import uvicorn
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.types import ASGIApp
from uuid_utils.compat import uuid7
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.door.problems import RETRY_AFTER_S, document
from runtime.connection_limits import Limits

log = structlog.get_logger(__name__)

MOST_HEADERS: Final = 100
LONGEST_URL: Final = 8 * 1024
MOST_PIPELINED: Final = 16
"""Requests that a connection may send ahead of its answers."""

_MOST_DISCARDED: Final = 1024 * 1024
_PIECE: Final = 16 * 1024
"""As much is parsed at once: between two pieces it is seen what they come to."""

_MOST_WRAPPING: Final = 64 * 1024
"""What chunks, their extensions and trailers may take beyond as much as they carry."""

_MOST_REFUSED_AT_ONCE: Final = 100
"""As many that found no place may linger to hear it."""

_AROUND_A_HEADER: Final = 4
_OTHER_FILES: Final = 512
"""Files that the process needs beside its connections."""


class Reading(Enum):
    """What a connection is to send next."""

    HEAD = auto()
    BODY = auto()
    NEXT = auto()


class Connections:
    """All connections to the door, those that may go first to make room first."""

    def __init__(self, limits: Limits, registry: CollectorRegistry) -> None:
        self.limits = limits
        self.open: set[Connection] = set()
        self.expendable: dict[Connection, None] = {}
        gauge = Gauge("stockbridge_http_connections", "Connections that are open", registry=registry)
        gauge.set_function(lambda: len(self.open))
        self._refused = Counter(
            "stockbridge_http_refused_connections", "Connections ended, by reason", ["reason"], registry=registry
        )

    def protocol(self, **given: Any) -> Connection:
        """Make the protocol of a new connection, as uvicorn asks for it."""
        return Connection(self, **given)

    def has_room(self) -> bool:
        """Say whether one more may come. Where all places are taken, who has kept one longest for nothing goes."""
        if len(self.open) < self.limits.connections:
            return True
        longest = next(iter(self.expendable), None)
        if longest is None:
            return False
        longest.make_room()
        return True

    def count(self, reason: str) -> None:
        """Count a connection that was ended."""
        self._refused.labels(reason).inc()

    @asynccontextmanager
    async def served(self, app: ASGIApp, host: str, port: int) -> AsyncIterator[uvicorn.Server]:
        """Make the server of an application, and look after its connections for as long as the block runs."""
        _allow_files(self.limits.connections)
        # What is no HTTP is counted. Logged, a flood of it would fill the disk.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=cast("type[asyncio.Protocol]", self.protocol),
            ws="none",
            timeout_keep_alive=ceil(self.limits.idle_s),
            log_config=None,
            access_log=False,
            lifespan="on",
        )
        async with self._watched():
            yield uvicorn.Server(config)

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Look at all connections for as long as the block runs."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.interval_s)
            now = loop.time()
            for connection in tuple(self.open):
                connection.look(now)


class Connection(HttpToolsProtocol):
    """A connection that is refused when it costs too much."""

    def __init__(self, door: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._door = door
        self._limits = door.limits
        self._reading = Reading.HEAD
        self._since = 0.0
        self._answered_at = 0.0
        self._head_bytes = 0
        self._told_bytes = 0
        self._body_bytes = 0
        self._raw_bytes = 0
        self._ended_at: float | None = None
        self._discarded = 0
        self._unsent = 0
        self._unsent_since = 0.0

    # -- its life ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, or hear that there is none."""
        self._since = self.loop.time()
        has_room = self._door.has_room()
        super().connection_made(transport)
        self._door.open.add(self)
        if has_room:
            self._door.expendable[self] = None
        else:
            self._refuse_for_room()
            if len(self._door.open) > self._limits.connections + _MOST_REFUSED_AT_ONCE:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._door.open.discard(self)
        self._door.expendable.pop(self, None)
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Go for the sake of somebody else; with a word, if a request was expected."""
        if self._reading is Reading.HEAD and self._ended_at is None:
            self._refuse_for_room()
        else:
            self._door.count("idle")
        self._door.expendable.pop(self, None)
        self._door.open.discard(self)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse_for_room(self) -> None:
        detail = "All connections are taken. Try again."
        self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_connections", detail)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # -- bytes -------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came, in pieces."""
        for piece in _pieces(data):
            if self._ended_at is not None:
                self._discard(len(piece))
            else:
                super().data_received(piece)
                self._weigh(len(piece))

    def _weigh(self, size: int) -> None:
        """Count what was received of a head or a body that goes on."""
        if self._reading is Reading.HEAD:
            self._head_bytes += size
            if self._head_bytes > self._limits.head_bytes:
                self._refuse_head()
        elif self._reading is Reading.BODY:
            self._raw_bytes += size
            if self._raw_bytes > 2 * self._body_bytes + _MOST_WRAPPING:
                detail = "The chunks of the body are more than what they carry."
                self._refuse(HTTPStatus.BAD_REQUEST, "malformed", detail)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > _MOST_DISCARDED:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._reading, self._since = Reading.HEAD, self.loop.time()
        self._head_bytes = self._told_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take an address, or a part of it."""
        super().on_url(url)
        if len(self.url) > LONGEST_URL:
            detail = f"The address has more than {LONGEST_URL} bytes."
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "url_too_long", detail)
            raise _StopParsing

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. What comes behind a body is counted with it, and read by nobody."""
        if self._reading is Reading.BODY:
            return
        super().on_header(name, value)
        self._told_bytes += len(name) + len(value) + _AROUND_A_HEADER
        if self._told_bytes + len(self.url) > self._limits.head_bytes or len(self.headers) > MOST_HEADERS:
            self._refuse_head()
            raise _StopParsing

    def on_headers_complete(self) -> None:
        """Have the request answered."""
        if len(self.pipeline) >= MOST_PIPELINED:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", "Too many requests wait for their answers.")
            raise _StopParsing
        super().on_headers_complete()
        self._reading, self._since = Reading.BODY, self.loop.time()
        self._body_bytes = self._raw_bytes = 0
        self._door.expendable.pop(self, None)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the next may come."""
        self._reading, self._since = Reading.NEXT, self.loop.time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer: from now on the place is kept for nothing."""
        self._answered_at = self.loop.time()
        if not self.pipeline:
            self._door.expendable[self] = None
        super().on_response_complete()

    # -- time --------------------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """End the connection if it has taken too long."""
        if self._ended_at is not None and now - self._ended_at > self._limits.linger_s:
            self.transport.abort()
        elif self._is_stuck(now):
            self._door.count("slow_reader")
            self.transport.abort()
        elif self._ended_at is None and not self.transport.is_closing():
            self._look_at_what_is_read(now)

    def _is_stuck(self, now: float) -> bool:
        """Say whether an answer is not taken in time."""
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent > self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return unsent > 0 and self._limits.too_slow(self._unsent - unsent, now - self._unsent_since)

    def _look_at_what_is_read(self, now: float) -> None:
        """End a head, a body or a silence that lasts too long. While an answer is made, nobody waits for a head."""
        seconds = now - max(self._since, self._answered_at)
        if self._reading is Reading.BODY:
            self._look_at_body(now)
        elif self._is_answering:
            return
        elif self._reading is Reading.HEAD and seconds > self._limits.head_s:
            self._too_slow("head", answer=self._head_bytes > 0)
        elif self._reading is Reading.NEXT and seconds > self._limits.idle_s:
            self._door.count("idle")
            self.transport.close()

    def _look_at_body(self, now: float) -> None:
        """End a body that is too slow, or that is not needed any more, as the answer is there."""
        if self.flow.read_paused:
            self._since, self._body_bytes, self._raw_bytes = now, 0, 0
        elif not self._is_answering and now - self._answered_at > self._limits.linger_s:
            self._too_slow("body", answer=False)
        elif self._limits.too_slow(self._body_bytes, now - self._since):
            self._too_slow("body", answer=self._is_answering and not self.cycle.response_started)

    def _too_slow(self, what: str, *, answer: bool) -> None:
        if answer:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "too_slow", f"The {what} of the request came too slowly.")
        else:
            self._door.count("too_slow")
            self.transport.close()

    # -- refusals ----------------------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; uvicorn calls it for what was stopped here, too."""
        if self._ended_at is None:
            self._refuse(HTTPStatus.BAD_REQUEST, "malformed", msg)

    def _refuse_head(self) -> None:
        detail = f"The head of the request has more than {self._limits.head_bytes} bytes or {MOST_HEADERS} headers."
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", detail)

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        """Answer with a problem and end the connection. What the sender still sends is thrown away for a while.

        Where another answer is due, under way, or given already, there is no place for this one.
        """
        self._ended_at = self.loop.time()
        self._door.count(code)
        self._door.expendable[self] = None
        if not self._may_answer:
            self.transport.abort()
            return
        self.transport.write(_problem(status, code, detail))
        self.transport.write_eof()
        if self._is_answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    @property
    def _may_answer(self) -> bool:
        if self.pipeline or self.transport.is_closing():
            return False
        if self._reading is Reading.BODY:
            return self._is_answering and not self.cycle.response_started
        return not self._is_answering


class _StopParsing(Exception):  # noqa: N818 - no error of ours: the parser is to go no further
    """The request was refused while it was parsed."""


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut what came into pieces; mostly it is one."""
    if len(data) <= _PIECE:
        yield data
        return
    for first in range(0, len(data), _PIECE):
        yield data[first : first + _PIECE]


def _problem(status: HTTPStatus, code: str, detail: str) -> bytes:
    """Write a problem as it goes over the wire, for what is no request yet."""
    request_id = str(uuid7())
    body = json.dumps(document(code, status, detail) | {"instance": "", "request_id": request_id}).encode()
    again = f"retry-after: {RETRY_AFTER_S}\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        f"x-content-type-options: nosniff\r\nx-request-id: {request_id}\r\n{again}connection: close\r\n\r\n"
    )
    return head.encode() + body


def _allow_files(connections: int) -> None:
    """Let the process have as many files as it needs for its connections, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < needed:
            log.warning("http.few_files", allowed=allowed, needed=needed)
