"""What every adapter shares of the wire: an answer, its limits, and which mishaps leave the outcome unknown.

What a partner sends is as large as it likes, so it is counted as it comes, and nothing is unpacked: we ask for no
compression, and an answer that is compressed all the same is refused unread. What it says is not ours to spread: an
error's own words are ours, and the partner's go with it as `said`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, TypedDict, cast

import httpx

from domain.errors import OutcomeUnknown, StockbridgeError, Unavailable

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""What httpx raises before a byte of the request has left."""

_IN_OUR_OWN_WORDS: Final = (httpx.ConnectError, httpx.UnsupportedProtocol)
"""Whose message is our system's. Others quote what the partner sent, or what we did, and with it a secret."""

_LONGEST_IDLE_S: Final = 1.5
"""Servers keep a connection for 2 s (gunicorn), 5 s (Node, uvicorn, Apache) or longer, as they come."""

_LONGEST_DATE: Final = 40
_LONGEST_EXCERPT: Final = 2000


@dataclass(frozen=True)
class Answer:
    """What came back, whole: the body's raw bytes. `headers` are looked up whatever their case (httpx's own do)."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray

    @property
    def turned_down(self) -> bool:
        """Say whether, going by the status, nothing was done. It counts only where the body doesn't say more.

        Then somebody in front of the system spoke, or in its place. Below 500 it turned the request down; 503 is what
        it says when it passed nothing on. After any other, above all 502 and 504, the system may have done its work,
        and only the answer was lost.
        """
        refused = HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return refused or self.status == HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def retry_after(self) -> str:
        """Return the words with which an error tells when to come back, where that is a number or a date."""
        after = self.headers.get("retry-after", "")[:_LONGEST_DATE].strip()
        return f", try again after {after}" if after.isascii() and (after.isdigit() or _is_date(after)) else ""

    @property
    def excerpt(self) -> str:
        """Return the beginning of the body as text, whatever it is: a page for people says why in its first lines."""
        return bytes(self.body[:_LONGEST_EXCERPT]).decode(errors="replace")


class Unreadable(Exception):  # noqa: N818 - it says what the answer is
    """There was an answer, but it isn't what the contract says: it proves nothing. `said` is what is in it."""

    def __init__(self, what: str, said: str | None = None) -> None:
        super().__init__(what)
        self.said = said


@contextmanager
def unheard_answers(system: str, *, changes: bool) -> Iterator[None]:
    """Translate what can go wrong on the wire while `system` is called.

    `Unavailable` where nothing was sent. Where something was sent but no usable answer came: `OutcomeUnknown` if the
    call `changes` anything there, else `Unavailable`, for then it may simply be asked again. So it is, too, where an
    answer is so odd that reading it fails in a way that nobody thought of: whatever quotes it is left behind here.
    """
    try:
        yield
    except StockbridgeError:
        raise
    except NEVER_SENT as error:
        raise Unavailable(f"{system} can't be reached: {_reason(error)}") from None
    except Unreadable as error:
        raise _unheard(changes)(f"{system} gave no usable answer: {error}", said=error.said) from None
    except Exception as error:  # noqa: BLE001 - see above
        raise _unheard(changes)(f"{system} gave no usable answer: {_reason(error)}") from None


class Options(TypedDict):
    """What every adapter's connection pool is made with."""

    headers: dict[str, str]
    timeout: httpx.Timeout
    limits: httpx.Limits
    verify: ssl.SSLContext
    cookies: CookieJar
    follow_redirects: bool


