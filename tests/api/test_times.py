"""When things happened, as callers and carriers tell it: no clock but PostgreSQL's is believed as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from commands.times import HAPPENED
from domain import commands, shapes
from ledger.requests import Request
from tests.api.inventory.test_stock import adjustment, items, move, stocked

from .doorway import Door, faults_of, line, push
from .test_callbacks import labeled, scan, tell

__all__ = ["labeled", "stocked"]  # fixtures

AHEAD = timedelta(minutes=10)
PLANNED = {"backorder_until", "valid_until", "flagged_before", "ordered_before"}
"""Times that may lie anywhere: plans, deadlines, conditions."""
COPENHAGEN = {"street": ["Kaj 1"], "postal_code": "1000", "city": "Copenhagen", "country": "DK"}


def in_(span: timedelta) -> str:
    return (datetime.now(UTC) + span).isoformat()


def told_by_key(at: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Every kind of call that tells when something happened."""
    one = {"lines": [{"line_no": 1, "quantity": 1, "location_id": "HAM-A-1"}], "occurred_at": at}
    leaving = {"sku": "MUG-WHITE", "quantity": 1, "location_id": "HAM-A-1"}
    arriving = {"lines": [{"sku": "MUG-WHITE", "quantity": 1}], "location_id": "CPH-A-1", "occurred_at": at}
    arriving["receipt_no"] = "R-1"
    came = {"receipt_no": "R-9", "location_id": "HAM-A-1", "allow_over": True, "occurred_at": at}
    came["lines"] = [{"line_no": 1, "quantity": 1}]
    back = {"return_no": "R-1", "location_id": "HAM-RET", "lines": [{"line_no": 1, "quantity": 1}]}
    order = "/api/orders/SO-1"
    return {
        "a receipt": ("/api/orders/inbound/PO-1/receipts", "occurred_at", came),
        "a move": ("/api/inventory/move", "occurred_at", move(1, occurred_at=at)),
        "an adjustment": ("/api/inventory/adjustments", "occurred_at", adjustment(delta=1, occurred_at=at)),
        "a count": ("/api/inventory/adjustments", "counted_at", adjustment(counted=1, counted_at=at)),
        "a transfer": (
            "/api/inventory/transfers",
            "occurred_at",
            {"transfer_no": "T-1", "to_site": "CPH", "lines": [leaving], "occurred_at": at},
        ),
        "a transfer's receipt": ("/api/inventory/transfers/T-0/receipts", "occurred_at", arriving),
        "a recall": (
            "/api/inventory/recalls",
            "occurred_at",
            {"recall_no": "RC-1", "sku": "WINE", "lot": "L-1", "reason": "cork", "occurred_at": at},
        ),
        "a recall lifted": ("/api/inventory/recalls/RC-0/lift", "occurred_at", {"reason": "fine", "occurred_at": at}),
        "a push": ("/api/orders/outbound", "ordered_at", push("SO-2", lines=[line()], ordered_at=at)),
        "a revision": ("/api/orders/outbound", "ordered_at", push(revision=2, lines=[line()], ordered_at=at)),
        "a pick": (f"{order}/picks", "occurred_at", {"pick_no": "P-9", **one}),
        "a put-back": (f"{order}/put-backs", "occurred_at", {"put_back_no": "B-1", **one}),
        "a shipment": (f"{order}/shipments", "occurred_at", {"shipment_no": "SH-9", "occurred_at": at}),
        "a hand-over": (f"{order}/shipments/SH-1/handover", "occurred_at", {"handover_no": "H-1", "occurred_at": at}),
        "a loss": (
            f"{order}/shipments/SH-1/losses",
            "occurred_at",
            {"loss_no": "L-1", "reason": "lost", "occurred_at": at},
        ),
        "a cancel": (f"{order}/cancel", "occurred_at", {"cancel_no": "X-1", "reason": "no", "occurred_at": at}),
        "a return": (f"{order}/returns", "occurred_at", back | {"occurred_at": at}),
    }


