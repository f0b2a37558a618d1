"""What the floor and the office do to an order."""

from __future__ import annotations

import pytest

from api.shipping import shipments
from tests.api.doorway import Door, code_of, faults_of, line, push


def pick(pick_no: str = "P-1", quantity: object = 2, uom: str | None = "CASE", **fields: object) -> dict:
    picked = {"line_no": 1, "quantity": quantity, "uom": uom, "location_id": "HAM-A-1"}
    return {"pick_no": pick_no, "lines": [{**picked, **fields}]}


@pytest.fixture
async def reserved(shop: Door) -> Door:
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    return shop


@pytest.fixture
async def picked(reserved: Door) -> Door:
    await reserved.made("/api/orders/SO-1/picks", pick())
    return reserved


@pytest.fixture
async def shipped(picked: Door) -> Door:
    await picked.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    await picked.made("/api/orders/SO-1/shipments/SH-1/handover", {"handover_no": "H-1"})
    return picked


async def test_a_pick_brings_what_is_held_to_staging(reserved: Door) -> None:
    answer = await reserved.post("/api/orders/SO-1/picks", {**pick(), "actor": "Ida"})
    told = answer.json()
    assert (answer.status_code, told["outcome"], told["status"]) == (200, "done", "picked")
    assert (told["lines"][0]["picked"], told["lines"][0]["reserved"]) == (24, 24)
    again = await reserved.post("/api/orders/SO-1/picks", {**pick(quantity="2.0"), "actor": "Mads"})
    assert (again.status_code, again.json()["lines"]) == (200, told["lines"])
    assert await reserved.count("ledger.posting") == 3


async def test_quantities_without_a_unit_are_base_units(reserved: Door) -> None:
    told = await reserved.made("/api/orders/SO-1/picks", pick(quantity=5, uom=None))
    assert told["lines"][0]["picked"] == 5


async def test_the_same_pick_number_with_other_content_is_a_conflict(picked: Door) -> None:
    answer = await picked.post("/api/orders/SO-1/picks", pick(quantity=1))
    assert (answer.status_code, code_of(answer)) == (409, "conflict")


async def test_more_than_is_held_cannot_be_picked(reserved: Door) -> None:
    answer = await reserved.post("/api/orders/SO-1/picks", pick(quantity=3))
    assert (answer.status_code, code_of(answer)) == (422, "more_than_held")
    assert faults_of(answer) == [("/lines/0/quantity", "more_than_held")]
    assert await reserved.count("ledger.posting") == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"line_no": 7}, ("/lines/0/line_no", "unknown_line")),
        ({"location_id": "NOWHERE"}, ("/lines/0/location_id", "unknown_location")),
        ({"location_id": "HAM-STAGE"}, ("/lines/0/location_id", "not_for_stock")),
        ({"uom": "BOX"}, ("/lines/0/uom", "unknown_uom")),
        ({"quantity": 0}, ("/lines/0/quantity", "quantity_not_positive")),
        ({"serial_numbers": ["S-1"]}, ("/lines/0/serial_numbers", "serial_count")),
    ],
)
async def test_a_pick_that_cannot_be_names_the_field_and_writes_nothing(
    reserved: Door, change: dict, fault: tuple[str, str]
) -> None:
    before = await reserved.counts()
    answer = await reserved.post("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [pick()["lines"][0] | change]})
    assert answer.status_code == 422
    assert faults_of(answer) == [fault]
    assert await reserved.counts() == before


async def test_nothing_is_picked_for_an_order_that_is_not_there(shop: Door) -> None:
    answer = await shop.post("/api/orders/SO-0/picks", pick())
    assert (answer.status_code, code_of(answer)) == (404, "not_found")


async def test_what_is_no_longer_wanted_goes_back(picked: Door) -> None:
    told = await picked.made("/api/orders/outbound", push(revision=2, lines=[line(quantity=1)]))
    assert told["lines"][0]["to_put_back"] == 12
    body = {"put_back_no": "B-1", "lines": [{"line_no": 1, "quantity": 1, "uom": "CASE", "location_id": "HAM-A-2"}]}
    answer = await picked.post("/api/orders/SO-1/put-backs", body)
    assert (answer.status_code, answer.json()["lines"][0]["to_put_back"]) == (200, 0)


async def test_a_whole_order_or_a_part_of_it_is_cancelled(reserved: Door) -> None:
    part = {"cancel_no": "X-1", "reason": "customer", "lines": [{"line_no": 1, "quantity": 1, "uom": "CASE"}]}
    told = await reserved.made("/api/orders/SO-1/cancel", part)
    assert (told["lines"][0]["cancelled"], told["lines"][0]["reserved"]) == (12, 12)
    told = await reserved.made("/api/orders/SO-1/cancel", {"cancel_no": "X-2", "reason": "customer", "lines": None})
    assert (told["lines"][0]["cancelled"], told["status"]) == (24, "cancelled")


async def test_a_shipment_is_labeled_and_its_label_can_be_printed(picked: Door) -> None:
    body = {"shipment_no": "SH-1", "parcels": [{"weight_g": 5400, "lines": [{"line_no": 1, "quantity": 24}]}]}
    answer = await picked.post("/api/orders/SO-1/shipments", body)
    told = answer.json()
    assert answer.status_code == 201
    (box,) = told["parcels"]
    assert (box["parcel_no"], box["tracking_number"]) == (1, "TN-SH-1")
    assert box["lines"] == [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 24, "lot": None, "serial_numbers": []}]
    assert (told["handed_over_at"], told["delivered_at"], told["proof_of_delivery"]) == (None, None, None)
    label = await picked.get(box["label_url"])
    assert (label.content, label.headers["content-type"]) == (b"%PDF a label", "application/pdf")
    again = await picked.post("/api/orders/SO-1/shipments", body)
    assert (again.status_code, again.json()) == (200, told)


