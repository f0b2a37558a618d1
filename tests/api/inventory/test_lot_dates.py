"""When a lot expires: told once by a receipt, filled in where it was missing, computed until somebody tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.door.examples import RECEIPT, SITE
from domain.said import asked
from domain.shapes import Receipt
from tests.api.doorway import Door, code_of, faults_of, line, place, product, push

TODAY = datetime.now(UTC).date()


@pytest.fixture
async def two_sites(shop: Door) -> Door:
    """Another site, in Copenhagen."""
    await shop.made("/api/locations", {**SITE, "location_id": "CPH"})
    for name, kind in (("A-1", "bin"), ("STAGE", "staging")):
        await shop.made("/api/locations", place(f"CPH-{name}", kind, site="CPH"))
    return shop


async def arrive(door: Door, lot: str, po_no: str, site: str = "HAM", **said: Any) -> httpx.Response:
    """Receive five bottles of a lot."""
    lines = [{"line_no": 1, "sku": "WINE", "quantity": 5}]
    await door.made("/api/orders/inbound", {"po_no": po_no, "site": site, "supplier": "ACME", "lines": lines})
    at = said.pop("occurred_at", None)
    received = [{"line_no": 1, "quantity": 5, "lot": lot, **said}]
    body = {"receipt_no": "GR", "location_id": f"{site}-A-1", "occurred_at": at, "lines": received}
    return await door.post(f"/api/orders/inbound/{po_no}/receipts", body)


async def arrived(door: Door, lot: str, po_no: str, **said: Any) -> tuple[str | None, bool]:
    """Receive five bottles, and return what the answer says of the lot's date."""
    answer = await arrive(door, lot, po_no, **said)
    assert answer.status_code == 201, answer.text
    (told,) = answer.json()["lines"]
    kept = (await door.get("/api/inventory/trace", sku="WINE", lot=lot)).json()
    assert (told["expires_on"], told["expiry_computed"]) == (kept["expires_on"], kept["expiry_computed"])
    return told["expires_on"], told["expiry_computed"]


async def line_of(door: Door, order_no: str) -> tuple[int, int]:
    (told,) = (await door.get(f"/api/orders/{order_no}")).json()["lines"]
    return told["reserved"], told["backordered"]


async def test_a_receipt_that_contradicts_a_lots_expiry_is_refused_with_both(shop: Door) -> None:
    assert await arrived(shop, "L1", "PO-1", expires_on="2030-01-01") == ("2030-01-01", False)
    counts = await shop.counts()

    answer = await arrive(shop, "L1", "PO-2", expires_on="2027-01-01")

    assert (answer.status_code, code_of(answer)) == (422, "expiry_contradicts")
    assert faults_of(answer) == [("/lines/0/expires_on", "expiry_contradicts")]
    assert "2030-01-01" in answer.json()["detail"]
    assert "2027-01-01" in answer.json()["detail"]
    assert await shop.counts() == counts
    assert await arrived(shop, "L1", "PO-3", expires_on="2030-01-01") == ("2030-01-01", False)
    assert await arrived(shop, "L1", "PO-4") == ("2030-01-01", False)


async def test_all_lines_that_contradict_are_told_and_nothing_comes_of_any(shop: Door) -> None:
    await arrived(shop, "L1", "PO-1", expires_on="2030-01-01")
    lines = [{"line_no": 1, "sku": "WINE", "quantity": 9}]
    await shop.made("/api/orders/inbound", {"po_no": "PO-2", "site": "HAM", "supplier": "ACME", "lines": lines})
    lots = [("L1", "2031-01-01"), ("L2", "2031-01-01"), ("L2", "2032-01-01")]
    received = [{"line_no": 1, "quantity": 3, "lot": lot, "expires_on": day} for lot, day in lots]
    body = {"receipt_no": "GR", "location_id": "HAM-A-1", "lines": received}

    answer = await shop.post("/api/orders/inbound/PO-2/receipts", body)

    assert [pointer for pointer, _ in faults_of(answer)] == ["/lines/0/expires_on", "/lines/2/expires_on"]
    assert (await shop.get("/api/inventory/trace", sku="WINE", lot="L2")).status_code == 404