@pytest.fixture
async def busy(labeled: Door) -> Door:
    """A warehouse where each of these calls could be right: a transfer underway, a recall, an order with its label."""
    for location_id, kind in (("CPH", "site"), ("CPH-A-1", "bin"), ("CPH-STAGE", "staging")):
        body: dict[str, Any] = {"location_id": location_id, "type": kind}
        site = {"time_zone": "Europe/Copenhagen", "address": COPENHAGEN}
        await labeled.made("/api/locations", body | (site if kind == "site" else {"site": "CPH", "parent": "CPH"}))
    leaving = {"sku": "MUG-WHITE", "quantity": 1, "location_id": "HAM-A-1"}
    await labeled.made("/api/inventory/transfers", {"transfer_no": "T-0", "to_site": "CPH", "lines": [leaving]})
    await labeled.stock("WINE", 6, po_no="PO-W", lot="L-0")
    recalled = {"recall_no": "RC-0", "sku": "WINE", "lot": "L-0", "reason": "cork"}
    await labeled.made("/api/inventory/recalls", recalled)
    return labeled


async def refused(door: Door, at: str, code: str) -> None:
    """Tell each call that it happened then; each is refused for that alone, and nothing is written."""
    before = await door.counts()
    for what, (path, field, body) in told_by_key(at).items():
        answer = await door.post(path, body)
        assert (answer.status_code, faults_of(answer)) == (422, [(f"/{field}", code)]), (what, answer.text)
        told, now = datetime.fromisoformat(at), datetime.now(UTC).strftime("%Y-%m-%dT")
        assert told.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") in answer.json()["detail"]
        assert now in answer.json()["detail"]
    (item, *_) = await items(door)
    change = {"change_no": "S-1", "to": "damaged", "quantity": 1, "reason": "wet", "occurred_at": at}
    answer = await door.put(f"/api/inventory/{item['stream_id']}/status", change)
    assert (answer.status_code, faults_of(answer)) == (422, [("/occurred_at", code)])
    assert await door.counts() == before


async def test_no_call_may_say_that_something_happened_later_than_now(busy: Door) -> None:
    await refused(busy, in_(AHEAD), "time_in_future")
    await refused(busy, "2190-01-01T01:00:00+01:00", "time_in_future")


async def test_no_call_may_say_that_something_happened_before_all_news(busy: Door) -> None:
    await refused(busy, "1999-12-31T23:00:00-05:00", "time_too_old")


async def test_what_was_shipped_or_picked_years_ago_may_still_be_told_and_plans_lie_ahead(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()], ordered_at=in_(-timedelta(days=900))))
    far = "2190-01-01T00:00:00Z"
    await stocked.made("/api/orders/outbound", push("SO-2", lines=[line()], backorder_until=far))


async def test_a_time_with_other_faults_is_told_with_them(stocked: Door) -> None:
    answer = await stocked.post("/api/inventory/move", move(0, to="NOWHERE", occurred_at=in_(AHEAD), colour="red"))
    assert {code for _, code in faults_of(answer)} == {
        "time_in_future",
        "unknown_location",
        "unknown_field",
        "quantity_not_positive",
    }
    late = push(lines=[line(quantity=0)], ordered_at="2190-01-01t00:00:00z", colour="red")
    assert ("/ordered_at", "time_in_future") in faults_of(await stocked.post("/api/orders/outbound", late))


async def test_a_clock_that_is_a_little_fast_is_believed_and_its_fact_happened_when_it_was_heard(shop: Door) -> None:
    await shop.stock(quantity=20)
    fast = in_(timedelta(seconds=90))
    more = {"receipt_no": "R-2", "location_id": "HAM-A-1", "allow_over": True, "occurred_at": fast}
    await shop.made("/api/orders/inbound/PO-1/receipts", {**more, "lines": [{"line_no": 1, "quantity": 4}]})
    (item,) = await items(shop)
    entries = (await shop.get(f"/api/ledger/streams/{item['stream_id']}/entries")).json()["items"]
    assert entries[-1]["occurred_at"] == entries[-1]["recorded_at"]


@pytest.mark.parametrize("counted_at", [None, 0, 90])
async def test_a_count_of_what_lies_there_changes_nothing_however_fast_the_scanners_clock_is(
    shop: Door, counted_at: int | None
) -> None:
    await shop.stock(quantity=20)
    await shop.made("/api/inventory/move", move(5, occurred_at=in_(timedelta(seconds=110))))
    when = {} if counted_at is None else {"counted_at": in_(timedelta(seconds=counted_at))}
    told = await shop.made("/api/inventory/adjustments", adjustment(counted=15, **when))
    assert (told["delta"], told["on_hand"]) == (0, 15)


