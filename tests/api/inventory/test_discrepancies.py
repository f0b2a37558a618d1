"""What turned out otherwise than we knew: a person reads it, finds out, and settles it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from domain.carriers import TrackingEvent, TrackingStatus
from domain.stock import Evidence
from ledger.requests import IssueGoods, LineQuantity
from records.access import api_keys
from tests.api.doorway import Door, code_of, faults_of, line, place, push

DISCREPANCIES = "/api/inventory/discrepancies"


def settlement(settlement_no: str = "ST-1", **fields: Any) -> dict[str, Any]:
    return {"settlement_no": settlement_no, "by": "ida", "reason": "counted", **fields}


async def listed(door: Door, **params: Any) -> list[dict[str, Any]]:
    answer = await door.get(DISCREPANCIES, **params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def kinds(door: Door, **params: Any) -> list[str]:
    return [item["kind"] for item in await listed(door, **params)]


async def settled(door: Door, discrepancy: dict[str, Any], body: dict[str, Any]) -> httpx.Response:
    return await door.post(f"{DISCREPANCIES}/{discrepancy['discrepancy_id']}/settle", body)


async def adjusted(door: Door, adjustment_no: str, location_id: str = "HAM-A-1", **fields: Any) -> dict[str, Any]:
    goods = {"adjustment_no": adjustment_no, "location_id": location_id, "sku": "MUG-WHITE", "reason": "cycle_count"}
    return dict(await door.made("/api/inventory/adjustments", {**goods, **fields}))


async def all_left(door: Door, order_no: str, shipment_no: str, quantity: int) -> None:
    """Let so many mugs have left for an order, whatever it held."""
    goods = LineQuantity(1, "MUG-WHITE", "HAM", quantity)
    proof = {"actor": "sandbox", "evidence": Evidence.SCANNED}
    fact = IssueGoods(
        tenant=door.tenant,
        key=f"issue/{shipment_no}",
        order_ref=order_no,
        shipment_no=shipment_no,
        lines=(goods,),
        **proof,
    )
    await door.services.ledger.post(fact)


async def shipped(door: Door, order_no: str, shipment_no: str, quantity: int) -> None:
    """Put so much into a parcel, without a word on which goods these are."""
    boxes = [{"lines": [{"line_no": 1, "quantity": quantity}]}]
    await door.made(f"/api/orders/{order_no}/shipments", {"shipment_no": shipment_no, "parcels": boxes})


async def heard(door: Door, order_no: str, shipment_no: str, status: TrackingStatus) -> None:
    """Hear of a shipment's first parcel from the carrier."""
    event = TrackingEvent(f"{status}-{shipment_no}", f"TN-{shipment_no}", status, status.value, None)
    await door.gateway.hear(door.tenant, order_no, event)


@pytest.fixture
async def overfull(shop: Door) -> Door:
    """A bin for 10 mugs in which somebody counted 12."""
    await shop.made("/api/locations", {**place("HAM-B"), "capacity": {"max_units": 10}})
    await adjusted(shop, "A-1", "HAM-B", counted=12)
    return shop


@pytest.fixture
async def left(overfull: Door) -> Door:
    """Beside that: 5 mugs left of which 2 were there, and 3 bottles of which nobody said what they were."""
    door = overfull
    await adjusted(door, "A-2", "HAM-B", counted=0)
    await door.stock("MUG-WHITE", 2, "PO-1")
    await door.stock("WINE", 4, "PO-2", lot="L-1")
    await door.stock("WINE", 3, "PO-3", lot="L-2")
    await door.made("/api/orders/outbound", push(lines=[line(quantity=5, uom="EA")]))
    await all_left(door, "SO-1", "SH-1", 5)
    await door.made("/api/orders/outbound", push("SO-2", lines=[line(sku="WINE", quantity=7, uom=None)]))
    await door.made("/api/orders/SO-2/picks", {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 7}]})
    await shipped(door, "SO-2", "SH-2", 3)
    await heard(door, "SO-2", "SH-2", TrackingStatus.PICKED_UP)
    return door


