"""Where lots and serial numbers are, who has them, where they have been; and recalls."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.requests import DeliverParcel, LineQuantity
from ledger.writing.writer import LedgerWriter
from tests.api.doorway import Door, code_of, examples, faults_of, line, place, push

LOT = "L-2607"


@pytest.fixture
async def cellar(shop: Door) -> Door:
    """Wine of two lots in the cellar, one of them in two bins."""
    await shop.stock("WINE", 40, "PO-1", lot=LOT, expires_on="2097-07-31")
    await shop.stock("WINE", 10, "PO-2", lot="L-2608", expires_on="2097-08-31")
    await shop.made("/api/inventory/move", moved(12))
    return shop


def moved(quantity: int) -> dict[str, Any]:
    return {
        "move_no": "M-1",
        "sku": "WINE",
        "quantity": quantity,
        "from": {"location_id": "HAM-A-1", "lot": LOT},
        "to": {"location_id": "HAM-A-2"},
    }


def recall(recall_no: str = "RC-1", lot: str = LOT, **fields: Any) -> dict[str, Any]:
    return {"recall_no": recall_no, "sku": "WINE", "lot": lot, "reason": "cork taint", **fields}


async def sell(door: Door, order_no: str, quantity: int, *, until: str = "delivered") -> None:
    """Carry an order as far as it is said."""
    await door.made("/api/orders/outbound", push(order_no, lines=[line(sku="WINE", quantity=quantity, uom="EA")]))
    if until == "reserved":
        return
    picked = {"line_no": 1, "quantity": quantity, "location_id": "HAM-A-1", "lot": LOT}
    await door.made(f"/api/orders/{order_no}/picks", {"pick_no": f"P-{order_no}", "lines": [picked]})
    if until == "picked":
        return
    shipments = f"/api/orders/{order_no}/shipments"
    await door.made(shipments, {"shipment_no": f"{order_no}-1"})
    await door.made(f"{shipments}/{order_no}-1/handover", {"handover_no": f"H-{order_no}"})
    if until == "shipped":
        return
    delivered = DeliverParcel(
        tenant=door.tenant,
        key=f"delivery/{order_no}",
        actor="carrier",
        order_ref=order_no,
        shipment_no=f"{order_no}-1",
        order_site="HAM",
        lines=(LineQuantity(1, "WINE", "HAM", quantity),),
    )
    await LedgerWriter(door.engine).post(delivered)


async def trace(door: Door, **asked: str) -> Any:
    answer = await door.get("/api/inventory/trace", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_one_call_blocks_a_lot_and_says_who_has_it_and_where_the_rest_is(cellar: Door) -> None:
    await sell(cellar, "SO-1", 6)
    await cellar.made(
        "/api/orders/SO-1/returns",
        {"return_no": "R-1", "location_id": "HAM-RET", "lines": [{"line_no": 1, "quantity": 2, "lot": LOT}]},
    )
    await sell(cellar, "SO-2", 5, until="shipped")
    await sell(cellar, "SO-3", 4, until="picked")
    await sell(cellar, "SO-4", 3, until="reserved")

    answer = await cellar.post("/api/inventory/recalls", recall())

    told = answer.json()
    assert (answer.status_code, told["quarantined"], told["displaced"]) == (201, 29, ["SO-3", "SO-4"])
    found = told["trace"]
    assert (found["blocked_by"], found["expires_on"]) == ("RC-1", "2097-07-31")
    assert found["totals"] == {"received": 40, "found": 0, "in_house": 31, "in_transit": 5, "with_customers": 4}
    in_house = {(item["location_id"], item["stock_status"]): item["on_hand"] for item in found["in_house"]}
    assert in_house == {
        ("HAM-A-1", "quarantined"): 13,
        ("HAM-A-2", "quarantined"): 12,
        ("HAM-STAGE", "quarantined"): 4,
        ("HAM-RET", "inspection"): 2,
    }
    assert [(item["order_no"], item["on_hand"]) for item in found["in_transit"]] == [("SO-2", 5)]
    assert [(item["order_no"], item["on_hand"]) for item in found["with_customers"]] == [("SO-1", 4)]
    orders = [(await cellar.get(f"/api/orders/SO-{n}")).json() for n in (3, 4)]
    assert [(order["lines"][0]["reserved"], order["needs_attention"]) for order in orders] == [(4, True), (3, True)]


async def test_a_recall_is_right_to_the_unit_across_receipts_transfers_customers_and_returns(cellar: Door) -> None:
    await cellar.made("/api/locations", {**examples.SITE, "location_id": "CPH"})
    await cellar.made("/api/locations", place("CPH-B-1", site="CPH"))
    await cellar.stock("WINE", 3, "PO-3", lot=LOT)
    await sell(cellar, "SO-1", 6)
    returned = {"return_no": "R-1", "location_id": "HAM-RET", "lines": [{"line_no": 1, "quantity": 2, "lot": LOT}]}
    await cellar.made("/api/orders/SO-1/returns", returned)
    leaving = {"sku": "WINE", "quantity": 9, "location_id": "HAM-A-2", "lot": LOT}
    await cellar.made("/api/inventory/transfers", {"transfer_no": "TR-1", "to_site": "CPH", "lines": [leaving]})
    receipt = {"receipt_no": "TG-1", "location_id": "CPH-B-1", "lines": [{"sku": "WINE", "quantity": 5}]}
    await cellar.made("/api/inventory/transfers/TR-1/receipts", receipt)

    answer = await cellar.post("/api/inventory/recalls", recall())

    told = answer.json()
    assert (answer.status_code, told["quarantined"]) == (201, 43 - 6 - 4)
    found = told["trace"]
    assert found["totals"] == {"received": 43, "found": 0, "in_house": 35, "in_transit": 4, "with_customers": 4}
    in_house = {(item["location_id"], item["stock_status"]): item["on_hand"] for item in found["in_house"]}
    assert in_house == {
        ("HAM-A-1", "quarantined"): 25,
        ("HAM-A-2", "quarantined"): 3,
        ("CPH-B-1", "quarantined"): 5,
        ("HAM-RET", "inspection"): 2,
    }
    assert [(item["location_id"], item["on_hand"]) for item in found["in_transit"]] == [("transit/transfer/TR-1", 4)]

    receipt = {"receipt_no": "TG-2", "location_id": "CPH-B-1", "lines": [{"sku": "WINE", "quantity": 4}]}
    await cellar.made("/api/inventory/transfers/TR-1/receipts", receipt)
    now = await trace(cellar, sku="WINE", lot=LOT)
    at = {(i["location_id"], i["stock_status"]): i["on_hand"] for i in now["in_house"]}
    assert (at["CPH-B-1", "quarantined"], now["in_transit"]) == (9, [])


async def test_the_same_recall_again_gives_the_same_answer(cellar: Door) -> None:
    first = await cellar.post("/api/inventory/recalls", recall())
    again = await cellar.post("/api/inventory/recalls", recall())
    other = await cellar.post("/api/inventory/recalls", recall(reason="mistake"))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (other.status_code, code_of(other)) == (409, "conflict")
    second = await cellar.post("/api/inventory/recalls", recall("RC-2"))
    assert (second.status_code, code_of(second)) == (409, "lot_blocked")


async def test_a_lifted_recall_lets_what_arrives_be_sold_again(cellar: Door) -> None:
    await cellar.made("/api/inventory/recalls", recall())
    await cellar.stock("WINE", 1, "PO-3", lot=LOT)
    lifted = await cellar.post("/api/inventory/recalls/RC-1/lift", {"reason": "tested"})
    again = await cellar.post("/api/inventory/recalls/RC-1/lift", {"reason": "tested"})
    await cellar.stock("WINE", 2, "PO-4", lot=LOT)

    assert (lifted.status_code, again.status_code) == (201, 200)
    assert lifted.json() == again.json()
    found = await trace(cellar, sku="WINE", lot=LOT)
    at = [(i["on_hand"], i["stock_status"]) for i in found["in_house"] if i["location_id"] == "HAM-A-1"]
    assert (found["blocked_by"], at) == (None, [(2, "available"), (29, "quarantined")])


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (recall(lot="L-9999"), "/lot", "unknown_lot"),
        (recall(sku="BEER"), "/sku", "unknown_sku"),
        (recall(lot=None), "/lot", "invalid"),
    ],
)
async def test_a_recall_of_what_is_not_there_names_the_field(
    cellar: Door, body: dict[str, Any], pointer: str, code: str
) -> None:
    before = await cellar.counts()
    answer = await cellar.post("/api/inventory/recalls", body)
    assert (answer.status_code, faults_of(answer)) == (422, [(pointer, code)])
    assert await cellar.counts() == before


async def test_only_a_recall_that_there_was_is_lifted(cellar: Door) -> None:
    answer = await cellar.post("/api/inventory/recalls/RC-9/lift", {"reason": "tested"})
    assert answer.status_code == 404


async def test_a_serial_number_tells_where_it_is_and_where_it_was(shop: Door) -> None:
    await shop.stock("PHONE", 2, serial_numbers=["S1", "S2"])
    found = await trace(shop, sku="PHONE", serial_number="S2")
    assert [(item["location_id"], item["on_hand"]) for item in found["in_house"]] == [("HAM-A-1", 1)]

    page = (await shop.get("/api/inventory/trace/history", sku="PHONE", serial_number="S2", limit=1)).json()
    rest = await shop.get("/api/inventory/trace/history", sku="PHONE", serial_number="S2", limit=1, cursor=page["next"])
    both = [*page["items"], *rest.json()["items"]]
    assert {(item["stream"]["location_id"], item["quantity"]) for item in both} == {
        ("supplier/HAM", -1),
        ("HAM-A-1", 1),
    }
    assert (rest.json()["next"], both[0]["reason"]) == (None, "goods_receipt")


async def test_what_is_traced_must_be_named_and_known(shop: Door) -> None:
    unnamed = await shop.get("/api/inventory/trace", sku="WINE")
    assert faults_of(unnamed) == [("/query/lot", "lot_or_serial_number")]
    assert (await shop.get("/api/inventory/trace", sku="WINE", lot="L-0")).status_code == 404
    bad = await shop.get("/api/inventory/trace/history", sku="WINE", lot="L-0", cursor="x")
    assert faults_of(bad) == [("/query/cursor", "bad_cursor")]