async def test_a_shipment_whose_order_cannot_be_reached_is_kept(picked: Door) -> None:
    picked.gateway.down = True
    body = {"shipment_no": "SH-1", "parcels": [{"lines": [{"line_no": 1, "quantity": 2, "uom": "CASE"}]}]}
    answer = await picked.post("/api/orders/SO-1/shipments", body)
    (box,) = answer.json()["parcels"]
    assert (answer.status_code, box["tracking_number"], box["lines"][0]["quantity"]) == (202, None, 24)
    handover = await picked.post("/api/orders/SO-1/shipments/SH-1/handover", {"handover_no": "H-1"})
    assert (handover.status_code, handover.json()["handed_over_at"]) == (202, None)
    await picked.gateway.decide_all(picked.tenant, "SO-1")
    assert (await picked.get("/api/orders/SO-1/shipments/SH-1")).json()["handed_over_at"] is not None


async def test_a_shipment_is_labeled_when_the_carrier_is_back(picked: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipments, "WAIT_S", 0.1)
    picked.gateway.labels = False
    answer = await picked.post("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    (box,) = answer.json()["parcels"]
    assert (answer.status_code, box["tracking_number"], box["label_url"]) == (202, None, None)
    assert (await picked.get("/api/orders/SO-1/shipments/SH-1/parcels/1/label")).status_code == 404
    picked.gateway.labels = True
    await picked.gateway.decide_all(picked.tenant, "SO-1")
    again = await picked.post("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    assert (again.status_code, again.json()["parcels"][0]["tracking_number"]) == (200, "TN-SH-1")


async def test_a_shipment_number_of_another_order_is_taken(picked: Door) -> None:
    await picked.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    await picked.made("/api/orders/outbound", push("SO-2", lines=[line()]))
    answer = await picked.post("/api/orders/SO-2/shipments", {"shipment_no": "SH-1"})
    assert (answer.status_code, code_of(answer)) == (409, "conflict")


async def test_a_hand_over_says_that_the_goods_have_left(picked: Door) -> None:
    await picked.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    body = {"handover_no": "H-1", "occurred_at": "2026-11-20T18:00:00+01:00", "device": "scanner-3"}
    answer = await picked.post("/api/orders/SO-1/shipments/SH-1/handover", body)
    assert (answer.status_code, answer.json()["handed_over_at"]) == (200, "2026-11-20T17:00:00Z")
    view = (await picked.get("/api/orders/SO-1")).json()
    assert (view["status"], view["lines"][0]["shipped"]) == ("shipped", 24)
    assert [shipment["shipment_no"] for shipment in view["shipments"]] == ["SH-1"]


async def test_nothing_is_handed_over_that_was_not_booked(picked: Door) -> None:
    answer = await picked.post("/api/orders/SO-1/shipments/SH-9/handover", {"handover_no": "H-1"})
    assert (answer.status_code, code_of(answer)) == (404, "not_found")


async def test_what_has_shipped_cannot_be_amended_away(shipped: Door) -> None:
    answer = await shipped.post("/api/orders/outbound", push(revision=2, lines=[line(quantity=1)]))
    assert (answer.status_code, code_of(answer)) == (409, "already_shipped")
    assert faults_of(answer) == [("/lines/0/quantity", "already_shipped")]
    view = (await shipped.get("/api/orders/SO-1")).json()
    assert (view["revision"], view["last_refusal"]["command"]) == (1, "submit")


async def test_more_than_was_delivered_cannot_come_back(shipped: Door) -> None:
    body = {"return_no": "R-1", "location_id": "HAM-RET", "lines": [{"line_no": 1, "quantity": 3}]}
    answer = await shipped.post("/api/orders/SO-1/returns", body)
    assert (answer.status_code, code_of(answer)) == (422, "over_return")


async def test_a_return_goes_to_a_place_for_it(shipped: Door) -> None:
    for location_id, code in (
        ("NOWHERE", "unknown_location"),
        ("HAM-STAGE", "not_for_stock"),
        ("HAM", "not_for_stock"),
    ):
        body = {"return_no": "R-1", "location_id": location_id, "lines": [{"line_no": 1, "quantity": 3}]}
        assert faults_of(await shipped.post("/api/orders/SO-1/returns", body)) == [("/location_id", code)]


async def test_an_operator_may_give_up_what_waits(shop: Door) -> None:
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    body = {"act_no": "O-1", "verb": "accept_short", "by": "Mads", "reason": "no more to come"}
    told = await shop.made("/api/orders/SO-1/operator-acts", body)
    assert (told["status"], told["lines"][0]["cancelled"]) == ("cancelled", 24)


async def test_a_serial_number_goes_with_each_unit_that_is_picked(shop: Door) -> None:
    await shop.stock("PHONE", 2, serial_numbers=["S-1", "S-2"])
    await shop.made("/api/orders/outbound", push(lines=[line(sku="PHONE", quantity=1, uom=None)]))
    bare = pick(quantity=1, uom=None)
    assert faults_of(await shop.post("/api/orders/SO-1/picks", bare)) == [("/lines/0/serial_numbers", "serial_count")]
    told = await shop.made("/api/orders/SO-1/picks", pick(quantity=1, uom=None, serial_numbers=["S-2"]))
    assert told["lines"][0]["picked"] == 1
