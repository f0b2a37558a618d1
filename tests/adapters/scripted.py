"""A server of one's own on a socket: it keeps what it was sent, and answers with the very bytes that a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Behavior = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Heard:
    """A request as it came in. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Scripted:
    """Where the server is, what it heard (and can be awaited), and what it does to each request from now on.

    `choose` may choose something else for a request, by what is in it.
    """

    url: str
    behavior: Behavior
    choose: Callable[[Heard], Behavior | None] = lambda _: None
    heard: list[Heard] = field(default_factory=list)
    arrivals: asyncio.Queue[Heard] = field(default_factory=asyncio.Queue)


def answer(status: int, body: bytes | str, headers: Mapping[str, str] | None = None) -> Behavior:
    """Answer and close."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()

    return behave


def hang_up() -> Behavior:
    """Read the request, and cut the connection."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return behave


def break_off(sent: bytes = b"<") -> Behavior:
    """Begin to answer, and cut the connection in the middle."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + sent)
        await writer.drain()

    return behave


def never_answer() -> Behavior:
    """Say nothing until the client leaves."""

    async def behave(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    return behave


@asynccontextmanager
async def scripted(
    behavior: Behavior, *, at: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """Run the server in the test's own loop."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await _request(reader)
            server.heard.append(request)
            server.arrivals.put_nowait(request)
            await (server.choose(request) or server.behavior)(reader, writer)
        writer.close()

    listener = await asyncio.start_server(serve, at, 0, ssl=tls)
    host, port = listener.sockets[0].getsockname()
    server = Scripted(f"{'https' if tls else 'http'}://{host}:{port}", behavior)
    async with listener:
        yield server


async def _request(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    method, path, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Heard(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
