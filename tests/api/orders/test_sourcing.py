"""What waits for stock at one site may come from another one instead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.doorway import Door, line, place, push


@pytest.fixture
async def two_sites(shop: Door) -> Door:
    """A shop with 2 mugs at home, and 10 at another site."""
    await shop.stock(quantity=2)
    home = (await shop.get("/api/locations/HAM")).json()
    await shop.made("/api/locations", {**home, "location_id": "CPH", "site": "CPH"})
    for location_id, kind in (("CPH-1", "bin"), ("CPH-STAGE", "staging")):
        await shop.made("/api/locations", place(location_id, kind, site="CPH"))
    expected = {"po_no": "PO-9", "site": "CPH", "supplier": "ACME"}
    lines = [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 10}]
    await shop.made("/api/orders/inbound", {**expected, "lines": lines})
    arrived = {"receipt_no": "GR-9", "location_id": "CPH-1", "lines": [{"line_no": 1, "quantity": 10}]}
    await shop.made("/api/orders/inbound/PO-9/receipts", arrived)
    return shop


async def lines_of(door: Door, order_no: str) -> list[dict[str, Any]]:
    names = ("site", "ordered", "reserved", "backordered", "cancelled")
    return [{name: of[name] for name in names} for of in (await door.get(f"/api/orders/{order_no}")).json()["lines"]]


async def test_a_backorder_is_sourced_from_another_site_and_leaves_its_place_to_who_waits_behind_it(
    two_sites: Door,
) -> None:
    mugs = line(quantity=5, uom=None)
    await two_sites.made("/api/orders/outbound", push("SO-1", lines=[mugs]))
    await two_sites.made("/api/orders/outbound", push("SO-2", lines=[mugs]))
    waiting = {"site": "HAM", "ordered": 5, "cancelled": 0}
    assert await lines_of(two_sites, "SO-1") == [{**waiting, "reserved": 2, "backordered": 3}]

    told = await two_sites.made("/api/orders/outbound", push("SO-1", revision=2, lines=[{**mugs, "site": "CPH"}]))

    assert (told["outcome"], told["status"]) == ("amended", "reserved")
    there = {"site": "CPH", "ordered": 5, "reserved": 5, "backordered": 0, "cancelled": 0}
    assert await lines_of(two_sites, "SO-1") == [there]
    assert await lines_of(two_sites, "SO-2") == [{**waiting, "reserved": 2, "backordered": 3}]
    await two_sites.stock(quantity=3, po_no="PO-2")
    assert await lines_of(two_sites, "SO-2") == [{**waiting, "reserved": 5, "backordered": 0}]