async def test_a_missing_expiry_is_filled_in_and_the_lot_is_not_promised_beyond_it(shop: Door) -> None:
    assert await arrived(shop, "L1", "PO-1") == (None, False)

    assert await arrived(shop, "L1", "PO-2", expires_on="2027-01-01") == ("2027-01-01", False)

    wanted = {"requested_delivery": "2027-06-01", "min_shelf_life_days": 30}
    told = await shop.made("/api/orders/outbound", push(lines=[line(1, "WINE", 1, "EA", lot="L1")], **wanted))
    assert told["status"] == "backordered"
    (row,) = (await shop.get("/api/inventory", sku="WINE")).json()["items"]
    assert row["expires_on"] == "2027-01-01"


async def test_an_expiry_is_computed_by_the_shelf_life_and_gives_way_to_a_told_one(shop: Door) -> None:
    await shop.made("/api/products", product("WINE", tracking="lot", shelf_life_days=100))

    assert await arrived(shop, "L1", "PO-1", produced_on="2026-11-01") == ("2027-02-09", True)
    assert await arrived(shop, "L1", "PO-2", produced_on="2026-11-20") == ("2027-02-09", True)
    assert await arrived(shop, "L1", "PO-3", expires_on="2027-03-31") == ("2027-03-31", False)
    assert await arrived(shop, "L1", "PO-4", produced_on="2026-11-20") == ("2027-03-31", False)


async def test_where_nothing_is_told_the_shelf_life_counts_from_the_day_that_the_lot_first_came(shop: Door) -> None:
    await shop.made("/api/products", product("WINE", tracking="lot", shelf_life_days=10))
    late = "2026-11-19T23:30:00Z"  # the 20th in Hamburg

    assert await arrived(shop, "L1", "PO-1", occurred_at=late) == ("2026-11-30", True)
    assert await arrived(shop, "L1", "PO-2") == ("2026-11-30", True)
    assert await arrived(shop, "L2", "PO-3") == (str(datetime.now(UTC).date() + timedelta(days=10)), True)


async def test_a_lot_that_came_before_there_was_a_shelf_life_is_dated_by_what_is_told_only(shop: Door) -> None:
    assert await arrived(shop, "L1", "PO-1") == (None, False)
    await shop.made("/api/products", product("WINE", tracking="lot", shelf_life_days=100))

    assert await arrived(shop, "L1", "PO-2") == (None, False)
    assert await arrived(shop, "L1", "PO-3", produced_on="2026-11-01") == ("2027-02-09", True)


async def test_a_lots_new_date_takes_it_from_orders_at_every_site_in_the_receipts_own_posting(two_sites: Door) -> None:
    await arrived(two_sites, "L1", "PO-1")
    await arrived(two_sites, "L1", "PO-2", site="CPH")
    await arrived(two_sites, "L2", "PO-3", site="CPH", expires_on="2030-01-01")
    keeps = {"requested_delivery": str(TODAY), "min_shelf_life_days": 90}
    first = [line(1, "WINE", 2, "EA", lot="L1")]
    await two_sites.made("/api/orders/outbound", push("SO-1", lines=first, **keeps))
    await two_sites.made("/api/orders/outbound", push("SO-2", lines=[line(1, "WINE", 7, "EA")], site="CPH", **keeps))
    await two_sites.made("/api/orders/outbound", push("SO-3", lines=[line(1, "WINE", 1, "EA", lot="L1")], site="CPH"))
    assert [await line_of(two_sites, f"SO-{n}") for n in (1, 2, 3)] == [(2, 0), (7, 0), (1, 0)]
    before = await two_sites.count("ledger.posting")

    await arrived(two_sites, "L1", "PO-4", expires_on=str(TODAY + timedelta(days=30)))

    assert [await line_of(two_sites, f"SO-{n}") for n in (1, 2, 3)] == [(0, 2), (5, 2), (1, 0)]
    assert await two_sites.count("ledger.posting") == before + 1
    told = [(await two_sites.get(f"/api/orders/SO-{n}")).json()["needs_attention"] for n in (1, 2, 3)]
    assert told == [True, True, False]


