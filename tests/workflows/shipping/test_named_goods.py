"""Lots and serial numbers through an order's life: what was picked is what the parcel, the ledger and the ERP say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.agreement import disagreements
from tests.workflows.partners import Partners
from tests.workflows.points import CUPS
from tests.workflows.shop import Body, Order, Shop

pytestmark = pytest.mark.usefixtures("worker")

UNDERWAY = """
select coalesce(nullif(s.serial_number, ''), s.lot) as goods, sum(e.on_hand_delta)::int as quantity
from ledger.entry e join ledger.stream s using (stream_id)
where e.tenant = :tenant and e.order_ref = :order_ref and s.location_id = :place
group by 1 having sum(e.on_hand_delta) <> 0 order by 1
"""


async def drills(shop: Shop, *serials: str) -> Order:
    """Make a sku with serial numbers, that comes in boxes of two, with stock of it."""
    order = await shop.order()
    sku = order.sku("DRILL")
    boxes = [{"uom": "BOX", "factor": 2}]
    await shop.made(
        "products", {"sku": sku, "base_uom": "EA", "packagings": boxes, "tracking": "serial", "weight_g": 900}
    )
    expected = {"line_no": 1, "sku": sku, "quantity": len(serials)}
    await shop.made(
        "orders/inbound", {"po_no": f"PO-{order.order_no}", "site": "HAM", "supplier": "ACME", "lines": [expected]}
    )
    came = {"line_no": 1, "quantity": len(serials), "serial_numbers": list(serials)}
    await shop.made(
        f"orders/inbound/PO-{order.order_no}/receipts",
        {"receipt_no": f"GR-{order.order_no}", "location_id": "HAM-A", "lines": [came]},
    )
    return order


async def told(partners: Partners, order: Order, kind: str) -> list[Body]:
    """Return the lines of the ERP's documents of a kind."""
    documents = await partners.documents(order.shop.hub.tenant, order.order_no)
    return [line for document in documents if document["kind"] == kind for line in document["payload"]["lines"]]


async def goods(order: Order, place: str) -> dict[str, int]:
    rows = await order.shop.hub.rows(UNDERWAY, order_ref=order.order_no, place=place)
    return {row["goods"]: row["quantity"] for row in rows}


async def contents(order: Order) -> list[Any]:
    (shipment,) = (await order.view())["shipments"]
    return [(row["quantity"], row["lot"], row["serial_numbers"]) for box in shipment["parcels"] for row in box["lines"]]


async def test_what_was_picked_is_known_from_the_shelf_to_the_return(shop: Shop, partners: Partners) -> None:
    order = await drills(shop, "S-1", "S-2", "S-3")
    await order.push([order.line(1, "DRILL", 1, uom="BOX"), order.line(2, "CUP", 7)])
    await order.pick({"line_no": 1, "quantity": 2, "serial_numbers": ["S-3", "S-1"]}, CUPS(5))
    await order.pick({"line_no": 2, "quantity": 2, "lot": "L-2"}, pick_no="P-2")
    await order.ship()
    await order.hand_over()

    known = [(2, None, ["S-1", "S-3"]), (5, "L-1", []), (2, "L-2", [])]
    assert await contents(order) == known
    assert await goods(order, f"transit/{order.order_no}-1") == {"S-1": 1, "S-3": 1, "L-1": 5, "L-2": 2}
    await order.settle()
    lines = await told(partners, order, "shipped")
    assert [(line["quantity"], line.get("lot"), line.get("serial_numbers", [])) for line in lines] == known
    assert [(line["uom"], line["line_quantity"], line["line_uom"]) for line in lines] == [
        ("EA", 1, "BOX"),
        ("EA", 5, "EA"),
        ("EA", 2, "EA"),
    ]

    await order.scan("delivered")
    await order.until_closed()
    refused = await order.take_back({"line_no": 1, "quantity": 1, "serial_numbers": ["S-2"]})
    assert refused.status_code == 422
    some, all_ = {"line_no": 1, "quantity": 1, "serial_numbers": ["S-3"]}, {"line_no": 2, "quantity": 7}
    taken = await order.take_back(some, all_)
    assert taken.status_code == 201, taken.text

    assert await disagreements(order, await order.settle(), partners) == []
    back = await told(partners, order, "returned")
    assert [(line["quantity"], line.get("lot"), line.get("serial_numbers", [])) for line in back] == [
        (1, None, ["S-3"]),
        (5, "L-1", []),
        (2, "L-2", []),
    ]
    assert back[0]["line_uom"] == "BOX"
    assert back[0]["line_quantity"] == "0.5"


async def test_what_was_lost_bit_by_bit_is_told_with_the_lots_of_all_of_it(shop: Shop, partners: Partners) -> None:
    order = await shop.order()
    await order.push([order.line(2, "CUP", 7)])
    await order.pick(CUPS(5), CUPS(2, lot="L-2"))
    await order.ship()
    await order.hand_over()
    for loss_no, lot in (("L-1", "L-1"), ("L-2", "L-2")):
        one = {"line_no": 2, "quantity": 1, "lot": lot}
        answer = await order.lose(loss_no, reason="damaged", lines=[one])
        assert answer.is_success, answer.text

    await order.settle()
    lines = await told(partners, order, "cancelled")
    assert [(line["quantity"], line["lot"]) for line in lines[-2:]] == [(1, "L-1"), (1, "L-2")]


async def test_a_scan_of_a_parcel_that_was_never_handed_over_moves_what_it_names(
    shop: Shop, partners: Partners
) -> None:
    order = await drills(shop, "S-1", "S-2")
    await order.push([order.line(1, "DRILL", 2)])
    boxes = [{"lines": [{"line_no": 1, "quantity": 1, "serial_numbers": [serial]}]} for serial in ("S-2", "S-1")]
    shipment = await order.say("shipments", {"shipment_no": f"{order.order_no}-1", "parcels": boxes})
    first, second = (box["tracking_number"] for box in shipment.json()["parcels"])

    await order.scan("delivered", first)
    await order.settle()
    assert await goods(order, f"customer/{order.order_no}") == {"S-2": 1}
    await order.scan("delivered", second)

    assert await disagreements(order, await order.settle(), partners) == []
    lines = await told(partners, order, "delivered")
    assert [line["serial_numbers"] for line in lines] == [["S-1", "S-2"]]
