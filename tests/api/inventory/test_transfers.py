"""Stock on its way from one site to another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ledger.verifying.verification import verify
from runtime.embedded.servers import BackingServices
from tests.api.doorway import Door, code_of, examples, faults_of, line, place, push

TRANSFERS = "/api/inventory/transfers"
LOT = "L-2607"


@pytest.fixture
async def two_sites(shop: Door) -> Door:
    """Hamburg with 10 of wine, 20 mugs and two phones; Copenhagen with empty shelves."""
    await shop.made("/api/locations", {**examples.SITE, "location_id": "CPH"})
    await shop.made("/api/locations", place("CPH-B-1", site="CPH"))
    await shop.made("/api/locations", place("CPH-STAGE", "staging", site="CPH"))
    await shop.stock("WINE", 10, "PO-1", lot=LOT, expires_on="2097-07-31")
    await shop.stock("MUG-WHITE", 20, "PO-2")
    await shop.stock("PHONE", 2, "PO-3", serial_numbers=["S1", "S2"])
    return shop


def sent(sku: str = "WINE", quantity: Any = 6, **fields: Any) -> dict[str, Any]:
    named = {"lot": LOT} if sku == "WINE" else {}
    return {"sku": sku, "quantity": quantity, "location_id": "HAM-A-1", **named, **fields}


def transfer(*lines: dict[str, Any], no: str = "TR-1", **fields: Any) -> dict[str, Any]:
    return {"transfer_no": no, "to_site": "CPH", "lines": list(lines or [sent()]), **fields}


def arrived(*lines: dict[str, Any], no: str = "TG-1", **fields: Any) -> dict[str, Any]:
    return {"receipt_no": no, "location_id": "CPH-B-1", "lines": list(lines), **fields}


async def balances(door: Door, sku: str) -> dict[tuple[str, str], tuple[int, int]]:
    items = (await door.get("/api/inventory", sku=sku)).json()["items"]
    return {(item["location_id"], item["stock_status"]): (item["on_hand"], item["available"]) for item in items}


async def test_stock_is_in_transit_until_it_arrives_and_then_it_can_be_sold_there(two_sites: Door) -> None:
    told = await two_sites.made(TRANSFERS, transfer())
    assert (told["site"], told["to_site"], told["status"]) == ("HAM", "CPH", "in_transit")
    assert [(item["sku"], item["lot"], item["quantity"]) for item in told["in_transit"]] == [("WINE", LOT, 6)]
    assert (await balances(two_sites, "WINE"))["HAM-A-1", "available"] == (4, 4)
    underway = (await two_sites.get("/api/inventory", location="transit/transfer/TR-1")).json()
    assert [(item["sku"], item["on_hand"]) for item in underway["items"]] == [("WINE", 6)]
    await two_sites.made("/api/orders/outbound", push(lines=[line(sku="WINE", quantity=5, uom="EA", site="CPH")]))

    first = await two_sites.made(f"{TRANSFERS}/TR-1/receipts", arrived({"sku": "WINE", "quantity": 4}))
    second = await two_sites.made(f"{TRANSFERS}/TR-1/receipts", arrived({"sku": "WINE", "quantity": 2}, no="TG-2"))

    assert (first["transfer"]["status"], second["transfer"]["status"]) == ("in_transit", "received")
    assert (await balances(two_sites, "WINE"))["CPH-B-1", "available"] == (6, 1)
    (order,) = (await two_sites.get("/api/orders/SO-1")).json()["lines"]
    assert (order["reserved"], order["backordered"]) == (5, 0)
    assert (await two_sites.get(f"{TRANSFERS}/TR-1")).json() == second["transfer"]


async def test_what_never_came_is_written_off_by_name_and_the_transfer_is_over(
    two_sites: Door, database: BackingServices
) -> None:
    await two_sites.made(TRANSFERS, transfer(sent(), sent("PHONE", 2, serial_numbers=["S1", "S2"])))
    lines = [{"sku": "WINE", "quantity": 5}, {"sku": "PHONE", "quantity": 1, "serial_numbers": ["S2"]}]

    told = await two_sites.made(f"{TRANSFERS}/TR-1/receipts", arrived(*lines, complete=True))

    assert told["missing"] == [
        {"sku": "WINE", "lot": LOT, "serial_number": None, "quantity": 1},
        {"sku": "PHONE", "lot": None, "serial_number": "S1", "quantity": 1},
    ]
    assert told["transfer"]["status"] == "received"
    again = await two_sites.made(f"{TRANSFERS}/TR-1/receipts", arrived(no="TG-2", complete=True))
    assert again["missing"] == []
    assert verify(database.database_url).findings == []


async def test_a_transfer_and_its_receipt_count_once_however_often_they_are_said(two_sites: Door) -> None:
    answers = await asyncio.gather(*(two_sites.post(TRANSFERS, transfer()) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    other = await two_sites.post(TRANSFERS, transfer(sent(quantity=2)))
    assert (other.status_code, code_of(other)) == (409, "conflict")

    receipt = arrived({"sku": "WINE", "quantity": 6})
    receipts = await asyncio.gather(*(two_sites.post(f"{TRANSFERS}/TR-1/receipts", receipt) for _ in range(4)))
    assert sorted(answer.status_code for answer in receipts) == [200, 200, 200, 201]
    assert (await balances(two_sites, "WINE"))["CPH-B-1", "available"] == (6, 6)


async def test_two_receipts_of_the_same_goods_at_once_take_them_in_once(two_sites: Door) -> None:
    await two_sites.made(TRANSFERS, transfer())
    receipts = [arrived({"sku": "WINE", "quantity": 4}, no=f"TG-{number}") for number in range(3)]

    answers = await asyncio.gather(*(two_sites.post(f"{TRANSFERS}/TR-1/receipts", receipt) for receipt in receipts))

    assert sorted(answer.status_code for answer in answers) == [201, 422, 422]
    assert {code_of(answer) for answer in answers if answer.status_code == 422} == {"more_than_sent"}
    assert (await balances(two_sites, "WINE"))["CPH-B-1", "available"] == (4, 4)


async def test_what_is_promised_stays(two_sites: Door) -> None:
    await two_sites.made("/api/orders/outbound", push(lines=[line(sku="WINE", quantity=6, uom="EA")]))
    answer = await two_sites.post(TRANSFERS, transfer())
    assert (answer.status_code, faults_of(answer)) == (422, [("/lines/0/quantity", "insufficient_stock")])
    assert "has 4 of" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (transfer(to_site="BER"), "/to_site", "unknown_site"),
        (transfer(to_site="HAM"), "/to_site", "same_site"),
        (transfer(sent(), sent(location_id="CPH-B-1")), "/lines/1/location_id", "two_sites"),
        (transfer(sent("BEER")), "/lines/0/sku", "unknown_sku"),
        (transfer(sent(lot=None)), "/lines/0/lot", "lot_required"),
        (transfer(sent("PHONE", 2, serial_numbers=["S1"])), "/lines/0/serial_numbers", "serial_count"),
        (transfer(sent("PHONE", 1, serial_numbers=["S9"])), "/lines/0/quantity", "insufficient_stock"),
        (transfer(sent("MUG-WHITE", "1.3", uom="CASE")), "/lines/0/quantity", "fractional_quantity"),
        (transfer(sent(location_id="HAM-Z-9")), "/lines/0/location_id", "unknown_location"),
    ],
)
async def test_a_transfer_that_can_t_be_names_the_field_and_the_reason(
    two_sites: Door, body: dict[str, Any], pointer: str, code: str
) -> None:
    before = await two_sites.counts()
    answer = await two_sites.post(TRANSFERS, body)
    assert (answer.status_code, faults_of(answer)) == (422, [(pointer, code)])
    assert await two_sites.counts() == before


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (arrived({"sku": "WINE", "quantity": 7}), "/lines/0/quantity", "more_than_sent"),
        (arrived({"sku": "WINE", "quantity": 1, "lot": "L-1"}), "/lines/0/quantity", "more_than_sent"),
        (arrived({"sku": "MUG-WHITE", "quantity": 1}), "/lines/0/sku", "not_sent"),
        (arrived({"sku": "WINE", "quantity": 1}, location_id="HAM-A-2"), "/location_id", "unknown_location"),
        (arrived(), "", "nothing_arrived"),
    ],
)
async def test_a_receipt_of_what_was_not_sent_names_the_field_and_the_reason(
    two_sites: Door, body: dict[str, Any], pointer: str, code: str
) -> None:
    await two_sites.made(TRANSFERS, transfer())
    before = await two_sites.counts()
    answer = await two_sites.post(f"{TRANSFERS}/TR-1/receipts", body)
    assert (answer.status_code, faults_of(answer)) == (422, [(pointer, code)])
    assert await two_sites.counts() == before


async def test_a_transfer_that_nobody_sent_is_not_found(two_sites: Door) -> None:
    assert (await two_sites.get(f"{TRANSFERS}/TR-9")).status_code == 404
    answer = await two_sites.post(f"{TRANSFERS}/TR-9/receipts", arrived({"sku": "WINE", "quantity": 1}))
    assert answer.status_code == 404


async def test_what_arrives_damaged_is_not_for_sale(two_sites: Door) -> None:
    await two_sites.made(TRANSFERS, transfer())
    lines = [{"sku": "WINE", "quantity": 5}, {"sku": "WINE", "quantity": 1, "stock_status": "damaged"}]
    await two_sites.made(f"{TRANSFERS}/TR-1/receipts", arrived(*lines))
    found = await balances(two_sites, "WINE")
    assert (found["CPH-B-1", "available"], found["CPH-B-1", "damaged"]) == ((5, 5), (1, 0))
