"""One address of an ERP on the wire: what is sent to the byte, what is heard, and what every mishap comes to."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.egress import Egress
from adapters.erp.transports.certificates import Certificate
from adapters.erp.transports.http import Heard, Origin, Request
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from tests.adapters.erp.transports.certified import Authority
from tests.adapters.erp.transports.clock import Time
from tests.adapters.scripted import Behavior, Scripted, answer, break_off, hang_up, never_answer, scripted

LOOPBACK = Egress.parse(["127.0.0.0/8"])
BY_NAME = replace(LOOPBACK, resolve=lambda _, __: ["127.0.0.1"])
GET = Request("GET", "/orders", (), {}, b"", changes=False)
POST = Request("POST", "/orders", (), {"Content-Type": "application/json"}, b"{}", changes=True)


def origin(address: str, egress: Egress = LOOPBACK, timeout_s: float = 5, **more: Any) -> Origin:
    return Origin(address, egress, timeout_s=timeout_s, system="The ERP", **more)


async def say(address: str, request: Request = GET, egress: Egress = LOOPBACK, **more: Any) -> Heard:
    with closing(origin(address, egress, **more)) as erp:
        return await asyncio.to_thread(erp.send, request)


async def failure(address: str, request: Request, **more: Any) -> StockbridgeError:
    with pytest.raises(StockbridgeError) as failed:
        await say(address, request, **more)
    return failed.value


async def test_a_request_comes_as_it_is_meant() -> None:
    request = Request(
        "PUT",
        "/sale.sale/1%2F2;v=(1)",
        (("f", "number"), ("f", "a b&c=d+e/ä"), ("d", "[['x','=','%41']]")),
        {"Authorization": "Bearer k3y", "X-Context": "e30="},
        b'{"a": 1}',
        changes=True,
    )
    async with scripted(answer(200, '{"ok": true}', {"Content-Type": 'Application/JSON; Charset="UTF-8"'})) as server:
        heard = await say(f"{server.url}/db/rest/?company=1", request)

    (came,) = server.heard
    assert (came.method, came.body) == ("PUT", b'{"a": 1}')
    assert came.path == (
        "/db/rest/sale.sale/1%2F2;v=(1)?company=1&f=number&f=a%20b%26c%3Dd%2Be%2F%C3%A4"
        "&d=%5B%5B%27x%27%2C%27%3D%27%2C%27%2541%27%5D%5D"
    )
    assert (came.headers["authorization"], came.headers["x-context"]) == ("Bearer k3y", "e30=")
    assert came.headers["accept-encoding"] == "identity"
    assert (heard.status, heard.media_type, heard.charset) == (200, "application/json", "utf-8")
    assert heard.content == b'{"ok": true}'


@pytest.mark.parametrize(
    ("address", "path", "target"),
    [("", "", "/"), ("/", "/a", "/a"), ("/soap", "", "/soap"), ("/soap/", "/", "/soap/"), ("?wsdl", "", "/?wsdl")],
)
async def test_a_path_goes_after_the_address(address: str, path: str, target: str) -> None:
    async with scripted(answer(204, "")) as server:
        await say(server.url + address, replace(GET, path=path))

    assert server.heard[0].path == target


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 404, 409, 500, 502])
async def test_any_status_is_an_answer(status: int) -> None:
    async with scripted(answer(status, "")) as server:
        assert (await say(server.url, POST)).status == status


async def test_nothing_is_kept_of_an_answer_to_send_with_the_next() -> None:
    async with scripted(answer(200, "", {"Set-Cookie": "session=1; Path=/"})) as server:
        with closing(origin(server.url)) as erp:
            for _ in range(2):
                await asyncio.to_thread(erp.send, GET)

    assert [each.headers.get("cookie") for each in server.heard] == [None, None]


def dripping(head: bytes) -> Behavior:
    """Send a byte now and then, until the client leaves: no silence is long, but there is no end."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        left = asyncio.ensure_future(reader.read())
        while not left.done():
            writer.write(b"x")
            await asyncio.wait({left}, timeout=0.02)

    return behave