async def test_who_waits_gets_a_lot_that_turns_out_to_keep_longer_also_elsewhere(two_sites: Door) -> None:
    await two_sites.made("/api/products", product("WINE", tracking="lot", shelf_life_days=10))
    await arrived(two_sites, "L1", "PO-1", produced_on="2020-01-01")
    await arrived(two_sites, "L1", "PO-2", site="CPH")
    await two_sites.made("/api/orders/outbound", push("SO-1", lines=[line(1, "WINE", 8, "EA")]))
    await two_sites.made("/api/orders/outbound", push("SO-2", lines=[line(1, "WINE", 4, "EA")], site="CPH"))
    assert [await line_of(two_sites, order_no) for order_no in ("SO-1", "SO-2")] == [(0, 8), (0, 4)]

    await arrived(two_sites, "L1", "PO-3", expires_on=str(TODAY + timedelta(days=30)))

    assert [await line_of(two_sites, order_no) for order_no in ("SO-1", "SO-2")] == [(8, 0), (4, 0)]


async def test_a_receipt_again_says_what_it_said(shop: Door) -> None:
    await shop.made("/api/products", product("WINE", tracking="lot", shelf_life_days=100))
    first = await arrive(shop, "L1", "PO-1", produced_on="2026-11-01")
    await shop.made("/api/products", product("WINE", tracking="lot", shelf_life_days=50))
    await arrived(shop, "L1", "PO-2", expires_on="2027-03-31")

    again = await arrive(shop, "L1", "PO-1", produced_on="2026-11-01")

    assert (again.status_code, again.json()) == (200, first.json())


async def test_what_a_count_finds_and_a_transfer_brings_has_its_lots_date(two_sites: Door) -> None:
    await arrived(two_sites, "L1", "PO-1", expires_on="2020-01-01")
    await two_sites.made("/api/orders/outbound", push("SO-1", lines=[line(1, "WINE", 9, "EA")]))
    await two_sites.made("/api/orders/outbound", push("SO-2", lines=[line(1, "WINE", 9, "EA")], site="CPH"))

    found = {
        "adjustment_no": "A-1",
        "location_id": "HAM-A-2",
        "sku": "WINE",
        "lot": "L1",
        "delta": 3,
        "reason": "found",
    }
    await two_sites.made("/api/inventory/adjustments", found)
    sent = [{"sku": "WINE", "quantity": 5, "location_id": "HAM-A-1", "lot": "L1"}]
    await two_sites.made("/api/inventory/transfers", {"transfer_no": "T-1", "to_site": "CPH", "lines": sent})
    there = {"receipt_no": "R-1", "location_id": "CPH-A-1", "lines": [{"sku": "WINE", "quantity": 5}]}
    await two_sites.made("/api/inventory/transfers/T-1/receipts", there)

    assert [await line_of(two_sites, order_no) for order_no in ("SO-1", "SO-2")] == [(0, 9), (0, 9)]
    rows = (await two_sites.get("/api/inventory", sku="WINE")).json()["items"]
    assert {(row["location_id"], row["expires_on"], row["expired"]) for row in rows} == {
        ("HAM-A-2", "2020-01-01", True),
        ("CPH-A-1", "2020-01-01", True),
    }


async def test_nothing_arrives_that_is_not_produced_yet(shop: Door) -> None:
    ahead = str(TODAY + timedelta(days=2))
    answer = await arrive(shop, "L1", "PO-1", produced_on=ahead)
    assert faults_of(answer) == [("/lines/0/produced_on", "time_in_future")]
    assert ahead in answer.json()["detail"]


@pytest.mark.parametrize("said", [5, "tomorrow"])
async def test_a_day_of_production_is_a_day(shop: Door, said: object) -> None:
    answer = await arrive(shop, "L1", "PO-1", produced_on=said)
    assert faults_of(answer) == [("/lines/0/produced_on", "malformed_date")]


def test_a_receipt_that_says_nothing_of_its_production_asks_for_what_it_did_before() -> None:
    assert "produced_on" not in asked(Receipt.model_validate(RECEIPT))
    lines = [{**RECEIPT["lines"][0], "produced_on": "2026-11-01"}]
    assert '"produced_on":"2026-11-01"' in asked(Receipt.model_validate({**RECEIPT, "lines": lines}))
