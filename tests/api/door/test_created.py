"""Thirty clients send one write at once, to two processes: it happens once, and one of them is told 201."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.app import create_app
from api.shipping import intercepts
from commands.posting_effects import PostingEffects
from domain.api_keys import Scope
from ledger.writing.writer import LedgerWriter
from queries.inventory.site_days import site_days
from tests.api.access.test_keys import key_of
from tests.api.doorway import ADDRESS, DirectGateway, Door, examples, line, place, push

AT_ONCE = 30
ORDER = "/api/orders/SO-1"

Write = tuple[str, str, dict[str, Any]]
"""The address as it is described, with what to put into it, and the body."""


@pytest.fixture
async def beside(shop: Door) -> AsyncIterator[httpx.AsyncClient]:
    """Another process of the API, on the same database."""
    ledger = LedgerWriter(shop.engine, PostingEffects(), days=site_days(shop.engine))
    services = replace(shop.services, ledger=ledger, orders=DirectGateway(shop.engine, ledger))
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://beside") as http:
        yield http


def writes(tenant: str) -> Iterator[Write]:
    """Yield each write that makes something, in an order in which they can happen."""
    mugs = {"sku": "MUG-WHITE", "quantity": 6}
    yield "/api/products", "", {"sku": "CUP", "base_uom": "EA"}
    yield "/api/locations", "", place("HAM-A-3")
    yield (
        "/api/orders/inbound",
        "",
        {"po_no": "PO-9", "site": "HAM", "supplier": "A", "lines": [{"line_no": 1, **mugs}]},
    )
    receipt = {"receipt_no": "GR-1", "location_id": "HAM-A-3"}
    told = {**receipt, "lines": [{"line_no": 1, "quantity": 6}]}
    yield "/api/orders/inbound/{po_no}/receipts", "PO-9", told
    back = {"reversal_no": "GX-1", "reason": "wrong"}
    yield "/api/orders/inbound/{po_no}/receipts/{receipt_no}/reversal", "PO-9 GR-1", back
    yield "/api/inventory/receipts", "", {**receipt, "lines": [mugs]}
    yield "/api/inventory/receipts/{receipt_no}/reversal", "GR-1", back
    move = {"move_no": "M-1", **mugs, "from": {"location_id": "HAM-A-1"}, "to": {"location_id": "HAM-A-2"}}
    yield "/api/inventory/move", "", move
    counted = {"adjustment_no": "A-1", "sku": "MUG-WHITE", "location_id": "HAM-A-2", "counted": 5}
    yield "/api/inventory/adjustments", "", {**counted, "reason": "cycle_count"}
    yield "/api/inventory/conversions", "", examples.CONVERSION
    sent = {"transfer_no": "T-1", "to_site": "CPH", "lines": [{**mugs, "location_id": "HAM-A-1"}]}
    yield "/api/inventory/transfers", "", sent
    yield "/api/inventory/transfers/{transfer_no}/receipts", "T-1", {**receipt, "location_id": "CPH-A", "lines": [mugs]}
    yield "/api/inventory/recalls", "", {**examples.RECALL, "sku": "WINE", "lot": "L-1"}
    yield "/api/inventory/recalls/{recall_no}/lift", "RC-1", {"reason": "fine"}
    yield "/api/keys", "", {**examples.NEW_KEY, "name": "shop", "source": "shop"}
    yield "/api/keys/{name}/rotate", "shop", examples.KEY_ROTATION
    yield "/api/connections", "", examples.NEW_ERP
    rotation = {**examples.CONNECTION_ROTATION, "public_id": tenant}
    yield "/api/connections/{kind}/{name}/rotate", "carrier sandbox", rotation
    yield from of_an_order()


def of_an_order() -> Iterator[Write]:
    yield "/api/orders/outbound", "", push(lines=[line(quantity=5, uom=None)])
    yield "/api/orders/{order_no}/addresses", "SO-1", {"address_no": "A-1", "ship_to": ADDRESS}
    yield "/api/orders/{order_no}/shipments", "SO-1", {"shipment_no": "SH-1", "handed_over": True}
    wanted = {"intercept_no": "I-1", "by": "Ida", "reason": "wrong"}
    yield "/api/orders/{order_no}/shipments/{shipment_no}/intercept", "SO-1 SH-1", wanted
    some = [{"line_no": 1, "quantity": 2}]
    may_come = {"authorization_no": "RA-1", "by": "Ida", "reason": "broken", "lines": some}
    yield "/api/orders/{order_no}/return-authorizations", "SO-1", may_come
    yield "/api/orders/{order_no}/returns", "SO-1", {"return_no": "R-1", "location_id": "HAM-RET", "lines": some}


async def ready_for(door: Door, path: str) -> None:
    """Do what comes before a write, where no write of the list does."""
    if path.endswith("/shipments"):
        picked = {"line_no": 1, "quantity": 5, "location_id": "HAM-A-1"}
        await door.made(f"{ORDER}/picks", {"pick_no": "P-1", "lines": [picked]})
    if path.endswith("/returns"):
        undelivered = text("update records.parcel set tracking_status = 'return_to_sender' where tenant = :tenant")
        async with door.engine.begin() as connection:
            await connection.execute(undelivered, {"tenant": door.tenant})


async def storm(doors: list[httpx.AsyncClient], headers: dict[str, str], path: str, body: Any) -> list[httpx.Response]:
    sent = [doors[n % len(doors)].post(path, json=body, headers=headers) for n in range(AT_ONCE)]
    return list(await asyncio.gather(*sent))


async def test_of_thirty_writes_at_once_one_is_told_201_and_each_of_the_others_200(
    shop: Door, beside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intercepts, "WAIT_S", 0.1)
    await shop.made("/api/locations", {**examples.SITE, "receipts_without_order": True})
    for location in (
        {**examples.SITE, "location_id": "CPH"},
        place("CPH-A", site="CPH"),
        place("CPH-S", "staging", "CPH"),
    ):
        await shop.made("/api/locations", location)
    await shop.stock()
    await shop.stock("WINE", 10, "PO-2", lot="L-1")
    administrators = shop.headers(await key_of(shop, "ida", Scope.ADMINISTRATOR))

    tried: dict[str, Counter[int]] = {}
    for described, names, body in writes(shop.tenant):
        await ready_for(shop, described)
        path = described
        for name in names.split():
            path = path.replace(path[path.index("{") : path.index("}") + 1], name, 1)
        headers = administrators if path.startswith(("/api/keys", "/api/connections")) else shop.headers()
        answers = await storm([shop.http, beside], headers, path, body)
        tried[described] = Counter(answer.status_code for answer in answers)
        assert set(tried[described]) <= {200, 201, 202}, (path, [answer.text for answer in answers][:3])
    waiting = tried.pop("/api/orders/{order_no}/shipments/{shipment_no}/intercept")
    assert waiting == {202: AT_ONCE}
    assert {path: dict(statuses) for path, statuses in tried.items() if statuses != {201: 1, 200: AT_ONCE - 1}} == {}

    document = (await shop.http.get("/openapi.json")).json()
    makes = {path for path, calls in document["paths"].items() for call in calls.values() if "201" in call["responses"]}
    assert makes == {described for described, *_ in writes(shop.tenant)}, "a write that answers 201 is not tried here"


async def test_of_thirty_writes_at_once_that_make_nothing_each_is_told_200(
    shop: Door, beside: httpx.AsyncClient
) -> None:
    await shop.stock(quantity=20)
    more = [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 6}]
    await shop.made("/api/orders/inbound", {"po_no": "PO-9", "site": "HAM", "supplier": "A", "lines": more})
    await shop.made("/api/orders/outbound", push(lines=[line(quantity=9, uom=None)]))
    (stream,) = (await shop.get("/api/inventory", sku="MUG-WHITE")).json()["items"]

    async def all_are_told(path: str, body: Any, method: str = "POST") -> None:
        calls = [(shop.http, beside)[n % 2].request(method, path, json=body, headers=shop.headers()) for n in range(30)]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {200}, (path, {answer.text for answer in answers})

    await all_are_told("/api/orders/inbound/PO-9/cancel", {"cancel_no": "X-1", "reason": "late"})
    spoiled = {"change_no": "S-1", "to": "damaged", "quantity": 11, "reason": "wet"}
    await all_are_told(f"/api/inventory/{stream['stream_id']}/status", spoiled, "PUT")
    picked = {"line_no": 1, "quantity": 5, "location_id": "HAM-A-1"}
    await all_are_told(f"{ORDER}/picks", {"pick_no": "P-1", "short": True, "lines": [picked]})
    (task,) = (await shop.get("/api/inventory/counts")).json()["items"]
    await all_are_told(f"/api/inventory/counts/{task['task_no']}", {"counted": 3, "by": "Ida"})
    less = {"cancel_no": "X-1", "reason": "customer", "lines": [{"line_no": 1, "quantity": 6}]}
    await all_are_told(f"{ORDER}/cancel", less)
    back = [{"line_no": 1, "quantity": 2, "location_id": "HAM-A-2"}]
    await all_are_told(f"{ORDER}/put-backs", {"put_back_no": "B-1", "lines": back})
    await shop.made(f"{ORDER}/shipments", {"shipment_no": "SH-1"})
    await all_are_told(f"{ORDER}/shipments/SH-1/handover", {"handover_no": "H-1"})
    assert (await shop.get(ORDER)).json()["lines"][0]["shipped"] == 3


async def test_a_push_that_was_told_to_wait_is_never_told_201(shop: Door) -> None:
    await shop.stock()
    shop.gateway.down = True
    body = push(lines=[line(quantity=5, uom=None)])
    waits = await shop.post("/api/orders/outbound", body)
    assert (waits.status_code, waits.json()["outcome"]) == (202, "queued")
    shop.gateway.down = False
    answers = [await shop.post("/api/orders/outbound", body) for _ in range(2)]
    assert [(answer.status_code, answer.json()["outcome"]) for answer in answers] == [
        (200, "accepted"),
        (200, "unchanged"),
    ]
    assert (await shop.get(ORDER)).json()["lines"][0]["reserved"] == 5
