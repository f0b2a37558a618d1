"""Partners that send more than anybody should: none of it is unpacked, waited for, or kept."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.carriers.sandbox.adapter import SandboxCarrier, SandboxCarrierSettings
from domain.errors import Unavailable
from tests.adapters.erp.connected import LOOPBACK

from .scripted import Behavior, Heard, Scripted, answer, scripted

MIB = 1024 * 1024
MOST_GROWN_MIB = 64
LONGEST_S = 300
"""Far more than all of it takes: without an end to calls, some of it takes for ever."""

ZEROS = bytes(32 * MIB)
GZIP = gzip.compress(ZEROS, 9)
DEFLATE = zlib.compress(ZEROS, 9)
ENVELOPE = '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>{}</S:Body></S:Envelope>'


def endless(chunk: bytes, *headers: str, chunked: bool = False) -> Behavior:
    """Send a chunk again and again, for as long as the client listens."""
    sent = b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk
    lines = [*headers, *(["Transfer-Encoding: chunked"] if chunked else [])]
    head = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(sent)
            await writer.drain()

    return behave


def never_ending_head(*parts: bytes) -> Behavior:
    """Send the beginning of an answer, and then its last part again and again."""
    *beginning, again = parts

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(beginning))
        while True:
            writer.write(again)
            await writer.drain()

    return behave


def dripping(text: bytes) -> Behavior:
    """Send a byte now and then: no silence is long, but there is no end."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    return behave


def xml(body: str) -> Behavior:
    return answer(200, body, {"Content-Type": "text/xml"})


OK = b"HTTP/1.1 200 OK\r\n"
BIG = b"x" * 65536
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))

ATTACKS: dict[str, Behavior] = {
    "gzip": endless(GZIP, "Content-Encoding: gzip"),
    "gzip-in-capitals": endless(GZIP, "CONTENT-ENCODING: GZIP"),
    "gzip-in-gzip": endless(gzip.compress(GZIP * 100, 9), "Content-Encoding: gzip, gzip"),
    "gzip-in-two-headers": endless(gzip.compress(GZIP * 100, 9), "Content-Encoding: gzip", "Content-Encoding: gzip"),
    "identity-and-gzip": endless(GZIP, "Content-Encoding: identity, gzip"),
    "gzip-chunked": endless(GZIP, "Content-Encoding: gzip", chunked=True),
    "gzip-by-transfer": endless(b"8000\r\n" + GZIP[:32768] + b"\r\n", "Transfer-Encoding: gzip, chunked"),
    "deflate": endless(DEFLATE, "Content-Encoding: deflate"),
    "brotli": endless(BIG, "Content-Encoding: br"),
    "zstd": endless(BIG, "Content-Encoding: zstd"),
    "what-nobody-knows": endless(BIG, "Content-Encoding: x-bomb"),
    "endless": endless(BIG),
    "endless-chunks": endless(BIG, chunked=True),
    "endless-tiny-chunks": endless(b"[", chunked=True),
    "endless-chunk-extension": never_ending_head(OK, b"Transfer-Encoding: chunked\r\n\r\n", b"5;", BIG),
    "endless-trailers": never_ending_head(OK, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000),
    "a-terabyte-announced": endless(BIG, "Content-Length: 1099511627776"),
    "longer-than-announced": answer(200, b"[", {"Content-Length": "2"}),
    "one-endless-header": never_ending_head(OK, b"X-Bomb: ", BIG),
    "endless-headers": never_ending_head(OK, b"X-Bomb: b\r\n" * 1000),
    "endless-status-line": never_ending_head(b"HTTP/1.1 200 ", BIG),
    "endless-beginnings": never_ending_head(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "dripping-head": dripping(OK + b"X-Drip: " + b"x" * 1000),
    "dripping-body": dripping(OK + b"\r\n" + b" " * 1000),
    "many-values": answer(200, b"[" + b"{}," * (5 * MIB) + b"{}]"),
    "many-scans": answer(200, b'{"parcels":[' + b'{"events":[{"status":"x"}]},' * 500_000 + b"{}]}"),
    "deep-values": answer(200, b"[" * (8 * MIB)),
    "long-number": answer(200, b'{"error":' + b"9" * (8 * MIB) + b"}"),
    "many-elements": xml(ENVELOPE.format("<a/>" * 900_000)),
    "many-attributes": xml("<a " + " ".join(f'a{n}=""' for n in range(300_000)) + "/>"),
    "many-elements-in-an-odd-encoding": xml('<?xml version="1.0" encoding="UTF-7"?>' + "+ADw-a/+AD4-" * 300_000),
    "deep-elements": xml("<a>" * 1_000_000),
    "one-long-attribute": xml(f'<a b="{"x" * 3 * MIB}"/>'),
    "one-long-text": xml(ENVELOPE.format(f"<a>{'x' * 3 * MIB}</a>")),
    "entities": xml(f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 1000}">{ENTITIES}]><a>&e9;</a>'),
    "entities-in-an-attribute": xml(f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 1000}">{ENTITIES}]><a b="&e9;"/>'),
    "one-long-entity": xml(f'<!DOCTYPE a [<!ENTITY e "{"x" * MIB}">]><a>{"&e;" * 100_000}</a>'),
    "an-outside-entity": xml('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'),
}


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    """A partner for each attack, by the first part of the address."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = server.heard[-1].path.split("/")[1]
        await ATTACKS.get(name, answer(200, "[]"))(reader, writer)

    async with scripted(behave) as server:
        yield server


async def test_no_partner_can_fill_our_memory_or_keep_us_waiting(server: Scripted) -> None:
    script = Path(__file__).with_name("bombed.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), server.url, *ATTACKS),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            output, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()

    told = [json.loads(line) for line in output.splitlines()]
    assert process.returncode == 0
    assert [each["name"] for each in told] == list(ATTACKS)
    answered = {each["name"] for each in told if "answered" in each["heard"]}
    assert answered == set()
    sys.stdout.write(output.decode())
    assert max(each["grown_kib"] for each in told) <= MOST_GROWN_MIB * 1024


async def test_a_partner_can_send_us_nowhere_else_and_give_us_nothing_to_carry() -> None:
    away = answer(307, "", {"Location": "http://127.0.0.1:9/elsewhere", "Set-Cookie": "bomb=1; Path=/"})
    async with scripted(away) as server:
        carrier = SandboxCarrier(
            SandboxCarrierSettings(base_url=server.url, token="t", secret="s", timeout_s=5, egress=LOOPBACK)
        )
        for _ in range(2):
            with pytest.raises(Unavailable, match="HTTP 307"):
                await carrier.find("ours")
        await carrier.aclose()

    def carried(call: Heard) -> tuple[str | None, str]:
        return call.headers.get("cookie"), call.headers["accept-encoding"]

    assert list(map(carried, server.heard)) == [(None, "identity")] * 2
