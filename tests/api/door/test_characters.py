"""Names have one form, whoever tells them with whatever characters; and what was stored before stays reachable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from api.door import auth
from domain import commands, shapes
from domain.characters import Everything
from domain.stock import Place
from ledger.requests import ReceivedLine, ReceiveStock
from tests.api.doorway import Door, code_of, faults_of, line, product, push

ROUND = ("{} ", " {}", "{}\u00a0", "{}\u200b", "\ufeff{}", "\u3000{}\u2003")
"""What is taken off."""
INSIDE = ("{}\u200b1", "{}\u202e", "\u202e{}", "{}\u00ad", "{}\ufe0f", "{}\ufffe", "{}\ufffd", "{}\ufeff1")
"""What is refused, though XML carries much of it."""
BEFORE = ("L1 ", " L\u00a01", "L\u200b1", "\u202eL1", "E\u03011", "L\ufffe1")
"""Names that an older build took, each with what it was sent as."""


@contextmanager
def an_older_build(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read names as they were read before they had one form."""

    async def all_of_them(_request: object, _tenant: str) -> Everything:
        return Everything()

    with monkeypatch.context() as patching:
        patching.setattr(auth, "_kept_names", all_of_them)
        yield


async def receive(door: Door, number: int, sku: str, **fields: Any) -> httpx.Response:
    """Receive a unit of something."""
    lines = [{"line_no": 1, "sku": sku, "quantity": 1}]
    await door.made("/api/orders/inbound", {"po_no": f"PO-{number}", "site": "HAM", "supplier": "A", "lines": lines})
    receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, "quantity": 1, **fields}]}
    return await door.post(f"/api/orders/inbound/PO-{number}/receipts", receipt)


async def store(door: Door, sku: str, **fields: Any) -> None:
    """Bring something into the house as an older build did, which kept names as they came."""
    received = ReceivedLine(sku, fields.pop("quantity", 10), **fields)
    key = f"receipt/{sku}/{fields}"[:60].encode("unicode_escape").decode()
    place = Place("HAM-A-1", "HAM")
    await door.services.ledger.post(
        ReceiveStock(tenant=door.tenant, key=key, actor="before", place=place, lines=(received,))
    )


async def names(door: Door, field: str, **asked: Any) -> list[str]:
    page = (await door.get("/api/inventory", limit=1000, **asked)).json()
    return sorted({item[field] for item in page["items"]})


# -- one form --------------------------------------------------------------------------------------------------------


async def test_what_looks_the_same_is_one_lot_and_one_serial_number(shop: Door) -> None:
    told = ["L1", *(shape.format("L1") for shape in ROUND)]
    lots = [await receive(shop, number, "WINE", lot=lot) for number, lot in enumerate(told)]
    assert {answer.status_code for answer in lots} == {201}
    assert {answer.json()["lines"][0]["lot"] for answer in lots} == {"L1"}
    again = [await receive(shop, 100 + n, "PHONE", serial_numbers=[serial]) for n, serial in enumerate(told)]
    assert [answer.status_code for answer in again] == [201, *[409] * len(ROUND)]
    await receive(shop, 200, "WINE", lot="\u00c91")
    await receive(shop, 201, "WINE", lot="E\u03011")
    assert await names(shop, "lot", sku="WINE") == ["L1", "\u00c91"]
    assert await names(shop, "serial_number", sku="PHONE") == ["L1"]
    assert await names(shop, "lot", sku="WINE", lot=" E\u03011") == ["\u00c91"]
    trace = (await shop.get("/api/inventory/trace", sku="PHONE", serial_number="L1\u00a0")).json()
    assert trace["serial_number"] == "L1"


async def test_letters_that_only_look_alike_are_other_lots(shop: Door) -> None:
    for number, lot in enumerate(("A1", "\u04101", "\u03911")):
        assert (await receive(shop, number, "WINE", lot=lot)).status_code == 201
    assert len(await names(shop, "lot", sku="WINE")) == 3


