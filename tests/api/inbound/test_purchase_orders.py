"""Purchase orders as they change: amended by revision, and cancelled, but never below what has arrived."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.doorway import Door, code_of, faults_of, product

INBOUND = "/api/orders/inbound"


def po(revision: int | None = None, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    said = {} if revision is None else {"revision": revision}
    return {"po_no": "PO-7", **said, "site": "HAM", "supplier": "ACME", "lines": list(lines or [mugs(10)]), **fields}


def mugs(quantity: object, line_no: int = 1, sku: str = "MUG-WHITE", **fields: Any) -> dict[str, Any]:
    return {"line_no": line_no, "sku": sku, "quantity": quantity, **fields}


def receipt(quantity: int, receipt_no: str = "GR-1", line_no: int = 1, **fields: Any) -> dict[str, Any]:
    line = {"line_no": line_no, "quantity": quantity}
    return {"receipt_no": receipt_no, "location_id": "HAM-A-1", "lines": [line], **fields}


def cancel(*lines: dict[str, Any], cancel_no: str = "PX-1") -> dict[str, Any]:
    return {"cancel_no": cancel_no, "reason": "sold out", "lines": list(lines) or None}


async def standing(door: Door) -> list[tuple[int, int, int]]:
    lines = (await door.get(f"{INBOUND}/PO-7")).json()["lines"]
    return [(line["expected"], line["received"], line["cancelled"]) for line in lines]


# -- amending --------------------------------------------------------------------------------------------------------


async def test_a_higher_revision_is_the_purchase_order_as_it_should_be_now(shop: Door) -> None:
    await shop.made(INBOUND, po(1, mugs(10), mugs(5, 2, "WINE")))
    amended = await shop.post(
        INBOUND,
        po(
            3,
            mugs(2, uom="CASE"),
            mugs(4, 3, "PHONE"),
            supplier="OTHER",
            order_type="rush",
            external_reference="4711",
            order_date="2026-11-02",
            expected_date="2029-12-24",
        ),
    )
    assert amended.status_code == 200
    told = amended.json()
    assert told == (await shop.get(f"{INBOUND}/PO-7")).json() == (await shop.get(INBOUND)).json()["items"][0]
    head = ("revision", "supplier", "order_type", "external_reference", "order_date", "expected_date", "status")
    assert [told[name] for name in head] == [3, "OTHER", "rush", "4711", "2026-11-02", "2029-12-24", "expected"]
    assert [(x["sku"], x["uom"], x["expected"]) for x in told["lines"]] == [
        ("MUG-WHITE", "CASE", 24),
        ("WINE", "EA", 0),
        ("PHONE", "EA", 4),
    ]


async def test_a_revision_that_is_known_is_unchanged_or_a_conflict_and_a_lower_one_is_stale(shop: Door) -> None:
    await shop.made(INBOUND, po(2))
    amended = await shop.made(INBOUND, po(4, mugs(12)))
    for known in (po(2), po(4, mugs("12.0"))):
        again = await shop.post(INBOUND, known)
        assert (again.status_code, again.json()) == (200, amended)
    for other in (po(2, mugs(11)), po(4, mugs(12), expected_date="2026-12-01")):
        answer = await shop.post(INBOUND, other)
        assert (answer.status_code, code_of(answer)) == (409, "conflict")
    for lower in (po(1), po(3, mugs(12)), po(None, mugs(12))):
        answer = await shop.post(INBOUND, lower)
        assert (answer.status_code, code_of(answer)) == (409, "stale_revision")
    assert await standing(shop) == [(12, 0, 0)]


async def test_a_purchase_order_without_a_revision_is_its_first_one(shop: Door) -> None:
    assert (await shop.made(INBOUND, po()))["revision"] == 1
    assert (await shop.post(INBOUND, po(1))).status_code == 200
    assert (await shop.made(INBOUND, po(2, mugs(12))))["revision"] == 2
    assert (await shop.made(INBOUND, po()))["revision"] == 2
    other = await shop.post(INBOUND, po(None, mugs(12)))
    assert (other.status_code, code_of(other)) == (409, "conflict")


async def test_what_came_before_there_were_revisions_is_known_and_can_be_amended(shop: Door) -> None:
    line = {"line_no": 1, "sku": "MUG-WHITE", "quantity": "10", "uom": None}
    said = {"lines": [line], "po_no": "PO-7", "site": "HAM", "supplier": "ACME"}
    digest = sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).digest()
    async with shop.engine.begin() as connection:
        for table, columns, values in (
            ("order", "site, supplier, digest", "'HAM', 'ACME', :digest"),
            ("line", "line_no, sku, uom, factor, expected, received", "1, 'MUG-WHITE', 'EA', 1, 10, 4"),
        ):
            statement = (
                f"insert into records.inbound_{table} (tenant, po_no, {columns}) values (:tenant, 'PO-7', {values})"
            )
            await connection.execute(text(statement), {"tenant": shop.tenant, "digest": digest})
    again = await shop.post(INBOUND, po())
    assert (again.status_code, again.json()["revision"]) == (200, 1)
    other = await shop.post(INBOUND, po(None, mugs(11)))
    assert (other.status_code, code_of(other)) == (409, "conflict")
    await shop.made(INBOUND, po(2, mugs(11)))
    assert await standing(shop) == [(11, 4, 0)]


async def test_a_line_keeps_the_packaging_that_it_was_expected_in(shop: Door) -> None:
    await shop.made(INBOUND, po(1, mugs(2, uom="CASE")))
    smaller = {"packagings": [{"uom": "CASE", "factor": 6}, {"uom": "BOX", "factor": 3}]}
    await shop.made("/api/products", product("MUG-WHITE", **smaller))
    await shop.made(INBOUND, po(2, mugs(3, uom="CASE")))
    assert await standing(shop) == [(36, 0, 0)]
    await shop.made(INBOUND, po(3, mugs(3, uom="BOX")))
    assert await standing(shop) == [(9, 0, 0)]


@pytest.mark.parametrize(
    ("amended", "fault"),
    [
        (po(2, mugs(5), mugs(3, 2)), "/lines/0/quantity"),
        (po(2, mugs(6, sku="WINE"), mugs(3, 2)), "/lines/0/sku"),
        (po(2, mugs(3, 2)), "/lines"),
        (po(2, mugs(6), mugs(3, 2), site="CPH"), "/site"),
    ],
)
async def test_an_amendment_never_goes_below_what_has_arrived(shop: Door, amended: dict, fault: str) -> None:
    await shop.made("/api/locations", {**(await shop.get("/api/locations/HAM")).json(), **CPH})
    await shop.made(INBOUND, po(1, mugs(10), mugs(3, 2)))
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(6))
    refused = await shop.post(INBOUND, amended)
    assert (refused.status_code, faults_of(refused)) == (409, [(fault, "already_received")])
    assert await standing(shop) == [(10, 6, 0), (3, 0, 0)]
    told = await shop.made(INBOUND, po(2, mugs(6)))
    assert (told["status"], await standing(shop)) == ("received", [(6, 6, 0), (0, 0, 0)])


CPH = {"location_id": "CPH", "site": "CPH"}


async def test_more_than_was_wanted_may_have_arrived_and_is_no_reason_against_an_amendment(shop: Door) -> None:
    await shop.made(INBOUND, po(1))
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(12, allow_over=True))
    assert (await shop.made(INBOUND, po(2, supplier="OTHER")))["status"] == "received"
    assert (await shop.made(INBOUND, po(3, mugs(15))))["status"] == "partly_received"


async def test_what_is_expected_no_more_is_not_received(shop: Door) -> None:
    await shop.made(INBOUND, po(1, mugs(10), mugs(3, 2)))
    await shop.made(INBOUND, po(2, mugs(10)))
    refused = await shop.post(f"{INBOUND}/PO-7/receipts", receipt(1, line_no=2))
    assert faults_of(refused) == [("/lines/0/line_no", "unknown_line")]


async def test_an_amendment_is_checked_whole_and_changes_nothing_if_it_is_refused(shop: Door) -> None:
    await shop.made(INBOUND, po(1))
    refused = await shop.post(INBOUND, po(2, mugs(1, 1, "NO"), mugs(0, 1), site="CPH", expected_date="soon"))
    assert set(faults_of(refused)) == {
        ("/site", "unknown_site"),
        ("/expected_date", "malformed_date"),
        ("/lines/0/sku", "unknown_sku"),
        ("/lines/1/line_no", "duplicate_line"),
        ("/lines/1/quantity", "quantity_not_positive"),
    }
    assert (await shop.get(f"{INBOUND}/PO-7")).json()["revision"] == 1


async def test_an_order_is_not_dated_ahead_but_may_be_expected_in_years(shop: Door) -> None:
    refused = await shop.post(INBOUND, po(1, order_date="2199-01-01", expected_date="2199-01-01"))
    assert faults_of(refused) == [("/order_date", "time_in_future")]
    assert (await shop.made(INBOUND, po(1, expected_date="2199-01-01")))["expected_date"] == "2199-01-01"


async def test_one_of_two_revisions_with_one_number_is_taken(shop: Door) -> None:
    for first in (1, 2):
        said = [po(first, mugs(10 + number)) for number in range(8)]
        answers = await asyncio.gather(*(shop.post(INBOUND, body) for body in said))
        assert sorted(answer.status_code for answer in answers) == [200 if first > 1 else 201] + [409] * 7
        assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"conflict"}


async def test_a_receipt_and_an_amendment_at_once_never_leave_less_expected_than_has_arrived(shop: Door) -> None:
    for turn in range(8):
        await shop.made(INBOUND, {**po(1), "po_no": f"PO-{turn}"})
        received, amended = await asyncio.gather(
            shop.post(f"{INBOUND}/PO-{turn}/receipts", receipt(8)),
            shop.post(INBOUND, {**po(2, mugs(5)), "po_no": f"PO-{turn}"}),
        )
        told = (await shop.get(f"{INBOUND}/PO-{turn}")).json()["lines"][0]
        if received.status_code == 201:
            assert (amended.status_code, faults_of(amended)[0][1]) == (409, "already_received")
            assert (told["expected"], told["received"]) == (10, 8)
        else:
            assert (amended.status_code, code_of(received)) == (200, "over_receipt")
            assert (told["expected"], told["received"]) == (5, 0)


async def test_goods_that_arrive_while_their_line_becomes_another_are_those_of_the_line(shop: Door) -> None:
    for turn in range(8):
        await shop.made(INBOUND, {**po(1, mugs(6, uom="CASE")), "po_no": f"PO-{turn}"})
        received, amended = await asyncio.gather(
            shop.post(f"{INBOUND}/PO-{turn}/receipts", receipt(6)),
            shop.post(INBOUND, {**po(2, mugs(6, sku="WINE")), "po_no": f"PO-{turn}"}),
        )
        assert received.status_code == 201
        told = (await shop.get(f"{INBOUND}/PO-{turn}")).json()["lines"][0]
        assert (told["sku"], told["received"]) == (received.json()["lines"][0]["sku"], 6)
        assert (amended.status_code == 200) == (told["sku"] == "WINE")


# -- cancelling ------------------------------------------------------------------------------------------------------


async def test_what_is_cancelled_is_not_expected_any_more(shop: Door) -> None:
    await shop.made(INBOUND, po(1, mugs(10), mugs(5, 2, "WINE")))
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(4))
    first = await shop.post(f"{INBOUND}/PO-7/cancel", cancel({"line_no": 1, "quantity": 2}, {"line_no": 2}))
    again = await shop.post(f"{INBOUND}/PO-7/cancel", cancel({"line_no": 1, "quantity": "2.0"}, {"line_no": 2}))
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() == (await shop.get(f"{INBOUND}/PO-7")).json()
    assert await standing(shop) == [(10, 4, 2), (5, 0, 5)]
    (said,) = first.json()["cancellations"]
    assert (said["cancel_no"], said["reason"], said["actor"]) == ("PX-1", "sold out", "erp")
    assert said["lines"] == {"1": 2, "2": 5}
    refused = await shop.post(f"{INBOUND}/PO-7/receipts", receipt(5, "GR-2"))
    assert faults_of(refused) == [("/lines/0/quantity", "over_receipt")]
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(4, "GR-2"))
    assert (await shop.get(f"{INBOUND}/PO-7")).json()["status"] == "received"


async def test_a_purchase_order_is_cancelled_as_far_as_it_has_not_arrived(shop: Door) -> None:
    await shop.made(INBOUND, po(1, mugs(10), mugs(5, 2, "WINE")))
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(4))
    assert (await shop.made(f"{INBOUND}/PO-7/cancel", cancel()))["status"] == "received"
    assert await standing(shop) == [(10, 4, 6), (5, 0, 5)]


async def test_a_purchase_order_of_which_nothing_came_is_cancelled_as_a_whole(shop: Door) -> None:
    await shop.made(INBOUND, po(1))
    assert (await shop.made(f"{INBOUND}/PO-7/cancel", cancel()))["status"] == "cancelled"
    refused = await shop.post(f"{INBOUND}/PO-7/receipts", receipt(1))
    assert faults_of(refused) == [("/lines/0/quantity", "over_receipt")]


async def test_a_cancellation_never_goes_below_what_has_arrived(shop: Door) -> None:
    await shop.made(INBOUND, po(1, mugs(10), mugs(5, 2, "WINE")))
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(8))
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(5, "GR-2", line_no=2))
    refused = await shop.post(
        f"{INBOUND}/PO-7/cancel",
        cancel({"line_no": 1, "quantity": 3}, {"line_no": 2}, {"line_no": 3}, {"line_no": 1, "uom": "BOX"}),
    )
    assert refused.status_code == 422
    assert set(faults_of(refused)) == {
        ("/lines/0/quantity", "not_cancellable"),
        ("/lines/1/line_no", "not_cancellable"),
        ("/lines/2/line_no", "unknown_line"),
        ("/lines/3/line_no", "duplicate_line"),
    }
    await shop.made(f"{INBOUND}/PO-7/receipts", receipt(2, "GR-3"))
    refused = await shop.post(f"{INBOUND}/PO-7/cancel", cancel())
    assert faults_of(refused) == [("/lines", "not_cancellable")]
    assert await standing(shop) == [(10, 10, 0), (5, 5, 0)]


async def test_a_cancellation_with_other_content_is_a_conflict(shop: Door) -> None:
    await shop.made(INBOUND, po(1))
    await shop.made(f"{INBOUND}/PO-7/cancel", cancel({"line_no": 1, "quantity": 2}))
    other = await shop.post(f"{INBOUND}/PO-7/cancel", cancel({"line_no": 1, "quantity": 3}))
    assert (other.status_code, code_of(other)) == (409, "conflict")
    missing = await shop.post(f"{INBOUND}/PO-0/cancel", cancel())
    assert (missing.status_code, code_of(missing)) == (404, "not_found")


async def test_the_same_quantity_again_revives_nothing_that_was_cancelled(shop: Door) -> None:
    await shop.made(INBOUND, po(1))
    await shop.made(f"{INBOUND}/PO-7/cancel", cancel({"line_no": 1, "quantity": 4}))
    for revision, quantity, left in ((2, 10, (10, 0, 4)), (3, 12, (12, 0, 4)), (4, 9, (9, 0, 1)), (5, 3, (3, 0, 0))):
        await shop.made(INBOUND, po(revision, mugs(quantity)))
        assert await standing(shop) == [left]


async def test_a_receipt_and_a_cancellation_at_once_share_what_is_expected(shop: Door) -> None:
    for turn in range(8):
        await shop.made(INBOUND, {**po(1), "po_no": f"PO-{turn}"})
        received, cancelled = await asyncio.gather(
            shop.post(f"{INBOUND}/PO-{turn}/receipts", receipt(8)),
            shop.post(f"{INBOUND}/PO-{turn}/cancel", cancel({"line_no": 1, "quantity": 6})),
        )
        told = (await shop.get(f"{INBOUND}/PO-{turn}")).json()["lines"][0]
        assert sorted([received.status_code, cancelled.status_code]) in ([200, 422], [201, 422])
        assert (told["received"], told["cancelled"]) == ((8, 0) if received.status_code == 201 else (0, 6))
