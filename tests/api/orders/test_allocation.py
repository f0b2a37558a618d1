"""Which stock an order gets, as its product or the push says."""

from __future__ import annotations

from typing import Any

import pytest

from commands.orders.taking_in import content_of
from domain.commands import Push
from tests.api.doorway import Door, faults_of, line, product, push

WINE = {"sku": "WINE", "uom": "EA", "quantity": 3}


@pytest.fixture
async def cellar(shop: Door) -> Door:
    """Two lots: the one that came first keeps longer."""
    await shop.stock("WINE", 5, "PO-1", lot="OLD", expires_on="2097-06-30")
    await shop.stock("WINE", 5, "PO-2", lot="NEW", expires_on="2097-01-31")
    return shop


async def held(door: Door) -> dict[str, int]:
    told = (await door.get("/api/inventory", sku="WINE")).json()["items"]
    return {item["lot"]: item["reserved"] for item in told if item["reserved"]}


async def test_what_expires_first_goes_first_unless_somebody_says_otherwise(cellar: Door) -> None:
    await cellar.made("/api/orders/outbound", push(lines=[line(**WINE)]))
    assert await held(cellar) == {"NEW": 3}


async def test_a_product_has_a_policy(cellar: Door) -> None:
    told = await cellar.made("/api/products", product("WINE", tracking="lot", allocation_policy="first_in_first_out"))
    assert told["allocation_policy"] == "first_in_first_out"
    await cellar.made("/api/orders/outbound", push(lines=[line(**WINE)]))
    assert await held(cellar) == {"OLD": 3}


async def test_an_order_may_have_a_policy_of_its_own(cellar: Door) -> None:
    body = push(lines=[line(**WINE)], allocation_policy="first_in_first_out")
    await cellar.made("/api/orders/outbound", body)
    assert await held(cellar) == {"OLD": 3}


async def test_a_customer_may_want_goods_that_keep(cellar: Door) -> None:
    body = push(lines=[line(**WINE)], requested_delivery="2096-12-01", min_shelf_life_days=90)
    await cellar.made("/api/orders/outbound", body)
    assert await held(cellar) == {"OLD": 3}
    longer = {**body, "revision": 2, "min_shelf_life_days": 365}
    told = await cellar.made("/api/orders/outbound", longer)
    assert (told["lines"][0]["reserved"], told["lines"][0]["backordered"]) == (0, 3)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"allocation_policy": "cheapest"}, ("/allocation_policy", "invalid")),
        ({"min_shelf_life_days": 0}, ("/min_shelf_life_days", "invalid")),
    ],
)
async def test_terms_that_cannot_be_name_the_field(
    cellar: Door, fields: dict[str, Any], fault: tuple[str, str]
) -> None:
    before = await cellar.counts()
    answer = await cellar.post("/api/orders/outbound", push(lines=[line(**WINE)], **fields))
    assert (answer.status_code, faults_of(answer)) == (422, [fault])
    assert await cellar.counts() == before


def test_a_push_that_says_nothing_of_it_asks_for_what_it_always_did() -> None:
    content = content_of(Push.model_validate(push()), {})
    assert "allocation_policy" not in content
    assert "min_shelf_life_days" not in content