@pytest.mark.parametrize("shape", INSIDE)
async def test_what_cannot_be_seen_is_refused_with_its_name(shop: Door, shape: str) -> None:
    odd = shape.format("L1")
    before = await shop.counts()
    lot, serial = await receive(shop, 1, "WINE", lot=odd), await receive(shop, 2, "PHONE", serial_numbers=[odd])
    assert faults_of(lot) == [("/lines/0/lot", "forbidden_character")]
    assert faults_of(serial) == [("/lines/0/serial_numbers/0", "forbidden_character")]
    assert "U+" in lot.json()["detail"]
    for asked in ({"lot": odd}, {"location": odd}):
        answer = await shop.get("/api/inventory", sku="WINE", **asked)
        assert faults_of(answer) == [(f"/query/{next(iter(asked))}", "forbidden_character")]
    told = await shop.post("/api/orders/SO-1/cancel", {"cancel_no": "X-1", "reason": "x", "actor": odd})
    assert told.status_code == 404  # the order first
    moved = {"move_no": "M-1", "sku": "WINE", "quantity": 1, "from": {"location_id": "HAM-A-1", "lot": odd}}
    answer = await shop.post("/api/inventory/move", {**moved, "to": {"location_id": "HAM-A-2"}, "device": odd})
    assert set(faults_of(answer)) == {("/from/lot", "forbidden_character"), ("/device", "forbidden_character")}
    assert await shop.counts() == before


async def test_a_key_with_a_character_that_no_key_has_is_refused_with_its_name(shop: Door) -> None:
    for odd, name in (("SO-1\u200b", "U+200B"), ("SO\u00a01", "U+00A0"), ("\u0410", "U+0410"), ("SO 1", "U+0020")):
        answer = await shop.post("/api/orders/outbound", push(odd))
        assert faults_of(answer) == [("/order_no", "invalid")]
        assert name in answer.json()["detail"]
        assert name in (await shop.get(f"/api/products/{odd}")).json()["detail"]
        assert name in (await shop.get("/api/inventory", sku=odd)).json()["detail"]


async def test_a_reason_is_a_code_whatever_surrounds_it(shop: Door) -> None:
    await shop.stock()
    found = {"adjustment_no": "A-1", "location_id": "HAM-A-1", "sku": "MUG-WHITE", "delta": 1, "reason": "found\u00a0"}
    await shop.made("/api/inventory/adjustments", {**found, "actor": "Ada\u200b "})
    (kept,) = (await shop.get("/api/inventory/adjustments")).json()["items"]
    assert (kept["reason"], kept["actor"]) == ("found", "Ada")


def every_shape() -> list[type[BaseModel]]:
    """Every shape of a body, or of a part of one."""
    found = {shape for module in (shapes, commands) for shape in vars(module).values() if isinstance(shape, type)}
    return sorted((shape for shape in found if issubclass(shape, commands.Shape)), key=lambda shape: shape.__name__)


@pytest.mark.parametrize("shape", every_shape(), ids=lambda shape: shape.__name__)
def test_no_field_takes_what_nobody_can_keep_or_tell(shape: type[BaseModel]) -> None:
    for name, field in shape.model_fields.items():
        for told in ("a\x00", "a\ud800", "a\ufffe", ["a\x00"], ["a\ufffe"]):
            with pytest.raises(ValidationError) as refused:
                shape.model_validate({field.alias or name: told})
            assert (field.alias or name) in {error["loc"][0] for error in refused.value.errors() if error["loc"]}, name


