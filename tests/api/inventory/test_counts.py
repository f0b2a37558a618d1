"""What a picker did not find is counted: it is available again, or written off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.doorway import Door, code_of, faults_of, line, push

COUNTS = "/api/inventory/counts"


def counted(number: object = 3, **fields: object) -> dict[str, Any]:
    return {"counted": number, "by": "ida", **fields}


def short(quantity: object = 20, pick_no: str = "P-1", **fields: object) -> dict[str, Any]:
    picked = {"line_no": 1, "quantity": quantity, "location_id": "HAM-A-1", **fields}
    return {"pick_no": pick_no, "lines": [picked], "short": True}


async def tasks(door: Door, **params: object) -> list[dict[str, Any]]:
    return (await door.get(COUNTS, **params)).json()["items"]


async def stock(door: Door, sku: str = "MUG-WHITE", **params: object) -> dict[tuple[str, str], int]:
    items = (await door.get("/api/inventory", sku=sku, **params)).json()["items"]
    return {(item["serial_number"] or item["location_id"], item["stock_status"]): item["on_hand"] for item in items}


async def order_line(door: Door, order_no: str = "SO-1") -> dict[str, Any]:
    (of_order,) = (await door.get(f"/api/orders/{order_no}")).json()["lines"]
    return dict(of_order)


@pytest.fixture
async def missed(shop: Door) -> Door:
    """An order of 24 mugs, all that there were; the picker found 20."""
    await shop.stock(quantity=24)
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    await shop.made("/api/orders/SO-1/picks", short())
    return shop


async def test_what_a_picker_did_not_find_is_to_be_counted(missed: Door) -> None:
    (task,) = await tasks(missed, state="open")

    assert task.pop("created_at").endswith("Z")
    assert task == {
        "task_no": "SO-1~P-1~1",
        "state": "open",
        "site": "HAM",
        "location_id": "HAM-A-1",
        "sku": "MUG-WHITE",
        "lot": None,
        "serial_numbers": [],
        "missing": 4,
        "order_no": "SO-1",
        "line_no": 1,
        "pick_no": "P-1",
        "outcome": None,
        "found": None,
        "written_off": None,
        "counted_by": None,
        "note": None,
        "done_at": None,
    }
    assert "stockbridge_open_counts" in (await missed.http.get("/metrics")).text


async def test_a_pick_of_all_that_is_held_asks_for_no_count(shop: Door) -> None:
    await shop.stock(quantity=24)
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    await shop.made("/api/orders/SO-1/picks", short(24))
    assert await tasks(shop) == []


async def test_a_picker_who_finds_nothing_at_all_says_so(shop: Door) -> None:
    await shop.stock(quantity=24)
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    assert faults_of(await shop.post("/api/orders/SO-1/picks", {**short(0), "short": False})) == [
        ("/lines/0/quantity", "quantity_not_positive")
    ]

    told = await shop.made("/api/orders/SO-1/picks", short(0))

    assert (told["lines"][0]["picked"], told["lines"][0]["backordered"]) == (0, 24)
    assert [task["missing"] for task in await tasks(shop)] == [24]
    assert (await shop.made(f"{COUNTS}/SO-1~P-1~1", counted(24)))["outcome"] == "found"
    assert (await order_line(shop))["reserved"] == 24


async def test_the_same_short_pick_again_asks_for_no_second_count(missed: Door) -> None:
    await missed.made("/api/orders/SO-1/picks", short())
    assert len(await tasks(missed)) == 1


async def test_what_is_found_after_all_goes_to_who_waits_for_it_and_the_rest_is_written_off(missed: Door) -> None:
    assert (await order_line(missed))["backordered"] == 4

    answer = await missed.post(f"{COUNTS}/SO-1~P-1~1", counted(3, note="behind the rack"))

    told = answer.json()
    assert (answer.status_code, told["state"], told["outcome"]) == (200, "done", "found_in_part")
    assert (told["found"], told["written_off"], told["counted_by"]) == (3, 1, "ida")
    assert ((await order_line(missed))["reserved"], (await order_line(missed))["backordered"]) == (23, 1)
    assert await stock(missed) == {("HAM-A-1", "available"): 3, ("HAM-STAGE", "available"): 20}
    assert await stock(missed, location="adjustment/HAM") == {("adjustment/HAM", "available"): 1}
    assert await tasks(missed, state="open") == []


@pytest.mark.parametrize(("number", "outcome"), [(4, "found"), ("0", "lost")])
async def test_all_may_be_found_or_lost(missed: Door, number: object, outcome: str) -> None:
    told = await missed.made(f"{COUNTS}/SO-1~P-1~1", counted(number))
    assert (told["outcome"], told["found"], told["written_off"]) == (outcome, int(str(number)), 4 - int(str(number)))


async def test_the_same_count_again_gets_the_same_answer_and_another_one_is_a_conflict(missed: Door) -> None:
    first = await missed.made(f"{COUNTS}/SO-1~P-1~1", counted(3))
    postings = await missed.count("ledger.posting")

    again = await missed.post(f"{COUNTS}/SO-1~P-1~1", counted("3.0", by="mads"))
    other = await missed.post(f"{COUNTS}/SO-1~P-1~1", counted(2))

    assert (again.status_code, again.json()) == (200, first)
    assert (other.status_code, code_of(other)) == (409, "conflict")
    assert await missed.count("ledger.posting") == postings


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (counted(5), ("/counted", "more_than_missing")),
        (counted(-1), ("/counted", "quantity_not_positive")),
        (counted("0.5"), ("/counted", "fractional_quantity")),
        (counted(1, uom="CASE"), ("/counted", "more_than_missing")),
        (counted(1, uom="BOX"), ("/uom", "unknown_uom")),
        (counted(1, serial_numbers=["S-1"]), ("/serial_numbers", "serial_count")),
        ({"counted": 1}, ("/by", "missing")),
    ],
)
async def test_a_count_that_cannot_be_names_the_field_and_writes_nothing(
    missed: Door, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    before = await missed.counts()
    answer = await missed.post(f"{COUNTS}/SO-1~P-1~1", body)
    assert (answer.status_code, faults_of(answer)) == (422, [fault])
    assert await missed.counts() == before
    assert len(await tasks(missed, state="open")) == 1


async def test_nobody_counts_what_was_not_missed(missed: Door) -> None:
    answer = await missed.post(f"{COUNTS}/SO-1~P-9~1", counted())
    assert (answer.status_code, code_of(answer)) == (404, "not_found")


async def test_what_was_moved_by_hand_must_come_back_before_it_is_counted(missed: Door) -> None:
    way = {"sku": "MUG-WHITE", "quantity": 1}
    here, there = ({"location_id": place, "stock_status": "inspection"} for place in ("HAM-A-1", "HAM-A-2"))
    away = {**way, "move_no": "M-1", "from": here, "to": {"location_id": "HAM-A-2"}}
    await missed.made("/api/inventory/move", away)
    before = await missed.counts()

    refused = await missed.post(f"{COUNTS}/SO-1~P-1~1", counted(4))

    assert (refused.status_code, code_of(refused)) == (409, "not_put_aside")
    assert "3 of the 4 of MUG-WHITE that were missing are still inspection at HAM-A-1" in refused.json()["detail"]
    assert await missed.counts() == before
    back = {**way, "move_no": "M-2", "from": there, "to": {"location_id": "HAM-A-1"}}
    await missed.made("/api/inventory/move", back)
    assert (await missed.made(f"{COUNTS}/SO-1~P-1~1", counted(4)))["outcome"] == "found"


async def test_serial_numbers_that_were_not_found_are_named(shop: Door) -> None:
    await shop.stock("PHONE", 3, serial_numbers=["S-1", "S-2", "S-3"])
    await shop.made("/api/orders/outbound", push(lines=[line(sku="PHONE", quantity=3, uom=None)]))
    await shop.made("/api/orders/SO-1/picks", short(1, serial_numbers=["S-2"]))
    (task,) = await tasks(shop)
    assert (task["missing"], task["serial_numbers"]) == (2, ["S-1", "S-3"])
    path = f"{COUNTS}/{task['task_no']}"
    assert faults_of(await shop.post(path, counted(1))) == [("/serial_numbers", "serial_count")]
    picked = await shop.post(path, counted(1, serial_numbers=["S-2"]))
    assert faults_of(picked) == [("/serial_numbers", "serial_not_missing")]

    told = await shop.made(path, counted(1, serial_numbers=["S-3"]))

    assert (told["outcome"], told["found"], told["written_off"]) == ("found_in_part", 1, 1)
    assert await stock(shop, "PHONE") == {("S-2", "available"): 1, ("S-3", "available"): 1}
    assert await stock(shop, "PHONE", location="adjustment/HAM") == {("S-1", "available"): 1}
    other = await shop.post(path, counted(1, serial_numbers=["S-1"]))
    assert (other.status_code, code_of(other)) == (409, "conflict")


async def test_what_is_reserved_instead_is_not_missing_too(shop: Door) -> None:
    await shop.stock("PHONE", 4, serial_numbers=["S-1", "S-2", "S-3", "S-4"])
    await shop.made("/api/orders/outbound", push(lines=[line(sku="PHONE", quantity=3, uom=None)]))
    each = [{"line_no": 1, "quantity": 1, "location_id": "HAM-A-1", "serial_numbers": [s]} for s in ("S-1", "S-2")]

    told = await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": each, "short": True})

    assert (told["lines"][0]["picked"], told["lines"][0]["reserved"]) == (2, 3)
    assert [task["serial_numbers"] for task in await tasks(shop)] == [["S-3"]]
    assert (await stock(shop, "PHONE"))["S-4", "available"] == 1


async def test_a_lot_that_is_blocked_meanwhile_is_found_but_not_sold(shop: Door) -> None:
    await shop.stock("WINE", 6, lot="L-1", expires_on="2097-07-31")
    await shop.made("/api/orders/outbound", push(lines=[line(sku="WINE", quantity=6, uom=None)]))
    await shop.made("/api/orders/SO-1/picks", short(2, lot="L-1"))
    await shop.made("/api/inventory/recalls", {"recall_no": "RC-1", "sku": "WINE", "lot": "L-1", "reason": "cork"})

    told = await shop.made(f"{COUNTS}/SO-1~P-1~1", counted(4))

    assert (told["lot"], told["outcome"]) == ("L-1", "found")
    assert (await stock(shop, "WINE"))["HAM-A-1", "quarantined"] == 4


async def test_counts_come_in_pages_by_site_and_state(missed: Door) -> None:
    await missed.stock(quantity=12, po_no="PO-2")
    await missed.made("/api/orders/outbound", push("SO-2", lines=[line(quantity=6, uom=None)]))
    await missed.made("/api/orders/SO-2/picks", short(1))
    await missed.made(f"{COUNTS}/SO-1~P-1~1", counted(0))

    first = (await missed.get(COUNTS, limit=1)).json()
    second = (await missed.get(COUNTS, limit=1, cursor=first["next"])).json()

    numbers = [item["task_no"] for page in (first, second) for item in page["items"]]
    assert (numbers, second["next"]) == (["SO-1~P-1~1", "SO-2~P-1~1"], None)
    assert [task["order_no"] for task in await tasks(missed, site="HAM", state="done")] == ["SO-1"]
    assert [task["order_no"] for task in await tasks(missed, state="open")] == ["SO-2"]
    assert await tasks(missed, site="CPH") == []
    assert faults_of(await missed.get(COUNTS, state="lost")) == [("/query/state", "invalid")]
    assert faults_of(await missed.get(COUNTS, cursor="x")) == [("/query/cursor", "bad_cursor")]


async def test_two_picks_never_share_the_name_of_a_count(shop: Door) -> None:
    await shop.stock(quantity=10)
    for order_no, pick_no in (("A", "B~C"), ("A~B", "C")):
        await shop.made("/api/orders/outbound", push(order_no, lines=[line(quantity=2, uom=None)]))
        await shop.made(f"/api/orders/{order_no}/picks", short(1, pick_no))
    found = await tasks(shop)
    assert [task["order_no"] for task in found] == ["A", "A~B"]
    for task in found:
        await shop.made(f"{COUNTS}/{task['task_no']}", counted(1))
