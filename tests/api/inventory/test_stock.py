"""Balances, moves, counts, changes of status, and the ledger's own entries."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import pytest

from tests.api.doorway import Door, code_of, faults_of, line, place, push


@pytest.fixture
async def stocked(shop: Door) -> Door:
    await shop.stock(quantity=120)
    return shop


async def items(door: Door, **params: object) -> list[dict]:
    return (await door.get("/api/inventory", **params)).json()["items"]


def move(quantity: object = 12, to: str = "HAM-A-2", move_no: str = "M-1", **fields: object) -> dict:
    body = {"move_no": move_no, "sku": "MUG-WHITE", "quantity": quantity, "uom": "EA"}
    return {**body, "from": {"location_id": "HAM-A-1"}, "to": {"location_id": to}, **fields}


def adjustment(**fields: object) -> dict:
    return {"adjustment_no": "A-1", "location_id": "HAM-A-1", "sku": "MUG-WHITE", "reason": "cycle_count", **fields}


async def test_the_inventory_tells_what_is_where_and_what_is_promised(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    told = (await stocked.get("/api/inventory", sku="MUG-WHITE")).json()
    (item,) = told["items"]
    assert {name: item[name] for name in item if name != "stream_id"} == {
        "sku": "MUG-WHITE",
        "site": "HAM",
        "location_id": "HAM-A-1",
        "lot": None,
        "serial_number": None,
        "stock_status": "available",
        "on_hand": 120,
        "reserved": 24,
        "available": 96,
        "expires_on": None,
        "expired": False,
        "seq": 2,
        "uom": "EA",
        "packaged": None,
    }
    totals = {"on_hand": 120, "reserved": 24, "available": 96, "in_transit": 0, "quarantined": 0, "expired": 0}
    assert told["totals"] == totals
    assert (told["as_of"], told["next"]) == (None, None)


async def test_quantities_can_be_shown_in_a_packaging(stocked: Door) -> None:
    await stocked.made("/api/inventory/move", move(quantity=6))
    told = (await stocked.get("/api/inventory", sku="MUG-WHITE", uom="CASE")).json()
    assert [(item["on_hand"], item["uom"]) for item in told["items"]] == [("9.5", "CASE"), ("0.5", "CASE")]
    assert told["totals"]["on_hand"] == 10
    packaged = [balance["on_hand"] for balance in (*(i["packaged"] for i in told["items"]), told["packaged_totals"])]
    assert packaged == [{"whole": 9, "remainder": 6}, {"whole": 0, "remainder": 6}, {"whole": 10, "remainder": 0}]
    (outside,) = await items(stocked, location="supplier/HAM", uom="CASE", sku="MUG-WHITE")
    assert outside["packaged"]["on_hand"] == {"whole": -10, "remainder": 0}
    assert faults_of(await stocked.get("/api/inventory", uom="CASE")) == [("/query/uom", "uom_without_sku")]
    assert faults_of(await stocked.get("/api/inventory", sku="WINE", uom="CASE")) == [("/query/uom", "unknown_uom")]


async def test_a_location_is_asked_for_with_all_below_it(stocked: Door) -> None:
    await stocked.made("/api/inventory/move", move())
    for location in ("HAM", "HAM-A"):
        assert [i["location_id"] for i in await items(stocked, location=location)] == ["HAM-A-1", "HAM-A-2"]
        below = (await stocked.get(f"/api/locations/{location}/inventory")).json()["items"]
        assert [item["location_id"] for item in below] == ["HAM-A-1", "HAM-A-2"]
    assert [i["location_id"] for i in await items(stocked, location="HAM-A-2")] == ["HAM-A-2"]
    assert (await stocked.get("/api/locations/NOWHERE/inventory")).status_code == 404
    assert await items(stocked, location="NOWHERE") == []


async def test_a_virtual_place_is_shown_where_it_is_named(stocked: Door) -> None:
    (item,) = await items(stocked, location="supplier/HAM")
    assert (item["location_id"], item["on_hand"]) == ("supplier/HAM", -120)


async def test_counts_of_one_place_at_the_same_time_correct_it_once(stocked: Door) -> None:
    counts = [adjustment(adjustment_no=f"A-{number}", counted=118) for number in range(8)]

    answers = await asyncio.gather(*(stocked.post("/api/inventory/adjustments", count) for count in counts))

    assert sorted(answer.json()["delta"] for answer in answers) == [-2, 0, 0, 0, 0, 0, 0, 0]
    assert [item["on_hand"] for item in await items(stocked)] == [118]


async def test_the_inventory_of_an_instant_stays_what_it_was(stocked: Door) -> None:
    (entry,) = (await entries(stocked, (await items(stocked))[0]["stream_id"]))["items"]
    then = entry["recorded_at"]
    await stocked.made("/api/inventory/move", move())
    told = (await stocked.get("/api/inventory", as_of=then)).json()
    assert [(item["location_id"], item["on_hand"]) for item in told["items"]] == [("HAM-A-1", 120)]
    assert datetime.fromisoformat(told["as_of"]) == datetime.fromisoformat(then)


async def test_nobody_knows_the_stock_of_tomorrow(stocked: Door) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    answer = await stocked.get("/api/inventory", as_of=tomorrow.isoformat())
    assert (answer.status_code, faults_of(answer)) == (422, [("/query/as_of", "as_of_in_future")])
    naive = await stocked.get("/api/inventory", as_of="2026-11-20T12:00:00")
    assert faults_of(naive) == [("/query/as_of", "malformed_time")]


async def test_the_inventory_comes_in_pages_with_totals_over_all(stocked: Door) -> None:
    await stocked.made("/api/inventory/move", move())
    first = (await stocked.get("/api/inventory", limit=1)).json()
    second = (await stocked.get("/api/inventory", limit=1, cursor=first["next"])).json()
    assert [page["items"][0]["location_id"] for page in (first, second)] == ["HAM-A-1", "HAM-A-2"]
    assert first["totals"] == second["totals"]
    assert second["next"] is None
    for cursor in ("x", str(uuid4())):
        assert faults_of(await stocked.get("/api/inventory", cursor=cursor)) == [("/query/cursor", "bad_cursor")]


# -- moves -----------------------------------------------------------------------------------------------------------


async def test_stock_moves_inside_its_site_once(stocked: Door) -> None:
    first = await stocked.post("/api/inventory/move", move())
    again = await stocked.post("/api/inventory/move", move(quantity="12.0"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert [(i["location_id"], i["on_hand"]) for i in await items(stocked)] == [("HAM-A-1", 108), ("HAM-A-2", 12)]
    other = await stocked.post("/api/inventory/move", move(quantity=13))
    assert (other.status_code, code_of(other)) == (409, "conflict")


async def test_stock_moves_out_and_back_again(stocked: Door) -> None:
    await stocked.made("/api/inventory/move", move(120))
    back = {**move(120, "HAM-A-1", "M-2"), "from": {"location_id": "HAM-A-2"}}
    await stocked.made("/api/inventory/move", back)
    assert [(i["location_id"], i["on_hand"]) for i in await items(stocked)] == [("HAM-A-1", 120)]


async def test_serial_numbers_move_together_or_not_at_all(shop: Door) -> None:
    await shop.stock("PHONE", 3, serial_numbers=["S-1", "S-2", "S-3"])
    await shop.made("/api/inventory/move", move(1, sku="PHONE", move_no="M-0", serial_numbers=["S-3"]))
    together = move(3, sku="PHONE", serial_numbers=["S-1", "S-2", "S-3"])

    refused = await shop.post("/api/inventory/move", together)
    before = [(item["location_id"], item["serial_number"]) for item in await items(shop)]
    await shop.made("/api/inventory/move", move(2, sku="PHONE", serial_numbers=["S-1", "S-2"]))

    assert refused.status_code == 422
    assert before == [("HAM-A-1", "S-1"), ("HAM-A-1", "S-2"), ("HAM-A-2", "S-3")]
    assert {item["location_id"] for item in await items(shop)} == {"HAM-A-2"}


async def test_a_serial_number_moves_alone(shop: Door) -> None:
    await shop.stock("PHONE", 2, serial_numbers=["S-1", "S-2"])
    await shop.made("/api/inventory/move", move(1, sku="PHONE", serial_numbers=["S-2"]))
    found = [(item["location_id"], item["serial_number"]) for item in await items(shop)]
    assert found == [("HAM-A-1", "S-1"), ("HAM-A-2", "S-2")]


async def test_a_move_between_sites_is_a_transfer(stocked: Door) -> None:
    site = (await stocked.get("/api/locations/HAM")).json()
    await stocked.made("/api/locations", {**site, "location_id": "CPH", "site": "CPH"})
    await stocked.made("/api/locations", place("CPH-1", site="CPH"))
    answer = await stocked.post("/api/inventory/move", move(to="CPH-1"))
    assert (answer.status_code, code_of(answer)) == (409, "transfer_between_sites")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (move(to="NOWHERE"), ("/to/location_id", "unknown_location")),
        (move(to="HAM-A-1"), ("/to/location_id", "same_location")),
        (move(to="HAM"), ("/to/location_id", "not_for_stock")),
        (move(quantity=121), ("/quantity", "insufficient_stock")),
        (move(quantity=0), ("/quantity", "quantity_not_positive")),
        (move(uom="BOX"), ("/uom", "unknown_uom")),
        (move(sku="NO"), ("/sku", "unknown_sku")),
        (move(sku="WINE"), ("/from/lot", "lot_required")),
    ],
)
async def test_a_move_that_cannot_be_names_the_field_and_writes_nothing(
    stocked: Door, body: dict, fault: tuple[str, str]
) -> None:
    before = await stocked.counts()
    assert faults_of(await stocked.post("/api/inventory/move", body)) == [fault]
    assert await stocked.counts() == before


# -- counts ----------------------------------------------------------------------------------------------------------


async def test_a_count_is_compared_with_what_was_there_then_and_answers_the_same_for_ever(stocked: Door) -> None:
    counted_at = datetime.now(UTC).isoformat()
    body = adjustment(counted=118, counted_at=counted_at, note="two broken")
    first = await stocked.post("/api/inventory/adjustments", body)
    assert (first.status_code, first.json()["delta"], first.json()["on_hand"]) == (201, -2, 118)
    await stocked.made("/api/inventory/move", move())
    again = await stocked.post("/api/inventory/adjustments", body)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await stocked.post("/api/inventory/adjustments", {**body, "counted": 117})
    assert (other.status_code, code_of(other)) == (409, "conflict")
    assert sum(item["on_hand"] for item in await items(stocked)) == 118


async def test_a_known_difference_is_posted_as_it_is(stocked: Door) -> None:
    told = await stocked.made("/api/inventory/adjustments", adjustment(delta="-1", uom="CASE", reason="lost"))
    assert (told["delta"], told["on_hand"]) == (-12, 108)


async def test_a_count_that_finds_what_is_there_changes_nothing(stocked: Door) -> None:
    told = await stocked.made("/api/inventory/adjustments", adjustment(counted=120))
    assert (told["delta"], told["on_hand"]) == (0, 120)


async def test_a_count_may_be_zero(stocked: Door) -> None:
    told = await stocked.made("/api/inventory/adjustments", adjustment(counted=0))
    assert (told["delta"], told["on_hand"]) == (-120, 0)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, ("", "counted_or_delta")),
        ({"counted": 1, "delta": 1}, ("", "counted_or_delta")),
        ({"counted": -1}, ("/counted", "quantity_not_positive")),
        ({"delta": 0}, ("/delta", "quantity_not_positive")),
        ({"counted": "0.5"}, ("/counted", "fractional_quantity")),
        ({"counted": 1, "counted_at": "2199-01-01T00:00:00Z"}, ("/counted_at", "time_in_future")),
        ({"counted": 1, "location_id": "NOWHERE"}, ("/location_id", "unknown_location")),
        ({"counted": 1, "sku": "WINE"}, ("/lot", "lot_required")),
        ({"counted": 1, "sku": "PHONE"}, ("/serial_number", "serial_count")),
    ],
)
async def test_a_count_that_cannot_be_names_the_field_and_writes_nothing(
    stocked: Door, fields: dict, fault: tuple[str, str]
) -> None:
    before = await stocked.counts()
    assert faults_of(await stocked.post("/api/inventory/adjustments", adjustment(**fields))) == [fault]
    assert await stocked.counts() == before


# -- status ----------------------------------------------------------------------------------------------------------


async def test_what_leaks_is_set_aside(stocked: Door) -> None:
    (item,) = await items(stocked)
    body = {"change_no": "S-1", "to": "quarantined", "quantity": 12, "reason": "leaking"}
    path = f"/api/inventory/{item['stream_id']}/status"
    first, again = await stocked.put(path, body), await stocked.put(path, body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    totals = (await stocked.get("/api/inventory")).json()["totals"]
    assert (totals["on_hand"], totals["available"], totals["quarantined"]) == (120, 108, 12)
    other = await stocked.put(path, {**body, "to": "damaged"})
    assert (other.status_code, code_of(other)) == (409, "conflict")


async def test_a_change_that_cannot_be_is_refused(stocked: Door) -> None:
    (item,) = await items(stocked)
    path = f"/api/inventory/{item['stream_id']}/status"
    body = {"change_no": "S-1", "to": "available", "quantity": 12, "reason": "none"}
    assert faults_of(await stocked.put(path, body)) == [("/to", "same_status")]
    too_much = await stocked.put(path, {**body, "to": "damaged", "quantity": 121})
    assert faults_of(too_much) == [("/quantity", "insufficient_stock")]
    assert (await stocked.put(f"/api/inventory/{uuid4()}/status", body)).status_code == 404
    (outside,) = await items(stocked, location="supplier/HAM")
    virtual = await stocked.put(f"/api/inventory/{outside['stream_id']}/status", body)
    assert (virtual.status_code, code_of(virtual)) == (409, "virtual_location")


# -- the ledger ------------------------------------------------------------------------------------------------------


async def entries(door: Door, stream_id: str, **params: object) -> dict:
    return (await door.get(f"/api/ledger/streams/{stream_id}/entries", **params)).json()


async def test_the_entries_of_a_stream_are_chained(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    (item,) = await items(stocked)
    told = await entries(stocked, item["stream_id"])
    assert told["stream"]["location_id"] == "HAM-A-1"
    received, held = told["items"]
    assert (received["reason"], received["order_no"], received["on_hand_delta"]) == ("goods_receipt", None, 120)
    assert (held["reason"], held["order_no"], held["line_no"], held["reserved"]) == ("reservation", "SO-1", 1, 24)
    assert held["previous_hash"] == received["hash"]
    assert len(bytes.fromhex(held["hash"])) == len(sha256().digest())
    assert (await entries(stocked, item["stream_id"], after_seq=1))["items"] == [held]
    page = await entries(stocked, item["stream_id"], limit=1)
    assert (page["items"], page["next"]) == ([received], "1")
    assert (await stocked.get(f"/api/ledger/streams/{uuid4()}/entries")).status_code == 404


async def test_the_stock_levels_of_a_site(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line(quantity=11)]))
    told = (await stocked.get("/api/reports/stock-levels", site="HAM")).json()
    assert told == {
        "items": [
            {
                "sku": "MUG-WHITE",
                "on_hand": 120,
                "reserved": 120,
                "available": 0,
                "backordered": 12,
                "in_transit": 0,
                "quarantined": 0,
                "expired": 0,
            }
        ],
        "next": None,
    }
    assert faults_of(await stocked.get("/api/reports/stock-levels")) == [("/query/site", "missing")]