# -- what was stored before ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lot", BEFORE)
async def test_a_lot_that_was_stored_before_is_read_moved_counted_picked_and_shipped(shop: Door, lot: str) -> None:
    await store(shop, "WINE", lot=lot)
    assert await names(shop, "lot", sku="WINE", lot=lot) == [lot]
    assert (await shop.get("/api/inventory/trace", sku="WINE", lot=lot)).json()["lot"] == lot
    source = {"location_id": "HAM-A-1", "lot": lot}
    moved = {"move_no": "M-1", "sku": "WINE", "quantity": 4, "from": source, "to": {"location_id": "HAM-A-2"}}
    await shop.made("/api/inventory/move", moved)
    counted = {"adjustment_no": "A-1", "location_id": "HAM-A-2", "sku": "WINE", "lot": lot, "counted": 3}
    adjusted = await shop.made("/api/inventory/adjustments", {**counted, "reason": "cycle_count"})
    assert (adjusted["delta"], adjusted["stream"]["lot"]) == (-1, lot)
    more = await receive(shop, 1, "WINE", lot=lot)
    assert more.json()["lines"][0]["lot"] == lot
    await shop.made("/api/orders/outbound", push(lines=[line(sku="WINE", uom="EA", lot=lot)]))
    picked = {"line_no": 1, "quantity": 2, "location_id": "HAM-A-2", "lot": lot}
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    parcels = [{"lines": [{"line_no": 1, "quantity": 2, "lot": lot}]}]
    shipment = {"shipment_no": "SH-1", "parcels": parcels, "handed_over": True}
    shipped = await shop.made("/api/orders/SO-1/shipments", shipment)
    assert shipped["parcels"][0]["lines"][0]["lot"] == lot
    assert (await shop.get("/api/orders/SO-1")).json()["lines"][0]["shipped"] == 2


async def test_a_serial_number_that_was_stored_before_is_picked_and_is_in_one_place(shop: Door) -> None:
    await store(shop, "PHONE", quantity=1, serial_numbers=("S\ufffe1",))
    assert (await receive(shop, 1, "PHONE", serial_numbers=["S\ufffe1"])).status_code == 409
    await shop.made("/api/orders/outbound", push(lines=[line(sku="PHONE", quantity=1, uom="EA")]))
    picked = {"line_no": 1, "quantity": 1, "location_id": "HAM-A-1", "serial_numbers": ["S\ufffe1"]}
    view = await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    assert view["lines"][0]["picked"] == 1