async def test_a_discrepancy_says_what_happened_and_what_helps(left: Door) -> None:
    full, never_there, guessed = await listed(left)

    assert never_there.pop("created_at").endswith("Z")
    assert isinstance(never_there.pop("discrepancy_id"), int)
    posting_id = never_there.pop("posting_id")
    timeline = (await left.get("/api/orders/SO-1/timeline")).json()["items"]
    assert posting_id in [item["data"].get("posting_id") for item in timeline]
    assert never_there == {
        "state": "open",
        "kind": "unaccounted_issue",
        "sku": "MUG-WHITE",
        "site": "HAM",
        "quantity": 3,
        "detail": "goods left that the ledger never had at the site",
        "helps": "Count the sku at the site, and adjust what differs.",
        "order_no": "SO-1",
        "settlement_no": None,
        "settled_by": None,
        "reason": None,
        "reason_code": None,
        "note": None,
        "adjustment_no": None,
        "settled_at": None,
    }
    assert (guessed["kind"], guessed["sku"], guessed["quantity"], guessed["order_no"]) == (
        "guessed_units",
        "WINE",
        3,
        "SO-2",
    )
    assert (full["kind"], full["quantity"], full["order_no"]) == ("over_capacity", 12, None)
    assert full["detail"] == "HAM-B takes 10 units and holds 12"


async def test_discrepancies_are_found_by_kind_site_sku_order_and_state(left: Door) -> None:
    every = ["over_capacity", "unaccounted_issue", "guessed_units"]
    assert await kinds(left) == every
    assert await kinds(left, kind="guessed_units") == ["guessed_units"]
    assert await kinds(left, sku="MUG-WHITE") == every[:2]
    assert (await kinds(left, site="HAM"), await kinds(left, site="CPH")) == (every, [])
    assert (await kinds(left, order_no="SO-2"), await kinds(left, order_no="SO-9")) == (["guessed_units"], [])

    (await settled(left, (await listed(left))[1], settlement())).raise_for_status()

    assert await kinds(left) == await kinds(left, state="open") == ["over_capacity", "guessed_units"]
    assert await kinds(left, state="settled") == ["unaccounted_issue"]
    assert await kinds(left, state="all") == every
    assert faults_of(await left.get(DISCREPANCIES, kind="rumor", state="maybe")) == [
        ("/query/kind", "invalid"),
        ("/query/state", "invalid"),
    ]


async def test_an_order_goes_by_its_erps_own_number(shop: Door) -> None:
    key = f"web-{shop.tenant}"
    async with shop.engine.begin() as connection:
        await api_keys.register_key(connection, tenant=shop.tenant, source="web", key=key)
    pushed = await shop.post("/api/orders/outbound", push("SO-7", lines=[line(quantity=5, uom="EA")]), key=key)
    assert pushed.is_success, pushed.text
    await all_left(shop, "web:SO-7", "SH-7", 5)
    (found,) = await listed(shop, order_no="SO-7")
    assert found["order_no"] == "SO-7"
    assert await listed(shop) == [found]


async def test_discrepancies_come_in_pages(left: Door) -> None:
    first = (await left.get(DISCREPANCIES, limit=2)).json()
    rest = (await left.get(DISCREPANCIES, limit=2, cursor=first["next"])).json()
    assert [item["kind"] for page in (first, rest) for item in page["items"]] == await kinds(left)
    assert rest["next"] is None
    for cursor in ("x", "WyItMSJd", "WyI5MjIzMzcyMDM2ODU0Nzc1ODA4Il0"):  # none, -1, 2**63
        assert faults_of(await left.get(DISCREPANCIES, cursor=cursor)) == [("/query/cursor", "bad_cursor")]


