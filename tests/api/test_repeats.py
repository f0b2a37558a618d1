"""A repeat is answered from what was stored, whatever the catalog, the clock and the stock say by now."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from ledger import rules
from ledger.book import Draft
from ledger.requests import ReceiveStock
from ledger.rules.holding import Answer
from ledger.rules.receiving import receive
from tests.api.inventory.test_stock import adjustment, move

from .doorway import Door, code_of, line, product, push
from .test_times import COPENHAGEN, believe_anything

CASE = {"quantity": 1, "uom": "CASE"}
OTHER_CASES = [[{"uom": "CASE", "factor": 7}], []]
"""What a case comes to later: something else, and nothing any more."""

Call = tuple[str, str, dict[str, Any]]


class Calls:
    """What was said, so that it can be said again."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.said: dict[str, tuple[Call, Any]] = {}

    async def say(self, what: str, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        answer = await self._call(method, path, body)
        assert answer.status_code in {200, 201, 202}, (what, answer.text)
        self.said[what] = (method, path, body), answer.json()
        return answer.json()

    async def _call(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self.door.http.request(method, path, headers=self.door.headers(), json=body)

    async def again(self) -> dict[str, tuple[int, Any, Any]]:
        """Say all of it again: the status, what was answered first, and what is answered now."""
        answers = {what: (await self._call(*call), first) for what, (call, first) in self.said.items()}
        return {what: (answer.status_code, first, answer.json()) for what, (answer, first) in answers.items()}

    async def otherwise(self) -> dict[str, tuple[int, str]]:
        """Say something else under each key."""
        answers = {}
        for what, ((method, path, body), _) in self.said.items():
            answers[what] = await self._call(method, path, _otherwise(body))
        return {what: (answer.status_code, code_of(answer)) for what, answer in answers.items()}


def _otherwise(body: dict[str, Any]) -> dict[str, Any]:
    """Change one thing that a body says, and stays in shape."""
    if body.get("lines"):
        first, *others = body["lines"]
        return {**body, "lines": [{**first, "quantity": "11"}, *others]}
    for name in ("quantity", "delta", "counted"):
        if name in body:
            return {**body, name: "11"}
    if "parcels" in body:
        return {**body, "parcels": [{"lines": [{"line_no": 1, "quantity": 11}]}]}
    return {**body, "occurred_at": "2026-11-22T08:00:00Z"} if "reason" not in body else {**body, "reason": "damaged"}


async def pack(door: Door, packagings: list[dict[str, Any]], sku: str = "BOTTLE", **fields: Any) -> None:
    await door.made("/api/products", product(sku, packagings=packagings, **fields))


@pytest.fixture
async def house(shop: Door) -> Door:
    """A house with bottles in cases of 12, and another site."""
    for location_id, kind in (("CPH", "site"), ("CPH-A-1", "bin"), ("CPH-STAGE", "staging")):
        body: dict[str, Any] = {"location_id": location_id, "type": kind}
        site = {"time_zone": "Europe/Copenhagen", "address": COPENHAGEN}
        await shop.made("/api/locations", body | (site if kind == "site" else {"site": "CPH", "parent": "CPH"}))
    await pack(shop, [{"uom": "CASE", "factor": 12}])
    await pack(shop, [{"uom": "CASE", "factor": 12}], sku="WINE", tracking="lot")
    return shop


async def say_all_of_stock(calls: Calls) -> None:
    lines = [{"line_no": 1, "sku": "BOTTLE", "quantity": 9, "uom": "CASE"}]
    await calls.say("expected", "/api/orders/inbound", {"po_no": "PO", "site": "HAM", "supplier": "A", "lines": lines})
    receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, "quantity": 5, "uom": "CASE"}]}
    await calls.say("receipt", "/api/orders/inbound/PO/receipts", receipt)
    wine = [{"line_no": 1, "sku": "WINE", "quantity": 12}]
    await calls.say("wine", "/api/orders/inbound", {"po_no": "PO-W", "site": "HAM", "supplier": "A", "lines": wine})
    bottles = {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, **CASE}]}
    received = await calls.say("wine receipt", "/api/orders/inbound/PO-W/receipts", bottles)
    moved = move(1, sku="BOTTLE", uom="CASE")
    await calls.say("move", "/api/inventory/move", moved)
    found = adjustment(sku="BOTTLE", uom="CASE", delta=1, adjustment_no="A-1")
    await calls.say("adjustment", "/api/inventory/adjustments", found)
    counted = adjustment(sku="BOTTLE", uom="CASE", counted=4, adjustment_no="A-2")
    told = await calls.say("count", "/api/inventory/adjustments", counted)
    change = {"change_no": "S-1", "to": "damaged", "reason": "wet", **CASE}
    await calls.say("status", f"/api/inventory/{told['stream']['stream_id']}/status", change, "PUT")
    leaving = {"sku": "BOTTLE", "location_id": "HAM-A-1", **CASE}
    sent = {"transfer_no": "T-1", "to_site": "CPH", "lines": [leaving]}
    await calls.say("transfer", "/api/inventory/transfers", sent)
    arrived = {"receipt_no": "R-1", "location_id": "CPH-A-1"}
    arrived["lines"] = [{"sku": "BOTTLE", "quantity": "0.5", "uom": "CASE"}]
    await calls.say("transfer receipt", "/api/inventory/transfers/T-1/receipts", arrived)
    recalled = {"recall_no": "RC-1", "sku": "WINE", "lot": received["lines"][0]["lot"], "reason": "cork"}
    await calls.say("recall", "/api/inventory/recalls", recalled)
    await calls.say("lift", "/api/inventory/recalls/RC-1/lift", {"reason": "fine"})


