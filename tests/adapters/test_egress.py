"""Ways inside: what a partner's address, name, link or redirect may be, for us to call what only we can reach."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address
from threading import Event
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.egress import Egress, Forbidden
from adapters.erp.transports.http import Heard, Origin, Request
from adapters.guarded import guarded_async_transport
from adapters.wire import options, tls, unheard_answers
from domain.errors import Rejected, StockbridgeError, Unavailable
from tests.adapters.scripted import answer, scripted

OUTSIDE = "127.0.0.2"
"""What stands for a public address here: the only one that is allowed."""
EGRESS = Egress.parse([f"{OUTSIDE}/32"])
GET = Request("GET", "/orders", (), {}, b"", changes=False)

_connects: list[tuple[Any, ...]] | None = None


def _note_connect(event: str, args: tuple[Any, ...]) -> None:
    if _connects is not None and event == "socket.connect" and args[0].family != socket.AF_UNIX:
        _connects.append(args[1])


sys.addaudithook(_note_connect)


@pytest.fixture
def connects() -> Iterator[list[tuple[Any, ...]]]:
    """All that this process connects to, whichever library does."""
    global _connects  # noqa: PLW0603 - a hook can't be taken away
    _connects = []
    yield _connects
    _connects = None


@dataclass
class Inside:
    """A listener that nobody is to reach."""

    listener: socket.socket
    connects: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def reached(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return any(address[0] != OUTSIDE for address in self.connects)
        return True


@pytest.fixture
def inside(connects: list[tuple[Any, ...]]) -> Iterator[Inside]:
    """Listen at every address of this machine, of IPv4 and of IPv6."""
    with closing(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)) as listener:
        listener.setblocking(False)
        yield Inside(listener, connects)


def origin(address: str, egress: Egress = EGRESS, proxy: str | None = None) -> Origin:
    return Origin(address, egress, timeout_s=5, system="The ERP", proxy=proxy)


def call(address: str, egress: Egress = EGRESS, request: Request = GET, proxy: str | None = None) -> Heard:
    with closing(origin(address, egress, proxy)) as erp:
        return erp.send(request)


ADDRESSES = [
    "http://127.0.0.1:{port}",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/good.example",
    "http://localhost:{port}",
    "http://LOCALHOST:{port}",
    "http://localhost.:{port}",
    "http://127.0.0.1.:{port}",
    "http://2130706433:{port}",
    "http://017700000001:{port}",
    "http://0x7f000001:{port}",
    "http://0177.0.0.1:{port}",
    "http://0x7f.0.0.1:{port}",
    "http://0x7f.1:{port}",
    "http://127.1:{port}",
    "http://127.0.1:{port}",
    "http://127.255.255.254:{port}",
    "http://0:{port}",
    "http://0.0.0.0:{port}",
    "http://[::1]:{port}",
    "http://[0:0:0:0:0:0:0:1]:{port}",
    "http://[::]:{port}",
    "http://[::ffff:127.0.0.1]:{port}",
    "http://[::ffff:7f00:1]:{port}",
    "http://[::127.0.0.1]:{port}",
    "http://[64:ff9b::127.0.0.1]:{port}",
    "http://[64:ff9b:1::127.0.0.1]:{port}",
    "http://[2002:7f00:1::1]:{port}",
    "http://[2001:0:7f00:1::80ff:fffe]:{port}",
    "http://[2a00:1450:4001:800:0:5efe:127.0.0.1]:{port}",
    "http://[2a00:1450:4001:800:200:5efe:10.0.0.1]:{port}",
    "http://[fe80::1]:{port}",
    "http://[fe80::1%25lo]:{port}",
    "http://[::1%25lo]:{port}",
    "http://[fec0::1]:{port}",
    "http://[fd00::2]:{port}",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[ff02::1]:{port}",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/latest/meta-data/",
    "http://10.0.0.1:{port}",
    "http://172.16.0.1:{port}",
    "http://192.168.0.1:{port}",
    "http://100.64.0.1:{port}",
    "http://198.18.0.1:{port}",
    "http://224.0.0.1:{port}",
    "http://255.255.255.255:{port}",
    "http://\uff11\uff12\uff17.0.0.1:{port}",
    "http://\u2460\u2461\u2466.0.0.1:{port}",
    "http://127\u30020\u30020\u30021:{port}",
    "http://good.example@127.0.0.1:{port}",
    "http://good.example:80@127.0.0.1:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@good.example",
    "http://127.0.0.1:{port}?@good.example",
    "http://127.0.0.1:{port}\\@good.example",
    "http://good.example\\@127.0.0.1:{port}",
    "http://127.0.0.1:{port}\t",
    "http://127.0.0.1:{port}/\r\nHost: good.example",
    " http://127.0.0.1:{port}",
    "http://[::1:{port}",
    "http://[127.0.0.1]:{port}",
    "http:127.0.0.1:{port}",
    "http:///127.0.0.1:{port}",
    "//127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_GET%20/",
    "ftp://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1:{port}/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_inside_is_refused_in_every_form(inside: Inside, address: str) -> None:
    with pytest.raises(Rejected) as refused:
        call(address.replace("{port}", str(inside.port)))

    assert (refused.value.code, inside.reached()) == ("egress_refused", False)


def test_what_is_allowed_is_reached(inside: Inside) -> None:
    address = f"http://127.0.0.1:{inside.port}"
    allowing = Origin(address, Egress.parse(["127.0.0.1"]), timeout_s=0.1, system="The ERP")

    with pytest.raises(Unavailable), closing(allowing) as erp:
        erp.send(GET)

    assert inside.reached()


def named(*answers: Sequence[str]) -> tuple[Egress, list[str]]:
    """Return an egress where names resolve to this, then to that, and so on; and who was looked up."""
    asked: list[str] = []

    def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return replace(EGRESS, resolve=resolve), asked


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%lo"],
        ["169.254.169.254"],
        [OUTSIDE, "127.0.0.1"],
        ["127.0.0.1", OUTSIDE],
        ["2a00:1450:4001:800::1", "::1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_also_if_only_one_of_its_addresses_does(
    inside: Inside, addresses: list[str]
) -> None:
    egress, _ = named(addresses)

    with pytest.raises(Forbidden, match=r"erp\.example is at"):
        call(f"http://erp.example:{inside.port}", egress)

    assert not inside.reached()


async def test_a_name_that_leads_inside_the_second_time_is_refused_then(inside: Inside) -> None:
    egress, asked = named([OUTSIDE], ["127.0.0.1"])
    async with scripted(answer(200, "{}"), at=OUTSIDE) as server:
        with closing(origin(server.url.replace(OUTSIDE, "erp.example"), egress)) as erp:
            assert (await asyncio.to_thread(erp.send, GET)).status == 200
            with pytest.raises(Forbidden):
                await asyncio.to_thread(erp.send, GET)

    assert (asked, inside.reached()) == (["erp.example"] * 2, False)
    assert server.heard[0].headers["host"].startswith("erp.example:")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://[::1]:{port}/", "http://2130706433:{port}/"]
)
async def test_a_redirect_is_not_followed_and_no_link_either(inside: Inside, status: int, to: str) -> None:
    away = to.replace("{port}", str(inside.port))
    async with scripted(answer(status, "", {"Location": away}), at=OUTSIDE) as server:
        with closing(origin(server.url)) as erp:
            heard = await asyncio.to_thread(erp.send, GET)
            with pytest.raises(Forbidden, match="The ERP named a link"):
                erp.join(heard.headers["location"], GET.path)

    assert (heard.status, len(server.heard), inside.reached()) == (status, 1, False)


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:{port}/soap/server",
        "http://erp.example:8080/soap/server",
        "http://erp.example/soap/server",
        "https://erp.example:8443/soap/server",
        "https://evil.example/soap/server",
        "https://erp.example.evil.example/soap/server",
        "https://erp.example@evil.example/soap/server",
        "https://erp.example:443@127.0.0.1:{port}/soap/server",
        "https://user:password@erp.example/soap/server",
        "https://evil.example#@erp.example/soap/server",
        "https://erp.example\\@evil.example/soap/server",
        "\\\\127.0.0.1/soap/server",
        "//127.0.0.1:{port}/soap/server",
        "///127.0.0.1:{port}/soap/server",
        "http:127.0.0.1/soap/server",
        "https:/\n/127.0.0.1/soap/server",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_",
        "javascript:alert(1)",
        "data:text/xml,<a/>",
        "https://[::1]:{port}/soap/server",
        "https://erp.example/admin",
        "https://erp.example/soapier/server",
        "/admin",
        "/soap/../admin",
        "../admin",
        "https://erp.example/soap/server?page=%ff",
        "https://erp.example:99999/soap/server",
        "https://[erp.example/soap/server",
        "https://erp.example/soap/" + "x" * 10_000,
    ],
)
def test_a_link_that_leads_away_from_the_address_is_refused(inside: Inside, link: str) -> None:
    with closing(origin("https://erp.example/soap")) as erp, pytest.raises(Rejected) as refused:
        erp.join(link.replace("{port}", str(inside.port)), "/server")

    assert (refused.value.code, inside.reached()) == ("egress_refused", False)


@pytest.mark.parametrize(
    "path",
    [
        "@127.0.0.1:{port}/",
        ":{port}/",
        ".evil.example/",
        "orders",
        "/orders\r\nHost: 127.0.0.1",
        "/orders HTTP/1.1\r\n\r\nGET /admin",
        "/orders#@127.0.0.1",
        "/orders?x=1",
        "\\127.0.0.1\\",
        "/\\127.0.0.1",
        "/../admin",
        "/orders/..",
        "/%2e%2e/admin",
        "/..%2Fadmin",
        "/..%5cadmin",
        "/örders",
        "/%zz",
    ],
)
def test_a_path_that_is_more_than_a_path_is_refused(inside: Inside, path: str) -> None:
    refused = replace(GET, path=path.replace("{port}", str(inside.port)))

    with pytest.raises(Rejected) as refusal:
        call(f"http://{OUTSIDE}:{inside.port}/soap", request=refused)

    assert (refusal.value.code, inside.connects) == ("erp_contract", [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Key", "a\r\nHost: 127.0.0.1"),
        ("X-Key", "a\nb"),
        ("X-Key", "a\0b"),
        ("X-Key", "ключ"),
        ("X-Key\r\nHost", "127.0.0.1"),
        ("X Key", "a"),
        ("", "a"),
        ("Host", "127.0.0.1"),
        ("hOST", "127.0.0.1"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "upgrade"),
        ("Proxy-Authorization", "Basic eDp5"),
    ],
)
def test_a_header_that_is_more_than_a_header_is_refused(inside: Inside, name: str, value: str) -> None:
    with pytest.raises(Rejected) as refusal:
        call(f"http://{OUTSIDE}:{inside.port}", request=replace(GET, headers={name: value}))

    assert (refusal.value.code, inside.connects) == ("erp_contract", [])


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET /admin HTTP/1.1\r\n\r\nGET", ""])
def test_a_method_that_is_none_of_an_erp_is_refused(inside: Inside, method: str) -> None:
    with pytest.raises(Rejected, match="method"):
        call(f"http://{OUTSIDE}:{inside.port}", request=replace(GET, method=method))

    assert inside.connects == []


async def test_a_proxy_is_not_asked_for_what_is_inside(inside: Inside) -> None:
    egress, _ = named(["127.0.0.1"])
    async with scripted(answer(200, "{}"), at=OUTSIDE) as proxy:
        for address, by in [
            (f"http://127.0.0.1:{inside.port}", EGRESS),
            (f"https://localhost:{inside.port}", EGRESS),
            (f"http://[::ffff:127.0.0.1]:{inside.port}", EGRESS),
            ("http://169.254.169.254", EGRESS),
            (f"http://erp.example:{inside.port}", egress),
        ]:
            with pytest.raises(Forbidden):
                await asyncio.to_thread(call, address, by, GET, proxy.url)

    assert (proxy.heard, inside.reached()) == ([], False)


@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:{port}", "http://user:word@localhost:{port}", "socks5://127.0.0.1:{port}", "nowhere"]
)
def test_a_proxy_that_is_inside_is_refused_itself(inside: Inside, proxy: str) -> None:
    with pytest.raises(Forbidden):
        call(f"http://{OUTSIDE}:9", proxy=proxy.replace("{port}", str(inside.port)))

    assert not inside.reached()


async def test_the_environment_names_no_proxy(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{inside.port}")
    async with scripted(answer(200, "{}"), at=OUTSIDE) as server:
        assert (await asyncio.to_thread(call, server.url)).status == 200

    assert not inside.reached()


async def get(url: str, egress: Egress = EGRESS) -> httpx.Response:
    transport = guarded_async_transport(egress, verify=tls(), limits=httpx.Limits())
    async with httpx.AsyncClient(transport=transport, trust_env=False, **options(5)) as client:
        with unheard_answers("The carrier", changes=True):
            return await client.get(url)


@pytest.mark.parametrize("address", [each for each in ADDRESSES if each.isascii() and each.startswith("http://")])
async def test_coroutines_are_refused_likewise(inside: Inside, address: str) -> None:
    with pytest.raises((Rejected, Unavailable, httpx.InvalidURL, StockbridgeError)):
        await get(address.replace("{port}", str(inside.port)).replace("\r\n", ""))

    assert not inside.reached()


async def test_coroutines_connect_to_what_was_checked(inside: Inside) -> None:
    egress, asked = named([OUTSIDE], ["127.0.0.1"])
    async with scripted(answer(200, "[]"), at=OUTSIDE) as server:
        url = server.url.replace(OUTSIDE, "erp.example")
        assert (await get(url, egress)).json() == []
        with pytest.raises(Forbidden):
            await get(url, egress)

    assert (asked, inside.reached()) == (["erp.example"] * 2, False)


@pytest.mark.parametrize("addresses", [[], ["nonsense"], [""]])
def test_a_name_without_an_address_is_out_of_reach(addresses: list[str]) -> None:
    egress, _ = named(addresses)

    with pytest.raises(Unavailable, match="can't be reached"):
        call("http://erp.example", egress)


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    egress, _ = named([OUTSIDE, "127.0.0.3"])
    egress = replace(egress, allowed=Egress.parse(["127.0.0.0/8"]).allowed)
    async with scripted(answer(200, "{}"), at="127.0.0.3") as server:
        heard = await asyncio.to_thread(call, server.url.replace("127.0.0.3", "erp.example"), egress)

    assert heard.status == 200


def test_a_name_server_that_never_answers_keeps_nobody_waiting() -> None:
    answered = Event()

    def resolve(_: str, __: int) -> list[str]:
        answered.wait()
        return []

    erp = Origin("http://erp.example", replace(EGRESS, resolve=resolve), timeout_s=0.2, system="The ERP")
    try:
        with closing(erp), pytest.raises(Unavailable, match="ConnectTimeout"):
            erp.send(replace(GET, changes=True))
    finally:
        answered.set()


PUBLIC = ["8.8.8.8", "192.0.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001:800::200e", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", [*PUBLIC, "::ffff:8.8.8.8", "2a00:1450:4001:800:0:5efe:808:808"])
def test_a_public_address_may_be_called(address: str) -> None:
    Egress().check(ip_address(address))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00:1::5"])
def test_an_address_in_a_network_that_is_allowed_may_be_called(address: str) -> None:
    Egress.parse(["10.1.0.0/16", " fd00:1::/32 "]).check(ip_address(address))


@given(st.ip_addresses())
@example(ip_address("192.31.196.1"))
def test_nothing_is_public_that_python_does_not_know_as_global(address: Any) -> None:
    try:
        Egress().check(address)
    except Forbidden:
        return
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped
    assert (mapped or address).is_global
    assert not (mapped or address).is_multicast


@pytest.mark.parametrize("text", ["10.1.2.3/16", "10.1", "fd00::/129", "erp.example", "", "::ffff:10.0.0.0/104"])
def test_a_network_that_is_none_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no network in CIDR notation|write it as IPv4"):
        Egress.parse(["10.0.0.0/8", text])


def test_the_refusal_names_host_and_address_and_is_for_good() -> None:
    egress, _ = named(["10.9.8.7"])

    with pytest.raises(Rejected) as refused:
        call("https://erp.example/rest", egress, replace(GET, changes=True))

    assert refused.value.code == "egress_refused"
    assert "erp.example is at 10.9.8.7" in refused.value.detail
