"""How httpx is made to call nothing but what `Egress` lets it.

httpx takes its way to connect from httpcore, which has a place to say so. httpx itself has none, hence these transports
between the two. They follow no redirects, and know no proxies but the one that they are given.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import httpcore
import httpx

from adapters.egress import Egress, Forbidden, check_url


def _as_it_is(backend: httpcore.NetworkBackend) -> httpcore.NetworkBackend:
    return backend


def guarded_transport(
    egress: Egress,
    *,
    verify: ssl.SSLContext,
    limits: httpx.Limits,
    proxy: str | None = None,
    over: Callable[[httpcore.NetworkBackend], httpcore.NetworkBackend] = _as_it_is,
) -> httpx.BaseTransport:
    """Return what a blocking client calls with: it connects to nothing but what `egress` lets it.

    `proxy` is an address `http://[user:password@]host:port`, which is checked like any other. Nothing goes through it
    that is not to be called by what its name resolves to here; of names that only the proxy knows, it is the judge.
    `over` makes another way to connect of ours.
    """
    backend = over(_Backend(egress))
    pool = httpcore.ConnectionPool(
        ssl_context=verify,
        proxy=_proxy(proxy),
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=limits.keepalive_expiry,
        network_backend=backend,
    )
    return _Transport(pool, egress if proxy else None)


def guarded_async_transport(
    egress: Egress, *, verify: ssl.SSLContext, limits: httpx.Limits, proxy: str | None = None
) -> httpx.AsyncBaseTransport:
    """Return what a client of coroutines calls with, as `guarded_transport` does."""
    pool = httpcore.AsyncConnectionPool(
        ssl_context=verify,
        proxy=_proxy(proxy),
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=limits.keepalive_expiry,
        network_backend=_AsyncBackend(egress),
    )
    return _AsyncTransport(pool, egress if proxy else None)


def _proxy(address: str | None) -> httpcore.Proxy | None:
    if address is None:
        return None
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme != "http" or not url.host:  # not https: TLS inside of TLS has no deadline in httpcore
        raise Forbidden("A proxy's address is http://host:port")
    auth = (url.username, url.password) if url.userinfo else None
    return httpcore.Proxy(_core_url(url.copy_with(userinfo=b"")), auth=auth)


class _Backend(httpcore.NetworkBackend):
    """Looks up, checks, and connects to what it checked."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        tries = _Tries(self._egress.addresses_of(host, port, timeout), timeout)
        for address, timeout_s in tries:
            with tries.failing():
                return self._sockets.connect_tcp(address, port, timeout_s, local_address, socket_options)
        raise tries.failed

    def sleep(self, seconds: float) -> None:
        self._sockets.sleep(seconds)


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    """Likewise, without blocking."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        tries = _Tries(await asyncio.to_thread(self._egress.addresses_of, host, port, timeout), timeout)
        for address, timeout_s in tries:
            with tries.failing():
                return await self._sockets.connect_tcp(address, port, timeout_s, local_address, socket_options)
        raise tries.failed

    async def sleep(self, seconds: float) -> None:
        await self._sockets.sleep(seconds)


class _Tries:
    """One address after the other, which share the time that all may take."""

    def __init__(self, addresses: Sequence[str], timeout_s: float | None) -> None:
        self._addresses = addresses
        self._until = None if timeout_s is None else time.monotonic() + timeout_s
        self.failed: Exception = httpcore.ConnectTimeout()

    def __iter__(self) -> Iterator[tuple[str, float | None]]:
        """Yield each address, and how long to wait for it: an equal share of what is left, while there is any."""
        for tried, address in enumerate(self._addresses):
            left = None if self._until is None else self._until - time.monotonic()
            if left is not None and left <= 0:
                return
            yield address, None if left is None else left / (len(self._addresses) - tried)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Go on where an address can't be connected to."""
        try:
            yield
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            self.failed = error


class _Transport(httpx.BaseTransport):
    """httpx's way to httpcore's pool. `checked` is given where the pool doesn't connect to the target itself."""

    def __init__(self, pool: httpcore.ConnectionPool, checked: Egress | None) -> None:
        self._pool = pool
        self._checked = checked

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        check_url(request.url)
        if self._checked:
            _check_target(self._checked, request)
        with _as_httpx():
            answer = self._pool.handle_request(_core_request(request))
        stream = _Stream(cast("Iterable[bytes]", answer.stream))
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


class _AsyncTransport(httpx.AsyncBaseTransport):
    """Likewise, without blocking."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, checked: Egress | None) -> None:
        self._pool = pool
        self._checked = checked

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        check_url(request.url)
        if self._checked:
            await asyncio.to_thread(_check_target, self._checked, request)
        with _as_httpx():
            answer = await self._pool.handle_async_request(_core_request(request))
        stream = _AsyncStream(cast("AsyncIterator[bytes]", answer.stream))
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx.SyncByteStream):
    """An answer's body as it comes."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._stream

    def close(self) -> None:
        cast("Any", self._stream).close()


class _AsyncStream(httpx.AsyncByteStream):
    """Likewise, without blocking."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        await cast("Any", self._stream).aclose()


def _check_target(egress: Egress, request: httpx.Request) -> None:
    """Refuse what a proxy would be asked for, where that resolves here to what is not to be called."""
    timeout_s = request.extensions.get("timeout", {}).get("connect")
    try:
        egress.addresses_of(request.url.raw_host.decode("ascii"), request.url.port or 0, timeout_s)
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        return  # a name that only the proxy knows


def _core_request(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        request.method,
        _core_url(request.url),
        headers=request.headers.raw,
        content=cast("Iterable[bytes]", request.stream),
        extensions=request.extensions,
    )


def _core_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise httpcore's errors as httpx's, which have the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
