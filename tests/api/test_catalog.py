"""Products and locations."""

from __future__ import annotations

import pytest

from stockbridge.api import examples

from .door import Door, code_of, faults_of, line, place, product, push


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
        ("09506000134369", ["MUG-WHITE", "WINE"]),
        ("9506000134369", ["MUG-WHITE", "WINE"]),
        ("96385074", ["PHONE"]),
        ("00000096385074", ["PHONE"]),
        ("4006381333931", []),
    ],
)
async def test_a_scan_finds_what_has_its_gtin(shop: Door, scanned: str, found: list[str]) -> None:
    await shop.made("/api/products", product("PHONE", tracking="serial", gtin="96385074"))
    packed = [{"uom": "BOX", "factor": 6, "gtin": "9506000134369"}]
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
