"""Lots and serial numbers: what is named is what is moved, and what was picked is known afterwards."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from domain.carriers import TrackingEvent, TrackingStatus
from domain.commands import Loss, PutBackDone
from domain.said import asked
from tests.api.doorway import Door, faults_of, line, push

ORDER = "/api/orders/SO-1"
NAMES = ("quantity", "lot", "serial_numbers")


@pytest.fixture
async def phones(shop: Door) -> Door:
    """Three phones, two of which an order holds: S-1 and S-2."""
    await shop.stock("PHONE", 3, serial_numbers=["S-1", "S-2", "S-3"])
    await shop.made("/api/orders/outbound", push(lines=[line(sku="PHONE", quantity=2, uom=None)]))
    return shop


@pytest.fixture
async def wine(shop: Door) -> Door:
    """Four bottles of one lot and three of another, all of which an order holds."""
    await shop.stock("WINE", 4, "PO-1", lot="L-1")
    await shop.stock("WINE", 3, "PO-2", lot="L-2")
    await shop.made("/api/orders/outbound", push(lines=[line(sku="WINE", quantity=7, uom=None)]))
    return shop


async def pick(door: Door, quantity: int, pick_no: str = "P-1", **fields: Any) -> httpx.Response:
    told = {"line_no": 1, "quantity": quantity, **fields}
    return await door.post(f"{ORDER}/picks", {"pick_no": pick_no, "lines": [told]})


async def ship(
    door: Door, *parcels: dict[str, Any], shipment_no: str = "SH-1", handed_over: bool = False
) -> httpx.Response:
    boxes = [{"lines": [{"line_no": 1, **parcel}]} for parcel in parcels]
    body = {"shipment_no": shipment_no, "handed_over": handed_over, "parcels": boxes or None}
    return await door.post(f"{ORDER}/shipments", body)


async def hand_over(door: Door, shipment_no: str = "SH-1") -> None:
    await door.made(f"{ORDER}/shipments/{shipment_no}/handover", {"handover_no": "H-1"})


async def contents(door: Door, shipment_no: str = "SH-1") -> list[list[tuple[Any, ...]]]:
    """Return what each parcel of a shipment says that it holds."""
    shipment = (await door.get(f"{ORDER}/shipments/{shipment_no}")).json()
    return [[tuple(row[name] for name in NAMES) for row in box["lines"]] for box in shipment["parcels"]]


async def at(door: Door, location: str, sku: str = "PHONE") -> dict[str, int]:
    """Return what lies at a place, by lot or serial number."""
    items = (await door.get("/api/inventory", sku=sku, location=location)).json()["items"]
    return {item["serial_number"] or item["lot"]: item["on_hand"] for item in items if item["on_hand"]}


async def scan(door: Door, status: TrackingStatus, shipment_no: str = "SH-1", event_id: str = "E-1") -> None:
    """Hear of a shipment's first parcel from the carrier."""
    number = f"TN-{shipment_no}"
    await door.gateway.hear(door.tenant, "SO-1", TrackingEvent(event_id, number, status, status.value, None))


async def told_to_the_erp(door: Door, kind: str) -> list[list[dict[str, Any]]]:
    """Return the lines of the ERP's messages of a kind, as the timeline has them."""
    items = (await door.get(f"{ORDER}/timeline", limit=200)).json()["items"]
    said = [item["data"] for item in items if item["kind"] == "erp_message" and item["data"]["kind"] == kind]
    return [one["payload"]["lines"] for one in said]


def rows(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in NAMES) for row in lines]


# -- parcels ----------------------------------------------------------------------------------------------------------


