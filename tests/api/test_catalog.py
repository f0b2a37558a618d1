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


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sku": "A B"}, ("/sku", "invalid")),
        ({"sku": "A" * 65}, ("/sku", "invalid")),
        ({"packagings": [{"uom": "CASE", "factor": 0}]}, ("/packagings/0/factor", "invalid")),
        ({"packagings": [{"uom": "CASE", "factor": "12"}]}, ("/packagings/0/factor", "invalid")),
        ({"packagings": [{"uom": "EA", "factor": 12}]}, ("", "duplicate_uom")),
        ({"tracking": "batch"}, ("/tracking", "invalid")),
        ({"weight_g": 2**40}, ("/weight_g", "invalid")),
    ],
)
async def test_a_product_out_of_shape_is_refused(door: Door, change: dict, fault: tuple[str, str]) -> None:
    answer = await door.post("/api/products", {**examples.PRODUCT, **change})
    assert faults_of(answer) == [fault]
    assert (await door.get("/api/products")).json() == {"items": [], "next": None}


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
