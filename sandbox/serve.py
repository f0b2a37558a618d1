"""Runs both servers in one process, each on its own port."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI

from sandbox.carrier.app import carrier
from sandbox.erp.app import erp
from sandbox.hangup import HangupProtocol
from sandbox.settings import SandboxSettings

_LONGEST_START_S = 10.0
_LONGEST_STOP_S = 2
_LONGEST_IDLE_S = 75
"""Longer than clients keep a connection: who hangs up while a request is on its way loses it."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class SandboxUrls:
    """Where the two servers answer."""

    erp: str
    carrier: str

    @property
    def erp_rest(self) -> str:
        """Where the ERP of the other make answers: its paths are below this."""
        return f"{self.erp}/rest"


async def serve(
    settings: SandboxSettings,
    *,
    ready: Callable[[SandboxUrls], None] | None = None,
    stop: asyncio.Event | None = None,
    handle_signals: bool = True,
) -> None:
    """Serve until `stop` is set or, with `handle_signals`, a SIGINT or SIGTERM comes. `ready` learns the addresses."""
    stopped = asyncio.Event() if stop is None else stop
    async with running(settings) as urls:
        with _stopping(stopped) if handle_signals else nullcontext():
            if ready is not None:
                ready(urls)
            await stopped.wait()


@asynccontextmanager
async def running(settings: SandboxSettings) -> AsyncIterator[SandboxUrls]:
    """Run both servers inside the caller's event loop; yields once both answer, and stops them cleanly at the end."""
    async with AsyncExitStack() as stack:
        erp_url = await stack.enter_async_context(
            _listening(await stack.enter_async_context(erp(settings)), settings.host, settings.erp_port)
        )
        carrier_url = await stack.enter_async_context(
            _listening(await stack.enter_async_context(carrier(settings)), settings.host, settings.carrier_port)
        )
        yield SandboxUrls(erp_url, carrier_url)


@asynccontextmanager
async def _listening(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """Serve one application. The socket is bound here, so that a port in use raises: uvicorn would exit."""
    listener = _bound(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            http=HangupProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_LONGEST_STOP_S,
            timeout_keep_alive=_LONGEST_IDLE_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        url = _url(listener)
        await _until_healthy(url, serving)
        yield url
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn without its hands on the process's signals: they belong to whoever runs the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _bound(host: str, port: int) -> socket.socket:
    """Bind a socket that says it is TCP: only on such does asyncio turn off Nagle, which costs 40 ms an answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared with, not bound to
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


async def _until_healthy(url: str, serving: asyncio.Task[None]) -> None:
    async with asyncio.timeout(_LONGEST_START_S), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        while not await _is_healthy(client):
            if serving.done():
                raise RuntimeError(f"the sandbox server for {url} ended before it answered")
            await asyncio.sleep(0.02)


async def _is_healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).is_success
    except httpx.TransportError:
        return False


@contextmanager
def _stopping(stop: asyncio.Event) -> Generator[None, None, None]:
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
