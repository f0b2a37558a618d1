"""A location of type `quarantine` or `returns` says what its stock is, by whatever way it comes there."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.requests import DeliverParcel, LineQuantity
from ledger.writing.writer import LedgerWriter
from tests.api.doorway import Door, code_of, examples, faults_of, line, place, push

QUARANTINE, RETURNS, BIN = "HAM-Q", "HAM-RET", "HAM-A-1"
BECOMES = pytest.mark.parametrize(("location", "status"), [(QUARANTINE, "quarantined"), (RETURNS, "inspection")])


@pytest.fixture
async def bins(shop: Door) -> Door:
    """A bin with 100 mugs, 10 of wine and two phones, and a quarantine bin."""
    await shop.made("/api/locations", place(QUARANTINE, "quarantine"))
    await shop.stock()
    await shop.stock("WINE", 10, "PO-2", lot="L-1")
    await shop.stock("PHONE", 2, "PO-3", serial_numbers=["S1", "S2"])
    return shop


def move(to: str, quantity: int = 10, move_no: str = "M-1", **of: Any) -> dict[str, Any]:
    goods = {"sku": "MUG-WHITE", "from": {"location_id": BIN}, **of}
    return {"move_no": move_no, "quantity": quantity, "to": {"location_id": to}, **goods}


async def where(door: Door, sku: str = "MUG-WHITE") -> dict[tuple[str, str], int]:
    items = (await door.get("/api/inventory", sku=sku)).json()["items"]
    return {(item["location_id"], item["stock_status"]): item["on_hand"] for item in items}


async def receive(door: Door, location: str, sku: str = "MUG-WHITE", **fields: Any) -> Any:
    lines = [{"line_no": 1, "sku": sku, "quantity": 5}]
    await door.made("/api/orders/inbound", {"po_no": "PO-9", "site": "HAM", "supplier": "ACME", "lines": lines})
    body = {"receipt_no": "GR-9", "location_id": location, "lines": [{"line_no": 1, "quantity": 5, **fields}]}
    return await door.post("/api/orders/inbound/PO-9/receipts", body)


@BECOMES
async def test_what_is_received_there_becomes_what_the_location_is_for(bins: Door, location: str, status: str) -> None:
    answer = await receive(bins, location)
    assert (answer.status_code, answer.json()["lines"][0]["stock_status"]) == (201, status)
    assert (await where(bins))[location, status] == 5
    again = (await bins.get("/api/inventory", sku="MUG-WHITE")).json()["totals"]
    assert (again["on_hand"], again["available"]) == (105, 100)


@BECOMES
async def test_nothing_is_said_to_be_available_there(bins: Door, location: str, status: str) -> None:
    answer = await receive(bins, location, stock_status="available")
    assert faults_of(answer) == [("/lines/0/stock_status", "not_available_here")]
    counted = {"adjustment_no": "A-1", "location_id": location, "sku": "MUG-WHITE", "delta": 3, "reason": "found"}
    told = await bins.post("/api/inventory/adjustments", {**counted, "stock_status": "available"})
    assert faults_of(told) == [("/stock_status", "not_available_here")]
    made = await bins.made("/api/inventory/adjustments", counted)
    assert (made["stream"]["stock_status"], made["on_hand"]) == (status, 3)
    change = {"change_no": "S-1", "to": "available", "quantity": 3, "reason": "fine"}
    refused = await bins.put(f"/api/inventory/{made['stream']['stream_id']}/status", change)
    assert (refused.status_code, faults_of(refused)) == (422, [("/to", "not_available_here")])


@BECOMES
async def test_what_is_moved_there_becomes_what_the_location_is_for(bins: Door, location: str, status: str) -> None:
    told = await bins.made("/api/inventory/move", move(location))
    assert told["stock_status"] == status
    assert await where(bins) == {(BIN, "available"): 90, (location, status): 10}
    assert (await bins.made("/api/inventory/move", move(location)))["stock_status"] == status
    back = move("HAM-A-2", move_no="M-2", **{"from": {"location_id": location, "stock_status": status}})
    assert (await bins.made("/api/inventory/move", back))["stock_status"] == status


async def test_serial_numbers_are_moved_to_quarantine(bins: Door) -> None:
    of = {"sku": "PHONE", "serial_numbers": ["S1", "S2"]}
    assert (await bins.made("/api/inventory/move", move(QUARANTINE, 2, **of)))["stock_status"] == "quarantined"


async def test_a_location_makes_nothing_better_than_it_is(bins: Door) -> None:
    await receive(bins, RETURNS, stock_status="damaged")
    damaged = {"from": {"location_id": RETURNS, "stock_status": "damaged"}}
    assert (await bins.made("/api/inventory/move", move(QUARANTINE, 5, **damaged)))["stock_status"] == "damaged"
    await bins.made("/api/inventory/move", move(RETURNS, 4, "M-2"))
    inspected = {"from": {"location_id": RETURNS, "stock_status": "inspection"}}
    to_quarantine = await bins.made("/api/inventory/move", move(QUARANTINE, 4, "M-3", **inspected))
    assert to_quarantine["stock_status"] == "quarantined"
    quarantined = {"from": {"location_id": QUARANTINE, "stock_status": "quarantined"}}
    assert (await bins.made("/api/inventory/move", move(RETURNS, 4, "M-4", **quarantined)))["stock_status"] == (
        "quarantined"
    )


async def test_what_is_promised_gives_way_where_it_is_moved_to_quarantine(bins: Door) -> None:
    await bins.made("/api/orders/outbound", push(lines=[line(quantity=60, uom="EA")]))
    await bins.made("/api/orders/outbound", push("SO-2", lines=[line(quantity=30, uom="EA")]))
    told = await bins.made("/api/inventory/move", move(QUARANTINE, 35))
    assert told["stock_status"] == "quarantined"
    first, last = [(await bins.get(f"/api/orders/SO-{number}")).json() for number in (1, 2)]
    assert (first["lines"][0]["reserved"], first["needs_attention"]) == (60, False)
    assert (last["lines"][0]["reserved"], last["lines"][0]["backordered"]) == (5, 25)
    assert (last["needs_attention"], last["attention"]["step"]) == (True, "hold")


async def test_what_is_put_back_there_becomes_what_the_location_is_for(bins: Door) -> None:
    await bins.made("/api/orders/outbound", push(lines=[line(quantity=6, uom="EA")]))
    await bins.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 6}]})
    await bins.made("/api/orders/SO-1/cancel", {"cancel_no": "X-1", "reason": "customer"})
    lines = [{"line_no": 1, "quantity": 2, "location_id": name} for name in (QUARANTINE, RETURNS, BIN)]
    told = await bins.made("/api/orders/SO-1/put-backs", {"put_back_no": "B-1", "lines": lines})
    assert told["notices"] == [
        {"code": "status_changed", "detail": "What was put into HAM-Q is quarantined there"},
        {"code": "status_changed", "detail": "What was put into HAM-RET is inspection there"},
    ]
    assert await where(bins) == {
        (BIN, "available"): 96,
        (QUARANTINE, "quarantined"): 2,
        (RETURNS, "inspection"): 2,
    }


@pytest.fixture
async def delivered(bins: Door) -> Door:
    """An order of 6 mugs that the customer has."""
    await bins.made("/api/orders/outbound", push(lines=[line(quantity=6, uom="EA")]))
    await bins.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 6}]})
    await bins.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    await bins.made("/api/orders/SO-1/shipments/SH-1/handover", {"handover_no": "H-1"})
    line_of = LineQuantity(1, "MUG-WHITE", "HAM", 6)
    arrived = DeliverParcel(
        tenant=bins.tenant,
        key="arrived",
        actor="test",
        order_ref="SO-1",
        shipment_no="SH-1",
        order_site="HAM",
        lines=(line_of,),
    )
    await LedgerWriter(bins.engine).post(arrived)
    return bins


@pytest.mark.parametrize(
    ("location", "condition", "became"),
    [
        (QUARANTINE, None, "quarantined"),
        (QUARANTINE, "inspection", "quarantined"),
        (QUARANTINE, "damaged", "damaged"),
        (RETURNS, None, "inspection"),
        (RETURNS, "damaged", "damaged"),
        (BIN, "available", "available"),
    ],
)
async def test_what_comes_back_is_what_its_location_is_for(
    delivered: Door, location: str, condition: str | None, became: str
) -> None:
    said = {"line_no": 1, "quantity": 2} | ({"condition": condition} if condition else {})
    body = {"return_no": "R-1", "location_id": location, "lines": [said]}
    told = await delivered.made("/api/orders/SO-1/returns", body)
    assert (told["outcome"], told["lines"][0]["condition"]) == ("done", became)
    assert (await where(delivered))[location, became] == 2 + (94 if location == BIN else 0)


async def test_nothing_that_came_back_is_available_where_nothing_is(delivered: Door) -> None:
    lines = [{"line_no": 1, "quantity": 2, "condition": "available"}]
    answer = await delivered.post(
        "/api/orders/SO-1/returns", {"return_no": "R-1", "location_id": RETURNS, "lines": lines}
    )
    assert faults_of(answer) == [("/lines/0/condition", "not_available_here")]


async def test_what_arrives_from_another_site_is_what_its_location_is_for(bins: Door) -> None:
    await bins.made("/api/locations", {**examples.SITE, "location_id": "CPH"})
    await bins.made("/api/locations", place("CPH-Q", "quarantine", site="CPH"))
    sent = {"sku": "MUG-WHITE", "quantity": 8, "location_id": BIN}
    await bins.made("/api/inventory/transfers", {"transfer_no": "TR-1", "to_site": "CPH", "lines": [sent]})
    arrived = {"sku": "MUG-WHITE", "quantity": 8}
    body = {"receipt_no": "TG-1", "location_id": "CPH-Q", "lines": [{**arrived, "stock_status": "available"}]}
    refused = await bins.post("/api/inventory/transfers/TR-1/receipts", body)
    assert faults_of(refused) == [("/lines/0/stock_status", "not_available_here")]
    told = await bins.made("/api/inventory/transfers/TR-1/receipts", {**body, "lines": [arrived]})
    assert told["arrived"] == [{"sku": "MUG-WHITE", "lot": None, "stock_status": "quarantined", "quantity": 8}]


async def test_what_is_found_there_is_what_the_location_is_for(bins: Door) -> None:
    await bins.made("/api/locations", place("HAM-B"))
    await bins.made("/api/inventory/move", move("HAM-B", 100))
    await bins.made("/api/orders/outbound", push(lines=[line(quantity=6, uom="EA")]))
    missed = [{"line_no": 1, "quantity": 2, "location_id": "HAM-B"}]
    await bins.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": missed, "short": True})
    (task,) = (await bins.get("/api/inventory/counts")).json()["items"]
    await bins.made("/api/locations", place("HAM-B", "quarantine"))
    told = await bins.made(f"/api/inventory/counts/{task['task_no']}", {"counted": 3, "by": "Ida"})
    assert (told["found"], told["written_off"]) == (3, 1)
    assert (await where(bins))["HAM-B", "quarantined"] == 3


# -- what lay there before -------------------------------------------------------------------------------------------


@pytest.fixture
async def retyped(bins: Door) -> Door:
    """The bin with all the stock is the returns dock now; of 90 that are promised, others have 30."""
    await bins.made("/api/orders/outbound", push(lines=[line(quantity=60, uom="EA")]))
    await bins.made("/api/orders/outbound", push("SO-2", lines=[line(quantity=30, uom="EA")]))
    await bins.made("/api/orders/outbound", push("SO-3", lines=[line(sku="WINE", quantity=4, uom="EA")]))
    await bins.stock(quantity=70, po_no="PO-4")
    await bins.made("/api/inventory/move", move("HAM-A-2", 70))
    await bins.made("/api/locations", place(BIN, "returns", parent="HAM-A"))
    return bins


async def test_what_is_available_where_nothing_is_is_listed(retyped: Door) -> None:
    told = (await retyped.get("/api/inventory/misplaced")).json()
    goods = {(item["sku"], item["lot"], item["serial_number"]): item for item in told["items"]}
    mugs = goods["MUG-WHITE", None, None]
    assert (mugs["location_id"], mugs["on_hand"], mugs["reserved"], mugs["becomes"]) == (BIN, 100, 90, "inspection")
    assert goods.keys() - {("MUG-WHITE", None, None)} == {
        ("WINE", "L-1", None),
        ("PHONE", None, "S1"),
        ("PHONE", None, "S2"),
    }
    first = (await retyped.get("/api/inventory/misplaced", limit=3)).json()
    rest = (await retyped.get("/api/inventory/misplaced", limit=3, cursor=first["next"])).json()
    assert [*first["items"], *rest["items"]] == told["items"]
    assert (await retyped.get("/api/inventory/misplaced", location_id="HAM-A-2")).json()["items"] == []
    assert (await retyped.get("/api/inventory/misplaced", site="CPH")).json()["items"] == []


async def test_a_conversion_makes_it_what_it_should_be_and_holds_give_way(retyped: Door) -> None:
    body = {"conversion_no": "CV-1", "location_id": BIN, "reason": "it is the returns dock now"}
    answer = await retyped.post("/api/inventory/conversions", body)
    told = answer.json()
    assert (answer.status_code, told["stock_status"], told["displaced"]) == (
        201,
        "inspection",
        ["SO-1", "SO-2", "SO-3"],
    )
    assert [(goods["sku"], goods["quantity"]) for goods in told["converted"]] == [
        ("MUG-WHITE", 100),
        ("PHONE", 1),
        ("PHONE", 1),
        ("WINE", 10),
    ]
    assert await where(retyped) == {(BIN, "inspection"): 100, ("HAM-A-2", "available"): 70}
    first, last, wine = [(await retyped.get(f"/api/orders/SO-{number}")).json() for number in (1, 2, 3)]
    assert [first["lines"][0]["reserved"], last["lines"][0]["reserved"]] == [60, 10]
    assert (wine["lines"][0]["backordered"], wine["needs_attention"]) == (4, True)
    assert (await retyped.get("/api/inventory/misplaced")).json()["items"] == []
    again = await retyped.post("/api/inventory/conversions", body)
    assert (again.status_code, again.json()) == (200, told)
    other = await retyped.post("/api/inventory/conversions", {**body, "reason": "another"})
    assert (other.status_code, code_of(other)) == (409, "conflict")


async def test_nothing_is_converted_where_stock_may_be_available(bins: Door) -> None:
    body = {"conversion_no": "CV-1", "location_id": BIN, "reason": "why not"}
    answer = await bins.post("/api/inventory/conversions", body)
    assert faults_of(answer) == [("/location_id", "available_here")]
