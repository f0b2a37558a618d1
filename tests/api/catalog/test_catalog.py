"""Products and locations."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from activities.orders import OrderActivities
from api.door import examples
from commands.posting_effects import PostingEffects
from domain.messages import OrderId
from ledger.writing.writer import LedgerWriter
from tests.api.doorway import Door, code_of, faults_of, line, place, product, push
from tests.api.test_callbacks import scan, tell


async def test_a_product_is_made_once_and_may_be_said_again(door: Door) -> None:
    first = await door.post("/api/products", examples.PRODUCT)
    again = await door.post("/api/products", examples.PRODUCT)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == examples.PRODUCT
    assert (await door.get("/api/products/MUG-WHITE")).json() == examples.PRODUCT


async def test_what_may_change_of_a_product_is_changed(shop: Door) -> None:
    await shop.stock()
    answer = await shop.post("/api/products", {**examples.PRODUCT, "weight_g": 360})
    assert (answer.status_code, answer.json()["weight_g"]) == (200, 360)


async def test_what_stock_is_counted_by_cannot_change_while_there_is_any(shop: Door) -> None:
    await shop.stock()
    for change in ({"base_uom": "PAIR"}, {"tracking": "lot"}):
        answer = await shop.post("/api/products", {**examples.PRODUCT, **change})
        assert (answer.status_code, code_of(answer)) == (409, "has_stock")
    free = await shop.post("/api/products", product("WINE", tracking="serial"))
    assert free.status_code == 200


async def recount(door: Door, sku: str = "BOLT", **change: Any) -> list[str]:
    """Try to count a sku in something else; return what is in the way."""
    answer = await door.post("/api/products", {**product(sku), "base_uom": "G", **change})
    if answer.status_code == 200:
        return []
    assert answer.status_code == 409, answer.text
    at = "/base_uom" if "base_uom" not in change else "/tracking"
    assert {pointer for pointer, _ in faults_of(answer)} == {at}
    return [code for _, code in faults_of(answer)]


async def test_what_a_sku_is_counted_in_cannot_change_while_numbers_of_it_are_around_and_the_refusal_says_where(
    shop: Door,
) -> None:
    await shop.made("/api/products", product("BOLT"))
    lines = [{"line_no": 1, "sku": "BOLT", "quantity": 10}]
    await shop.made("/api/orders/inbound", {"po_no": "PO-1", "site": "HAM", "supplier": "ACME", "lines": lines})
    assert await recount(shop) == ["is_expected"]
    await shop.made("/api/orders/outbound", push(lines=[line(1, "BOLT", 10, None)]))
    assert await recount(shop) == ["has_open_lines", "is_expected"]
    assert await recount(shop, base_uom="EA", tracking="lot") == ["has_open_lines", "is_expected"]
    receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, "quantity": 10}]}
    await shop.made("/api/orders/inbound/PO-1/receipts", receipt)
    assert await recount(shop) == ["has_stock", "is_held", "has_open_lines"]
    picked = {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 10, "location_id": "HAM-A-1"}]}
    await shop.made("/api/orders/SO-1/picks", picked)
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1", "handed_over": True})
    assert await recount(shop) == ["has_stock", "has_open_lines"]
    loss = {"loss_no": "L-1", "reason": "lost"}
    await shop.made("/api/orders/SO-1/shipments/SH-1/losses", loss)
    assert await recount(shop) == ["has_open_lines"]
    await close(shop, "SO-1")
    assert await recount(shop) == []


async def test_what_a_sku_is_counted_in_cannot_change_while_a_customer_has_some(shop: Door) -> None:
    await shop.made("/api/products", product("BOLT"))
    await shop.stock("BOLT", 1)
    await shop.made("/api/orders/outbound", push(lines=[line(1, "BOLT", 1, None)]))
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 1}]})
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1", "handed_over": True})
    await tell(shop, scan(status="delivered"))
    await OrderActivities(shop.engine, LedgerWriter(shop.engine, PostingEffects())).apply_carrier_events(
        OrderId(tenant=shop.tenant, order_ref="SO-1")
    )
    await close(shop, "SO-1")
    assert await recount(shop) == ["with_customers"]
    back = {"return_no": "R-1", "location_id": "HAM-RET", "lines": [{"line_no": 1, "quantity": 1}]}
    await shop.made("/api/orders/SO-1/returns", back)
    assert await recount(shop) == ["has_stock"]


async def test_what_a_sku_is_counted_in_cannot_change_while_a_push_of_it_waits(shop: Door) -> None:
    await shop.made("/api/products", product("BOLT"))
    shop.gateway.down = True
    assert (await shop.post("/api/orders/outbound", push(lines=[line(1, "BOLT", 1, None)]))).status_code == 202
    assert await recount(shop) == ["has_open_lines"]


async def close(door: Door, order_no: str) -> None:
    """Close an order, as its workflow does once nothing is left to do for it."""
    async with door.engine.begin() as connection:
        closed = "update records.orders set closed_at = clock_timestamp() where tenant = %s and order_no = %s"
        await connection.exec_driver_sql(closed, (door.tenant, order_no))


NOW_IN_GRAMS = """
update records.product set base_uom = 'G', packagings = '[{"uom": "EA", "factor": 500}]'
where tenant = :tenant and sku = 'BOLT'
"""
WAITS = "select exists (select from pg_locks where locktype = 'transactionid' and not granted)"


async def while_it_changes(door: Door, path: str, body: dict[str, Any]) -> httpx.Response:
    """Say something that is on its way when the sku is counted in grams from now on."""
    async with door.engine.begin() as connection, asyncio.timeout(30):
        await connection.execute(text(NOW_IN_GRAMS), {"tenant": door.tenant})
        saying = asyncio.ensure_future(door.post(path, body))
        while not (await connection.execute(text(WAITS))).scalar_one():  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)
    return await saying


@pytest.mark.parametrize("what", ["receipt", "push", "expected", "adjustment"])
async def test_what_is_on_its_way_while_a_sku_is_counted_in_something_else_is_of_the_new_unit(
    shop: Door, what: str
) -> None:
    await shop.made("/api/products", product("BOLT", packagings=[{"uom": "BOX", "factor": 10}]))
    boxes = {"site": "HAM", "supplier": "ACME", "lines": [{"line_no": 1, "sku": "BOLT", "quantity": 2, "uom": "BOX"}]}
    await shop.made("/api/orders/inbound", {"po_no": "PO-1", **boxes})
    expected = {**boxes, "po_no": "PO-2", "lines": [{"line_no": 1, "sku": "BOLT", "quantity": 2, "uom": "EA"}]}
    receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "allow_over": True}
    found = {"adjustment_no": "A-1", "location_id": "HAM-A-1", "sku": "BOLT", "delta": 2, "uom": "EA"}
    path, body, told = {
        "receipt": (
            "/api/orders/inbound/PO-1/receipts",
            {**receipt, "lines": [{"line_no": 1, "quantity": 2, "uom": "EA"}]},
            "quantity",
        ),
        "push": ("/api/orders/outbound", push(lines=[line(1, "BOLT", 2, "EA")]), "ordered"),
        "expected": ("/api/orders/inbound", expected, "expected"),
        "adjustment": ("/api/inventory/adjustments", {**found, "reason": "found"}, "delta"),
    }[what]
    answer = await while_it_changes(shop, path, body)
    assert answer.status_code == 201, answer.text
    assert {**answer.json(), **answer.json().get("lines", [{}])[0]}[told] == 1000


async def test_a_product_that_was_never_named_has_no_name(door: Door) -> None:
    await door.made("/api/products", product("WINE"))
    told = (await door.get("/api/products/WINE")).json()
    assert (told["name"], told["category"]) == (None, None)
    named = await door.made("/api/products", {**product("WINE"), "name": "Riesling", "category": "Wine"})
    assert (named["name"], named["category"]) == ("Riesling", "Wine")
    assert (await door.get("/api/products")).json()["items"] == [named]


CASE = {"uom": "CASE", "factor": 12}
BIG = ("/packagings/1/factor", "packaging_too_large")
MISREAD = ("/packagings/0/gtin", "wrong_check_digit")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sku": "A B"}, ("/sku", "invalid")),
        ({"sku": "A" * 65}, ("/sku", "invalid")),
        ({"packagings": [{"uom": "CASE", "factor": 0}]}, ("/packagings/0/factor", "invalid")),
        ({"packagings": [{"uom": "CASE", "factor": "12"}]}, ("/packagings/0/factor", "invalid")),
        ({"packagings": [{"uom": "EA", "factor": 12}]}, ("", "duplicate_uom")),
        ({"packagings": [{"uom": "BOX", "factor": 2, "of": "CRATE"}]}, ("/packagings/0/of", "unknown_uom")),
        ({"packagings": [{"uom": "BOX", "factor": 2, "of": "BOX"}]}, ("/packagings/0/of", "circular_packaging")),
        ({"packagings": [CASE, {"uom": "BIG", "factor": 10**8, "of": "CASE"}]}, BIG),
        ({"packagings": [{"uom": "CASE", "factor": 12, "gtin": "09506000134368"}]}, MISREAD),
        ({"gtin": "9506000134351"}, ("/gtin", "wrong_check_digit")),
        ({"gtin": "950600013435"}, ("/gtin", "wrong_check_digit")),
        ({"gtin": "123456789"}, ("/gtin", "invalid")),
        ({"tracking": "batch"}, ("/tracking", "invalid")),
        ({"weight_g": 2**40}, ("/weight_g", "invalid")),
    ],
)
async def test_a_product_out_of_shape_is_refused(door: Door, change: dict, fault: tuple[str, str]) -> None:
    answer = await door.post("/api/products", {**examples.PRODUCT, **change})
    assert faults_of(answer) == [fault]
    assert (await door.get("/api/products")).json() == {"items": [], "next": None}


async def test_packagings_that_hold_each_other_are_refused_by_name(door: Door) -> None:
    circle = [{"uom": "BOX", "factor": 2, "of": "CRATE"}, CASE, {"uom": "CRATE", "factor": 2, "of": "BOX"}]
    answer = await door.post("/api/products", {**examples.PRODUCT, "packagings": circle})
    assert faults_of(answer) == [("/packagings/0/of", "circular_packaging"), ("/packagings/2/of", "circular_packaging")]


@pytest.mark.parametrize(
    ("scanned", "found"),
    [
        ("09506000134352", ["MUG-WHITE"]),
        ("9506000134352", ["MUG-WHITE"]),
        ("09506000134376", ["WINE"]),
        ("9506000134376", ["WINE"]),
        ("96385074", ["PHONE"]),
        ("00000096385074", ["PHONE"]),
        ("4006381333931", []),
    ],
)
async def test_a_scan_finds_what_has_its_gtin(shop: Door, scanned: str, found: list[str]) -> None:
    await shop.made("/api/products", product("PHONE", tracking="serial", gtin="96385074"))
    packed = [{"uom": "BOX", "factor": 6, "gtin": "9506000134376"}]
    await shop.made("/api/products", product("WINE", tracking="lot", packagings=packed))
    page = (await shop.get("/api/products", gtin=scanned)).json()
    assert [item["sku"] for item in page["items"]] == found


async def test_a_scan_that_was_misread_is_told(shop: Door) -> None:
    answer = await shop.get("/api/products", gtin="9506000134353")
    assert faults_of(answer) == [("/query/gtin", "wrong_check_digit")]


async def test_products_come_in_pages(shop: Door) -> None:
    first = (await shop.get("/api/products", limit=2)).json()
    second = (await shop.get("/api/products", limit=2, cursor=first["next"])).json()
    skus = [item["sku"] for item in first["items"] + second["items"]]
    assert skus == ["MUG-WHITE", "PHONE", "WINE"]
    assert second["next"] is None


async def test_a_site_and_its_locations_form_a_tree(shop: Door) -> None:
    site = (await shop.get("/api/locations/HAM")).json()
    assert (site["site"], site["parent"], site["time_zone"]) == ("HAM", None, "Europe/Berlin")
    found = (await shop.get("/api/locations", site="HAM")).json()["items"]
    assert [item["location_id"] for item in found] == ["HAM", "HAM-A", "HAM-A-1", "HAM-A-2", "HAM-RET", "HAM-STAGE"]


async def test_a_location_said_again_is_the_same_and_may_get_a_capacity(shop: Door) -> None:
    again = await shop.post("/api/locations", place("HAM-A-1", parent="HAM-A"))
    assert (again.status_code, again.json()["capacity"]) == (200, None)
    changed = await shop.post("/api/locations", {**place("HAM-A-1", parent="HAM-A"), "capacity": {"max_units": 400}})
    assert (changed.status_code, changed.json()["capacity"]["max_units"]) == (200, 400)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({**examples.SITE, "time_zone": "Europe/Atlantis"}, ("/time_zone", "invalid")),
        ({**examples.SITE, "time_zone": None}, ("/time_zone", "missing")),
        ({**examples.SITE, "address": None}, ("/address", "missing")),
        ({**examples.SITE, "site": "CPH"}, ("/site", "unknown_site")),
        (place("X", site="CPH"), ("/site", "unknown_site")),
        (place("X", site="HAM-A"), ("/site", "unknown_site")),
        (place("X", parent="NOWHERE"), ("/parent", "unknown_parent")),
        (place("HAM-A", "zone", parent="HAM-A-1"), ("/parent", "circular_parent")),
        (place("HAM-A", "zone", parent="HAM-A"), ("/parent", "circular_parent")),
        ({"location_id": "X", "type": "bin"}, ("/site", "missing")),
        (place("X", "shelf"), ("/type", "invalid")),
    ],
)
async def test_a_location_that_fits_nowhere_is_refused(shop: Door, body: dict, fault: tuple[str, str]) -> None:
    assert faults_of(await shop.post("/api/locations", body)) == [fault]


async def test_a_location_stays_in_its_site_and_what_it_is_for(shop: Door) -> None:
    await shop.made("/api/locations", {**examples.SITE, "location_id": "CPH"})
    for body in (place("HAM-A-1", site="CPH"), place("HAM-A-1", "staging"), place("HAM-STAGE", "bin")):
        answer = await shop.post("/api/locations", body)
        assert (answer.status_code, code_of(answer)) == (409, "location_in_use")


async def test_nothing_is_ordered_from_a_site_that_cannot_ship(shop: Door) -> None:
    await shop.made("/api/locations", {**examples.SITE, "location_id": "CPH"})
    answer = await shop.post("/api/orders/outbound", push(site="CPH", lines=[line(site="NOWHERE")]))
    assert set(faults_of(answer)) == {("/site", "no_staging"), ("/lines/0/site", "unknown_site")}
