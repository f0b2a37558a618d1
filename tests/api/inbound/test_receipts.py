"""Receipts that are taken back, and those that no purchase order names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from api.door import examples
from domain.stock import Place
from ledger.requests import ReceivedLine, ReceiveStock
from ledger.writing.writer import LedgerWriter
from tests.api.doorway import Door, code_of, faults_of, line, push

INBOUND = "/api/orders/inbound"
RECEIPTS = f"{INBOUND}/PO-7/receipts"
UNORDERED = "/api/inventory/receipts"


def expected(line_no: int = 1, sku: str = "MUG-WHITE", quantity: int = 100) -> dict[str, Any]:
    return {"line_no": line_no, "sku": sku, "quantity": quantity}


def receipt(receipt_no: str, *lines: dict[str, Any], location_id: str = "HAM-A-1", **fields: Any) -> dict[str, Any]:
    return {"receipt_no": receipt_no, "location_id": location_id, "lines": list(lines), **fields}


def came(quantity: int, line_no: int = 1, **fields: Any) -> dict[str, Any]:
    return {"line_no": line_no, "quantity": quantity, **fields}


def reversal(reversal_no: str = "GX-1", reason: str = "wrong purchase order") -> dict[str, Any]:
    return {"reversal_no": reversal_no, "reason": reason}


@pytest.fixture
async def expecting(shop: Door) -> Door:
    lines = [expected(1), expected(2, "WINE"), expected(3, "PHONE")]
    await shop.made(INBOUND, {"po_no": "PO-7", "site": "HAM", "supplier": "ACME", "lines": lines})
    return shop


async def arrived(door: Door) -> list[int]:
    return [told["received"] for told in (await door.get(f"{INBOUND}/PO-7")).json()["lines"]]


async def stock(door: Door, sku: str = "MUG-WHITE", **where: Any) -> dict[str, list[int]]:
    items = (await door.get("/api/inventory", sku=sku, **where)).json()["items"]
    names = ("location_id", "lot", "serial_number")
    return {"/".join(filter(None, (x[n] for n in names))): [x["on_hand"], x["reserved"]] for x in items}


async def order(door: Door, order_no: str, quantity: int) -> dict[str, Any]:
    told: dict[str, Any] = await door.made(
        "/api/orders/outbound", push(order_no, lines=[line(quantity=quantity, uom=None)])
    )
    return told


# -- taking back -----------------------------------------------------------------------------------------------------


async def test_a_receipt_that_is_taken_back_is_expected_again(expecting: Door) -> None:
    await expecting.made(RECEIPTS, receipt("GR-1", came(30), came(5, 2, lot="L-1"), came(10)))
    await expecting.made(RECEIPTS, receipt("GR-2", came(7)))
    first = await expecting.post(f"{RECEIPTS}/GR-1/reversal", reversal())
    again = await expecting.post(f"{RECEIPTS}/GR-1/reversal", reversal())
    assert (first.status_code, again.status_code) == (201, 200)
    told = first.json()
    assert told == again.json()
    assert [(x["sku"], x["lot"], x["quantity"]) for x in told["goods"]] == [("MUG-WHITE", None, 40), ("WINE", "L-1", 5)]
    assert await arrived(expecting) == [7, 0, 0]
    assert await stock(expecting) == {"HAM-A-1": [7, 0]}
    assert await stock(expecting, location="supplier/HAM") == {"supplier/HAM": [-7, 0]}
    assert await stock(expecting, "WINE", location="supplier/HAM") == {}
    stream = (await expecting.get("/api/inventory")).json()["items"][0]["stream_id"]
    entries = (await expecting.get(f"/api/ledger/streams/{stream}/entries")).json()["items"]
    assert [(x["reason"], x["on_hand_delta"]) for x in entries] == [
        ("goods_receipt", 40),
        ("goods_receipt", 7),
        ("receipt_reversal", -40),
    ]


async def test_why_a_receipt_was_taken_back_can_be_read(expecting: Door) -> None:
    received = await expecting.made(RECEIPTS, receipt("GR-1", came(30)))
    await expecting.made(f"{RECEIPTS}/GR-1/reversal", {**reversal(), "actor": "ida"})
    told = (await expecting.get(f"{RECEIPTS}/GR-1")).json()
    why = told["reversal"]
    assert (why["reversal_no"], why["reason"], why["actor"]) == ("GX-1", "wrong purchase order", "ida")
    assert {**told, "reversal": None} == received
    again = await expecting.post(RECEIPTS, receipt("GR-1", came(30)))
    assert (again.status_code, again.json()) == (200, told)
    assert await arrived(expecting) == [0, 0, 0]


async def test_holds_on_a_receipt_that_is_taken_back_give_way_to_it(expecting: Door) -> None:
    await expecting.made(RECEIPTS, receipt("GR-1", came(30)))
    assert (await order(expecting, "SO-1", 20))["status"] == "reserved"
    assert (await order(expecting, "SO-2", 10))["status"] == "reserved"
    await expecting.made(RECEIPTS, receipt("GR-2", came(20), location_id="HAM-A-2"))
    told = await expecting.made(f"{RECEIPTS}/GR-1/reversal", reversal())
    assert told["displaced"] == ["SO-1", "SO-2"]
    first, second = [(await expecting.get(f"/api/orders/SO-{number}")).json() for number in (1, 2)]
    assert [(x["lines"][0]["reserved"], x["lines"][0]["backordered"]) for x in (first, second)] == [(20, 0), (0, 10)]
    assert first["needs_attention"]
    assert "receipt reversal" in second["attention"]["reason"]
    await expecting.made(RECEIPTS, receipt("GR-3", came(30)))
    assert (await expecting.get("/api/orders/SO-2")).json()["status"] == "reserved"


async def _pick(door: Door) -> None:
    await order(door, "SO-1", 4)
    picked = {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 4}]}
    await door.made("/api/orders/SO-1/picks", picked)


async def _move(door: Door) -> None:
    moved = {"move_no": "M-1", "sku": "MUG-WHITE", "quantity": 1}
    await door.made(
        "/api/inventory/move", {**moved, "from": {"location_id": "HAM-A-1"}, "to": {"location_id": "HAM-A-2"}}
    )


async def _damage(door: Door) -> None:
    (item,) = (await door.get("/api/inventory", sku="MUG-WHITE")).json()["items"]
    change = {"change_no": "S-1", "to": "damaged", "quantity": 2, "reason": "dropped"}
    assert (await door.put(f"/api/inventory/{item['stream_id']}/status", change)).status_code == 200


@pytest.mark.parametrize(("happen", "left"), [(_pick, 26), (_move, 29), (_damage, 28)])
async def test_what_is_not_at_its_place_any_more_is_not_taken_back(expecting: Door, happen: Any, left: int) -> None:
    await expecting.made(RECEIPTS, receipt("GR-1", came(30), came(5, 2, lot="L-1")))
    await happen(expecting)
    before = await expecting.counts()
    refused = await expecting.post(f"{RECEIPTS}/GR-1/reversal", reversal())
    assert (refused.status_code, faults_of(refused)) == (409, [("/path/receipt_no", "not_at_its_place")])
    detail = refused.json()["errors"][0]["detail"]
    assert detail == f"{left} of MUG-WHITE are available at HAM-A-1, and 30 came."
    assert (await expecting.counts(), await arrived(expecting)) == (before, [30, 5, 0])


async def test_serial_numbers_of_a_receipt_that_was_taken_back_can_come_again(expecting: Door) -> None:
    phones = came(2, 3, serial_numbers=["S-1", "S-2"])
    await expecting.made(RECEIPTS, receipt("GR-1", phones))
    twice = await expecting.post(RECEIPTS, receipt("GR-2", phones))
    assert (twice.status_code, code_of(twice)) == (409, "serial_known")
    await expecting.made(f"{RECEIPTS}/GR-1/reversal", reversal())
    assert await stock(expecting, "PHONE") == {}
    await expecting.made(RECEIPTS, receipt("GR-2", phones))
    assert await stock(expecting, "PHONE") == {"HAM-A-1/S-1": [1, 0], "HAM-A-1/S-2": [1, 0]}
    moved = {"move_no": "M-1", "sku": "PHONE", "quantity": 1, "serial_numbers": ["S-2"]}
    ends = {"from": {"location_id": "HAM-A-1"}, "to": {"location_id": "HAM-A-2"}}
    await expecting.made("/api/inventory/move", {**moved, **ends})
    refused = await expecting.post(f"{RECEIPTS}/GR-2/reversal", reversal())
    assert [fault["detail"] for fault in refused.json()["errors"]] == [
        "0 of PHONE/S-2 are available at HAM-A-1, and 1 came."
    ]


async def test_a_receipt_is_taken_back_once(expecting: Door) -> None:
    await expecting.made(RECEIPTS, receipt("GR-1", came(30)))
    await expecting.made(RECEIPTS, receipt("GR-2", came(30)))
    await expecting.made(f"{RECEIPTS}/GR-1/reversal", reversal())
    other_number = await expecting.post(f"{RECEIPTS}/GR-1/reversal", reversal("GX-2"))
    assert (other_number.status_code, code_of(other_number)) == (409, "already_reversed")
    other_reason = await expecting.post(f"{RECEIPTS}/GR-1/reversal", reversal(reason="other"))
    assert (other_reason.status_code, code_of(other_reason)) == (409, "conflict")
    unknown = await expecting.post(f"{RECEIPTS}/GR-0/reversal", reversal())
    assert (unknown.status_code, code_of(unknown)) == (404, "not_found")
    assert await stock(expecting) == {"HAM-A-1": [30, 0]}


async def test_a_reversal_out_of_shape_is_refused(expecting: Door) -> None:
    await expecting.made(RECEIPTS, receipt("GR-1", came(30)))
    refused = await expecting.post(f"{RECEIPTS}/GR-1/reversal", {"reversal_no": "G X", "reason": ""})
    assert faults_of(refused) == [("/reversal_no", "invalid"), ("/reason", "invalid")]


async def test_what_an_older_build_received_can_be_taken_back(expecting: Door) -> None:
    await expecting.made(RECEIPTS, receipt("GR-2", came(3)))
    line = ReceivedLine("MUG-WHITE", 30)
    place = Place("HAM-A-1", "HAM")
    request = ReceiveStock(tenant=expecting.tenant, key="receipt/PO-7/GR-1", actor="dock", place=place, lines=(line,))
    await LedgerWriter(expecting.engine).post(request)
    async with expecting.engine.begin() as connection:
        counted = "update records.inbound_line set received = 33 where tenant = :tenant and line_no = 1"
        await connection.execute(text(counted), {"tenant": expecting.tenant})
    await expecting.made(f"{RECEIPTS}/GR-1/reversal", reversal())
    assert (await arrived(expecting), await stock(expecting)) == ([3, 0, 0], {"HAM-A-1": [3, 0]})


async def test_a_pick_and_a_reversal_at_once_never_both_have_the_goods(shop: Door) -> None:
    for turn in range(8):
        po_no, order_no = f"PO-{turn}", f"SO-{turn}"
        await shop.stock("MUG-WHITE", 10, po_no=po_no)
        await order(shop, order_no, 10)
        picked, reversed_ = await asyncio.gather(
            shop.post(f"/api/orders/{order_no}/picks", {"pick_no": "P", "lines": [{"line_no": 1, "quantity": 10}]}),
            shop.post(f"{INBOUND}/{po_no}/receipts/{po_no}-R/reversal", reversal()),
        )
        told = (await shop.get(f"/api/orders/{order_no}")).json()["lines"][0]
        (expected_line,) = (await shop.get(f"{INBOUND}/{po_no}")).json()["lines"]
        if reversed_.status_code == 201:
            assert (picked.status_code, told["reserved"], told["backordered"]) == (422, 0, 10)
            assert expected_line["received"] == 0
        else:
            assert (reversed_.status_code, faults_of(reversed_)[0][1]) == (409, "not_at_its_place")
            assert (picked.status_code, told["picked"], expected_line["received"]) == (200, 10, 10)
        await shop.made(f"/api/orders/{order_no}/cancel", {"cancel_no": "X", "reason": "next"})


async def test_an_amendment_and_a_reversal_at_once_agree_on_what_has_arrived(shop: Door) -> None:
    for turn in range(8):
        po_no = f"PO-{turn}"
        await shop.stock("MUG-WHITE", 10, po_no=po_no)
        less = {"po_no": po_no, "revision": 2, "site": "HAM", "supplier": "ACME", "lines": [expected(quantity=4)]}
        amended, reversed_ = await asyncio.gather(
            shop.post(INBOUND, less), shop.post(f"{INBOUND}/{po_no}/receipts/{po_no}-R/reversal", reversal())
        )
        assert reversed_.status_code == 201
        (told,) = (await shop.get(f"{INBOUND}/{po_no}")).json()["lines"]
        assert (told["expected"], told["received"]) == (4 if amended.status_code == 200 else 10, 0)


# -- what was received before ----------------------------------------------------------------------------------------


async def test_a_receipt_is_answered_again_as_it_was_though_its_line_was_amended(expecting: Door) -> None:
    said = receipt("GR-1", came(2, uom="CASE"))
    first = await expecting.made(RECEIPTS, said)
    assert first["lines"][0]["quantity"] == 24
    packagings = [{"uom": "CASE", "factor": 6}]
    await expecting.made("/api/products", {**examples.PRODUCT, "packagings": packagings})
    lines = [{**expected(1), "uom": "CASE", "quantity": 50}, expected(2, "WINE"), expected(3, "PHONE")]
    again = {"po_no": "PO-7", "revision": 2, "site": "HAM", "supplier": "ACME", "lines": lines}
    await expecting.made(INBOUND, again)
    repeated = await expecting.post(RECEIPTS, said)
    assert (repeated.status_code, repeated.json()) == (200, first)
    assert (await expecting.get(f"{RECEIPTS}/GR-1")).json() == first


# -- without a purchase order ----------------------------------------------------------------------------------------


def brought(sku: str = "MUG-WHITE", quantity: int = 30, **fields: Any) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, **fields}


@pytest.fixture
async def open_dock(shop: Door) -> Door:
    await shop.made("/api/locations", {**examples.SITE, "receipts_without_order": True})
    return shop


async def test_a_site_takes_nothing_in_without_a_purchase_order_unless_it_says_so(shop: Door) -> None:
    refused = await shop.post(UNORDERED, receipt("GR-1", brought()))
    assert (refused.status_code, faults_of(refused)) == (422, [("/location_id", "order_required")])
    assert await stock(shop) == {}
    site = await shop.made("/api/locations", {**examples.SITE, "receipts_without_order": True})
    assert site["receipts_without_order"] is True
    taken = await shop.post(UNORDERED, receipt("GR-1", brought(), supplier="ACME"))
    assert taken.status_code == 201
    told = taken.json()
    assert (told["receipt_no"], told["supplier"], told["lines"][0]["quantity"]) == ("GR-1", "ACME", 30)
    assert await stock(shop) == {"HAM-A-1": [30, 0]}


async def test_only_a_site_says_what_it_takes_in(shop: Door) -> None:
    refused = await shop.post("/api/locations", {**examples.BIN, "parent": None, "receipts_without_order": True})
    assert faults_of(refused) == [("/receipts_without_order", "invalid")]


async def test_a_receipt_without_a_purchase_order_is_answered_again_though_the_site_takes_none_now(
    open_dock: Door,
) -> None:
    first = await open_dock.made(UNORDERED, receipt("GR-1", brought(quantity=2, uom="CASE")))
    await open_dock.made("/api/locations", examples.SITE)
    again = await open_dock.post(UNORDERED, receipt("GR-1", brought(quantity=2, uom="CASE")))
    assert (again.status_code, again.json()) == (200, first)
    assert (await open_dock.get(f"{UNORDERED}/GR-1")).json() == first
    other = await open_dock.post(UNORDERED, receipt("GR-1", brought(quantity=3, uom="CASE")))
    assert (other.status_code, code_of(other)) == (409, "conflict")
    assert await stock(open_dock) == {"HAM-A-1": [24, 0]}


async def test_a_receipt_without_a_purchase_order_is_checked_whole(open_dock: Door) -> None:
    lines = [brought("NO"), brought("PHONE", 2, serial_numbers=["S-1"]), brought(quantity=0), {"sku": "WINE"}]
    refused = await open_dock.post(UNORDERED, receipt("GR-1", *lines, location_id="HAM-STAGE"))
    assert set(faults_of(refused)) == {
        ("/location_id", "not_for_stock"),
        ("/lines/0/sku", "unknown_sku"),
        ("/lines/1/serial_numbers", "serial_count"),
        ("/lines/2/quantity", "quantity_not_positive"),
        ("/lines/3/quantity", "missing"),
    }


async def test_the_same_receipt_without_a_purchase_order_at_once_is_one(open_dock: Door) -> None:
    said = receipt("GR-1", brought(), brought("WINE", 2))
    answers = await asyncio.gather(*(open_dock.post(UNORDERED, said) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert await stock(open_dock) == {"HAM-A-1": [30, 0]}


async def test_a_receipt_without_a_purchase_order_is_taken_back_like_any_other(open_dock: Door) -> None:
    await open_dock.made(UNORDERED, receipt("GR-1", brought("PHONE", 1, serial_numbers=["S-1"]), brought("WINE", 4)))
    assert await stock(open_dock, "WINE") == {"HAM-A-1/GR-1/2": [4, 0]}
    told = await open_dock.made(f"{UNORDERED}/GR-1/reversal", reversal())
    assert (told["po_no"], len(told["goods"]), told["displaced"]) == (None, 2, [])
    assert await stock(open_dock, "WINE") == await stock(open_dock, "PHONE") == {}
    assert (await open_dock.get(f"{UNORDERED}/GR-1")).json()["reversal"]["reversal_no"] == "GX-1"
    not_there = await open_dock.post(f"{UNORDERED}/GR-2/reversal", reversal())
    assert (not_there.status_code, code_of(not_there)) == (404, "not_found")