async def test_what_an_older_build_let_be_dated_ahead_does_a_count_no_harm(
    shop: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(Request, "happened_at", lambda request, recorded_at: request.occurred_at or recorded_at)
        older.setattr("commands.inbound.receiving.time_faults", believe_anything)
        lines = [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 20}]
        await shop.made("/api/orders/inbound", {"po_no": "PO-1", "site": "HAM", "supplier": "ACME", "lines": lines})
        receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "occurred_at": "2190-01-01T00:00:00Z"}
        receipt["lines"] = [{"line_no": 1, "quantity": 20}]
        await shop.made("/api/orders/inbound/PO-1/receipts", receipt)
    (item,) = await items(shop)
    (entry,) = (await shop.get(f"/api/ledger/streams/{item['stream_id']}/entries")).json()["items"]
    assert entry["occurred_at"] == "2190-01-01T00:00:00Z"
    for number, counted_at in enumerate((None, in_(timedelta(0)))):
        body = adjustment(adjustment_no=f"A-{number}", counted=20, counted_at=counted_at)
        assert (await shop.made("/api/inventory/adjustments", body))["delta"] == 0
    then = {"sku": "MUG-WHITE", "as_of": in_(timedelta(0)), "as_of_basis": "occurred"}
    assert (await shop.get("/api/inventory", **then)).json()["totals"]["on_hand"] == 20


async def believe_anything(*_given: object) -> list[Any]:
    return []


@pytest.mark.parametrize(
    "told", ["2199-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00", "2001-02-03T04:05:06Z"]
)
async def test_a_scan_that_cannot_have_been_then_is_shown_as_told_and_was_when_we_heard_of_it(
    labeled: Door, told: str
) -> None:
    assert (await tell(labeled, scan(occurred_at=told))).status_code == 202
    event = await the_scan(labeled)
    assert event["occurred_at"] == event["recorded_at"]
    assert datetime.fromisoformat(event["told_at"]) == datetime.fromisoformat(told)
    assert event["data"]["told_at"] == event["told_at"]


async def test_a_scan_of_a_clock_that_is_a_little_fast_was_when_we_heard_of_it_and_others_when_they_were_told(
    labeled: Door,
) -> None:
    await tell(labeled, scan(occurred_at=in_(timedelta(seconds=60))))
    event = await the_scan(labeled)
    assert (event["occurred_at"], event["told_at"]) == (event["recorded_at"], None)


async def the_scan(door: Door) -> dict[str, Any]:
    story = (await door.get("/api/orders/SO-1/timeline")).json()["items"]
    (event,) = [item for item in story if item["kind"] == "carrier_event"]
    return dict(event)


async def test_a_day_is_the_sites_whatever_offset_came(shop: Door) -> None:
    """2026-11-21 begins in Hamburg at 23:00Z of the day before."""
    for number, (at, day) in enumerate(
        (("2026-11-20T17:30:00-05:00", 20), ("2026-11-20T18:30:00-05:00", 21), ("2026-11-21T03:59:00+05:00", 20)), 1
    ):
        body = push(f"SO-{number}", lines=[line()], ordered_at=at, requested_delivery=None, min_shelf_life_days=1)
        await shop.made("/api/orders/outbound", body)
        async with shop.engine.connect() as connection:
            found = await connection.exec_driver_sql(
                "select least_expiry from ledger.order_line where tenant = %s and order_ref = %s",
                (shop.tenant, f"SO-{number}"),
            )
            assert found.scalar_one().day == day + 1, at


def test_every_time_in_a_body_either_happened_or_is_planned() -> None:
    told = {name for module in (shapes, commands) for shape in shapes_of(module) for name in times_of(shape)}
    assert told == PLANNED | set(HAPPENED)


def shapes_of(module: object) -> list[type[BaseModel]]:
    return [x for x in vars(module).values() if isinstance(x, type) and issubclass(x, BaseModel)]


def times_of(shape: type[BaseModel]) -> list[str]:
    return [name for name, field in shape.model_fields.items() if datetime in leaves_of(field.annotation)]


def leaves_of(annotation: Any) -> set[Any]:
    if get_origin(annotation) in {Union, UnionType, Annotated}:
        return set().union(*map(leaves_of, get_args(annotation)))
    return {datetime if getattr(annotation, "__name__", "") == "AwareDatetime" else annotation}
