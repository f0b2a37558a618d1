"""No body costs more than its length: what is wrong with it is told up to a limit, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest

from api.app import create_app
from api.door import reading
from domain.refusals import MOST_FAULTS
from tests.api.doorway import Door, code_of, faults_of, line, push

LIMIT: Final = 2**20


@pytest.fixture
async def wide(shop: Door) -> AsyncIterator[Door]:
    """The shop, as it takes bodies where nothing else is set."""
    services = replace(shop.services, body_limit_bytes=LIMIT)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url="http://hub") as http:
        yield replace(shop, http=http, services=services)


class Here(Executor):
    """Does what it is given at once, where it can be counted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Held(ThreadPoolExecutor):
    """Begins with what it is given once it may."""

    def __init__(self) -> None:
        super().__init__(1)
        self.given = asyncio.Event()
        self.may_begin = threading.Event()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given.set()
        return super().submit(lambda: self.may_begin.wait(60) and fn(*args, **kwargs))


async def say(door: Door, path: str, body: str) -> httpx.Response:
    headers = {**door.headers(), "Content-Type": "application/json"}
    return await door.http.post(path, headers=headers, content=body)


def filled(before: str, item: Callable[[int], str], after: str) -> Callable[[int], str]:
    """Make bodies of so many bytes, with as many items as there is room for."""

    def of_size(size: int) -> str:
        count = (size - len(before) - len(after)) // (len(item(10**6)) + 1)
        return f"{before}{','.join(map(item, range(count)))}{after}"

    return of_size


def nested(size: int) -> str:
    """Make a body of lists that are as deep as is read, one beside the other."""
    one = "[" * 90 + "]" * 90
    return f'{{"x": [{",".join([one] * (size // 181 - 10))}]}}'


ONE: Final = '"line_no": 1, "quantity": 1'
NO_LINE: Final = '{"line_no": 7, "quantity": 1, "uom": "EA"}'
PUSHED: Final = '{"order_no": "SO-9", "lines": ['
SHAPES: Final[dict[str, tuple[str, Callable[[int], str]]]] = {
    "lines of another shape": ("/api/orders/outbound", filled(PUSHED, lambda _: '{"x": 1}', "]}")),
    "lines that are none": ("/api/orders/outbound", filled(PUSHED, lambda _: '"--------"', "]}")),
    "numbers for lines": ("/api/orders/outbound", filled(PUSHED, lambda n: f"{n:09.1f}", "]}")),
    "fields that there are not": ("/api/orders/outbound", filled("{", lambda n: f'"{n:08}": 0', "}")),
    "a line of unknown fields": ("/api/orders/outbound", filled(PUSHED + "{", lambda n: f'"{n:08}": 0', "}]}")),
    "lists in lists": ("/api/orders/outbound", nested),
    "long numbers": ("/api/orders/outbound", filled(PUSHED, lambda _: "9" * 4000, "]}")),
    "one long text": ("/api/orders/outbound", lambda size: f'{{"order_no": "{"-" * (size - 20)}"}}'),
    "blank serial numbers": (
        "/api/orders/SO-1/picks",
        filled(f'{{"pick_no": "P", "lines": [{{{ONE}, "serial_numbers": [', lambda _: '"\\u0000"', "]}]}"),
    ),
    "serial numbers of nothing": (
        "/api/orders/SO-1/picks",
        filled('{"pick_no": "P", "lines": [{"line_no": 7, "serial_numbers": [', lambda n: f'"{n:09}"', "]}]}"),
    ),
    "parcels of unknown lines": (
        "/api/orders/SO-1/shipments",
        filled(
            '{"shipment_no": "S", "parcels": [',
            lambda _: f'{{"lines": [{",".join([NO_LINE] * 500)}]}}',
            "]}",
        ),
    ),
    "orders of a batch": (
        "/api/operator-batches",
        filled('{"batch_no": "B", "where": {"order_nos": [', lambda n: f'"SO-{n:07}"', "]}}"),
    ),
    "receipts of unknown serials": (
        "/api/inventory/receipts",
        filled('{"lines": [{"sku": "NO", "serial_numbers": [', lambda n: f'"{n:09}"', "]}]}"),
    ),
}


OURS: Final[ContextVar[bool]] = ContextVar("ours", default=False)
"""Whether what runs is the request that is counted, and not something else on the same loop."""


