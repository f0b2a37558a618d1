"""Stock that is expected, and what arrives of it."""

from __future__ import annotations

import asyncio

import pytest

from api.door import examples
from domain.lot_numbers import LotPattern
from tests.api.doorway import Door, code_of, faults_of

PO = {**examples.INBOUND, "lines": [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 10, "uom": "CASE"}]}


def receipt(receipt_no: str = "GR-1", quantity: object = 10, uom: str | None = "CASE", **line: object) -> dict:
    lines = [{"line_no": 1, "quantity": quantity, "uom": uom, **line}]
    return {"receipt_no": receipt_no, "location_id": "HAM-A-1", "lines": lines}


@pytest.fixture
async def expecting(shop: Door) -> Door:
    await shop.made("/api/orders/inbound", PO)
    return shop


async def test_an_inbound_order_is_announced_once(shop: Door) -> None:
    first = await shop.post("/api/orders/inbound", PO)
    again = await shop.post("/api/orders/inbound", PO)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == (await shop.get("/api/orders/inbound/PO-88")).json()
    told = first.json()
    assert told["status"] == "expected"
    assert told["lines"] == [
        {
            "line_no": 1,
            "sku": "MUG-WHITE",
            "uom": "CASE",
            "factor": 12,
            "expected": 120,
            "received": 0,
            "cancelled": 0,
        }
    ]


async def test_the_same_number_with_other_content_is_a_conflict(expecting: Door) -> None:
    answer = await expecting.post("/api/orders/inbound", {**PO, "supplier": "OTHER"})
    assert (answer.status_code, code_of(answer)) == (409, "conflict")


async def test_an_announcement_is_checked_whole(shop: Door) -> None:
    lines = [{"line_no": 1, "sku": "NO", "quantity": 1}, {"line_no": 1, "sku": "WINE", "quantity": "-1", "uom": "BOX"}]
    answer = await shop.post("/api/orders/inbound", {**PO, "site": "CPH", "lines": lines})
    assert set(faults_of(answer)) == {
        ("/site", "unknown_site"),
        ("/lines/0/sku", "unknown_sku"),
        ("/lines/1/line_no", "duplicate_line"),
        ("/lines/1/uom", "unknown_uom"),
    }
    assert (await shop.get("/api/orders/inbound")).json()["items"] == []


async def test_what_arrives_is_stock_with_its_lot(expecting: Door) -> None:
    answer = await expecting.post(
        "/api/orders/inbound/PO-88/receipts",
        {**examples.RECEIPT, "location_id": "HAM-A-1"},
    )
    assert answer.status_code == 201
    told = answer.json()
    assert told["lines"][0]["quantity"] == 120
    assert told["lines"][0]["expires_on"] == "2027-07-31"
    (item,) = (await expecting.get("/api/inventory", sku="MUG-WHITE")).json()["items"]
    assert (item["on_hand"], item["available"], item["lot"], item["uom"]) == (120, 120, "L-2607", "EA")
    assert (await expecting.get("/api/orders/inbound/PO-88")).json()["status"] == "received"


async def test_the_same_receipt_again_is_the_same_answer(expecting: Door) -> None:
    first = await expecting.post("/api/orders/inbound/PO-88/receipts", receipt())
    again = await expecting.post("/api/orders/inbound/PO-88/receipts", receipt(quantity="10.0"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (await expecting.get("/api/orders/inbound/PO-88")).json()["lines"][0]["received"] == 120


async def test_the_same_receipt_number_with_other_content_is_a_conflict(expecting: Door) -> None:
    await expecting.made("/api/orders/inbound/PO-88/receipts", receipt(quantity=1))
    answer = await expecting.post("/api/orders/inbound/PO-88/receipts", receipt(quantity=2))
    assert (answer.status_code, code_of(answer)) == (409, "conflict")


async def test_two_people_cannot_receive_the_same_delivery_twice(expecting: Door) -> None:
    path = "/api/orders/inbound/PO-88/receipts"
    answers = await asyncio.gather(*(expecting.post(path, receipt(f"GR-{n}", 6)) for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]
    refused = next(answer for answer in answers if answer.status_code == 422)
    assert faults_of(refused) == [("/lines/0/quantity", "over_receipt")]
    assert (await expecting.get("/api/orders/inbound/PO-88")).json()["lines"][0]["received"] == 72


async def test_more_than_expected_is_taken_if_it_is_meant(expecting: Door) -> None:
    answer = await expecting.post("/api/orders/inbound/PO-88/receipts", {**receipt(quantity=11), "allow_over": True})
    assert answer.status_code == 201
    assert (await expecting.get("/api/orders/inbound/PO-88")).json()["lines"][0]["received"] == 132


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"location_id": "NOWHERE"}, ("/location_id", "unknown_location")),
        ({"location_id": "HAM"}, ("/location_id", "not_for_stock")),
        ({"location_id": "HAM-STAGE"}, ("/location_id", "not_for_stock")),
        ({"lines": [{"line_no": 2, "quantity": 1}]}, ("/lines/0/line_no", "unknown_line")),
        ({"lines": [{"line_no": 1, "quantity": "0.1", "uom": "CASE"}]}, ("/lines/0/quantity", "fractional_quantity")),
        ({"lines": [{"line_no": 1, "quantity": 1, "uom": "BOX"}]}, ("/lines/0/uom", "unknown_uom")),
        ({"occurred_at": "2026-11-20T09:12:00"}, ("/occurred_at", "malformed_time")),
        ({"lines": [{"line_no": 1, "quantity": 1, "expires_on": 20000}]}, ("/lines/0/expires_on", "malformed_date")),
    ],
)
async def test_a_receipt_that_cannot_be_is_refused(expecting: Door, change: dict, fault: tuple[str, str]) -> None:
    before = await expecting.counts()
    answer = await expecting.post("/api/orders/inbound/PO-88/receipts", {**receipt(), **change})
    assert answer.status_code == 422
    assert faults_of(answer) == [fault]
    assert await expecting.counts() == before


