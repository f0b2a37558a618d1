"""Once a day has begun at a site, holds in what has expired give way: one posting a pool, once a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.door.examples import SITE
from relay.expired_stock import ExpiredStock
from tests.api.doorway import Door, line, push

NOW = datetime.now(UTC)
WINE = {"sku": "WINE", "uom": "EA"}


def day(ahead: int) -> str:
    return str(NOW.date() + timedelta(days=ahead))


@pytest.fixture
def passing(shop: Door) -> Iterator[timedelta]:
    """Let two days pass, for the time of a test."""
    yield timedelta(days=2)
    shop.services.ledger.days.ahead = timedelta()


async def sweep(door: Door, ahead: timedelta, relay: ExpiredStock | None = None) -> None:
    door.services.ledger.days.ahead = ahead
    await (relay or ExpiredStock(door.engine, door.services.ledger)).round()


async def numbers(door: Door, order_no: str) -> dict[str, int]:
    (told,) = (await door.get(f"/api/orders/{order_no}")).json()["lines"]
    return {name: told[name] for name in ("reserved", "backordered", "picked", "to_put_back") if told[name]}


async def pick(door: Door, order_no: str, lot: str, quantity: int) -> None:
    lines = [{"line_no": 1, "quantity": quantity, "location_id": "HAM-A-1", "lot": lot}]
    await door.made(f"/api/orders/{order_no}/picks", {"pick_no": f"P-{lot}", "lines": lines})


async def postings(door: Door) -> list[tuple[str, str]]:
    query = "select idempotency_key, actor from ledger.posting where tenant = :tenant and reason = 'expiry'"
    async with door.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), {"tenant": door.tenant})]


async def steps(door: Door) -> list[tuple[str, str]]:
    query = "select step_id, state from records.carrier_step where tenant = :tenant order by step_id"
    async with door.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), {"tenant": door.tenant})]


async def test_holds_in_what_has_expired_give_way_in_one_posting_a_pool(shop: Door, passing: timedelta) -> None:
    await shop.stock("WINE", 5, "PO-1", lot="L1", expires_on=day(1))
    for number in (1, 2):
        await shop.made("/api/orders/outbound", push(f"SO-{number}", lines=[line(**WINE, quantity=2)]))
    await shop.stock("WINE", 3, "PO-2", lot="L2", expires_on=day(400))

    await sweep(shop, passing)
    await sweep(shop, passing)

    assert [await numbers(shop, f"SO-{n}") for n in (1, 2)] == [{"reserved": 2}, {"reserved": 1, "backordered": 1}]
    assert await postings(shop) == [(f"expiry/HAM/WINE/{day(2)}", "expires_on")]
    view = (await shop.get("/api/orders/SO-1")).json()
    assert view["attention"]["reason"].startswith("Stock that it held has expired;")
    timeline = (await shop.get("/api/orders/SO-1/timeline")).json()["items"]
    assert [item["data"]["reason"] for item in timeline if item["kind"] == "posting"] == ["reservation", "expiry"]


async def test_nothing_gives_way_before_its_last_day_is_over(shop: Door, passing: timedelta) -> None:
    await shop.stock("WINE", 5, lot="L1", expires_on=day(2))
    await shop.made("/api/orders/outbound", push(lines=[line(**WINE, quantity=2)]))

    await sweep(shop, passing)

    assert (await numbers(shop, "SO-1"), await postings(shop)) == ({"reserved": 2}, [])


async def test_the_sweep_looks_at_a_site_when_its_day_begins(shop: Door, passing: timedelta) -> None:
    relay = ExpiredStock(shop.engine, shop.services.ledger)
    await shop.stock("WINE", 5, lot="L1", expires_on=day(1))
    await shop.made("/api/orders/outbound", push(lines=[line(**WINE, quantity=2)]))

    await sweep(shop, timedelta(), relay)
    assert await postings(shop) == []
    await sweep(shop, passing, relay)

    assert await numbers(shop, "SO-1") == {"backordered": 2}


async def test_what_is_picked_is_to_be_put_back_and_its_label_is_voided(shop: Door, passing: timedelta) -> None:
    await shop.stock("WINE", 2, "PO-1", lot="L1", expires_on=day(1))
    await shop.stock("WINE", 5, "PO-2", lot="L2", expires_on=day(400))
    await shop.made("/api/orders/outbound", push(lines=[line(**WINE, quantity=2)]))
    await pick(shop, "SO-1", "L1", 2)
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    await _asked_for(shop)

    await sweep(shop, passing)

    assert await numbers(shop, "SO-1") == {"reserved": 2, "to_put_back": 2}
    assert ("void/SH-1/1", "intended") in await steps(shop)
    view = (await shop.get("/api/orders/SO-1")).json()
    assert (view["status"], view["needs_attention"], view["shipments"][0]["parcels"][0]["lines"]) == (
        "reserved",
        True,
        [],
    )


async def test_a_parcel_that_keeps_something_gets_another_label(shop: Door, passing: timedelta) -> None:
    await shop.stock("WINE", 2, "PO-1", lot="L1", expires_on=day(1))
    await shop.stock("WINE", 5, "PO-2", lot="L2", expires_on=day(400))
    await shop.made("/api/orders/outbound", push(lines=[line(**WINE, quantity=5)]))
    await pick(shop, "SO-1", "L1", 2)
    await pick(shop, "SO-1", "L2", 1)
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    await _asked_for(shop)

    await sweep(shop, passing)

    assert await numbers(shop, "SO-1") == {"reserved": 5, "picked": 1, "to_put_back": 2}
    assert {("void/SH-1/1", "intended"), ("label/SH-1/2", "intended")} <= set(await steps(shop))
    (parcel,) = (await shop.get("/api/orders/SO-1/shipments/SH-1")).json()["parcels"]
    assert [content["quantity"] for content in parcel["lines"]] == [1]


async def test_a_site_that_is_said_to_lie_elsewhere_has_its_days_from_then_on(shop: Door) -> None:
    """In Kiritimati the day is always a later one than in Midway, which is 25 hours behind."""
    relay = ExpiredStock(shop.engine, shop.services.ledger)
    in_midway = str((NOW - timedelta(hours=11)).date())
    await shop.made("/api/locations", {**SITE, "time_zone": "Pacific/Midway"})
    await relay.round()
    await shop.stock("WINE", 2, lot="L1", expires_on=in_midway)
    await shop.made("/api/orders/outbound", push(lines=[line(**WINE, quantity=2)]))
    assert await numbers(shop, "SO-1") == {"reserved": 2}

    await shop.made("/api/locations", {**SITE, "time_zone": "Pacific/Kiritimati"})
    await relay.round()

    assert await numbers(shop, "SO-1") == {"backordered": 2}


async def test_a_parcel_of_what_an_order_does_not_allow_any_more_gets_another_label(shop: Door) -> None:
    await shop.stock("WINE", 2, "PO-1", lot="L1", expires_on="2020-01-01")
    await shop.stock("WINE", 5, "PO-2", lot="L2", expires_on=day(400))
    body = push(lines=[line(**WINE, quantity=2)], expired_stock="allow")
    await shop.made("/api/orders/outbound", body)
    await pick(shop, "SO-1", "L1", 2)
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    await _asked_for(shop)

    await shop.made("/api/orders/outbound", {**body, "revision": 2, "expired_stock": "refuse"})

    assert await numbers(shop, "SO-1") == {"reserved": 2, "to_put_back": 2}
    assert {("void/SH-1/1", "intended"), ("label/SH-1/2", "intended")} <= set(await steps(shop))


async def _asked_for(door: Door) -> None:
    """Let the carrier have been asked for the label."""
    async with door.engine.begin() as connection:
        sent = "update records.carrier_step set state = 'unknown', attempts = 1 where tenant = :tenant"
        await connection.execute(text(sent), {"tenant": door.tenant})


async def test_an_order_that_allows_it_keeps_what_expires(shop: Door, passing: timedelta) -> None:
    await shop.stock("WINE", 5, lot="L1", expires_on=day(1))
    body = push(lines=[line(**WINE, quantity=2)], expired_stock="allow")
    await shop.made("/api/orders/outbound", body)

    await sweep(shop, passing)

    assert await numbers(shop, "SO-1") == {"reserved": 2}
    await pick(shop, "SO-1", "L1", 2)
    assert (await shop.get("/api/orders/SO-1")).json()["needs_attention"] is False


async def test_goods_that_left_though_they_had_expired_are_booked_with_a_notice(shop: Door, passing: timedelta) -> None:
    await shop.stock("WINE", 5, lot="L1", expires_on=day(1))
    await shop.made("/api/orders/outbound", push(lines=[line(**WINE, quantity=2)]))
    await pick(shop, "SO-1", "L1", 2)
    shop.services.ledger.days.ahead = passing

    told: dict[str, Any] = await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1", "handed_over": True})

    assert told["handed_over_at"] is not None
    (found,) = (await shop.get("/api/inventory/discrepancies")).json()["items"]
    names = ("kind", "sku", "site", "quantity", "order_no")
    assert tuple(found[name] for name in names) == ("expired_issue", "WINE", "HAM", 2, "SO-1")