async def test_a_discrepancy_is_settled_by_who_found_out_and_posts_nothing(overfull: Door) -> None:
    await adjusted(overfull, "A-2", "HAM-B", delta=-2)
    (found,) = await listed(overfull)
    postings = await overfull.count("ledger.posting")

    answer = await settled(overfull, found, settlement(note="Mads took two to HAM-A", adjustment_no="A-2"))

    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert told.pop("settled_at") > found["created_at"]
    assert told == {
        **{name: value for name, value in found.items() if name != "settled_at"},
        "state": "settled",
        "settlement_no": "ST-1",
        "settled_by": "ida",
        "reason": "counted",
        "reason_code": "counted",
        "note": "Mads took two to HAM-A",
        "adjustment_no": "A-2",
    }
    (shown,) = await listed(overfull, state="settled")
    assert shown == answer.json()
    assert await overfull.count("ledger.posting") == postings


async def test_the_same_settlement_again_gets_the_same_answer_and_another_one_is_a_conflict(overfull: Door) -> None:
    (found,) = await listed(overfull)
    first = await settled(overfull, found, settlement(note="two too many"))

    again = await settled(overfull, found, settlement(note="two too many"))
    for other in ({"note": None}, {"by": "mads"}, {"reason": "moved"}, {"adjustment_no": "A-9"}):
        refused = await settled(overfull, found, {**settlement(note="two too many"), **other})
        assert (refused.status_code, code_of(refused)) == (409, "conflict"), other
    late = await settled(overfull, found, settlement("ST-2", by="mads"))

    assert (again.status_code, again.json()) == (200, first.json())
    assert (late.status_code, code_of(late)) == (409, "already_settled")
    who = rf"Discrepancy {found['discrepancy_id']} was settled by ida \(ST-1\) at 2[-0-9T:]+Z\."
    assert re.fullmatch(who, late.json()["detail"])
    assert await listed(overfull, state="settled") == [first.json()]


