"""Stock that has expired: shown as that, available to nobody, promised to who allows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.orders.taking_in import content_of
from domain.commands import Push
from tests.api.doorway import Door, code_of, faults_of, line, push

NOW = datetime.now(UTC)
WINE = {"sku": "WINE", "uom": "EA", "quantity": 4}


def day(ahead: int) -> str:
    return str(NOW.date() + timedelta(days=ahead))


@pytest.fixture
async def cellar(shop: Door) -> Door:
    """Two lots that have expired, and one that keeps."""
    await shop.stock("WINE", 5, "PO-1", lot="OLD", expires_on="2020-01-01")
    await shop.stock("WINE", 5, "PO-2", lot="YESTERDAY", expires_on=day(-2))
    await shop.stock("WINE", 5, "PO-3", lot="GOOD", expires_on=day(400))
    return shop


async def rows(door: Door, **asked: Any) -> dict[str, Any]:
    told = (await door.get("/api/inventory", sku="WINE", **asked)).json()["items"]
    return {item["lot"]: item for item in told}


async def held(door: Door) -> dict[str, int]:
    return {lot: item["reserved"] for lot, item in (await rows(door)).items() if item["reserved"]}


async def test_what_has_expired_is_not_promised_before_what_is_good_nor_after(cellar: Door) -> None:
    await cellar.made("/api/orders/outbound", push(lines=[line(**WINE)]))
    told = await cellar.made("/api/orders/outbound", push("SO-2", lines=[line(**WINE)]))

    assert (told["lines"][0]["reserved"], told["lines"][0]["backordered"]) == (1, 3)
    assert await held(cellar) == {"GOOD": 5}


async def test_an_order_that_is_to_have_all_is_refused_what_has_expired(cellar: Door) -> None:
    body = push(lines=[line(**WINE | {"quantity": 6})], shortage_policy="reject")
    assert faults_of(await cellar.post("/api/orders/outbound", body)) == [("/lines/0/quantity", "insufficient_stock")]
    told = await cellar.made("/api/orders/outbound", {**body, "expired_stock": "allow"})
    assert told["lines"][0]["reserved"] == 6
    assert await held(cellar) == {"OLD": 5, "YESTERDAY": 1}


async def test_an_order_may_change_its_mind_about_what_has_expired(cellar: Door) -> None:
    body = push(lines=[line(**WINE)], expired_stock="allow")
    await cellar.made("/api/orders/outbound", body)
    assert await held(cellar) == {"OLD": 4}
    await cellar.made("/api/orders/outbound", {**body, "revision": 2, "expired_stock": "refuse"})
    assert await held(cellar) == {"GOOD": 4}
    await cellar.made("/api/orders/outbound", {**body, "revision": 3, "lines": [line(**WINE | {"quantity": 6})]})
    assert await held(cellar) == {"GOOD": 4, "OLD": 2}


async def test_expired_stock_is_shown_as_that_and_none_of_it_is_available(cellar: Door) -> None:
    found = await rows(cellar)
    assert {lot: (item["expires_on"], item["expired"], item["available"]) for lot, item in found.items()} == {
        "OLD": ("2020-01-01", True, 0),
        "YESTERDAY": (day(-2), True, 0),
        "GOOD": (day(400), False, 5),
    }
    assert {item["stock_status"] for item in found.values()} == {"available"}
    totals = (await cellar.get("/api/inventory", sku="WINE")).json()["totals"]
    assert (totals["on_hand"], totals["available"], totals["expired"]) == (15, 5, 10)
    (level,) = (await cellar.get("/api/reports/stock-levels", site="HAM")).json()["items"]
    assert (level["on_hand"], level["available"], level["expired"]) == (15, 5, 10)
    below = (await cellar.get("/api/locations/HAM-A-1/inventory")).json()
    assert below["totals"]["expired"] == 10


async def test_stock_as_of_an_instant_has_expired_by_the_day_that_it_was_then(shop: Door) -> None:
    await shop.stock("WINE", 5, lot="L1", expires_on=day(0))
    as_of = datetime.now(UTC).isoformat()
    days = shop.services.ledger.days
    days.ahead = timedelta(days=1)
    try:
        now, then = await rows(shop), await rows(shop, as_of=as_of)
        answers = [await shop.get("/api/inventory", sku="WINE", **asked) for asked in ({}, {"as_of": as_of})]
    finally:
        days.ahead = timedelta()

    assert [(item["L1"]["expired"], item["L1"]["available"]) for item in (now, then)] == [(True, 0), (False, 5)]
    totals = [answer.json()["totals"] for answer in answers]
    assert [(each["expired"], each["available"]) for each in totals] == [(5, 0), (0, 5)]


async def test_stock_of_no_lot_never_expires(shop: Door) -> None:
    await shop.stock(quantity=12)
    (item,) = (await shop.get("/api/inventory", sku="MUG-WHITE")).json()["items"]
    assert (item["expires_on"], item["expired"], item["available"]) == (None, False, 12)


async def test_a_pick_of_what_has_expired_is_refused(shop: Door) -> None:
    await shop.stock("WINE", 5, lot="L1", expires_on=day(0))
    await shop.made("/api/orders/outbound", push(lines=[line(**WINE)]))
    pick = {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 2, "location_id": "HAM-A-1", "lot": "L1"}]}
    shop.services.ledger.days.ahead = timedelta(days=2)

    answer = await shop.post("/api/orders/SO-1/picks", pick)

    assert (answer.status_code, code_of(answer)) == (422, "expired")
    assert faults_of(answer) == [("/lines/0/quantity", "expired")]


def test_a_push_that_says_nothing_of_it_is_what_it_was_before() -> None:
    plain = Push.model_validate(push())
    said = Push.model_validate(push(expired_stock="refuse"))
    assert content_of(plain, {}) == content_of(said, {})
    assert "expired_stock" not in content_of(plain, {})
