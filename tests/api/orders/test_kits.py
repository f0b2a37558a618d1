"""Kits: a sku that is never stocked, and is as far in an order as its least advanced component."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.doorway import Door, faults_of, line, product, push

TEA, CUPS = 1_000_001, 2_000_001
"""The lines of the components of a set on line 1: a tin of tea, and two cups."""

COMPONENTS = [{"sku": "TEA", "quantity": 1}, {"sku": "CUP", "quantity": 2}]


def tea_set(**fields: Any) -> dict[str, Any]:
    packed = {"packagings": [{"uom": "CASE", "factor": 4}]}
    return product("TEA-SET", kit=True, adds=COMPONENTS) | packed | fields


@pytest.fixture
async def tea_house(shop: Door) -> Door:
    """A shop that sells sets of tea and cups: 10 tins are there, and 9 cups."""
    for sku, quantity in (("TEA", 10), ("CUP", 9)):
        await shop.made("/api/products", product(sku))
        await shop.stock(sku, quantity, po_no=f"PO-{sku}")
    await shop.made("/api/products", tea_set())
    return shop


def sets(quantity: int, revision: int = 1, uom: str | None = None, **fields: Any) -> dict[str, Any]:
    return push(revision=revision, lines=[line(1, "TEA-SET", quantity, uom)], **fields)


def told(view: Any, *names: str) -> dict[int, list[int]]:
    return {x["line_no"]: [x[name] for name in names] for x in view["lines"]}


async def ordered(door: Door, body: dict[str, Any], *names: str) -> dict[int, list[int]]:
    return told(await door.made("/api/orders/outbound", body), *(names or ("ordered", "reserved", "backordered")))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"adds": []}, ("/adds", "kit_of_nothing")),
        ({"adds": [{"sku": "CUP", "quantity": 1, "per": 2}]}, ("/adds/0/per", "not_of_a_kit")),
        ({"adds": [{"sku": "CUP", "quantity": 1, "until": "2026-12-24"}]}, ("/adds/0/until", "not_of_a_kit")),
        ({"adds": [{"sku": "TEA-SET", "quantity": 1}]}, ("/adds/0/sku", "adds_itself")),
        ({"sku": "GIFT", "adds": [{"sku": "TEA-SET", "quantity": 1}]}, ("/adds/0/sku", "nested_rule")),
        ({"sku": "CUP", "kit": False, "adds": [{"sku": "TEA", "quantity": 1}]}, ("/adds", "nested_rule")),
        ({"tracking": "lot"}, ("/tracking", "not_of_a_kit")),
    ],
)
async def test_a_kit_that_cannot_be_is_refused(tea_house: Door, change: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults_of(await tea_house.post("/api/products", tea_set(**change))) == [fault]


async def test_what_is_stocked_does_not_become_a_kit(tea_house: Door) -> None:
    answer = await tea_house.post("/api/products", product("MUG-WHITE", kit=True, adds=COMPONENTS))
    assert answer.status_code == 200
    await tea_house.made("/api/products", product("MUG-WHITE"))
    await tea_house.stock()
    refused = await tea_house.post("/api/products", product("MUG-WHITE", kit=True, adds=COMPONENTS))
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/has-stock")


async def test_there_is_no_stock_of_a_kit(tea_house: Door) -> None:
    expected = {"po_no": "PO-X", "site": "HAM", "supplier": "ACME", "lines": [line(1, "TEA-SET", 1, None)]}
    inbound = await tea_house.post("/api/orders/inbound", expected)
    assert faults_of(inbound) == [("/lines/0/sku", "kit_not_stocked")]
    count = {"adjustment_no": "A-1", "location_id": "HAM-A-1", "sku": "TEA-SET", "delta": 1, "reason": "found"}
    assert faults_of(await tea_house.post("/api/inventory/adjustments", count)) == [("/sku", "kit_not_stocked")]


async def test_what_became_a_kit_is_not_received_any_more(tea_house: Door) -> None:
    lines = [line(1, "MUG-WHITE", 1, None)]
    await tea_house.made("/api/orders/inbound", {"po_no": "PO-X", "site": "HAM", "supplier": "ACME", "lines": lines})
    await tea_house.made("/api/products", product("MUG-WHITE", kit=True, adds=COMPONENTS))
    receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, "quantity": 1}]}
    answer = await tea_house.post("/api/orders/inbound/PO-X/receipts", receipt)
    assert faults_of(answer) == [("/lines/0/line_no", "kit_not_stocked")]


async def test_a_kit_is_its_components(tea_house: Door) -> None:
    answer = await tea_house.made("/api/orders/outbound", sets(1, uom="CASE"))
    first, *components = answer["lines"]
    assert [(x["line_no"], x["main_line_no"], x["sku"], x["reserved"]) for x in components] == [
        (TEA, 1, "TEA", 4),
        (CUPS, 1, "CUP", 8),
    ]
    assert first == {
        "line_no": 1,
        "main_line_no": None,
        "sku": "TEA-SET",
        "site": "HAM",
        "lot": None,
        "uom": "CASE",
        "factor": 4,
        "unit_price": None,
        "ordered": 4,
        "reserved": 4,
        "backordered": 0,
        "picked": 0,
        "to_put_back": 0,
        "shipped": 0,
        "delivered": 0,
        "returned": 0,
        "cancelled": 0,
    }
    assert (await tea_house.get("/api/orders/SO-1")).json()["lines"] == answer["lines"]
    (listed,) = (await tea_house.get("/api/orders")).json()["items"]
    assert listed["lines"] == answer["lines"]


async def test_a_kit_is_amended_with_its_components(tea_house: Door) -> None:
    assert await ordered(tea_house, sets(2)) == {1: [2, 2, 0], TEA: [2, 2, 0], CUPS: [4, 4, 0]}
    assert await ordered(tea_house, sets(4, 2)) == {1: [4, 4, 0], TEA: [4, 4, 0], CUPS: [8, 8, 0]}
    assert await ordered(tea_house, sets(6, 3)) == {1: [6, 4, 2], TEA: [6, 6, 0], CUPS: [12, 9, 3]}
    assert await ordered(tea_house, sets(1, 4)) == {1: [1, 1, 0], TEA: [1, 1, 0], CUPS: [2, 2, 0]}


async def test_a_kit_keeps_the_packaging_that_it_was_ordered_in(tea_house: Door) -> None:
    await ordered(tea_house, sets(1, uom="CASE"))
    await tea_house.made("/api/products", tea_set(packagings=[{"uom": "CASE", "factor": 2}]))
    assert (await ordered(tea_house, sets(2, 2, uom="CASE")))[1] == [8, 4, 4]
    assert (await ordered(tea_house, sets(1, order_no="SO-2", uom="CASE")))[1] == [2, 0, 2]


async def test_no_component_is_kept_for_a_kit_that_cannot_be_whole(tea_house: Door) -> None:
    names = ("reserved", "cancelled")
    partly = await ordered(tea_house, sets(6, shortage_policy="partial"), *names)
    assert partly == {1: [4, 2], TEA: [4, 2], CUPS: [8, 4]}


async def test_a_refusal_names_the_line_of_the_kit(tea_house: Door) -> None:
    lines = [line(9, "MUG-WHITE", 1, None), line(1, "TEA-SET", 6, None), line(2, "MUG-WHITE", 1, None)]
    answer = await tea_house.post("/api/orders/outbound", push(shortage_policy="reject", lines=lines))
    assert sorted(faults_of(answer)) == [(f"/lines/{n}/quantity", "insufficient_stock") for n in (0, 1, 2)]


async def test_a_kit_is_cancelled_by_its_own_number_only(tea_house: Door) -> None:
    await ordered(tea_house, sets(4))
    part = {"cancel_no": "X-1", "reason": "customer", "lines": [{"line_no": 1, "quantity": 3}]}
    view = await tea_house.made("/api/orders/SO-1/cancel", part)
    assert told(view, "reserved", "cancelled") == {1: [1, 3], TEA: [1, 3], CUPS: [2, 6]}
    more = await tea_house.post("/api/orders/SO-1/cancel", {**part, "cancel_no": "X-2"})
    assert faults_of(more) == [("/lines/0/quantity", "not_cancellable")]
    alone = {"cancel_no": "X-3", "reason": "customer", "lines": [{"line_no": CUPS}]}
    assert faults_of(await tea_house.post("/api/orders/SO-1/cancel", alone)) == [("/lines/0/line_no", "linked_line")]
    rest = {"cancel_no": "X-4", "reason": "customer", "lines": [{"line_no": 1}]}
    view = await tea_house.made("/api/orders/SO-1/cancel", rest)
    assert told(view, "reserved", "cancelled") == {1: [0, 4], TEA: [0, 4], CUPS: [0, 8]}
    assert view["status"] == "cancelled"


def picking(line_no: int, quantity: int, pick_no: str = "P-1", **fields: Any) -> dict[str, Any]:
    lines = [{"line_no": line_no, "quantity": quantity, "location_id": "HAM-A-1"}]
    return {"pick_no": pick_no, "lines": lines, **fields}


async def test_a_kit_is_picked_and_shipped_when_its_last_component_is(tea_house: Door) -> None:
    await ordered(tea_house, sets(2))
    whole = await tea_house.post("/api/orders/SO-1/picks", picking(1, 2))
    assert faults_of(whole) == [("/lines/0/line_no", "kit_line")]
    assert f"{TEA}, {CUPS}" in whole.json()["detail"]
    view = await tea_house.made("/api/orders/SO-1/picks", picking(TEA, 2))
    assert told(view, "picked")[1] == [0]
    view = await tea_house.made("/api/orders/SO-1/picks", picking(CUPS, 3, "P-2"))
    assert told(view, "picked")[1] == [1]
    await tea_house.made("/api/orders/SO-1/shipments", {"shipment_no": "SO-1-1", "handed_over": True})
    view = (await tea_house.get("/api/orders/SO-1")).json()
    assert told(view, "reserved", "shipped") == {1: [1, 1], TEA: [0, 2], CUPS: [1, 3]}


async def test_a_short_pick_of_a_component_gives_the_others_free(tea_house: Door) -> None:
    await ordered(tea_house, sets(4, shortage_policy="partial"))
    await ordered(tea_house, push(order_no="SO-2", lines=[line(1, "CUP", 1, None)]))
    view = await tea_house.made("/api/orders/SO-1/picks", picking(CUPS, 5, short=True))
    assert told(view, "reserved", "picked", "cancelled") == {1: [2, 0, 2], TEA: [2, 0, 2], CUPS: [4, 4, 4]}
    assert told(view, "to_put_back")[CUPS] == [1]


async def test_what_is_said_of_an_order_that_waits_for_its_answer_finds_its_components(tea_house: Door) -> None:
    tea_house.gateway.down = True
    assert (await tea_house.post("/api/orders/outbound", sets(2))).status_code == 202
    cancel = {"cancel_no": "X-1", "reason": "customer", "lines": [{"line_no": 1, "quantity": 1}]}
    assert (await tea_house.post("/api/orders/SO-1/cancel", cancel)).status_code == 202
    assert (await tea_house.post("/api/orders/SO-1/picks", picking(TEA, 1))).status_code == 202
    tea_house.gateway.down = False
    await tea_house.gateway.decide_all(tea_house.tenant, "SO-1")
    view = (await tea_house.get("/api/orders/SO-1")).json()
    assert told(view, "reserved", "picked", "cancelled") == {1: [1, 0, 1], TEA: [1, 1, 1], CUPS: [2, 0, 2]}