async def test_an_order_that_waits_for_a_lot_by_an_odd_name_gets_it(
    shop: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_older_build(monkeypatch):
        await shop.made("/api/orders/outbound", push(lines=[line(sku="WINE", uom="EA", quantity=1, lot="L1 ")]))
    assert (await receive(shop, 1, "WINE", lot="L1 ")).json()["lines"][0]["lot"] == "L1 "
    assert (await shop.get("/api/orders/SO-1")).json()["lines"][0]["reserved"] == 1


async def test_another_tenants_odd_names_are_none_of_ones_own(shop: Door) -> None:
    other = replace(shop, tenant=f"{shop.tenant}-b")
    await store(other, "WINE", lot="L1 ")
    assert (await receive(shop, 1, "WINE", lot="L1 ")).json()["lines"][0]["lot"] == "L1"


async def test_a_repeat_of_what_was_said_with_odd_names_is_answered_from_what_was_stored(
    shop: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what it says is refused by now: it was accepted, and did what it did."""
    await store(shop, "WINE", lot="L0")
    moved = {"move_no": "M-1", "sku": "WINE", "quantity": 1, "from": {"location_id": "HAM-A-1", "lot": "L0"}}
    found = {"adjustment_no": "A-1", "location_id": "HAM-A-1", "sku": "WINE", "lot": "L0", "delta": 1}
    lines = [{"line_no": 1, "sku": "WINE", "quantity": 9}]
    address = {**push()["ship_to"], "city": "\u200b", "company": " "}
    calls: dict[str, dict[str, Any]] = {
        "/api/orders/inbound": {"po_no": "PO-9", "site": "HAM", "supplier": "\u3164", "lines": lines},
        "/api/inventory/move": {**moved, "to": {"location_id": "HAM-A-2"}, "reason": "too full\u00a0"},
        "/api/inventory/adjustments": {**found, "reason": "\u200b"},
        "/api/orders/outbound": push(ship_to=address, lines=[line(sku="WINE", uom="EA", lot="L8 ")], note="a\ufffeb"),
        "/api/orders/SO-1/cancel": {"cancel_no": "X-1", "reason": "\u00a0", "lines": [{"line_no": 1, "quantity": 1}]},
        "/api/orders/inbound/PO-9/cancel": {"cancel_no": "X-1", "reason": "\ufeff", "lines": [{"line_no": 1}]},
        "/api/orders/SO-1/addresses": {"address_no": "AD-1", "ship_to": {**address, "name": "\u00a0"}},
    }
    with an_older_build(monkeypatch):
        first = {path: await shop.made(path, body) for path, body in calls.items()}
    for path, body in calls.items():
        again = await shop.post(path, body)
        assert (path, again.status_code) == (path, 200)
        assert set(again.json()) == set(first[path])
        otherwise = await shop.post(
            path, {**body, "lines": [{**each, "quantity": 5} for each in body.get("lines", ())]}
        )
        assert otherwise.status_code in {409, 422}, path
    refused = await shop.post("/api/inventory/adjustments", {**calls["/api/inventory/adjustments"], "delta": 2})
    assert faults_of(refused) == [("/reason", "blank")]


async def test_what_was_refused_before_is_not_taken_by_its_old_words(
    shop: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"cancel_no": "X-1", "reason": "\u00a0", "lines": [{"line_no": 1, "quantity": 99}]}
    await shop.made("/api/orders/outbound", push(lines=[line(uom="EA", quantity=1)]))
    with an_older_build(monkeypatch):
        assert (await shop.post("/api/orders/SO-1/cancel", body)).status_code in {409, 422}
    assert faults_of(await shop.post("/api/orders/SO-1/cancel", body)) == [("/reason", "blank")]


# -- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u200b", "\ufeff", "\u2800"])
async def test_an_address_that_shows_nothing_is_refused(shop: Door, blank: str) -> None:
    address = {"name": blank, "street": [blank, blank], "postal_code": blank, "city": blank, "country": "DE"}
    answer = await shop.post("/api/orders/outbound", push(ship_to=address))
    required = [(f"/ship_to/{name}", "blank") for name in ("name", "street", "postal_code", "city")]
    assert sorted(faults_of(answer)) == sorted(required)
    site = {"location_id": "CPH", "type": "site", "time_zone": "Europe/Copenhagen", "address": address}
    faults = faults_of(await shop.post("/api/locations", site))
    assert {("/address/street", "blank"), ("/address/postal_code", "blank"), ("/address/city", "blank")} == set(faults)


async def test_words_are_kept_as_they_came(shop: Door) -> None:
    address = {**push()["ship_to"], "name": "Zo\u0065\u0308 \u2066X\u2069 \U0001f469\u200d\U0001f692", "company": " "}
    await shop.made("/api/orders/outbound", push(ship_to=address, lines=[line(uom="EA")]))
    told = (await shop.get("/api/orders/SO-1")).json()["ship_to"]
    assert (told["name"], told["company"]) == (address["name"], " ")


@pytest.mark.parametrize("words", ["", " ", "\u00a0\u200b"])
async def test_a_reason_that_says_nothing_is_refused(shop: Door, words: str) -> None:
    found = {"adjustment_no": "A-1", "location_id": "HAM-A-1", "sku": "MUG-WHITE", "delta": 1, "reason": words}
    answer = await shop.post("/api/inventory/adjustments", found)
    assert answer.status_code == 422
    assert [pointer for pointer, _ in faults_of(answer)] == ["/reason"]


# -- JSON ------------------------------------------------------------------------------------------------------------


async def raw(door: Door, body: bytes, path: str = "/api/products") -> httpx.Response:
    headers = {**door.headers(), "Content-Type": "application/json"}
    return await door.http.post(path, content=body, headers=headers)


async def test_a_name_that_comes_twice_in_an_object_is_refused_wherever_it_is(shop: Door) -> None:
    body = b"""{"sku": "A", "base_uom": "EA", "sku": "B", "packagings": [{"uom": "C", "factor": 2},
               {"uom": "D", "factor": 2, "factor": 20, "uom": "D"}]}"""
    answer = await raw(shop, body)
    assert answer.status_code == 422
    assert faults_of(answer) == [
        ("/sku", "duplicate_key"),
        ("/packagings/1/factor", "duplicate_key"),
        ("/packagings/1/uom", "duplicate_key"),
    ]
    assert (await shop.get("/api/products/B")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"NaN",
        b'{"a": -Infinity}',
        b"\xff\xfe",
        b'{"a": "\xed\xa0\x80"}',
        b"[" * 50_000,
        b'{"a": 1' + b"0" * 5000 + b"}",
        b'{"a": 01}',
        b'{"a": "\n"}',
    ],
)
async def test_what_json_has_not_is_malformed(door: Door, body: bytes) -> None:
    answer = await raw(door, body)
    assert (answer.status_code, code_of(answer)) == (400, "malformed")


async def test_numbers_beyond_belief_are_refused(shop: Door) -> None:
    for told in (b"1e999999", b"1e400000000", b'"1e400000000"', b"1.0", b'"9' + b"9" * 30 + b'"', b"1" + b"0" * 4000):
        body = (
            b'{"po_no": "P", "site": "HAM", "supplier": "A", "lines": [{"line_no": 1, "sku": "WINE", "quantity": %s}]}'
        )
        answer = await raw(shop, body % told, "/api/orders/inbound")
        assert answer.status_code == 422, told
        assert [pointer for pointer, _ in faults_of(answer)] == ["/lines/0/quantity"]


async def test_what_postgresql_cannot_keep_is_refused_in_every_field_and_address(shop: Door) -> None:
    for odd in (b"\\u0000", b"\\ud800", b"\\ufffe"):
        body = b'{"act_no": "O-1", "verb": "skip_step", "by": "%s", "reason": "a%s", "target": "a%s"}'
        await shop.post("/api/orders/outbound", push(lines=[line(uom="EA")]))
        answer = await raw(shop, body.replace(b"%s", odd), "/api/orders/SO-1/operator-acts")
        assert {pointer for pointer, _ in faults_of(answer)} == {"/by", "/reason", "/target"}
        assert answer.status_code == 422
    for odd in ("%00", "%ff", "%ED%A0%80", "%EF%BF%BE"):
        for path in (f"/api/inventory?lot={odd}", f"/api/inventory/trace?sku=WINE&serial_number={odd}"):
            assert (await shop.http.get(path, headers=shop.headers())).status_code == 422, path
        for path in (f"/api/products/{odd}", f"/api/orders/{odd}", f"/api/inventory?sku={odd}"):
            assert (await shop.http.get(path, headers=shop.headers())).status_code == 422, path
        unknown = await shop.http.post(f"/api/callbacks/carriers/{odd}/{odd}", content=b"{}")
        assert unknown.status_code == 404


# -- the calendar ----------------------------------------------------------------------------------------------------

ENDS = (
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00+14:00",
    "10000-01-01T00:00:00Z",
)


@pytest.mark.parametrize("at", ENDS)
async def test_a_time_at_an_end_of_the_calendar_is_refused(shop: Door, at: str) -> None:
    answer = await shop.post("/api/orders/outbound", push(ordered_at=at, backorder_until=at))
    assert set(faults_of(answer)) == {("/ordered_at", "malformed_time"), ("/backorder_until", "malformed_time")}
    for path, name in (("/api/inventory", "as_of"), ("/api/orders", "updated_since")):
        assert faults_of(await shop.get(path, **{name: at})) == [(f"/query/{name}", "malformed_time")]


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
async def test_a_day_at_an_end_of_the_calendar_is_a_day(shop: Door, day: str) -> None:
    await shop.made("/api/products", product("WINE", tracking="lot", shelf_life_days=100_000))
    received = await receive(shop, 1, "WINE", lot="L1", expires_on=day)
    assert (received.status_code, received.json()["lines"][0]["expires_on"]) == (201, day)
    produced = await receive(shop, 2, "WINE", lot="L2", produced_on=day)
    assert produced.status_code == (201 if day < "2000" else 422)
    wanted = push(lines=[line(sku="WINE", uom="EA", quantity=1)], requested_delivery=day, min_shelf_life_days=100_000)
    assert (await shop.post("/api/orders/outbound", wanted)).status_code == 201
    for asked in ({}, {"as_of": "2026-11-01T00:00:00Z"}, {"sku": "WINE"}):
        assert (await shop.get("/api/inventory", **asked)).status_code == 200