async def test_of_two_that_settle_at_once_one_does(overfull: Door) -> None:
    (found,) = await listed(overfull)
    answers = await asyncio.gather(*(settled(overfull, found, settlement(f"ST-{n}", by=f"p{n}")) for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    (done,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert await listed(overfull, state="all") == [done]


async def test_one_number_may_settle_several(left: Door) -> None:
    for found in await listed(left):
        (await settled(left, found, settlement(note=f"as {found['kind']}"))).raise_for_status()
    assert [item["note"] for item in await listed(left, state="all")] == [
        "as over_capacity",
        "as unaccounted_issue",
        "as guessed_units",
    ]


async def test_a_settlement_names_an_adjustment_or_count_of_those_goods(left: Door) -> None:
    full, never_there, guessed = await listed(left)
    for number in ("A-9", "A-2"):  # none, and one of mugs
        refused = await settled(left, guessed, settlement(adjustment_no=number))
        assert (refused.status_code, faults_of(refused)) == (422, [("/adjustment_no", "unknown_adjustment")])
    assert refused.json()["detail"] == "adjustment_no: There is no adjustment or count A-2 of WINE at HAM."
    await adjusted(left, "A-4", counted=0, uom="EA")  # agrees: nothing moved
    assert (await settled(left, full, settlement(adjustment_no="A-4"))).json()["adjustment_no"] == "A-4"
    await left.stock("MUG-WHITE", 4, "PO-4")
    await left.made("/api/orders/outbound", push("SO-3", lines=[line(quantity=4, uom="EA")]))
    short = {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 3, "location_id": "HAM-A-1"}], "short": True}
    await left.made("/api/orders/SO-3/picks", short)
    assert faults_of(await settled(left, never_there, settlement(adjustment_no="SO-3~P-1~1"))) == [
        ("/adjustment_no", "unknown_adjustment")  # nobody has counted yet
    ]
    await left.made("/api/inventory/counts/SO-3~P-1~1", {"counted": 0, "by": "ida"})
    told = await settled(left, never_there, settlement(adjustment_no="SO-3~P-1~1"))
    assert (told.status_code, told.json()["adjustment_no"]) == (200, "SO-3~P-1~1")
    assert await kinds(left) == ["guessed_units"]


async def test_all_that_is_wrong_with_a_settlement_comes_in_one_answer_and_nothing_is_settled(overfull: Door) -> None:
    (found,) = await listed(overfull)
    refused = await settled(overfull, found, {"settlement_no": "S T", "reason": "", "adjustment_no": "A-9", "x": 1})
    assert refused.status_code == 422
    assert sorted(faults_of(refused)) == [
        ("/adjustment_no", "unknown_adjustment"),
        ("/by", "missing"),
        ("/reason", "invalid"),
        ("/settlement_no", "invalid"),
        ("/x", "unknown_field"),
    ]
    assert await listed(overfull) == [found]


async def test_nobody_reads_or_settles_what_is_another_tenants(overfull: Door) -> None:
    (found,) = await listed(overfull)
    async with overfull.engine.begin() as connection:
        await api_keys.register_key(
            connection, tenant=f"other-{overfull.tenant}", source=None, key=f"b-{overfull.tenant}"
        )
        await api_keys.register_key(connection, tenant=overfull.tenant, source=None, key=f"office-{overfull.tenant}")
    key = f"b-{overfull.tenant}"
    path = f"{DISCREPANCIES}/{found['discrepancy_id']}/settle"

    refused = await overfull.post(path, settlement(), key=key)

    assert (await overfull.get(DISCREPANCIES, key=key)).json()["items"] == []
    assert (refused.status_code, code_of(refused)) == (404, "not_found")
    unknown = await overfull.post(f"{DISCREPANCIES}/{2**62}/settle", settlement())
    assert (unknown.status_code, code_of(unknown)) == (404, "not_found")
    for unreadable in ("0", "x", str(2**63)):
        faults = faults_of(await overfull.post(f"{DISCREPANCIES}/{unreadable}/settle", settlement()))
        assert faults == [("/path/discrepancy_id", "invalid")]
    assert (await overfull.post(path, settlement(), key=f"office-{overfull.tenant}")).status_code == 200


async def test_words_are_kept_beside_the_discrepancy_and_can_be_erased(overfull: Door) -> None:
    (found,) = await listed(overfull)
    told = await settled(overfull, found, settlement(reason="Mrs Holm says so", note="her own words"))
    assert (told.json()["reason"], told.json()["reason_code"]) == ("Mrs Holm says so", None)
    ours = {"tenant": overfull.tenant}
    async with overfull.engine.begin() as connection:
        row = (
            await connection.execute(text("select d::text from records.discrepancy d where tenant = :tenant"), ours)
        ).scalar_one()
        await connection.execute(text("update records.address set data = null where tenant = :tenant"), ours)
    assert ("Holm" in row, "own words" in row) == (False, False)
    (erased,) = await listed(overfull, state="settled")
    assert (erased["settled_by"], erased["reason"], erased["note"]) == ("ida", None, None)


async def test_what_was_settled_by_sql_stays_settled(overfull: Door) -> None:
    (found,) = await listed(overfull)
    async with overfull.engine.begin() as connection:
        by_sql = text("update records.discrepancy set resolved_at = now() where discrepancy_id = :discrepancy_id")
        await connection.execute(by_sql, {"discrepancy_id": found["discrepancy_id"]})

    refused = await settled(overfull, found, settlement())

    assert (refused.status_code, code_of(refused)) == (409, "already_settled")
    assert " was settled at 2" in refused.json()["detail"]
    (shown,) = await listed(overfull, state="settled")
    assert (shown["state"], shown["settled_by"], shown["settled_at"] is None) == ("settled", None, False)
    assert await listed(overfull) == []


async def test_what_happened_is_never_changed(overfull: Door) -> None:
    for column in ("quantity = 0", "kind = 'none'", "sku = 'WINE'", "posting_id = null"):
        with pytest.raises(ProgrammingError) as refused:
            async with overfull.engine.begin() as connection:
                await connection.execute(text(f"update records.discrepancy set {column}"))
        assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)


