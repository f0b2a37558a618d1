"""What every adapter shares of the wire: an answer, its limits, and which mishaps leave the outcome unknown."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import httpx

from stockbridge.domain.errors import OutcomeUnknown, StockbridgeError, Unavailable

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""What httpx raises before a byte of the request has left."""


@dataclass(frozen=True)
class Answer:
    """What came back, whole: the body's raw bytes. `headers` are looked up whatever their case (httpx's own do)."""

    status: int
    headers: Mapping[str, str]
    body: bytes

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
        """Return the words with which an error tells when to come back."""
        after = self.headers.get("retry-after")
        return f", try again after {after}" if after else ""


class Unreadable(Exception):  # noqa: N818 - it says what the answer is
    """There was an answer, but it isn't what the contract says: it proves nothing."""


@contextmanager
def unheard_answers(system: str, *, changes: bool) -> Iterator[None]:
    """Translate what can go wrong on the wire while `system` is called.

    `Unavailable` where nothing was sent. Where something was sent but no usable answer came: `OutcomeUnknown` if the
    call `changes` anything there, else `Unavailable`, for then it may simply be asked again.
    """
    try:
        yield
    except NEVER_SENT as error:
        raise Unavailable(f"{system} can't be reached: {_reason(error)}") from error
    except (httpx.HTTPError, TimeoutError, Unreadable) as error:
        raise _unheard(changes)(f"{system} gave no usable answer: {_reason(error)}") from error


def limits(timeout_s: float) -> httpx.Timeout:
    """Return the timeouts of one call: half of `timeout_s` to connect, all of it for each silence afterwards."""
    return httpx.Timeout(timeout_s, connect=timeout_s / 2)


def vendor_code(vendor: str, code: str) -> str:
    """Return a vendor's code as one of ours, for codes that no table knows: `erp_<code>`."""
    return f"{vendor}_{re.sub(r'[^a-z0-9]+', '_', code.lower()).strip('_')}"


@cache
def tls() -> ssl.SSLContext:
    """Return the trust that all clients share: reading the authorities takes longer than all else in making one."""
    return httpx.create_ssl_context()


def storable_json(body: bytes) -> bytes:
    """Mark halves of characters in JSON: no text that is kept can hold one, and no parser reads one."""
    return _ESCAPES.sub(_marked, body) if b"\\u" in body else body


# In this order: an escaped backslash, or whatever else, a whole character of two halves, any other by its number.
_ESCAPES = re.compile(rb"\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}")
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def _marked(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if _HALF.fullmatch(escape[0]) else escape[0]


async def read_within(response: httpx.Response, max_bytes: int) -> Answer:
    """Read an answer that is still being streamed. `Unreadable` past `max_bytes`."""
    body = b"".join([chunk async for chunk in _capped(response.aiter_bytes(), max_bytes)])
    return Answer(response.status_code, response.headers, body)


def read_within_blocking(response: httpx.Response, max_bytes: int, max_s: float) -> Answer:
    """Read an answer that is still being streamed. `Unreadable` past `max_bytes`, or when it drips for over `max_s`."""
    until = time.monotonic() + max_s
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        _check_size(len(body), max_bytes)
        if time.monotonic() > until:
            raise Unreadable(f"it was not all there after {max_s:g} s")
    return Answer(response.status_code, response.headers, bytes(body))


async def _capped(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        _check_size(size, max_bytes)
        yield chunk


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise Unreadable(f"it is larger than {max_bytes} bytes")


def _unheard(changes: bool) -> type[StockbridgeError]:
    return OutcomeUnknown if changes else Unavailable


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
