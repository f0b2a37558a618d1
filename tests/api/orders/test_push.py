"""The ERP's push: accepted, amended, known, refused, kept."""

from __future__ import annotations

import asyncio

import pytest

from records.access import api_keys
from tests.api.doorway import Door, code_of, faults_of, line, push


@pytest.fixture
async def stocked(shop: Door) -> Door:
    await shop.stock()
    return shop


async def test_a_push_is_accepted_and_reserved(stocked: Door) -> None:
    answer = await stocked.post("/api/orders/outbound", push())
    assert answer.status_code == 201
    told = answer.json()
    (shown,) = told.pop("lines")
    assert told == {
        "order_no": "SO-1",
        "revision": 1,
        "outcome": "accepted",
        "status": "reserved",
        "needs_attention": False,
        "workflow_id": f"order/{stocked.tenant}/SO-1",
    }
    assert (shown["uom"], shown["factor"], shown["ordered"], shown["reserved"]) == ("CASE", 12, 24, 24)


@pytest.mark.parametrize(
    "again",
    [
        {},
        {"ordered_at": "2026-11-21T00:00:00Z"},
        {"lines": [line(quantity="2")]},
        {"lines": [line(quantity="2.0", site="HAM", unit_price=None)]},
    ],
)
async def test_the_same_revision_differently_written_is_unchanged(stocked: Door, again: dict) -> None:
    body = push(lines=[line()])
    await stocked.made("/api/orders/outbound", body)
    answer = await stocked.post("/api/orders/outbound", {**body, **again})
    assert (answer.status_code, answer.json()["outcome"]) == (200, "unchanged")
    assert await stocked.count("records.inbox") == 1


async def test_a_price_with_a_trailing_zero_is_the_same_price(stocked: Door) -> None:
    price = {"amount": "4.50", "currency": "EUR"}
    await stocked.made("/api/orders/outbound", push(lines=[line(unit_price=price)]))
    answer = await stocked.post("/api/orders/outbound", push(lines=[line(unit_price={**price, "amount": "4.5"})]))
    assert answer.json()["outcome"] == "unchanged"


@pytest.mark.parametrize(
    "other", [{"lines": [line(quantity=3)]}, {"note": "ring twice"}, {"priority": 1}, {"carrier": "pigeon"}]
)
async def test_the_same_revision_with_other_content_is_a_conflict(stocked: Door, other: dict) -> None:
    await stocked.made("/api/orders/outbound", push())
    answer = await stocked.post("/api/orders/outbound", push(**other))
    assert (answer.status_code, code_of(answer)) == (409, "conflict")


async def test_a_line_shows_its_price_as_it_was_pushed(stocked: Door) -> None:
    lines = [line(1, unit_price={"amount": "4.250", "currency": "EUR"}), line(2, quantity=1)]
    told = await stocked.made("/api/orders/outbound", push(lines=lines))
    assert [x["unit_price"] for x in told["lines"]] == [{"amount": "4.250", "currency": "EUR"}, None]
    dearer = [line(1, unit_price={"amount": "5", "currency": "EUR"}), line(2, "WINE", quantity=1, uom=None)]
    amended = await stocked.made("/api/orders/outbound", push(revision=2, lines=dearer))
    shown = (await stocked.get("/api/orders/SO-1")).json()["lines"]
    assert [(x["sku"], x["unit_price"]) for x in shown] == [
        ("MUG-WHITE", {"amount": "5", "currency": "EUR"}),
        ("WINE", None),
    ]
    assert shown == amended["lines"] == (await stocked.get("/api/orders")).json()["items"][0]["lines"]


async def test_a_higher_revision_amends_and_keeps_the_factor(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    await stocked.made("/api/products", {**(await stocked.get("/api/products/MUG-WHITE")).json(), "packagings": []})
    answer = await stocked.post("/api/orders/outbound", push(revision=4, lines=[line(quantity=3)]))
    assert (answer.status_code, answer.json()["outcome"], answer.json()["revision"]) == (200, "amended", 4)
    assert answer.json()["lines"][0]["reserved"] == 36


async def test_a_nested_packaging_counts_in_base_units_and_what_was_accepted_keeps_its_factor(stocked: Door) -> None:
    first = await stocked.made("/api/orders/outbound", push(lines=[line(quantity="0.125", uom="PALLET")]))
    assert [(shown["factor"], shown["ordered"]) for shown in first["lines"]] == [(480, 60)]
    mug = (await stocked.get("/api/products/MUG-WHITE")).json()
    mug["packagings"][0]["factor"] = 10
    await stocked.made("/api/products", mug)
    lines = [line(quantity="0.125", uom="PALLET"), line(2, quantity="0.05", uom="PALLET")]
    second = await stocked.made("/api/orders/outbound", push(revision=2, lines=lines))
    assert [(shown["factor"], shown["ordered"]) for shown in second["lines"]] == [(480, 60), (400, 20)]


async def test_a_lower_revision_that_was_never_seen_is_stale(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(revision=3))
    answer = await stocked.post("/api/orders/outbound", push(revision=2))
    assert (answer.status_code, code_of(answer)) == (409, "stale_revision")


async def test_a_removed_line_stays_in_the_view_with_nothing_ordered(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line(), line(2, quantity=1, uom="EA")]))
    told = await stocked.made("/api/orders/outbound", push(revision=2, lines=[line()]))
    assert [(shown["line_no"], shown["ordered"]) for shown in told["lines"]] == [(1, 24), (2, 0)]