async def test_a_sku_with_serial_numbers_needs_them_all_and_each_once(shop: Door) -> None:
    lines = [{"line_no": 1, "sku": "WINE", "quantity": 6}, {"line_no": 2, "sku": "PHONE", "quantity": 2}]
    await shop.made("/api/orders/inbound", {**PO, "lines": lines})
    body = receipt()
    body["lines"] = [
        {"line_no": 1, "quantity": 6},
        {"line_no": 2, "quantity": 2, "serial_numbers": ["S-1"]},
        {"line_no": 2, "quantity": 2, "serial_numbers": ["S-1", "S-1"]},
    ]
    assert faults_of(await shop.post("/api/orders/inbound/PO-88/receipts", body)) == [
        ("/lines/1/serial_numbers", "serial_count"),
        ("/lines/2/serial_numbers", "duplicate_serial"),
    ]


async def test_a_lot_without_a_number_gets_one_of_its_own(shop: Door) -> None:
    await shop.made("/api/orders/inbound", {**PO, "lines": [{"line_no": 1, "sku": "WINE", "quantity": 12}]})
    body = {**receipt(), "lines": [{"line_no": 1, "quantity": 5}, {"line_no": 1, "quantity": 4, "lot": "L-1"}]}

    first = await shop.made("/api/orders/inbound/PO-88/receipts", body)
    again = await shop.made("/api/orders/inbound/PO-88/receipts", body)
    later = await shop.made("/api/orders/inbound/PO-88/receipts", receipt("GR-2", 3, None))

    assert [told["lot"] for told in first["lines"]] == ["PO-88/GR-1/1", "L-1"]
    assert again == first
    assert [told["lot"] for told in later["lines"]] == ["PO-88/GR-2/1"]
    told = (await shop.get("/api/inventory", sku="WINE")).json()["items"]
    assert [(item["lot"], item["on_hand"]) for item in told] == [("L-1", 4), ("PO-88/GR-1/1", 5), ("PO-88/GR-2/1", 3)]


async def test_lots_are_numbered_by_their_tenants_pattern(shop: Door) -> None:
    await shop.made("/api/orders/inbound", {**PO, "lines": [{"line_no": 4, "sku": "WINE", "quantity": 12}]})
    numbered_by(shop, "{date}-{sku}-{receipt_no}.{line}")
    body = {**receipt(), "occurred_at": "2026-11-19T23:30:00Z", "lines": [{"line_no": 4, "quantity": 5}]}
    first = await shop.made("/api/orders/inbound/PO-88/receipts", body)
    assert first["lines"][0]["lot"] == "20261120-WINE-GR-1.1", "the day in Hamburg"

    numbered_by(shop, "{po_no}:{receipt_no}")
    again = await shop.post("/api/orders/inbound/PO-88/receipts", body)
    assert (again.status_code, again.json()) == (200, first)
    await shop.made("/api/orders/inbound/PO-88/receipts", {**body, "receipt_no": "GR-2"})
    told = (await shop.get("/api/inventory", sku="WINE")).json()["items"]
    assert [item["lot"] for item in told] == ["20261120-WINE-GR-1.1", "PO-88:GR-2"]


def numbered_by(door: Door, pattern: str) -> None:
    patterns = door.services.lot_patterns
    assert isinstance(patterns, dict)
    patterns[door.tenant] = LotPattern(pattern)


async def test_nothing_is_received_for_an_order_that_was_not_announced(shop: Door) -> None:
    answer = await shop.post("/api/orders/inbound/PO-0/receipts", receipt())
    assert (answer.status_code, code_of(answer)) == (404, "not_found")