def reset() -> Behavior:
    """Say by TCP that there is nobody."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return behave


def raw(content: bytes) -> Behavior:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return behave


UNHEARD: dict[str, Behavior] = {
    "silence": never_answer(),
    "hung-up": hang_up(),
    "reset": reset(),
    "half": break_off(b"{"),
    "garbage": raw(b"\x00\xff" * 100 + b"\r\n\r\n"),
    "nothing": raw(b""),
    "slow-body": dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
    "slow-head": dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "gzip-bomb": answer(200, gzip.compress(bytes(10_000_000)), {"Content-Encoding": "gzip"}),
    "too-large": answer(200, bytes(5_000)),
}


@pytest.mark.parametrize("mishap", UNHEARD)
async def test_after_a_call_that_changes_the_outcome_is_unknown_unless_its_answer_was_heard(mishap: str) -> None:
    async with scripted(UNHEARD[mishap]) as server:
        failed = await failure(server.url, POST, timeout_s=0.3, max_bytes=4_000)
        reads = await failure(server.url, GET, timeout_s=0.3, max_bytes=4_000)

    assert (type(failed), type(reads)) == (OutcomeUnknown, Unavailable)
    assert str(failed).startswith("The ERP gave no usable answer")


@pytest.mark.parametrize("request_", [GET, POST])
async def test_what_was_never_sent_is_unavailable(request_: Request) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]

    failed = await failure(f"http://127.0.0.1:{port}", request_)

    assert type(failed) is Unavailable
    assert "can't be reached" in str(failed)


async def test_a_name_that_is_not_known_is_unavailable() -> None:
    def unknown(_: str, __: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    failed = await failure("http://erp.example", POST, egress=replace(LOOPBACK, resolve=unknown))

    assert type(failed) is Unavailable
    assert "Name or service not known" in str(failed)


async def test_a_body_up_to_the_limit_is_heard_whole() -> None:
    async with scripted(answer(200, bytes(4_000))) as server:
        assert len((await say(server.url, max_bytes=4_000)).content) == 4_000


@pytest.mark.parametrize("status", [429, 503])
async def test_who_asks_not_to_be_called_for_a_while_is_not(status: int) -> None:
    time = Time()
    async with scripted(answer(status, "", {"Retry-After": "90"})) as server:
        with closing(origin(server.url, clock=time)) as erp:
            assert (await asyncio.to_thread(erp.send, GET)).retry_after_s == 90
            time.now += 89.5
            with pytest.raises(Unavailable, match="asked not to be called for another 1 s") as early:
                await asyncio.to_thread(erp.send, POST)
            assert (early.value.retry_after_s, len(server.heard)) == (1, 1)
            time.now += 0.5
            await asyncio.to_thread(erp.send, POST)

    assert len(server.heard) == 2


@pytest.mark.parametrize(
    ("status", "retry_after", "waits_s"),
    [
        (429, "0", None),
        (429, "5", 5),
        (503, "999999999999", 3600),
        (429, "soon", None),
        (429, "-5", None),
        (429, "1.5", None),
        (429, "\u00b2", None),
        (429, "Mon, 01 Jan 2001 00:00:00 GMT", None),
        (503, "Fri, 01 Jan 2999 00:00:00 GMT", 3600),
        (500, "5", None),
        (200, "5", None),
    ],
)
async def test_how_long_somebody_wants_to_be_left_alone(status: int, retry_after: str, waits_s: int | None) -> None:
    async with scripted(answer(status, "", {"Retry-After": retry_after})) as server:
        assert (await say(server.url)).retry_after_s == waits_s


async def test_a_date_says_so_too() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    async with scripted(answer(503, "", {"Retry-After": soon})) as server:
        waits_s = (await say(server.url)).retry_after_s

    assert waits_s is not None
    assert 500 < waits_s <= 600


async def test_who_never_answers_is_left_alone_until_one_call_gets_an_answer() -> None:
    time = Time()
    async with scripted(hang_up()) as server:
        with closing(origin(server.url, clock=time)) as erp:
            for _ in range(5):
                with pytest.raises(OutcomeUnknown):
                    await asyncio.to_thread(erp.send, POST)
            with pytest.raises(Unavailable, match="no answer 5 times in a row: it is tried again in 10 s") as waits:
                await asyncio.to_thread(erp.send, POST)
            assert (waits.value.retry_after_s, len(server.heard)) == (10, 5)

            time.now += 10
            server.behavior = answer(500, "")
            for _ in range(2):
                assert (await asyncio.to_thread(erp.send, POST)).status == 500

    assert len(server.heard) == 7


async def test_no_more_calls_are_under_way_than_may_be_at_once() -> None:
    under_way: list[int] = []
    now = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now
        now += 1
        under_way.append(now)
        if len(under_way) % 2:
            await asyncio.sleep(0)
        now -= 1
        await answer(200, "")(reader, writer)

    async with scripted(behave) as server:
        with closing(origin(server.url, at_once=2)) as erp:
            await asyncio.gather(*(asyncio.to_thread(erp.send, GET) for _ in range(12)))

    assert len(under_way) == 12
    assert max(under_way) <= 2


async def test_a_call_that_gets_no_turn_is_unavailable_and_not_sent() -> None:
    async with scripted(dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ")) as server:
        with closing(origin(server.url, timeout_s=0.4, at_once=1)) as erp:
            first = asyncio.ensure_future(asyncio.to_thread(erp.send, POST))
            await server.arrivals.get()
            with pytest.raises(Unavailable, match="as many calls under way"):
                await asyncio.to_thread(erp.send, POST)
            with pytest.raises(OutcomeUnknown):
                await first

    assert len(server.heard) == 1


async def test_calls_keep_the_pace() -> None:
    time = Time()
    async with scripted(answer(200, "")) as server:
        with closing(origin(server.url, per_second=4, clock=time, sleep=time.sleep)) as erp:
            for _ in range(5):
                await asyncio.to_thread(erp.send, GET)

    assert time.slept == [0.25] * 4


# -- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "joined"),
    [
        ("https://erp.example/api/v1/orders?page=2&size=50", ("/orders", (("page", "2"), ("size", "50")))),
        ("HTTPS://ERP.EXAMPLE:443/api/v1/orders", ("/orders", ())),
        ("/api/v1/orders?after=a%2Bb%20c+d&x=", ("/orders", (("after", "a+b c d"), ("x", "")))),
        ("?page=2", ("/orders", (("page", "2"),))),
        ("Lines?$skiptoken='a|b'", ("/Lines", (("$skiptoken", "'a|b'"),))),
        ("orders/1%2F2/lines;v=1", ("/orders/1%2F2/lines;v=1", ())),
        ("/api/v1/orders?client=100&page=2", ("/orders", (("page", "2"),))),
        ("/api/v1/orders#here", ("/orders", ())),
        ("/api/v1", ("", ())),
    ],
)
def test_a_link_of_the_same_address_is_a_path_and_a_query(link: str, joined: object) -> None:
    with closing(origin("https://erp.example/api/v1/?client=100")) as erp:
        assert erp.join(link, "/orders") == joined


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Private")


@asynccontextmanager
async def secured(context: ssl.SSLContext) -> AsyncIterator[Scripted]:
    async with scripted(answer(200, "{}"), tls=context) as server:
        server.url = server.url.replace("127.0.0.1", "erp.example")
        yield server


async def test_a_private_authority_is_trusted_for_its_own_names(authority: Authority, tmp_path: Path) -> None:
    async with secured(authority.server("erp.example", tmp_path)) as server:
        heard = await say(server.url, POST, BY_NAME, ca=authority.pem)

    assert heard.status == 200
    assert server.heard[0].headers["host"].startswith("erp.example:")


async def test_who_is_not_trusted_hears_nothing(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority("Stranger")
    async with secured(authority.server("erp.example", tmp_path)) as server:
        by_none = await failure(server.url, POST, egress=BY_NAME)
        by_another = await failure(server.url, POST, egress=BY_NAME, ca=stranger.pem)
        misnamed = await failure(server.url.replace("erp", "other"), POST, egress=BY_NAME, ca=authority.pem)

    assert {type(each) for each in (by_none, by_another, misnamed)} == {Unavailable}
    assert "its certificate is not trusted: unable to get local issuer certificate" in str(by_none)
    assert "its certificate is not trusted" in str(by_another)
    assert "not valid for 'other.example'" in str(misnamed)
    assert server.heard == []


async def test_a_server_without_tls_is_told_so() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 This is not HTTP\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with listener:
        failed = await failure(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}", POST)

    assert type(failed) is Unavailable
    assert "no TLS can be agreed on" in str(failed)


async def test_we_show_the_certificate_that_the_erp_asks_for(authority: Authority, tmp_path: Path) -> None:
    context = authority.server("erp.example", tmp_path, asks=True)
    async with secured(context) as server:
        ours = Certificate(*authority.issue("hub.example"))
        heard = await say(server.url, POST, BY_NAME, ca=authority.pem, certificate=ours)
        assert heard.status == 200
        without = await failure(server.url, GET, egress=BY_NAME, ca=authority.pem)
        stranger = Certificate(*Authority("Stranger").issue("hub.example"))
        unknown = await failure(server.url, GET, egress=BY_NAME, ca=authority.pem, certificate=stranger)

    assert (type(without), type(unknown), len(server.heard)) == (Unavailable, Unavailable, 1)
    assert "PRIVATE" not in repr(ours)


def unreadable(authority: Authority) -> Iterator[dict[str, Any]]:
    chain, key = authority.issue("hub.example")
    _, other_key = authority.issue("hub.example")
    yield {"ca": ""}
    yield {"ca": "/etc/passwd"}
    yield {"ca": "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"}
    yield {"certificate": Certificate(chain, other_key)}
    yield {"certificate": Certificate(chain, "")}
    yield {"certificate": Certificate("", key)}
    yield {"certificate": Certificate(key, chain)}


def test_certificates_that_cannot_be_read_are_refused_without_a_word_of_them(authority: Authority) -> None:
    for wrong in unreadable(authority):
        with pytest.raises(Rejected) as refused:
            origin("https://erp.example", **wrong)
        assert refused.value.code == "certificate_unreadable"
        assert "BEGIN" not in str(refused.value)


# -- a proxy --------------------------------------------------------------------------------------------------------


async def test_a_proxy_is_asked_for_the_address_as_it_is_named() -> None:
    async with scripted(answer(200, "{}")) as proxy:
        address = proxy.url.replace("http://", "http://user:word@")
        await say("http://erp.example/rest", POST, BY_NAME, proxy=address)

    (came,) = proxy.heard
    assert (came.method, came.path) == ("POST", "http://erp.example/rest/orders")
    assert came.headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"


async def test_a_proxy_sees_nothing_of_what_goes_through_tls(authority: Authority, tmp_path: Path) -> None:
    async with secured(authority.server("erp.example", tmp_path)) as server:
        port = int(server.url.rpartition(":")[2])

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there_reads, there_writes = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")

            async def pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
                with suppress(ConnectionError):
                    while chunk := await source.read(65536):
                        to.write(chunk)
                to.close()

            await asyncio.gather(pump(reader, there_writes), pump(there_reads, writer))

        async with scripted(tunnel) as proxy:
            heard = await say(server.url, POST, BY_NAME, ca=authority.pem, proxy=proxy.url)

    assert (heard.status, len(server.heard)) == (200, 1)
    assert [(each.method, each.path) for each in proxy.heard] == [("CONNECT", f"erp.example:{port}")]


async def test_a_proxy_that_does_not_pass_it_on_makes_the_erp_unavailable() -> None:
    async with scripted(answer(407, "")) as proxy:
        failed = await failure("https://erp.example", POST, egress=BY_NAME, proxy=proxy.url)

    assert type(failed) is Unavailable