async def test_a_line_that_changes_its_sku_is_shown_as_what_it_is(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    told = await stocked.made("/api/orders/outbound", push(revision=2, lines=[line(sku="WINE", quantity=1, uom=None)]))
    assert [(shown["sku"], shown["backordered"]) for shown in told["lines"]] == [("WINE", 1)]


async def test_a_shortage_refuses_the_whole_push_by_policy_and_it_may_be_sent_again(stocked: Door) -> None:
    body = push(shortage_policy="reject", lines=[line(quantity=101, uom="EA")])
    answer = await stocked.post("/api/orders/outbound", body)
    assert (answer.status_code, code_of(answer)) == (422, "insufficient_stock")
    assert faults_of(answer) == [("/lines/0/quantity", "insufficient_stock")]
    assert (await stocked.get("/api/orders/SO-1")).status_code == 404
    await stocked.stock(quantity=1, po_no="PO-2")
    again = await stocked.post("/api/orders/outbound", body)
    assert (again.status_code, again.json()["outcome"]) == (201, "accepted")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"lines": [line(sku="MUG-XL")]}, ("/lines/0/sku", "unknown_sku")),
        ({"lines": [line(uom="BOX")]}, ("/lines/0/uom", "unknown_uom")),
        ({"lines": [line(quantity=0)]}, ("/lines/0/quantity", "quantity_not_positive")),
        ({"lines": [line(quantity="-1")]}, ("/lines/0/quantity", "quantity_not_positive")),
        ({"lines": [line(quantity="0.3")]}, ("/lines/0/quantity", "fractional_quantity")),
        ({"lines": [line(quantity=2.5)]}, ("/lines/0/quantity", "malformed_quantity")),
        ({"lines": [line(quantity=True)]}, ("/lines/0/quantity", "malformed_quantity")),
        ({"lines": [line(quantity="1e9")]}, ("/lines/0/quantity", "malformed_quantity")),
        ({"lines": [line(quantity="NaN")]}, ("/lines/0/quantity", "malformed_quantity")),
        ({"lines": [line(quantity=10**17)]}, ("/lines/0/quantity", "quantity_too_large")),
        ({"lines": [line(), line()]}, ("/lines/1/line_no", "duplicate_line")),
        ({"lines": [line(lot="L-1")]}, ("/lines/0/lot", "lot_not_tracked")),
        ({"lines": [line(line_no=0)]}, ("/lines/0/line_no", "invalid")),
        (
            {"lines": [line(unit_price={"amount": "4,25", "currency": "EUR"})]},
            ("/lines/0/unit_price/amount", "invalid"),
        ),
        ({"lines": []}, None),
        ({"site": "CPH"}, ("/site", "unknown_site")),
        ({"carrier": "pigeon"}, ("/carrier", "unknown_carrier")),
        ({"revision": 0}, ("/revision", "invalid")),
        ({"revision": "1"}, ("/revision", "invalid")),
        ({"order_no": "outbound"}, ("/order_no", "reserved_word")),
        ({"order_no": "SO/1"}, ("/order_no", "invalid")),
        ({"ordered_at": "2026-11-20T14:03:00"}, ("/ordered_at", "malformed_time")),
        ({"ordered_at": 1700000000}, ("/ordered_at", "malformed_time")),
        ({"ordered_at": "0001-01-01T00:00:00+14:00"}, ("/ordered_at", "malformed_time")),
        ({"requested_delivery": "2026-11-24T00:00:00"}, ("/requested_delivery", "malformed_date")),
        ({"shortage_policy": "hope"}, ("/shortage_policy", "invalid")),
        ({"colour": "red"}, ("/colour", "unknown_field")),
    ],
)
async def test_a_push_that_cannot_be_names_the_field_and_writes_nothing(
    stocked: Door, change: dict, fault: tuple[str, str] | None
) -> None:
    before = await stocked.counts()
    answer = await stocked.post("/api/orders/outbound", {**push(), **change})
    assert answer.status_code == 422
    assert faults_of(answer) == [fault or ("/lines", "invalid")]
    assert await stocked.counts() == before


async def test_a_known_revision_is_answered_though_the_catalog_moved_on(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    await stocked.made("/api/products", {**(await stocked.get("/api/products/MUG-WHITE")).json(), "packagings": []})
    answer = await stocked.post("/api/orders/outbound", push(lines=[line()]))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "unchanged")