MOVES_ON = {
    "transfer": "in_transit",
    "transfer receipt": "transfer",
    "expected": "lines",
    "wine": "lines",
    "recall": "trace",
}
"""What an answer shows of the world as it is by now."""


def lasting(what: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in {MOVES_ON.get(what), "status"}}


async def test_whatever_was_said_of_stock_is_answered_again_though_a_case_is_another_one_by_now(house: Door) -> None:
    calls = Calls(house)
    await say_all_of_stock(calls)
    before = await house.counts()
    for packagings in OTHER_CASES:
        await pack(house, packagings)
        await pack(house, packagings, sku="WINE", tracking="lot")
        for what, (status, first, again) in (await calls.again()).items():
            assert (status, lasting(what, again)) == (200, lasting(what, first)), what
        assert set((await calls.otherwise()).values()) == {(409, "conflict")}
    assert await house.counts() == before


async def say_all_of_an_order(calls: Calls) -> None:
    await calls.door.stock("BOTTLE", 120)
    ordered = push(lines=[line(1, "BOTTLE", 4, "CASE"), line(2, "BOTTLE", 6, None)])
    await calls.say("push", "/api/orders/outbound", ordered)
    at = {"line_no": 1, "location_id": "HAM-A-1", **CASE}
    await calls.say("pick", "/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [{**at, "quantity": 3}]})
    less = {"cancel_no": "X-1", "reason": "customer", "lines": [{"line_no": 1, "quantity": 2, "uom": "CASE"}]}
    await calls.say("cancel", "/api/orders/SO-1/cancel", less)
    await calls.say("put-back", "/api/orders/SO-1/put-backs", {"put_back_no": "B-1", "lines": [at]})
    box = [{"lines": [{"line_no": 1, **CASE}]}]
    for number in (1, 2):
        shipment = {"shipment_no": f"SH-{number}", "parcels": box}
        await calls.say(f"shipment {number}", "/api/orders/SO-1/shipments", shipment)
        path = f"/api/orders/SO-1/shipments/SH-{number}"
        await calls.say(f"hand-over {number}", f"{path}/handover", {"handover_no": "H-1"})
    await calls.say("loss", "/api/orders/SO-1/shipments/SH-2/losses", {"loss_no": "L-1", "reason": "lost"})
    may_come = {"authorization_no": "RA-1", "by": "Ida", "reason": "broken", "lines": [{"line_no": 1, **CASE}]}
    await calls.say("authorization", "/api/orders/SO-1/return-authorizations", may_come)
    intercepted = {"intercept_no": "I-1", "by": "Ida", "reason": "wrong"}
    await calls.say("intercept", "/api/orders/SO-1/shipments/SH-1/intercept", intercepted)


async def test_whatever_was_said_to_an_order_is_answered_again_though_a_case_is_another_one_by_now(
    house: Door,
) -> None:
    calls = Calls(house)
    await say_all_of_an_order(calls)
    before = await house.counts()
    for packagings in OTHER_CASES:
        await pack(house, packagings)
        again = await calls.again()
        assert {what: status for what, (status, *_) in again.items() if status != 200} == {"intercept": 202}
        for what in ("push", "pick", "cancel", "put-back", "hand-over 1", "loss"):
            assert "lines" not in again[what][1] or len(again[what][1]["lines"]) == len(again[what][2]["lines"])
        assert set((await calls.otherwise()).values()) == {(409, "conflict")}
    assert await house.counts() == before


async def test_a_count_of_what_was_missing_is_answered_again_in_its_own_words(house: Door) -> None:
    await house.stock("BOTTLE", 24)
    await house.made("/api/orders/outbound", push(lines=[line(1, "BOTTLE", 2, "CASE")]))
    short = {"pick_no": "P-1", "short": True, "lines": [{"line_no": 1, "quantity": 0, "location_id": "HAM-A-1"}]}
    await house.made("/api/orders/SO-1/picks", short)
    (task,) = (await house.get("/api/inventory/counts")).json()["items"]
    path, body = f"/api/inventory/counts/{task['task_no']}", {"counted": "1.5", "uom": "CASE", "by": "Ida"}
    first = await house.made(path, body)
    assert (first["found"], first["written_off"]) == (18, 6)
    for packagings in OTHER_CASES:
        await pack(house, packagings)
        again = await house.post(path, {**body, "by": "Ole"})
        assert (again.status_code, again.json()) == (200, first)
        other = await house.post(path, {**body, "counted": 1})
        assert (other.status_code, code_of(other)) == (409, "conflict")


async def test_a_push_that_named_no_unit_is_the_same_though_the_base_unit_is_another_one_by_now(house: Door) -> None:
    body = push(lines=[line(1, "BOTTLE", 24, None), line(2, "BOTTLE", 1, "CASE")])
    await house.made("/api/orders/outbound", body)
    async with house.engine.begin() as connection:
        changed = (
            "update records.product set base_uom = 'G', packagings = '[]' where tenant = :tenant and sku = 'BOTTLE'"
        )
        await connection.execute(text(changed), {"tenant": house.tenant})
    for said in (body, push(lines=[line(1, "BOTTLE", 24, "EA"), line(2, "BOTTLE", 1, "CASE")])):
        again = await house.post("/api/orders/outbound", said)
        assert (again.status_code, again.json()["outcome"]) == (200, "unchanged"), again.text
    other = await house.post("/api/orders/outbound", push(lines=[line(1, "BOTTLE", 24, "G")]))
    assert (other.status_code, code_of(other)) == (409, "conflict")


async def test_what_is_said_again_is_answered_though_its_time_could_not_be_told_now(
    house: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.stock("BOTTLE", 24)
    fast = move(1, sku="BOTTLE", occurred_at="2190-01-01T00:00:00Z")
    ahead = push(lines=[line(1, "BOTTLE", 2, "CASE")], ordered_at="2190-01-01T00:00:00Z")
    picked = {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 1}], "occurred_at": "2190-01-01T00:00:00Z"}
    said = [("/api/inventory/move", fast), ("/api/orders/outbound", ahead), ("/api/orders/SO-1/picks", picked)]
    with monkeypatch.context() as older:
        for module in ("commands.inventory.move", "api.orders.command_endpoint"):
            older.setattr(f"{module}.time_faults", believe_anything)
        older.setattr("commands.orders.taking_in.faults_by", lambda *_given: [])
        for path, body in said:
            await house.made(path, body)
    before = await house.counts()
    assert [(await house.post(path, body)).status_code for path, body in said] == [200, 200, 200]
    assert await house.counts() == before


async def test_a_receipt_that_an_older_build_answered_bears_the_lot_that_it_made(
    house: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"line_no": 1, "sku": "WINE", "quantity": 24}]
    await house.made("/api/orders/inbound", {"po_no": "PO", "site": "HAM", "supplier": "A", "lines": lines})
    receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, **CASE}]}
    with monkeypatch.context() as older:
        older.setitem(rules._RULES, ReceiveStock, as_before)  # type: ignore[arg-type]
        first = await house.made("/api/orders/inbound/PO/receipts", receipt)
    assert first["lines"][0]["lot"]
    await pack(house, [], sku="WINE", tracking="lot")
    again = await house.post("/api/orders/inbound/PO/receipts", receipt)
    assert (again.status_code, again.json()) == (200, first)


def as_before(request: ReceiveStock, draft: Draft) -> Answer:
    """Receive as an older build did, which kept no lots in its answer."""
    received = receive(request, draft)["received"]
    return {"received": [{name: line[name] for name in ("sku", "quantity")} for line in received]}
