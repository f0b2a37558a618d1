"""What a connection may cost: bytes and time are bounded, and nobody keeps a place for nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send
from structlog.typing import EventDict

from api.app import create_app
from runtime.connection_limits import Limits
from runtime.polling import until
from runtime.processes.connections import Connections
from tests.api.doorway import Door, push

PATIENT: Final = Limits(
    connections=1000, head_bytes=32 * 1024, head_s=60, body_s=60, body_rate=8 * 1024, idle_s=60, linger_s=60
)
HEAD: Final = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n"
BIG: Final = 32 * 1024 * 1024


@dataclass
class Plain:
    """An application that reads all of a body and answers with its length; `/slow` when it may, `/big` with much."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        size, more = 0, scope["path"] != "/early"
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        if scope["path"] == "/slow":
            self.begun.set()
            await self.may_answer.wait()
        content = b"x" * BIG if scope["path"] == "/big" else str(size).encode()
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


@dataclass
class Listening:
    """A server, and the connections to it."""

    connections: Connections
    registry: CollectorRegistry
    port: int
    wires: list[Wire] = field(default_factory=list)

    async def open(self, sent: bytes = b"") -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        wire.writer.write(sent)
        self.wires.append(wire)
        return wire

    async def says(self, sent: bytes) -> tuple[int, bytes]:
        """Send something on a connection of its own, and return the first answer and what comes after it."""
        wire = await self.open(sent)
        return await wire.answer(), await wire.end()

    def refused(self, reason: str) -> float:
        return self.registry.get_sample_value("stockbridge_http_refused_connections_total", {"reason": reason}) or 0


@dataclass
class Wire:
    """A connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    problem: dict[str, Any] = field(default_factory=dict)

    async def answer(self) -> int:
        """Return the status of the next answer, and keep its problem."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        body = await self.reader.readexactly(length)
        self.problem = json.loads(body) if b"problem+json" in head else {}
        return int(head.split()[1])

    async def flood(self) -> None:
        """Send on and on, for as long as anybody takes it."""
        try:
            while True:
                self.writer.write(b"a" * 256 * 1024)
                await self.writer.drain()
        except ConnectionError:
            self.writer.close()

    async def end(self) -> bytes:
        """Return what comes until the server has ended the connection."""
        try:
            rest = await asyncio.wait_for(self.reader.read(), 10)
        except ConnectionError:
            rest = b""
        self.writer.close()
        return rest