async def test_a_key_of_no_source_cannot_push(shop: Door) -> None:
    async with shop.engine.begin() as connection:
        await api_keys.register_key(connection, tenant=shop.tenant, source=None, key=f"scan-{shop.tenant}")
    answer = await shop.post("/api/orders/outbound", push(), key=f"scan-{shop.tenant}")
    assert (answer.status_code, code_of(answer)) == (403, "source_required")


async def test_a_push_that_cannot_be_decided_is_kept_and_stays_readable(stocked: Door) -> None:
    stocked.gateway.down = True
    first = await stocked.post("/api/orders/outbound", push(note="ring twice"))
    again = await stocked.post("/api/orders/outbound", push(note="ring twice"))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert (first.json()["outcome"], first.json()["status"], first.json()["lines"]) == ("queued", "received", [])
    view = (await stocked.get("/api/orders/SO-1")).json()
    assert (view["status"], view["note"], view["ship_to"]["city"]) == ("received", "ring twice", "Hamburg")
    assert view["pending"] | {"since": None} == {
        "command": "submit",
        "key": "push/SO-1/1",
        "revision": 1,
        "since": None,
    }
    stocked.gateway.down = False
    decided = await stocked.post("/api/orders/outbound", push(note="ring twice"))
    assert (decided.status_code, decided.json()["outcome"]) == (200, "accepted")
    assert await stocked.count("records.inbox") == 1


async def test_other_content_under_a_queued_revision_is_a_conflict(stocked: Door) -> None:
    stocked.gateway.down = True
    await stocked.post("/api/orders/outbound", push())
    answer = await stocked.post("/api/orders/outbound", push(priority=5))
    assert (answer.status_code, code_of(answer)) == (409, "conflict")


async def test_a_queued_amendment_shows_what_was_accepted_last(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push())
    stocked.gateway.down = True
    answer = await stocked.post("/api/orders/outbound", push(revision=2, lines=[line(quantity=3)]))
    told = answer.json()
    assert (answer.status_code, told["outcome"], told["revision"], told["lines"][0]["ordered"]) == (
        202,
        "queued",
        1,
        24,
    )


async def test_a_push_refused_after_its_sender_was_told_to_wait_stays_readable(stocked: Door) -> None:
    stocked.gateway.down = True
    await stocked.post("/api/orders/outbound", push(shortage_policy="reject", lines=[line(quantity=99)]))
    await stocked.gateway.decide_all(stocked.tenant, "SO-1")
    view = (await stocked.get("/api/orders/SO-1")).json()
    assert (view["status"], view["pending"]) == ("refused", None)
    assert view["last_refusal"]["type"] == "/problems/insufficient-stock"


async def test_an_order_takes_only_so_many_commands_at_once(stocked: Door) -> None:
    stocked.gateway.down = True
    for revision in range(1, 11):
        assert (await stocked.post("/api/orders/outbound", push(revision=revision))).status_code == 202
    answer = await stocked.post("/api/orders/outbound", push(revision=11))
    assert (answer.status_code, code_of(answer)) == (429, "too_many_commands")
    assert answer.headers["retry-after"] == "1"
    assert (await stocked.post("/api/orders/outbound", push(revision=1))).status_code == 202


async def test_the_same_push_at_the_same_time_is_one(stocked: Door) -> None:
    answers = await asyncio.gather(*(stocked.post("/api/orders/outbound", push()) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert await stocked.count("records.inbox") == 1
    assert await stocked.count("records.address") == 1
    assert await stocked.count("records.orders") == 1


async def test_an_address_that_stays_keeps_its_id_so_that_no_label_is_bought_again(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push())
    await stocked.made("/api/orders/outbound", push(revision=2, note="ring twice"))
    assert await stocked.count("records.address") == 2  # the address, and the note
    moved = {**push()["ship_to"], "street": ["Kehrwieder 3"]}
    await stocked.made("/api/orders/outbound", push(revision=3, ship_to=moved))
    assert await stocked.count("records.address") == 3


async def test_a_closed_order_answers_what_it_knows_and_takes_nothing_new(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push())
    await stocked.made("/api/orders/SO-1/cancel", {"cancel_no": "X-1", "reason": "customer"})
    from sqlalchemy import text

    async with stocked.engine.begin() as connection:
        close = text("update records.orders set closed_at = now() where tenant = :tenant")
        await connection.execute(close, {"tenant": stocked.tenant})
    known = await stocked.post("/api/orders/outbound", push())
    assert (known.status_code, known.json()["outcome"], known.json()["status"]) == (200, "unchanged", "cancelled")
    new = await stocked.post("/api/orders/outbound", push(revision=2))
    assert (new.status_code, code_of(new)) == (409, "order_closed")
