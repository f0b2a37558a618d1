"""Calls that end. httpx limits each silence: an answer that drips, byte by byte, would keep a thread for ever.

Where calls are coroutines, a deadline is asyncio's to keep (`wire.exchange`). A thread can only be called back from a
read or a write that is told how long it may take.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpcore
import httpx


class Endings:
    """The deadlines of a blocking client: each thread's own call has its own."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        """Take over how a client connects, unless it is made with what `over` returns.

        httpx has no way to say so; `tests/adapters/test_bombs.py` sees whether.
        """
        self._own = threading.local()
        if client is not None:
            cast("Any", client)._transport._pool._network_backend = self.over(httpcore.SyncBackend())  # noqa: SLF001

    def over(self, backend: httpcore.NetworkBackend) -> httpcore.NetworkBackend:
        """Return a way to connect which is the given one, and keeps to the deadlines."""
        return _Backend(backend, self)

    @contextmanager
    def within(self, max_s: float) -> Iterator[None]:
        """Let the calls in here take so long, all that they wait for together."""
        self._own.until = time.monotonic() + max_s
        yield

    def left_s(self, timeout: float | None) -> float:
        """Return how long the next read or write may take. Raises httpcore's `ReadTimeout` where time is up."""
        left = float(self._own.until) - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    """Connects as ever, and keeps to the deadline from then on."""

    def __init__(self, backend: httpcore.NetworkBackend, endings: Endings) -> None:
        self._backend = backend
        self._endings = endings

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._endings)


class _Stream(httpcore.NetworkStream):
    """A connection, each read and write of which ends with the call that it is for."""

    def __init__(self, stream: httpcore.NetworkStream, endings: Endings) -> None:
        self._stream = stream
        self._endings = endings

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._endings.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._endings.left_s(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._endings)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