async def test_metrics_count_what_waits_for_a_person(overfull: Door) -> None:
    async def waiting() -> int:
        told = (await overfull.http.get("/metrics")).text
        (number,) = re.findall(r"^stockbridge_open_discrepancies (\d+)\.0$", told, re.MULTILINE)
        return int(number)

    (found,) = await listed(overfull)
    before = await waiting()
    await settled(overfull, found, settlement())
    assert await waiting() == before - 1


async def test_a_wrong_guess_of_a_lot_is_mended_by_adjustments_and_the_order_is_served_from_them(left: Door) -> None:
    (guessed,) = await listed(left, kind="guessed_units")  # the ledger: three of L-1; the customer: three of L-2
    await adjusted(left, "A-4", "HAM-STAGE", sku="WINE", lot="L-2", delta=-3)
    await adjusted(left, "A-5", "HAM-A-1", sku="WINE", lot="L-1", delta=3)

    told = (await settled(left, guessed, settlement(reason="customer", note="it was L-2", adjustment_no="A-5"))).json()

    assert (told["state"], told["adjustment_no"], told["note"]) == ("settled", "A-5", "it was L-2")
    (of_order,) = (await left.get("/api/orders/SO-2")).json()["lines"]
    assert (of_order["reserved"], of_order["backordered"], of_order["shipped"]) == (4, 0, 3)
    items = (await left.get("/api/inventory", sku="WINE")).json()["items"]
    assert {item["lot"]: item["on_hand"] for item in items if item["location_id"] == "HAM-A-1"} == {"L-1": 3}


async def test_a_wrong_guess_of_a_serial_number_is_mended_by_an_adjustment_and_a_return(shop: Door) -> None:
    await shop.stock("PHONE", 2, serial_numbers=["S-1", "S-2"])
    await shop.made("/api/orders/outbound", push(lines=[line(sku="PHONE", quantity=2, uom=None)]))
    picked = {"line_no": 1, "quantity": 2, "serial_numbers": ["S-1", "S-2"]}
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    await shipped(shop, "SO-1", "SH-1", 1)
    await heard(shop, "SO-1", "SH-1", TrackingStatus.PICKED_UP)
    (guessed,) = await listed(shop)  # the ledger: S-1; the customer: S-2
    unit = {"sku": "PHONE", "serial_number": "S-1", "delta": 1, "reason": "guessed"}
    body = {"adjustment_no": "A-1", "location_id": "HAM-STAGE", **unit}
    refused = await shop.post("/api/inventory/adjustments", body)
    assert (refused.status_code, code_of(refused)) == (409, "serial_not_missing")  # the ledger has it on its way

    await adjusted(shop, "A-1", "HAM-STAGE", sku="PHONE", serial_number="S-2", delta=-1)
    await heard(shop, "SO-1", "SH-1", TrackingStatus.DELIVERED)
    here = {"line_no": 1, "quantity": 1, "serial_numbers": ["S-1"]}
    await shop.made("/api/orders/SO-1/returns", {"return_no": "R-1", "location_id": "HAM-RET", "lines": [here]})
    (await settled(shop, guessed, settlement(reason="customer", adjustment_no="A-1"))).raise_for_status()

    assert await listed(shop) == []
    await adjusted(shop, "A-2", "HAM-RET", sku="PHONE", serial_number="S-2", delta=1)  # the customer sent it back
    items = (await shop.get("/api/inventory", sku="PHONE")).json()["items"]
    assert {item["serial_number"]: item["location_id"] for item in items} == {"S-1": "HAM-RET", "S-2": "HAM-RET"}
