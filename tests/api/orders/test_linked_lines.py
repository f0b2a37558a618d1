"""What comes along with a product: rules as master data, and lines that follow the line that brought them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from tests.api.doorway import Door, code_of, faults_of, line, place, product, push

STRAWS = 1_000_001
"""The line that the first rule adds to line 1."""


@pytest.fixture
async def bar(shop: Door) -> Door:
    """A shop where each glass comes with two straws, and every third one with a coaster."""
    for sku in ("STRAW", "COASTER"):
        await shop.made("/api/products", product(sku))
    await shop.made("/api/products", glass(straws(), {"sku": "COASTER", "quantity": 1, "per": 3}))
    await shop.stock("GLASS", 20, po_no="PO-G")
    return shop


def glass(*adds: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return product("GLASS", adds=list(adds), packagings=[{"uom": "CASE", "factor": 6}], **fields)


def straws(quantity: int = 2, **fields: Any) -> dict[str, Any]:
    return {"sku": "STRAW", "quantity": quantity, **fields}


def glasses(quantity: int, revision: int = 1, **fields: Any) -> dict[str, Any]:
    return push(revision=revision, lines=[line(1, "GLASS", quantity, None)], **fields)


def told(view: Any, *names: str) -> dict[int, list[int]]:
    """Say of each line of a view how much of each there is."""
    return {x["line_no"]: [x[name] for name in names] for x in view["lines"]}


async def ordered(bar: Door, body: dict[str, Any], *names: str) -> dict[int, list[int]]:
    answer = await bar.post("/api/orders/outbound", body)
    assert answer.status_code in {200, 201}, answer.text
    return told(answer.json(), *(names or ("ordered", "reserved")))


async def reasons(bar: Door) -> list[str]:
    async with bar.engine.connect() as connection:
        query = text(
            "select reason from ledger.posting where tenant = :tenant "
            "and reason in ('reservation', 'amendment', 'cancellation') order by recorded_at"
        )
        return list((await connection.execute(query, {"tenant": bar.tenant})).scalars())


# -- rules -----------------------------------------------------------------------------------------------------------


async def test_a_rule_is_part_of_its_product(shop: Door) -> None:
    await shop.made("/api/products", product("STRAW"))
    made = await shop.made("/api/products", glass(straws(until="2026-12-24")))
    assert made["adds"] == [{"sku": "STRAW", "quantity": 2, "per": 1, "from": None, "until": "2026-12-24"}]
    assert (await shop.get("/api/products/GLASS")).json() == made
    again = await shop.post("/api/products", glass(straws(until="2026-12-24")))
    assert (again.status_code, again.json()) == (200, made)
    without = await shop.post("/api/products", glass())
    assert (without.status_code, without.json()["adds"]) == (200, [])


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (glass({"sku": "GLASS", "quantity": 1}), ("/adds/0/sku", "adds_itself")),
        (glass(straws(), {"sku": "NONE", "quantity": 1}), ("/adds/1/sku", "unknown_sku")),
        (product("TABLE", adds=[{"sku": "GLASS", "quantity": 6}]), ("/adds/0/sku", "nested_rule")),
        (product("STRAW", adds=[{"sku": "COASTER", "quantity": 1}]), ("/adds", "nested_rule")),
        (glass(straws(0)), ("/adds/0/quantity", "invalid")),
        (glass(straws(per=0)), ("/adds/0/per", "invalid")),
        (glass(straws(quantity="2")), ("/adds/0/quantity", "invalid")),
        (glass(straws(first_day="2026-12-24")), ("/adds/0/first_day", "unknown_field")),
        (glass(straws(**{"from": "24.12.2026"})), ("/adds/0/from", "malformed_date")),
        (glass(straws(**{"from": "2026-12-24", "until": "2026-12-23"})), ("/adds/0", "ends_too_early")),
        (glass(*[straws()] * 21), ("/adds", "invalid")),
    ],
)
async def test_a_rule_that_cannot_be_is_refused(bar: Door, body: dict[str, Any], fault: tuple[str, str]) -> None:
    answer = await bar.post("/api/products", body)
    assert (answer.status_code, faults_of(answer)) == (422, [fault])


# -- pushes ----------------------------------------------------------------------------------------------------------


async def test_a_line_brings_others_along_which_name_it(bar: Door) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    await bar.stock("COASTER", 50, po_no="PO-C")
    lines = [line(2, "MUG-WHITE", 1, None), line(1, "GLASS", 1, "CASE")]
    answer = await bar.post("/api/orders/outbound", push(lines=lines))
    shown = [(x["line_no"], x["main_line_no"], x["sku"], x["reserved"]) for x in answer.json()["lines"]]
    assert shown == [
        (1, None, "GLASS", 6),
        (STRAWS, 1, "STRAW", 12),
        (2_000_001, 1, "COASTER", 2),
        (2, None, "MUG-WHITE", 0),
    ]
    view = (await bar.get("/api/orders/SO-1")).json()
    assert [x["main_line_no"] for x in view["lines"]] == [None, 1, 1, None]


async def test_linked_lines_are_taken_from_the_site_of_their_main_line(bar: Door) -> None:
    for body in (
        {
            "location_id": "CPH",
            "type": "site",
            "time_zone": "Europe/Copenhagen",
            "address": {"street": ["Kaj 1"], "postal_code": "1", "city": "Kobenhavn", "country": "DK"},
        },
        place("CPH-OUT", "staging", "CPH"),
    ):
        await bar.made("/api/locations", body)
    answer = await bar.post("/api/orders/outbound", push(lines=[line(1, "GLASS", 1, None, site="CPH")]))
    assert {x["site"] for x in answer.json()["lines"]} == {"CPH"}


async def test_a_rule_is_for_orders_that_are_placed_in_its_days(bar: Door) -> None:
    await bar.made("/api/products", glass(straws(**{"from": "2026-11-20", "until": "2026-11-20"})))
    late = "2026-11-21T02:30:00+04:00"  # the next day already, but not where it is shipped from
    assert set(await ordered(bar, glasses(1, order_no="SO-1", ordered_at=late))) == {1, STRAWS}
    assert set(await ordered(bar, glasses(1, order_no="SO-2", ordered_at="2026-11-21T00:30:00+01:00"))) == {1}
    early = "2026-11-20T18:30:00-05:00"  # not where it was ordered
    assert set(await ordered(bar, glasses(1, order_no="SO-3", ordered_at=early))) == {1}


async def test_linked_lines_follow_up_and_down_in_one_posting_and_leave_with_their_line(bar: Door) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    await bar.stock("COASTER", 50, po_no="PO-C")
    assert await ordered(bar, glasses(2)) == {1: [2, 2], STRAWS: [4, 4]}
    assert await ordered(bar, glasses(4, 2)) == {1: [4, 4], STRAWS: [8, 8], 2_000_001: [1, 1]}
    assert await ordered(bar, glasses(1, 3)) == {1: [1, 1], STRAWS: [2, 2], 2_000_001: [0, 0]}
    gone = await ordered(bar, push(revision=4, lines=[line(2, "STRAW", 5, None)]))
    assert gone == {1: [0, 0], STRAWS: [0, 0], 2_000_001: [0, 0], 2: [5, 5]}
    assert await reasons(bar) == ["reservation", "amendment", "amendment", "amendment"]


async def test_the_same_revision_is_the_same_whatever_the_rules_are_by_now_and_a_later_one_goes_by_them(
    bar: Door,
) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    first = await ordered(bar, glasses(2))
    await bar.made("/api/products", glass(straws(5)))
    again = await bar.post("/api/orders/outbound", glasses(2))
    assert (again.json()["outcome"], told(again.json(), "ordered", "reserved")) == ("unchanged", first)
    assert await ordered(bar, glasses(2, 2, priority=3)) == {1: [2, 2], STRAWS: [10, 10]}


@pytest.mark.parametrize(
    ("policy", "came_to"),
    [("backorder", [4, 3, 1, 0]), ("partial", [4, 3, 0, 1])],
)
async def test_what_is_short_of_a_gift_waits_or_is_left_out_and_the_line_is_met(
    bar: Door, policy: str, came_to: list[int]
) -> None:
    await bar.stock("STRAW", 3, po_no="PO-S")
    names = ("ordered", "reserved", "backordered", "cancelled")
    assert await ordered(bar, glasses(2, shortage_policy=policy), *names) == {1: [2, 2, 0, 0], STRAWS: came_to}


async def test_an_order_that_is_all_or_nothing_is_refused_for_want_of_a_gift_at_the_line_that_brings_it(
    bar: Door,
) -> None:
    await bar.stock("STRAW", 3, po_no="PO-S")
    lines = [line(7, "GLASS", 1, None), line(1, "GLASS", 1, None)]
    answer = await bar.post("/api/orders/outbound", push(shortage_policy="reject", lines=lines))
    assert (answer.status_code, faults_of(answer)) == (422, [("/lines/1/quantity", "insufficient_stock")])
    assert "STRAW" in answer.json()["detail"]


async def test_what_is_cut_of_a_line_is_cut_of_its_gifts(bar: Door) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    names = ("reserved", "cancelled")
    partly = await ordered(bar, glasses(25, shortage_policy="partial"), *names)
    assert partly == {1: [20, 5], STRAWS: [40, 10], 2_000_001: [0, 8]}
    page = (await bar.get("/api/inventory", sku="STRAW")).json()
    assert page["totals"]["available"] == 10


async def test_gifts_that_an_order_is_cut_of_go_to_who_waits_for_them(bar: Door) -> None:
    await ordered(bar, push(order_no="SO-W", lines=[line(1, "STRAW", 5, None)]))
    await ordered(bar, push(order_no="SO-T", lines=[line(1, "GLASS", 20, None)]))
    await bar.stock("STRAW", 50, po_no="PO-S")
    waiting = (await bar.get("/api/orders/SO-W")).json()
    assert told(waiting, "reserved") == {1: [5]}
    assert await ordered(bar, glasses(3, shortage_policy="partial"), "reserved", "cancelled") == {
        1: [0, 3],
        STRAWS: [0, 6],
        2_000_001: [0, 1],
    }
    later = await ordered(bar, push(order_no="SO-L", lines=[line(1, "STRAW", 5, None)]))
    assert later == {1: [5, 5]}


async def test_an_erp_has_no_number_of_a_linked_line(bar: Door) -> None:
    answer = await bar.post("/api/orders/outbound", push(lines=[line(STRAWS, "STRAW", 1, None)]))
    assert (answer.status_code, faults_of(answer)) == (422, [("/lines/0/line_no", "invalid")])
    highest = await ordered(bar, push(lines=[line(999_999, "GLASS", 1, None)]))
    assert set(highest) == {999_999, 1_999_999}


async def test_more_than_an_order_can_hold_does_not_come_along(bar: Door) -> None:
    await bar.made("/api/products", glass(*[straws()] * 2))
    lines = [line(n, "GLASS", 1, None) for n in range(1, 401)]
    answer = await bar.post("/api/orders/outbound", push(lines=lines))
    assert (answer.status_code, faults_of(answer)) == (422, [("/lines", "too_many_lines")])
    much = await bar.post("/api/orders/outbound", glasses(10**15))
    assert faults_of(much) == [("/lines/0/quantity", "quantity_too_large")] * 2


# -- the floor and the office ----------------------------------------------------------------------------------------


async def picked(bar: Door) -> None:
    """Bring an order of two glasses and four straws to where all is picked."""
    await bar.stock("STRAW", 50, po_no="PO-S")
    await ordered(bar, glasses(2))
    lines = [{"line_no": n, "quantity": q, "location_id": "HAM-A-1"} for n, q in ((1, 2), (STRAWS, 4))]
    await bar.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": lines})


def cancelling(*lines: dict[str, Any], cancel_no: str = "X-1") -> dict[str, Any]:
    return {"cancel_no": cancel_no, "reason": "customer", "lines": list(lines) or None}


async def test_a_gift_is_shipped_and_can_come_back_by_its_number(bar: Door) -> None:
    await picked(bar)
    shipment = await bar.made("/api/orders/SO-1/shipments", {"shipment_no": "SO-1-1", "handed_over": True})
    contents = [(x["line_no"], x["sku"], x["quantity"]) for x in shipment["parcels"][0]["lines"]]
    assert contents == [(1, "GLASS", 2), (STRAWS, "STRAW", 4)]
    assert told((await bar.get("/api/orders/SO-1")).json(), "shipped") == {1: [2], STRAWS: [4]}


async def test_a_cancelled_line_takes_its_gifts_along_in_proportion(bar: Door) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    await bar.stock("COASTER", 50, po_no="PO-C")
    await ordered(bar, glasses(7))
    part = await bar.made("/api/orders/SO-1/cancel", cancelling({"line_no": 1, "quantity": 2}))
    assert told(part, "reserved", "cancelled") == {1: [5, 2], STRAWS: [10, 4], 2_000_001: [1, 1]}
    rest = await bar.made("/api/orders/SO-1/cancel", cancelling({"line_no": 1}, cancel_no="X-2"))
    assert told(rest, "reserved", "cancelled") == {1: [0, 7], STRAWS: [0, 14], 2_000_001: [0, 2]}
    assert rest["status"] == "cancelled"
    assert await reasons(bar) == ["reservation", "cancellation", "cancellation"]


async def test_gifts_in_staging_are_to_be_put_back_when_their_line_is_cancelled(bar: Door) -> None:
    await picked(bar)
    view = await bar.made("/api/orders/SO-1/cancel", cancelling({"line_no": 1, "quantity": 1}))
    assert told(view, "picked", "to_put_back", "cancelled") == {1: [1, 1, 1], STRAWS: [2, 2, 2]}
    back = {"put_back_no": "B-1", "lines": [{"line_no": STRAWS, "quantity": 2, "location_id": "HAM-A-1"}]}
    assert told(await bar.made("/api/orders/SO-1/put-backs", back), "to_put_back")[STRAWS] == [0]


async def test_a_cancelled_order_cancels_its_gifts(bar: Door) -> None:
    await bar.stock("STRAW", 1, po_no="PO-S")
    await ordered(bar, glasses(2))
    view = await bar.made("/api/orders/SO-1/cancel", cancelling())
    assert told(view, "reserved", "backordered", "cancelled") == {1: [0, 0, 2], STRAWS: [0, 0, 4]}


async def test_a_gift_is_not_cancelled_by_itself(bar: Door) -> None:
    await ordered(bar, glasses(2))
    answer = await bar.post("/api/orders/SO-1/cancel", cancelling({"line_no": STRAWS}))
    assert (answer.status_code, faults_of(answer)) == (422, [("/lines/0/line_no", "linked_line")])
    assert code_of(answer) == "linked_line"
    assert "line 1" in answer.json()["detail"]


async def test_an_order_that_was_cancelled_in_part_and_is_amended_holds_what_its_lines_are_to_get(bar: Door) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    await ordered(bar, glasses(2))
    await bar.made("/api/orders/SO-1/cancel", cancelling({"line_no": 1, "quantity": 1}))
    assert await ordered(bar, glasses(2, 2), "reserved", "cancelled") == {1: [1, 1], STRAWS: [2, 2]}
    assert (await ordered(bar, glasses(5, 3), "reserved", "cancelled"))[STRAWS] == [8, 2]


async def test_a_short_pick_of_a_line_cuts_its_gifts_where_the_rest_is_left_out(bar: Door) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    await ordered(bar, glasses(20, shortage_policy="partial"))
    short = {"pick_no": "P-1", "short": True, "lines": [{"line_no": 1, "quantity": 15, "location_id": "HAM-A-1"}]}
    view = await bar.made("/api/orders/SO-1/picks", short)
    assert told(view, "reserved", "cancelled") == {1: [15, 5], STRAWS: [30, 10], 2_000_001: [0, 6]}


async def test_what_is_given_up_of_a_line_that_waits_is_given_up_of_its_gifts(bar: Door) -> None:
    await bar.stock("STRAW", 50, po_no="PO-S")
    await bar.stock("COASTER", 50, po_no="PO-C")
    await ordered(bar, glasses(23))
    act = {"act_no": "O-1", "verb": "accept_short", "by": "Mads", "reason": "no more glasses"}
    view = await bar.made("/api/orders/SO-1/operator-acts", act)
    assert told(view, "reserved", "cancelled") == {1: [20, 3], STRAWS: [40, 6], 2_000_001: [6, 1]}


async def test_a_gift_that_has_left_refuses_no_revision(bar: Door) -> None:
    await picked(bar)
    box = {"weight_g": 50, "lines": [{"line_no": STRAWS, "quantity": 4}]}
    body = {"shipment_no": "SO-1-1", "handed_over": True, "parcels": [box]}
    await bar.made("/api/orders/SO-1/shipments", body)
    names = ("ordered", "reserved", "shipped")
    assert await ordered(bar, glasses(1, 2), *names) == {1: [1, 1, 0], STRAWS: [4, 0, 4]}
    await bar.made("/api/products", glass())
    assert await ordered(bar, glasses(1, 3, priority=1), *names) == {1: [1, 1, 0], STRAWS: [4, 0, 4]}


async def test_rules_may_change_places_or_give_way_to_others_when_part_of_a_gift_has_left(bar: Door) -> None:
    await bar.made("/api/products", product("SPOON"))
    await bar.stock("STRAW", 50, po_no="PO-S")
    await bar.stock("COASTER", 50, po_no="PO-C")
    names, coasters, spoons = ("ordered", "reserved", "shipped"), 2_000_001, 3_000_001
    await ordered(bar, glasses(4))
    picked = [{"line_no": n, "quantity": q, "location_id": "HAM-A-1"} for n, q in ((1, 2), (STRAWS, 4))]
    await bar.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": picked})
    await bar.made("/api/orders/SO-1/shipments", {"shipment_no": "SO-1-1", "handed_over": True})

    await bar.made("/api/products", glass({"sku": "COASTER", "quantity": 1, "per": 3}, straws()))
    assert await ordered(bar, glasses(6, 2), *names) == {1: [6, 4, 2], STRAWS: [12, 8, 4], coasters: [2, 2, 0]}
    part = await bar.made("/api/orders/SO-1/cancel", cancelling({"line_no": 1, "quantity": 2}))
    assert told(part, "reserved", "cancelled") == {1: [2, 2], STRAWS: [4, 4], coasters: [1, 1]}

    await bar.made("/api/products", glass({"sku": "SPOON", "quantity": 1}, straws(3, per=2)))
    assert await ordered(bar, glasses(4, 3), *names) == {
        1: [4, 2, 2],
        STRAWS: [6, 2, 4],
        coasters: [0, 0, 0],
        spoons: [4, 0, 0],
    }
    await bar.made("/api/products", glass({"sku": "SPOON", "quantity": 2}))
    view = await ordered(bar, glasses(3, 4), *names)
    assert (view[STRAWS], view[spoons]) == ([4, 0, 4], [6, 0, 0])
