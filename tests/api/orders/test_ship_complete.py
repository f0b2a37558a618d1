"""An order that ships as a whole, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from commands.orders.taking_in import content_of
from domain.commands import Push
from tests.api.doorway import Door, code_of, faults_of, line, place, push

LINES = [line(1, quantity=5, uom=None), line(2, "PAN", quantity=2, uom=None)]
PICKS = [
    {"line_no": 1, "quantity": 2, "location_id": "HAM-A-1"},
    {"line_no": 2, "quantity": 2, "location_id": "HAM-A-1"},
]


def parcel(*contents: tuple[int, int]) -> dict[str, Any]:
    return {"weight_g": 500, "lines": [{"line_no": number, "quantity": quantity} for number, quantity in contents]}


def shipment(*parcels: dict[str, Any], shipment_no: str = "SH-1", **fields: object) -> dict[str, Any]:
    return {"shipment_no": shipment_no, "parcels": list(parcels) or None, **fields}


@pytest.fixture
async def whole(shop: Door) -> Door:
    """An order of 5 mugs, of which 3 wait, and of 2 pans, that ships as a whole; all that is held is picked."""
    await shop.made("/api/products", {"sku": "PAN", "description": "Pan", "base_uom": "EA"})
    await shop.stock(quantity=2)
    await shop.stock("PAN", 2, "PO-2")
    await shop.made("/api/orders/outbound", push(lines=LINES, ship_complete=True))
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": PICKS})
    return shop


async def test_nothing_of_it_leaves_while_some_of_it_waits(whole: Door) -> None:
    for body in (shipment(), shipment(parcel((1, 2), (2, 2))), shipment(handed_over=True)):
        answer = await whole.post("/api/orders/SO-1/shipments", body)
        assert (answer.status_code, code_of(answer)) == (409, "not_complete")
        assert answer.json()["detail"] == (
            "Line 1: 3 of 5 wait for stock, and the order ships as a whole: accept_short, or amend ship_complete."
        )
    view = (await whole.get("/api/orders/SO-1")).json()
    assert (view["ship_complete"], view["shipments"], view["lines"][0]["shipped"]) == (True, [], 0)


async def test_it_leaves_once_all_of_it_is_there(whole: Door) -> None:
    await whole.stock(quantity=3, po_no="PO-3")
    all_of_it = shipment(parcel((1, 5)), parcel((2, 2)), handed_over=True)
    assert (await whole.post("/api/orders/SO-1/shipments", all_of_it)).status_code == 201
    assert (await whole.get("/api/orders/SO-1")).json()["status"] == "shipped"


async def test_what_is_held_must_be_in_the_parcels(whole: Door) -> None:
    await whole.stock(quantity=3, po_no="PO-3")
    answer = await whole.post("/api/orders/SO-1/shipments", shipment(parcel((1, 4))))
    assert (answer.status_code, faults_of(answer)) == (409, [("/parcels", "not_complete")] * 2)
    assert answer.json()["detail"] == (
        "Line 1: 1 of 5 are in no parcel; Line 2: 2 of 2 are in no parcel, and the order ships as a whole: "
        "pack the rest, too, or amend ship_complete."
    )


async def test_an_order_of_which_nothing_is_picked_is_not_complete(shop: Door) -> None:
    await shop.stock(quantity=2)
    await shop.made("/api/orders/outbound", push(lines=[line(quantity=2, uom=None)], ship_complete=True))
    answer = await shop.post("/api/orders/SO-1/shipments", shipment())
    assert (answer.status_code, code_of(answer)) == (409, "not_complete")


async def test_what_is_given_up_is_not_missed(whole: Door) -> None:
    short = {"act_no": "O-1", "verb": "accept_short", "by": "Mads", "reason": "no more to come"}
    await whole.made("/api/orders/SO-1/operator-acts", short)
    assert (await whole.post("/api/orders/SO-1/shipments", shipment())).status_code == 201


async def test_a_later_revision_may_let_it_go_in_parts(whole: Door) -> None:
    await whole.made("/api/orders/outbound", push(revision=2, lines=LINES))
    assert (await whole.get("/api/orders/SO-1")).json()["ship_complete"] is False
    assert (await whole.post("/api/orders/SO-1/shipments", shipment())).status_code == 201


async def test_what_is_in_another_shipment_already_is_not_missed(whole: Door) -> None:
    await whole.made("/api/orders/outbound", push(revision=2, lines=LINES))
    await whole.made("/api/orders/SO-1/shipments", shipment())
    await whole.made("/api/orders/outbound", push(revision=3, lines=LINES, ship_complete=True))
    await whole.stock(quantity=3, po_no="PO-3")
    rest = shipment(parcel((1, 3)), shipment_no="SH-2")
    assert (await whole.post("/api/orders/SO-1/shipments", rest)).status_code == 201


async def test_each_site_sends_its_part_once_nothing_waits_at_any(whole: Door) -> None:
    site = (await whole.get("/api/locations/HAM")).json()
    await whole.made("/api/locations", {**site, "location_id": "CPH", "site": "CPH"})
    for location_id, kind in (("CPH-1", "bin"), ("CPH-STAGE", "staging")):
        await whole.made("/api/locations", place(location_id, kind, site="CPH"))
    from_both = [line(1, quantity=2, uom=None), {**LINES[1], "site": "CPH"}]
    await whole.made("/api/orders/outbound", push(revision=2, lines=from_both, ship_complete=True))
    refused = await whole.post("/api/orders/SO-1/shipments", shipment(parcel((1, 2))))
    assert refused.json()["detail"].startswith("Line 2: 2 of 2 wait for stock, and")
    delivery = {"po_no": "PO-9", "site": "CPH", "supplier": "ACME"}
    await whole.made("/api/orders/inbound", {**delivery, "lines": [{"line_no": 1, "sku": "PAN", "quantity": 2}]})
    arrived = {"receipt_no": "GR-9", "location_id": "CPH-1", "lines": [{"line_no": 1, "quantity": 2}]}
    await whole.made("/api/orders/inbound/PO-9/receipts", arrived)

    assert (await whole.post("/api/orders/SO-1/shipments", shipment(parcel((1, 2))))).status_code == 201


async def test_a_flag_that_is_none_names_the_field(shop: Door) -> None:
    answer = await shop.post("/api/orders/outbound", push(ship_complete="yes"))
    assert (answer.status_code, faults_of(answer)) == (422, [("/ship_complete", "invalid")])


def test_a_push_that_says_nothing_of_it_asks_for_what_it_always_did() -> None:
    assert "ship_complete" not in content_of(Push.model_validate(push()), {})
    assert content_of(Push.model_validate(push(ship_complete=True)), {}) != content_of(Push.model_validate(push()), {})