def options(timeout_s: float, headers: Mapping[str, str] | None = None) -> Options:
    """Return what a pool is made with: half of `timeout_s` to connect, all of it for each silence afterwards.

    A connection is given up before the partner would: what is sent while it hangs up has an unknown outcome. It follows
    no redirects and keeps no cookies: a partner could add to them with every answer.
    """
    return Options(
        headers={**(headers or {}), "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(timeout_s, connect=timeout_s / 2),
        limits=httpx.Limits(max_connections=100, keepalive_expiry=_LONGEST_IDLE_S),
        verify=tls(),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
    )


async def exchange(client: httpx.AsyncClient, request: httpx.Request, *, max_bytes: int, max_s: float) -> Answer:
    """Send a request and read its answer; one with an error status is an answer.

    Raises httpx's errors, `TimeoutError` where all of it takes longer than `max_s`, for httpx limits each silence only,
    and `Unreadable` where the answer is compressed, or larger than `max_bytes`. Nobody waits longer than that, also
    where a cancellation is lost in the libraries between.
    """
    reading = asyncio.ensure_future(_send(client, request, max_bytes))
    reading.add_done_callback(_let_go)
    try:
        done, _ = await asyncio.wait({reading}, timeout=max_s)
        if not done:
            raise TimeoutError
        return reading.result()
    finally:
        reading.cancel()
        del reading  # it would keep an error, which keeps this, and all that was read, until somebody collects them


def _let_go(reading: asyncio.Future[Answer]) -> None:
    """Take note of how a call ended that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()


async def _send(client: httpx.AsyncClient, request: httpx.Request, max_bytes: int) -> Answer:
    response = await client.send(request, stream=True)
    try:
        return Answer(response.status_code, response.headers, await _body_of(response, max_bytes))
    finally:
        await response.aclose()


async def _body_of(response: httpx.Response, max_bytes: int) -> bytearray:
    body = _Body(response, max_bytes)
    async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as chunks:
        async for chunk in chunks:
            body.add(chunk)
    return body.read


def read_blocking(response: httpx.Response, max_bytes: int) -> Answer:
    """Read an answer that is still being streamed, as `exchange` does. When it ends is the client's business."""
    body = _Body(response, max_bytes)
    for chunk in response.iter_raw():
        body.add(chunk)
    return Answer(response.status_code, response.headers, body.read)


class _Body:
    """A body as it comes, raw. `Unreadable` where it is compressed, or larger than `max_bytes`."""

    def __init__(self, response: httpx.Response, max_bytes: int) -> None:
        if response.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
            raise Unreadable("it is compressed, though we ask for it as it is")
        self.read = bytearray()
        self._max_bytes = max_bytes

    def add(self, chunk: bytes) -> None:
        """Take the next part of it."""
        if len(self.read) + len(chunk) > self._max_bytes:
            self.read.clear()  # the error's traceback lives on
            raise Unreadable(f"it is larger than {self._max_bytes} bytes")
        self.read += chunk


def check_parts(body: bytes | bytearray, marks: Iterable[bytes], most: int) -> None:
    """Refuse a body of more parts than any honest one has, going by the marks that part them, before it is parsed.

    A parser makes a hundred bytes and more of each `{}`. A mark inside of a text counts, too, and does no harm.
    """
    if sum(map(body.count, marks)) > most:
        raise Unreadable(f"it has more than {most} parts")


@cache
def tls() -> ssl.SSLContext:
    """Return the trust that all clients share: reading the authorities takes longer than all else in making one."""
    return httpx.create_ssl_context()


def storable_json(body: bytes | bytearray) -> bytes | bytearray:
    """Mark halves of characters in JSON: no text that is kept can hold one, and no parser reads one."""
    return _ESCAPES.sub(_marked, body) if b"\\u" in body else body


# In this order: an escaped backslash, or whatever else, a whole character of two halves, any other by its number.
_ESCAPES = re.compile(rb"\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}")
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def _marked(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if _HALF.fullmatch(escape[0]) else escape[0]


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except ValueError:
        return False
    return True


def _unheard(changes: bool) -> type[OutcomeUnknown | Unavailable]:
    return OutcomeUnknown if changes else Unavailable


def _reason(error: Exception) -> str:
    words = str(error) if isinstance(error, _IN_OUR_OWN_WORDS) else ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
