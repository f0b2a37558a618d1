"""A wire to Tryton that is cut at a changing request: before it gets there, while it is carried out, or after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import httpx

Cut = Literal["before", "while", "after"]
_PASSED_ON: Final = ("authorization", "x-tryton-context", "accept", "accept-language", "content-type")


@dataclass
class Wire:
    """What stands between the hub and Tryton. `changed` has every changing request that was passed on."""

    target: str
    url: str = ""
    cut_next: Cut | None = None
    changed: list[str] = field(default_factory=list)
    at_the_cut: Callable[[str], Awaitable[None]] | None = None
    _under_way: set[asyncio.Task[httpx.Response]] = field(default_factory=set)

    async def settle(self) -> None:
        """Wait until Tryton has carried out what was cut off meanwhile."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes on one connection, until one of both ends it."""
        async with httpx.AsyncClient(base_url=self.target, timeout=60, trust_env=False) as tryton:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while (answer := await self._passed_on(await _read(reader, tryton), tryton)) is not None:
                    writer.write(_written(answer))
                    await writer.drain()
        writer.close()

    async def _passed_on(self, request: httpx.Request, tryton: httpx.AsyncClient) -> httpx.Response | None:
        """Return Tryton's answer, or nothing where the wire is cut."""
        if request.method == "GET":
            return await tryton.send(request)
        cut, self.cut_next = self.cut_next, None
        if cut == "before":
            return None
        words = _words(request)
        self.changed.append(words)
        if cut == "while":
            sending = asyncio.create_task(_sent(request))
            self._under_way.add(sending)
            if self.at_the_cut is not None:
                await self.at_the_cut(words)
            return None
        answer = await tryton.send(request)
        return None if cut == "after" else answer


@asynccontextmanager
async def wire(target: str) -> AsyncIterator[Wire]:
    """Lay a wire to the Tryton at an address."""
    laid = Wire(target)
    server = await asyncio.start_server(laid.serve, "127.0.0.1", 0)
    laid.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield laid
    finally:
        server.close()
        await laid.settle()


async def _sent(request: httpx.Request) -> httpx.Response:
    """Send a request whose sender is gone, so on a connection of its own."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as tryton:
        return await tryton.send(request)


async def _read(reader: asyncio.StreamReader, tryton: httpx.AsyncClient) -> httpx.Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    passed_on = {name: headers[name] for name in _PASSED_ON if name in headers}
    return tryton.build_request(method, target, headers=passed_on, content=content)


def _written(answer: httpx.Response) -> bytes:
    kind = answer.headers.get("content-type", "text/plain")
    head = f"HTTP/1.1 {answer.status_code} -\r\nContent-Type: {kind}\r\nContent-Length: {len(answer.content)}\r\n\r\n"
    return head.encode() + answer.content


def _words(request: httpx.Request) -> str:
    """Say what a request changes, without ids: `PUT stock.shipment.out`, `POST sale.sale confirm`."""
    steps = request.url.path.partition("/rest/model/")[2].split("/")
    return " ".join([request.method, *(step for step in steps if not step.isdigit())])