async def test_a_shipment_without_parcels_lists_what_was_picked(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-3", "S-1"])

    await ship(phones)

    assert await contents(phones) == [[(2, None, ["S-1", "S-3"])]]
    await hand_over(phones)
    assert await contents(phones) == [[(2, None, ["S-1", "S-3"])]]
    assert set(await at(phones, "transit/SH-1")) == {"S-1", "S-3"}


async def test_a_shipment_of_two_lots_has_a_row_for_each_that_add_up(wine: Door) -> None:
    await pick(wine, 7)

    await ship(wine, handed_over=True)

    assert await contents(wine) == [[(4, "L-1", []), (3, "L-2", [])]]
    (told,) = await told_to_the_erp(wine, "shipped")
    assert rows(told) == [(4, "L-1", []), (3, "L-2", [])]
    assert {row["line_no"] for row in told} == {1}


@pytest.mark.parametrize("handed_over", [False, True])
@pytest.mark.parametrize(
    ("named", "fault"),
    [
        ({"quantity": 1, "serial_numbers": ["S-2"]}, "not_held"),  # free in its bin
        ({"quantity": 1, "serial_numbers": ["NEVER"]}, "not_held"),
        ({"quantity": 2, "serial_numbers": ["S-1"]}, "serial_count"),
        ({"quantity": 2, "serial_numbers": ["S-1", "S-1"]}, "duplicate_serial"),
    ],
)
async def test_a_parcel_names_only_serial_numbers_that_its_line_holds(
    phones: Door, named: dict[str, Any], fault: str, *, handed_over: bool
) -> None:
    await pick(phones, 1, serial_numbers=["S-3"])  # S-2 is held no more: it changed places
    before = await phones.count("records.shipment")

    answer = await ship(phones, named, handed_over=handed_over)

    assert (answer.status_code, faults_of(answer)) == (422, [("/parcels/0/lines/0/serial_numbers", fault)])
    assert await phones.count("records.shipment") == before


@pytest.mark.parametrize(
    ("named", "fault"),
    [
        ({"quantity": 4, "lot": "L-2"}, ("/parcels/0/lines/0/lot", "not_held")),
        ({"quantity": 1, "lot": "NEVER"}, ("/parcels/0/lines/0/lot", "not_held")),
        ({"quantity": 1, "serial_numbers": ["S-1"]}, ("/parcels/0/lines/0/serial_numbers", "serial_count")),
    ],
)
async def test_a_parcel_names_only_lots_that_its_line_holds(
    wine: Door, named: dict[str, Any], fault: tuple[str, str]
) -> None:
    answer = await ship(wine, named)

    assert (answer.status_code, faults_of(answer)) == (422, [fault])


async def test_what_is_in_a_live_parcel_is_in_no_other_one(phones: Door) -> None:
    twice = await ship(phones, *[{"quantity": 1, "serial_numbers": ["S-1"]}] * 2)
    assert faults_of(twice) == [("/parcels/1/lines/0/serial_numbers", "already_packed")]
    await ship(phones, {"quantity": 1, "serial_numbers": ["S-1"]})

    again = await ship(phones, {"quantity": 1, "serial_numbers": ["S-1"]}, shipment_no="SH-2")

    assert faults_of(again) == [("/parcels/0/lines/0/serial_numbers", "already_packed")]


async def test_more_of_a_lot_than_is_held_beside_other_parcels_is_not_packed(wine: Door) -> None:
    await ship(wine, {"quantity": 2, "lot": "L-2"})

    answer = await ship(wine, {"quantity": 2, "lot": "L-2"}, shipment_no="SH-2")

    assert faults_of(answer) == [("/parcels/0/lines/0/lot", "already_packed")]
    assert (await ship(wine, {"quantity": 1, "lot": "L-2"}, shipment_no="SH-2")).status_code == 201


async def test_a_named_unit_that_is_held_and_not_picked_is_the_one_that_leaves(phones: Door) -> None:
    await pick(phones, 1, serial_numbers=["S-1"])

    await ship(phones, {"quantity": 1, "serial_numbers": ["S-2"]}, handed_over=True)

    assert await contents(phones) == [[(1, None, ["S-2"])]]
    assert await at(phones, "transit/SH-1") == {"S-2": 1}
    assert await at(phones, "HAM-STAGE") == {"S-1": 1}


async def test_a_scan_moves_what_the_parcel_names(phones: Door) -> None:
    await pick(phones, 2)
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await ship(phones, {"quantity": 1, "serial_numbers": ["S-2"]})

    await scan(phones, TrackingStatus.IN_TRANSIT)

    assert await contents(phones) == [[(1, None, ["S-2"])]]
    assert await at(phones, "transit/SH-1") == {"S-2": 1}
    assert await phones.count("records.discrepancy") == 0


async def test_what_a_scan_leaves_open_is_guessed_and_then_said_alike_everywhere(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await ship(phones, {"quantity": 1})
    assert await contents(phones) == [[(1, None, [])]]

    await scan(phones, TrackingStatus.IN_TRANSIT)

    assert await contents(phones) == [[(1, None, ["S-1"])]]
    assert await at(phones, "transit/SH-1") == {"S-1": 1}
    assert rows((await told_to_the_erp(phones, "shipped"))[0]) == [(1, None, ["S-1"])]
    assert await phones.count("records.discrepancy") == 1


async def test_a_parcel_that_names_nothing_leaves_others_what_they_name(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await ship(phones, {"quantity": 1}, shipment_no="SH-1")
    await ship(phones, {"quantity": 1, "serial_numbers": ["S-1"]}, shipment_no="SH-2")

    await hand_over(phones, "SH-1")
    await hand_over(phones, "SH-2")

    assert await contents(phones, "SH-1") == [[(1, None, ["S-2"])]]
    assert await contents(phones, "SH-2") == [[(1, None, ["S-1"])]]
    assert await at(phones, "transit/SH-2") == {"S-1": 1}
    assert await phones.count("records.discrepancy") == 0


async def test_a_pick_of_another_unit_than_the_parcel_named_renames_it(phones: Door) -> None:
    await ship(phones, {"quantity": 2})
    assert await contents(phones) == [[(2, None, ["S-1", "S-2"])]]

    await pick(phones, 2, serial_numbers=["S-1", "S-3"])

    assert await contents(phones) == [[(2, None, ["S-1", "S-3"])]]
    await hand_over(phones)
    assert set(await at(phones, "transit/SH-1")) == {"S-1", "S-3"}


async def test_a_labeled_parcel_keeps_true_rows_when_its_order_changes(wine: Door) -> None:
    await pick(wine, 7)
    await ship(wine)

    await wine.made("/api/orders/outbound", push(revision=2, lines=[line(sku="WINE", quantity=5, uom=None)]))
    assert await contents(wine) == [[(5, None, [])]]  # which of them are to be put back, nobody has said
    back = {"line_no": 1, "quantity": 2, "location_id": "HAM-A-1", "lot": "L-2"}
    await wine.made(f"{ORDER}/put-backs", {"put_back_no": "B-1", "lines": [back]})

    assert await contents(wine) == [[(4, "L-1", []), (1, "L-2", [])]]
    await hand_over(wine)
    assert await at(wine, "transit/SH-1", "WINE") == {"L-1": 4, "L-2": 1}
    (told,) = await told_to_the_erp(wine, "shipped")
    assert rows(told) == [(4, "L-1", []), (1, "L-2", [])]


# -- put-backs, returns, losses ---------------------------------------------------------------------------------------


async def test_a_put_back_names_its_units_where_it_must(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await phones.made("/api/orders/outbound", push(revision=2, lines=[line(sku="PHONE", quantity=1, uom=None)]))

    async def put_back(number: int, *serials: str) -> httpx.Response:
        told = {"line_no": 1, "quantity": 1, "location_id": "HAM-A-2", "serial_numbers": list(serials)}
        return await phones.post(f"{ORDER}/put-backs", {"put_back_no": f"B-{number}", "lines": [told]})

    pointer = "/lines/0/serial_numbers"
    assert faults_of(await put_back(1)) == [(pointer, "serials_required")]
    assert faults_of(await put_back(2, "S-3")) == [(pointer, "not_there")]
    assert faults_of(await put_back(3, "S-1", "S-2")) == [(pointer, "serial_count")]
    assert (await put_back(4, "S-1")).status_code == 200
    assert await at(phones, "HAM-A-2") == {"S-1": 1}
    assert await at(phones, "HAM-STAGE") == {"S-2": 1}


def test_what_names_nothing_is_asked_in_the_words_of_before_it_could() -> None:
    """So the same, said again after an upgrade, is the same."""
    line_1 = {"line_no": 1, "quantity": 2, "location_id": "HAM-A-2"}
    put_back = PutBackDone.model_validate({"put_back_no": "B-1", "lines": [line_1]})
    loss = Loss.model_validate({"loss_no": "L-1", "reason": "lost"})

    assert asked(put_back) == (
        '{"lines":[{"line_no":1,"location_id":"HAM-A-2","lot":null,"quantity":"2","uom":null}],'
        '"occurred_at":null,"put_back_no":"B-1"}'
    )
    assert asked(loss) == (
        '{"loss_no":"L-1","note":null,"occurred_at":null,"parcel_no":null,"reason":"lost","resend":false}'
    )


async def test_all_that_was_picked_is_put_back_without_names(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await phones.made(f"{ORDER}/cancel", {"cancel_no": "X-1", "reason": "customer"})
    line_1 = {"line_no": 1, "quantity": 2, "location_id": "HAM-A-2"}

    await phones.made(f"{ORDER}/put-backs", {"put_back_no": "B-1", "lines": [line_1]})

    assert set(await at(phones, "HAM-A-2")) == {"S-1", "S-2"}


async def take_back(door: Door, quantity: int, return_no: str = "R-1", **named: Any) -> httpx.Response:
    told = {"line_no": 1, "quantity": quantity, **named}
    return await door.post(f"{ORDER}/returns", {"return_no": return_no, "location_id": "HAM-RET", "lines": [told]})


@pytest.fixture
async def delivered(phones: Door) -> Door:
    """The customer has S-1 and S-2; S-3 lies in its bin."""
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await ship(phones, handed_over=True)
    await scan(phones, TrackingStatus.DELIVERED)
    return phones


@pytest.mark.parametrize(
    ("quantity", "serials", "code"),
    [(1, ["S-3"], "not_there"), (1, ["NEVER"], "not_there"), (1, [], "serials_required"), (2, ["S-1"], "serial_count")],
)
async def test_only_what_the_customer_has_comes_back(
    delivered: Door, quantity: int, serials: list[str], code: str
) -> None:
    answer = await take_back(delivered, quantity, serial_numbers=serials)

    assert (answer.status_code, faults_of(answer)) == (422, [("/lines/0/serial_numbers", code)])
    assert set(await at(delivered, "customer/SO-1")) == {"S-1", "S-2"}
    assert await at(delivered, "HAM-RET") == {}


async def test_the_unit_that_is_named_comes_back_and_the_erp_hears_which(delivered: Door) -> None:
    answer = await take_back(delivered, 1, serial_numbers=["S-2"])

    assert answer.status_code == 201
    assert await at(delivered, "HAM-RET") == {"S-2": 1}
    (told,) = await told_to_the_erp(delivered, "returned")
    assert rows(told) == [(1, None, ["S-2"])]


async def test_all_that_the_customer_has_comes_back_without_names_and_is_told_with_them(delivered: Door) -> None:
    answer = await take_back(delivered, 2)

    assert answer.status_code == 201
    assert rows(answer.json()["lines"]) == [(2, None, ["S-1", "S-2"])]
    again = await take_back(delivered, 2)
    assert (again.status_code, again.json()["lines"]) == (200, answer.json()["lines"])
    (told,) = await told_to_the_erp(delivered, "returned")
    assert rows(told) == [(2, None, ["S-1", "S-2"])]


async def test_two_lots_of_a_line_come_back_as_rows_that_add_up(wine: Door) -> None:
    await pick(wine, 7)
    await ship(wine, handed_over=True)
    await scan(wine, TrackingStatus.DELIVERED)
    told = [{"line_no": 1, "quantity": 4, "lot": "L-1"}, {"line_no": 1, "quantity": 3, "lot": "L-2"}]

    await wine.made(f"{ORDER}/returns", {"return_no": "R-1", "location_id": "HAM-RET", "lines": told})

    (said,) = await told_to_the_erp(wine, "returned")
    assert rows(said) == [(4, "L-1", []), (3, "L-2", [])]


async def test_a_unit_of_another_line_does_not_come_back_for_this_one(shop: Door) -> None:
    """Both lines are of one sku; each has a unit of its own."""
    await shop.stock("PHONE", 2, serial_numbers=["S-1", "S-2"])
    both = [line(number, sku="PHONE", quantity=1, uom=None) for number in (1, 2)]
    await shop.made("/api/orders/outbound", push(lines=both))
    for number in (1, 2):
        told = {"line_no": number, "quantity": 1, "serial_numbers": [f"S-{number}"]}
        await shop.made(f"{ORDER}/picks", {"pick_no": f"P-{number}", "lines": [told]})
    await ship(shop, handed_over=True)
    await scan(shop, TrackingStatus.DELIVERED)

    assert faults_of(await take_back(shop, 1, serial_numbers=["S-2"])) == [("/lines/0/serial_numbers", "not_there")]
    assert (await take_back(shop, 1)).json()["lines"][0]["serial_numbers"] == ["S-1"]


async def test_what_the_carrier_sends_back_is_what_its_parcel_holds(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await ship(phones, {"quantity": 1, "serial_numbers": ["S-2"]}, handed_over=True)
    await ship(phones, shipment_no="SH-2", handed_over=True)
    await scan(phones, TrackingStatus.DELIVERED, "SH-2", "E-2")
    await scan(phones, TrackingStatus.RETURN_TO_SENDER)

    customers = await take_back(phones, 1, "R-1", serial_numbers=["S-1"])
    undelivered = await take_back(phones, 1, "R-2")

    assert (customers.status_code, undelivered.json()["lines"][0]["serial_numbers"]) == (201, ["S-2"])
    line_1 = (await phones.get(ORDER)).json()["lines"][0]
    assert {name: line_1[name] for name in ("delivered", "returned", "cancelled")} == {
        "delivered": 1,
        "returned": 1,
        "cancelled": 1,
    }
    assert rows((await told_to_the_erp(phones, "cancelled"))[0]) == [(1, None, ["S-2"])]


async def test_a_lost_parcel_is_lost_with_what_it_holds(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    boxes = [{"quantity": 1, "serial_numbers": [serial]} for serial in ("S-2", "S-1")]
    await ship(phones, *boxes, handed_over=True)

    await phones.made(f"{ORDER}/shipments/SH-1/losses", {"loss_no": "L-1", "parcel_no": 1, "reason": "lost"})

    assert await at(phones, "transit/SH-1") == {"S-1": 1}
    assert await at(phones, "adjustment/HAM") == {"S-2": 1}
    told = await told_to_the_erp(phones, "cancelled")
    assert [rows(lines) for lines in told] == [[(1, None, ["S-2"])]] * 2


async def test_the_erp_hears_which_of_what_is_cancelled_was_picked(phones: Door) -> None:
    await pick(phones, 1, serial_numbers=["S-2"])

    await phones.made(f"{ORDER}/cancel", {"cancel_no": "X-1", "reason": "customer"})

    (told,) = await told_to_the_erp(phones, "cancelled")
    assert rows(told) == [(1, None, ["S-2"]), (1, None, [])]


async def test_a_part_of_a_parcel_is_lost_and_the_rest_of_it_arrives(phones: Door) -> None:
    await pick(phones, 2, serial_numbers=["S-1", "S-2"])
    await ship(phones, handed_over=True)

    async def lose(number: int, quantity: int, *serials: str) -> httpx.Response:
        told = {"line_no": 1, "quantity": quantity, "serial_numbers": list(serials)}
        body = {"loss_no": f"L-{number}", "reason": "damaged", "lines": [told]}
        return await phones.post(f"{ORDER}/shipments/SH-1/losses", body)

    pointer = "/lines/0/serial_numbers"
    assert faults_of(await lose(1, 1)) == [(pointer, "serials_required")]
    assert faults_of(await lose(2, 1, "S-3")) == [(pointer, "not_in_parcel")]
    assert faults_of(await lose(3, 3)) == [("/lines/0/quantity", "not_in_parcel")]
    assert (await lose(4, 1, "S-1")).status_code == 200
    assert faults_of(await lose(5, 1, "S-1")) == [(pointer, "not_in_parcel")]

    assert await contents(phones) == [[(1, None, ["S-2"])]]
    assert await at(phones, "adjustment/HAM") == {"S-1": 1}
    await scan(phones, TrackingStatus.DELIVERED)
    assert await at(phones, "customer/SO-1") == {"S-2": 1}
    assert rows((await told_to_the_erp(phones, "delivered"))[0]) == [(1, None, ["S-2"])]


async def test_of_several_parcels_the_one_is_named_of_which_a_part_is_lost(wine: Door) -> None:
    await pick(wine, 7)
    await ship(wine, {"quantity": 4, "lot": "L-1"}, {"quantity": 3, "lot": "L-2"}, handed_over=True)
    body = {"loss_no": "L-1", "reason": "damaged", "lines": [{"line_no": 1, "quantity": 2}]}

    answer = await wine.post(f"{ORDER}/shipments/SH-1/losses", body)
    assert faults_of(answer) == [("/parcel_no", "parcel_required")]
    await wine.made(f"{ORDER}/shipments/SH-1/losses", {**body, "parcel_no": 2})

    assert await contents(wine) == [[(4, "L-1", [])], [(1, "L-2", [])]]
    assert await at(wine, "adjustment/HAM", "WINE") == {"L-2": 2}