async def true(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""

    async def is_so() -> bool:
        return condition()

    assert await until(is_so, limit_s=30, interval_s=0.01)


@asynccontextmanager
async def listening(app: Callable[..., Awaitable[None]], limits: Limits) -> AsyncIterator[Listening]:
    registry = CollectorRegistry()
    connections = Connections(limits, registry)
    async with connections.served(app, "127.0.0.1", 0) as server:
        server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
        serving = asyncio.create_task(server.serve())
        await true(lambda: server.started)
        there = Listening(connections, registry, server.servers[0].sockets[0].getsockname()[1])
        try:
            yield there
        finally:
            if isinstance(app, Plain):
                app.may_answer.set()
            for wire in there.wires:
                wire.writer.transport.abort()
            server.should_exit = True
            await serving


# -- heads -----------------------------------------------------------------------------------------------------------

TOO_MUCH: Final = {
    "one header without end": (HEAD + b"X: " + b"a" * 40_000, 431),
    "one long header": (HEAD + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "many headers": (HEAD + b"".join(b"X-%d: 1\r\n" % number for number in range(101)) + b"\r\n", 431),
    "headers of much in all": (HEAD + (b"X: " + b"a" * 1000 + b"\r\n") * 40 + b"\r\n", 431),
    "a long address": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: hub\r\n\r\n", 414),
    "no HTTP": (b"\x16\x03\x01 hello", 400),
}


@pytest.mark.parametrize("sent", TOO_MUCH)
async def test_a_head_is_refused_with_words_when_it_is_too_much(sent: str) -> None:
    content, status = TOO_MUCH[sent]
    async with listening(Plain(), PATIENT) as server:
        wire = await server.open(content)
        assert await wire.answer() == status
        assert wire.problem["status"] == status
        assert await wire.end() == b""


async def test_a_head_of_nearly_as_much_as_may_be_is_taken() -> None:
    async with listening(Plain(), PATIENT) as server:
        wire = await server.open(HEAD + b"X: " + b"a" * 31_000 + b"\r\n\r\n")
        assert await wire.answer() == 200


async def test_a_flood_of_one_header_is_read_no_further_than_it_is_refused() -> None:
    async with listening(Plain(), PATIENT) as server:
        wire = await server.open(HEAD + b"X: ")
        await wire.flood()
        assert server.refused("head_too_large") == 1
        assert not server.connections.open


async def test_a_head_that_does_not_come_to_an_end_is_ended() -> None:
    async with listening(Plain(), replace(PATIENT, head_s=0.1)) as server:
        wire = await server.open(HEAD)
        assert await wire.answer() == 408
        assert wire.problem["type"] == "/problems/too-slow"
        assert await wire.end() == b""


async def test_a_connection_that_says_nothing_is_ended_without_a_word() -> None:
    async with listening(Plain(), replace(PATIENT, head_s=0.1)) as server:
        assert await (await server.open()).end() == b""


async def test_a_connection_that_asks_no_more_is_ended() -> None:
    async with listening(Plain(), replace(PATIENT, idle_s=0.1)) as server:
        assert await server.says(HEAD + b"\r\n") == (200, b"")
        assert not server.connections.open


# -- bodies ----------------------------------------------------------------------------------------------------------

POST: Final = b"POST %s HTTP/1.1\r\nHost: hub\r\n"


async def test_a_body_that_does_not_come_is_ended_with_words() -> None:
    async with listening(Plain(), replace(PATIENT, body_s=0.1)) as server:
        wire = await server.open(POST % b"/" + b"Content-Length: 100\r\n\r\nten bytes.")
        assert await wire.answer() == 408
        assert await wire.end() == b""


async def test_a_callback_that_breaks_off_is_no_failure_of_ours(door: Door, logged: list[EventDict]) -> None:
    path = f"/api/callbacks/carriers/sandbox/{door.tenant}".encode()
    async with listening(create_app(door.services), replace(PATIENT, body_s=0.1)) as server:
        wire = await server.open(POST % path + b"Content-Length: 100\r\n\r\n{")
        assert await wire.answer() == 408
        await true(lambda: any(entry["event"] == "http.request" for entry in logged))
        assert "http.failed" not in {entry["event"] for entry in logged}


def test_a_body_may_take_long_if_it_comes_fast_enough() -> None:
    limits = replace(PATIENT, body_s=30, body_rate=8192)
    assert not limits.too_slow(size=0, seconds=30)
    assert limits.too_slow(size=0, seconds=31)
    assert not limits.too_slow(size=60 * 8192, seconds=60)
    assert limits.too_slow(size=60 * 8192 - 1, seconds=60)


async def test_a_body_whose_answer_is_there_is_not_waited_for() -> None:
    async with listening(Plain(), replace(PATIENT, linger_s=0.1)) as server:
        assert await server.says(POST % b"/early" + b"Content-Length: 100\r\n\r\n") == (200, b"")


WRAPPING: Final = {
    "chunks of one byte": b"1\r\na\r\n" * 40_000,
    "extensions of a chunk": b"1;" + b"a" * 200_000,
    "trailers": b"0\r\n" + b"X: a\r\n" * 40_000,
}


@pytest.mark.parametrize("sent", WRAPPING)
async def test_chunks_that_carry_less_than_they_are_are_refused(sent: str) -> None:
    async with listening(Plain(), PATIENT) as server:
        wire = await server.open(POST % b"/" + b"Transfer-Encoding: chunked\r\n\r\n" + WRAPPING[sent])
        assert await wire.answer() == 400
        assert await wire.end() == b""


async def test_chunks_of_a_usual_size_are_taken() -> None:
    async with listening(Plain(), PATIENT) as server:
        chunks = (b"40\r\n" + b"a" * 64 + b"\r\n") * 10_000 + b"0\r\n\r\n"
        wire = await server.open(POST % b"/" + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        assert await wire.answer() == 200


# -- answers ---------------------------------------------------------------------------------------------------------


async def test_an_answer_that_is_not_read_is_not_kept() -> None:
    async with listening(Plain(), replace(PATIENT, body_s=0.1, body_rate=BIG)) as server:
        wire = await server.open(b"GET /big HTTP/1.1\r\nHost: hub\r\n\r\n")
        await true(lambda: server.refused("slow_reader") == 1)
        assert len(await wire.end()) < BIG
        assert not server.connections.open


async def test_requests_ahead_of_their_answers_are_bounded() -> None:
    async with listening(Plain(), PATIENT) as server:
        wire = await server.open((b"GET /slow HTTP/1.1\r\nHost: hub\r\n\r\n") * 5000)
        assert await wire.end() == b""
        assert server.refused("too_many_requests") == 1


async def test_a_few_requests_ahead_of_their_answers_are_answered() -> None:
    plain = Plain()
    plain.may_answer.set()
    async with listening(plain, PATIENT) as server:
        wire = await server.open(b"GET /slow HTTP/1.1\r\nHost: hub\r\n\r\n" * 10)
        assert [await wire.answer() for _ in range(10)] == [200] * 10


# -- places ----------------------------------------------------------------------------------------------------------


async def test_who_keeps_a_place_for_nothing_makes_room() -> None:
    async with listening(Plain(), replace(PATIENT, connections=10)) as server:
        unfinished = [await server.open(HEAD) for _ in range(9)]
        idle = await server.open(HEAD + b"\r\n")
        assert await idle.answer() == 200
        others = [await server.open(HEAD + b"\r\n") for _ in range(10)]
        assert [await other.answer() for other in others] == [200] * 10
        assert len(server.connections.open) <= 10
        assert await unfinished[0].answer() == 503
        assert unfinished[0].problem["type"] == "/problems/too-many-connections"
        assert await idle.end() == b""


async def test_who_finds_all_places_at_work_is_told_so() -> None:
    plain = Plain()
    async with listening(plain, replace(PATIENT, connections=3)) as server:
        at_work = [await server.open(b"GET /slow HTTP/1.1\r\nHost: hub\r\n\r\n") for _ in range(3)]
        await true(lambda: len(server.connections.open) == 3 and not server.connections.expendable)
        late = await server.open(HEAD + b"\r\n")
        assert await late.answer() == 503
        assert await late.end() == b""
        plain.may_answer.set()
        assert [await wire.answer() for wire in at_work] == [200] * 3


async def test_the_door_stays_open_to_others_in_a_flood(shop: Door) -> None:
    limits = Limits(connections=300, head_bytes=32 * 1024, head_s=0.5, body_s=0.5, body_rate=8192, idle_s=0.5)
    async with listening(create_app(shop.services), limits) as server:
        flood = [asyncio.create_task(_flooding(server)) for _ in range(4)]
        unfinished = [await server.open(HEAD) for _ in range(250)]
        unfinished += [await server.open(POST % b"/api/products" + b"Content-Length: 9\r\n\r\n") for _ in range(250)]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as http:
            assert (await http.get("/healthz")).status_code == 200
            pushed = await http.post("/api/orders/outbound", json=push(), headers=shop.headers())
            assert pushed.status_code == 201
        await asyncio.gather(*flood, *(wire.end() for wire in unfinished))
        await true(lambda: not server.connections.open)


async def _flooding(server: Listening) -> None:
    """Send headers for as long as anybody takes them, ten times."""
    for _ in range(10):
        await (await server.open(HEAD + b"X: ")).flood()