@contextmanager
def counting() -> Iterator[list[int]]:
    """Count the calls that are made for what is asked here: of functions, and of what is written in C."""
    calls = [0]

    def note(_frame: Any, event: str, _arg: Any) -> None:
        calls[0] += event in {"call", "c_call"} and OURS.get()

    token = OURS.set(True)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        OURS.reset(token)


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_body_of_twice_the_length_is_twice_the_work_at_most(
    wide: Door, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_beside", Here())
    path, body_of = SHAPES[shape]
    await wide.made("/api/orders/outbound", push())
    work = []
    for size in (LIMIT // 4, LIMIT // 2, LIMIT):
        body = body_of(size)
        assert size * 0.9 < len(body) <= size
        with counting() as calls:
            answer = await say(wide, path, body)
        assert answer.status_code in {400, 422}, answer.text
        assert len(answer.json()["errors"]) <= MOST_FAULTS
        work.append(calls[0])
    assert work[1] <= 2 * work[0], work
    assert work[2] <= 2 * work[1], work


async def test_others_are_answered_while_a_long_body_is_read(wide: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Held()
    monkeypatch.setattr(reading, "_beside", threads)
    path, body_of = SHAPES["blank serial numbers"]
    saying = asyncio.create_task(say(wide, path, body_of(LIMIT)))
    await asyncio.wait_for(threads.given.wait(), 30)
    assert (await wide.http.get("/healthz")).status_code == 200
    assert not saying.done()
    threads.may_begin.set()
    assert (await saying).status_code == 422
    threads.shutdown()


async def test_a_list_that_is_too_long_is_told_by_that_alone(shop: Door) -> None:
    answer = await shop.post("/api/orders/outbound", push(lines=[{"x": 1}] * 501))
    assert faults_of(answer) == [("/lines", "invalid")]
    assert "500" in answer.json()["detail"]


async def test_no_more_is_told_than_a_person_reads_and_the_answer_says_so(shop: Door) -> None:
    answer = await shop.post("/api/orders/outbound", push(lines=[{"x": 1}] * 500))
    assert len(faults_of(answer)) == MOST_FAULTS
    assert answer.json()["detail"].startswith("At least ")


async def test_what_the_catalog_has_not_is_told_up_to_the_same_limit(shop: Door) -> None:
    before = await shop.counts()
    unknown = [line(number, sku=f"NO-{number}") for number in range(1, 301)]
    answer = await shop.post("/api/orders/outbound", push(lines=unknown))
    assert faults_of(answer) == [(f"/lines/{index}/sku", "unknown_sku") for index in range(MOST_FAULTS)]
    assert answer.json()["detail"] == (
        "At least 101 things are wrong with the request; the first: Line 1: NO-1 is not in the catalog."
    )
    assert await shop.counts() == before


async def test_as_many_faults_as_are_told_come_with_those_of_the_catalog(shop: Door) -> None:
    lines = [line(number, quantity=2.5) for number in range(1, 100)]
    answer = await shop.post("/api/orders/outbound", push(carrier="pigeon", lines=lines))
    told = faults_of(answer)
    assert told[0] == ("/lines/0/quantity", "malformed_quantity")
    assert told[-1] == ("/carrier", "unknown_carrier")
    assert len(told) == 100
    assert answer.json()["detail"].startswith("100 things are wrong with the request; the first: ")


async def test_a_fault_deep_in_a_long_list_is_where_it_is(shop: Door) -> None:
    await shop.made("/api/orders/outbound", push())
    serials = [f"SN-{number}" for number in range(1000)]
    serials[300], serials[999] = "", "a\tb"
    lines = [{"line_no": 1, "quantity": 1}] * 20 + [{"line_no": 1, "quantity": 1, "serial_numbers": serials}]
    answer = await shop.post("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": lines})
    places = {pointer: code for pointer, code in faults_of(answer) if "serial_numbers" in pointer}
    assert places["/lines/20/serial_numbers/300"] == "invalid"
    assert places["/lines/20/serial_numbers/999"] == "control_character"


async def test_fields_that_there_are_not_hide_none_that_there_are(shop: Door) -> None:
    body = {f"x{number}": 1 for number in range(2000)} | {"sku": "A", "base_uom": "EA"}
    answer = await shop.post("/api/products", body)
    assert faults_of(answer) == [(f"/x{number}", "unknown_field") for number in range(MOST_FAULTS)]


async def test_a_body_of_more_values_than_any_is_refused_unread(wide: Door) -> None:
    answer = await say(wide, "/api/products", "[" + ",".join(["{}"] * 300_000) + "]")
    assert (answer.status_code, faults_of(answer)) == (422, [("", "too_many_values")])


@pytest.mark.parametrize(
    "body", ["[" * 500_000, '{"a":' * 150_000, '{"a": ' + "9" * 500_000 + "}"], ids=["lists", "objects", "a number"]
)
async def test_a_long_body_that_can_not_be_read_is_malformed_or_too_much(wide: Door, body: str) -> None:
    answer = await say(wide, "/api/products", body)
    assert code_of(answer) in {"malformed", "too_many_values"}


async def test_a_long_body_that_is_right_is_taken(wide: Door) -> None:
    serials = [f"PHONE-{number:08}" for number in range(3000)]
    await wide.stock("PHONE", 3000, serial_numbers=serials)
    assert await wide.count("ledger.stream") >= 3000
