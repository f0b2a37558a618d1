"""How often a key and an address may ask, and what a guesser hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from starlette.requests import Request

from api.app import create_app
from api.door.auth import Authenticator
from api.door.problems import STATUS_OF, TooManyRequestsError
from api.door.rates import Allowances, Pace, Rates, address_of
from domain.errors import Rejected
from records.access import api_keys
from records.access.api_keys import ApiKey
from tests.api.doorway import Door, code_of

Limited = Callable[..., AbstractAsyncContextManager[Door]]


@pytest.fixture
def limited(door: Door) -> Limited:
    """The door with other rates, as it is seen from an address."""

    @asynccontextmanager
    async def opened(address: str = "192.0.2.1", **rates: float) -> AsyncIterator[Door]:
        app = create_app(replace(door.services, rates=Rates(**rates)))
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield replace(door, http=http)

    return opened


async def statuses(door: Door, times: int, key: str | None = None) -> list[int]:
    return [(await door.get("/api/products", key)).status_code for _ in range(times)]


async def test_a_key_that_asks_too_often_is_told_when_it_may_again(limited: Limited) -> None:
    async with limited(key_per_s=0.2) as door:
        assert await statuses(door, 2) == [200, 200]
        answer = await door.get("/api/products")
        assert (answer.status_code, code_of(answer)) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 5


async def test_a_key_does_not_use_up_what_another_may(limited: Limited) -> None:
    async with limited(key_per_s=0.2) as door:
        async with door.engine.begin() as connection:
            await api_keys.register_key(connection, tenant=door.tenant, source=None, key=f"floor-{door.tenant}")
        assert await statuses(door, 3) == [200, 200, 429]
        assert await statuses(door, 3, f"floor-{door.tenant}") == [200, 200, 429]


async def test_an_address_that_asks_too_often_is_told_before_anything_is_looked_up(limited: Limited) -> None:
    async with limited(address_per_s=0.2) as door:
        asked = [await door.http.get(f"/api/{path}") for path in ("products", "nothing", "callbacks/carriers/a/b")]
        assert [answer.status_code for answer in asked] == [401, 404, 429]
        assert (await door.http.get("/healthz")).status_code == 200


async def test_a_guesser_is_told_to_wait_and_a_right_key_from_there_still_works(limited: Limited) -> None:
    async with limited(wrong_keys_per_minute=5) as door:
        assert await statuses(door, 7, "guessed") == [401] * 5 + [429] * 2
        assert await statuses(door, 2) == [200, 200]
        assert await statuses(door, 1, "guessed") == [429]


class Counting(Authenticator):
    """Counts how often it is asked for a key."""

    asked = 0

    async def caller(self, authorization: str | None) -> ApiKey:
        self.asked += 1
        return await super().caller(authorization)


async def test_of_many_guesses_at_once_few_are_looked_up(door: Door) -> None:
    counting = Counting(door.engine)
    pace = Pace(Rates(wrong_keys_per_minute=1), counting)

    async def try_key(key: str) -> int:
        headers = [(b"authorization", f"Bearer {key}".encode())]
        try:
            await pace.caller(Request({"type": "http", "client": ("192.0.2.1", 1), "headers": headers}))
        except Rejected as refused:
            return STATUS_OF[refused.kind]
        return 200

    assert [await try_key(key) for key in (door.key, "guess", "guess")] == [200, 401, 429]
    guesses = asyncio.gather(*(try_key(f"guess-{number}") for number in range(200)))
    assert await try_key(door.key) == 200
    assert set(await guesses) == {429}
    assert counting.asked <= 4 + 10
    await counting.drain()


async def test_nobody_is_limited_where_the_limit_is_zero(limited: Limited) -> None:
    async with limited(key_per_s=0, address_per_s=0, wrong_keys_per_minute=0) as door:
        assert await statuses(door, 100, "guessed") == [401] * 100
        assert await statuses(door, 10) == [200] * 10


def test_what_is_kept_of_allowances_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.door.rates.MOST_KNOWN", 10)
    allowances = Allowances(per_s=0.1)
    for name in range(100):
        allowances.take(name)
    assert len(allowances) <= 10


def test_who_has_taken_all_that_he_may_is_refused() -> None:
    allowances = Allowances(per_s=0.1, burst_s=10)
    allowances.take("often")
    with pytest.raises(TooManyRequestsError):
        allowances.take("often")


def test_a_network_of_ipv6_is_one_address() -> None:
    def named(host: str) -> str:
        return address_of({"type": "http", "client": (host, 1)})

    assert named("2001:db8::1") == named("2001:db8::ffff:2") != named("2001:db8:0:1::1")
    assert named("::ffff:192.0.2.1") == named("192.0.2.1") != named("192.0.2.2")


async def test_nobody_is_sent_where_the_host_header_says(door: Door) -> None:
    for path in ("/api/products/", "/healthz/", "/api/orders/"):
        answer = await door.http.get(path, headers={"Host": "evil.example", **door.headers()})
        assert answer.status_code == 404
        assert "location" not in answer.headers
