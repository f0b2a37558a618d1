"""Which methods an address takes, which parameters, and that a refusal says what it is about."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from domain.api_keys import Scope
from tests.api.access.test_keys import key_of
from tests.api.doorway import Door, code_of, faults_of, line, push

NUMBERS_TOO = {"/api/orders/outbound", "/api/operator-batches/preview"}
"""Where the last part could be a number, too, as far as the address goes: GET is refused, or answered, for that."""
CALLBACKS = "/api/callbacks/carriers/{carrier}/{connection}"


async def described(door: Door) -> dict[str, dict[str, Any]]:
    return dict((await door.http.get("/openapi.json")).json()["paths"])


OF_ADMINISTRATORS = ("/api/keys", "/api/connections")


def somewhere(path: str) -> str:
    """Name an address of a described kind, at which there is nothing."""
    for name in ("sku", "location_id", "po_no", "receipt_no", "order_no", "shipment_no", "return_no", "batch_no"):
        path = path.replace(f"{{{name}}}", "NONE")
    path = (
        path.replace("{kind}", "erp")
        .replace("{stream_id}", "0192a3b4-0000-7000-8000-000000000000")
        .replace("{parcel_no}", "1")
    )
    return path.replace("{", "").replace("}", "")


def methods_of(calls: dict[str, Any]) -> set[str]:
    taken = {method.upper() for method in calls}
    return taken | {"OPTIONS"} | ({"HEAD"} if "GET" in taken else set())


def allowed_by(answer: Any) -> set[str]:
    return set(answer.headers["allow"].split(", "))


async def test_a_method_that_is_not_taken_is_told_all_that_are(door: Door) -> None:
    for path, calls in (await described(door)).items():
        taken = methods_of(calls) | ({"GET", "HEAD"} if path in NUMBERS_TOO else set())
        for method in {"DELETE", "PATCH", "PUT", "POST", "GET", "HEAD"} - taken:
            answer = await door.http.request(method, somewhere(path), headers=door.headers())
            assert (answer.status_code, allowed_by(answer)) == (405, taken), (method, path)
        asked = await door.http.options(somewhere(path))
        assert (asked.status_code, allowed_by(asked), asked.content) == (204, taken, b""), path
    refused = await door.http.delete("/api/products")
    assert code_of(refused) == "method_not_allowed"
    assert refused.json()["detail"] == "This address does not take DELETE, but GET, HEAD, OPTIONS, POST."


async def test_a_number_that_is_named_like_a_part_of_an_address_is_a_number(shop: Door) -> None:
    for path in ("/api/inventory/transfers/status", "/api/inventory/receipts/status", "/api/orders/inbound/cancel"):
        answer = await shop.get(path)
        assert (answer.status_code, code_of(answer)) == (404, "not_found"), path


async def test_head_is_answered_like_get_without_the_body(shop: Door) -> None:
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line(quantity=5, uom=None)]))
    calls = [path for path, methods in (await described(shop)).items() if "get" in methods]
    there = ["/api/products/MUG-WHITE", "/api/locations/HAM/inventory", "/api/orders/SO-1", "/api/orders/SO-1/timeline"]
    for path in [*map(somewhere, calls), *there, "/docs", "/openapi.json", "/metrics"]:
        for headers in (shop.headers(), {}):
            got = await shop.http.get(path, headers=headers)
            head = await shop.http.head(path, headers=headers)
            assert (head.status_code, head.content) == (got.status_code, b""), path
            assert head.headers["content-type"] == got.headers["content-type"]
            if path not in {"/metrics", "/readyz"} and got.status_code == 200:  # an id makes no two problems equal
                assert head.headers["content-length"] == got.headers["content-length"], path


async def test_a_parameter_that_there_is_not_is_refused_like_a_field_that_there_is_not(shop: Door) -> None:
    before = await shop.counts()
    administrators = shop.headers(await key_of(shop, "ida", Scope.ADMINISTRATOR))
    for path, calls in (await described(shop)).items():
        for method in calls if path.startswith("/api/") and path != CALLBACKS else ():
            address = f"{somewhere(path)}?colour%7E=red"
            headers = administrators if path.startswith(OF_ADMINISTRATORS) else shop.headers()
            answer = await shop.http.request(
                method, address, headers=headers, json=None if method in {"get", "delete"} else {}
            )
            assert answer.status_code == 422, (method, path, answer.text)
            told = answer.json()["errors"][-1]
            assert (told["pointer"], told["code"]) == ("/query/colour~0", "unknown_parameter"), (method, path)
            assert told["parameter"] == "colour~"
    assert await shop.counts() == before


async def test_of_a_parameter_that_has_one_value_two_are_refused(shop: Door) -> None:
    answer = await shop.http.get("/api/products?limit=1&limit=2&cursor=&limits=3&limit=x", headers=shop.headers())
    assert faults_of(answer) == [
        ("/query/limit", "invalid"),
        ("/query/limit", "repeated_parameter"),
        ("/query/limits", "unknown_parameter"),
    ]
    assert [fault["parameter"] for fault in answer.json()["errors"]] == ["limit", "limit", "limits"]
    assert (await shop.http.get("/api/products?limit=1", headers=shop.headers())).status_code == 200


async def test_probes_and_callbacks_take_whatever_parameters_others_add(shop: Door) -> None:
    for path in ("/healthz?at=now", "/openapi.json?v=2"):
        assert (await shop.http.get(path)).status_code == 200
    callback = await shop.http.post(
        f"/api/callbacks/carriers/sandbox/{quote(shop.tenant)}?attempt=2&attempt=3", json={}
    )
    assert (callback.status_code, code_of(callback)) == (401, "invalid_signature")


async def test_a_fault_in_the_address_names_its_parameter(shop: Door) -> None:
    for path, name in (
        ("/api/products?limit=0", "limit"),
        ("/api/products/a%20b", "sku"),
        ("/api/products?cursor=x", "cursor"),
        ("/api/inventory?as_of=2190-01-01T00:00:00Z", "as_of"),
        ("/api/inventory?uom=CASE", "uom"),
        ("/api/inventory/trace?sku=MUG-WHITE", "lot"),
    ):
        answer = await shop.http.get(path, headers=shop.headers())
        assert answer.status_code == 422
        assert [fault["parameter"] for fault in answer.json()["errors"]] == [name], path


@pytest.fixture
async def waiting(shop: Door) -> Door:
    """SO-1 waits for mugs that nobody has; bin 2 has 5 others."""
    await shop.made("/api/orders/outbound", push(lines=[line(quantity=5, uom=None)]))
    return shop


async def test_what_the_ledger_refuses_says_what_of_the_request_it_is_about(waiting: Door) -> None:
    picked = {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 2, "location_id": "HAM-A-1"}]}
    answer = await waiting.post("/api/orders/SO-1/picks", picked)
    assert (answer.status_code, faults_of(answer)) == (422, [("/lines/0/quantity", "more_than_held")])
    less = {"adjustment_no": "A-1", "location_id": "HAM-A-1", "sku": "MUG-WHITE", "delta": -1, "reason": "damaged"}
    answer = await waiting.post("/api/inventory/adjustments", less)
    assert (answer.status_code, faults_of(answer)) == (422, [("/delta", "count_outdated")])
