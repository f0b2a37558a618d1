"""Why something was done can be read afterwards: codes in the postings, words beside them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from records.access import api_keys
from tests.api.doorway import Door, faults_of, line, place, push

ADJUSTMENTS = "/api/inventory/adjustments"


@pytest.fixture
async def counted(shop: Door) -> Door:
    """Mugs in two bins, counted: too few here, too many there, and once as many as there were."""
    await shop.stock(quantity=120)
    await shop.stock("WINE", 10, "PO-2", lot="L-1")
    by = {"actor": "Ida", "reason": "cycle_count"}
    await shop.made(ADJUSTMENTS, adjustment("A-1", counted=118, note="two broken, says Mads", **by))
    await shop.made(ADJUSTMENTS, adjustment("A-2", delta=3, location_id="HAM-A-2", reason="found behind the rack"))
    await shop.made(ADJUSTMENTS, adjustment("A-3", counted=10, sku="WINE", lot="L-1", **by))
    await shop.made(ADJUSTMENTS, adjustment("A-4", counted=0, location_id="HAM-RET", **by))
    return shop


def adjustment(no: str, **fields: Any) -> dict[str, Any]:
    return {"adjustment_no": no, "location_id": "HAM-A-1", "sku": "MUG-WHITE", **fields}


async def listed(door: Door, **asked: Any) -> list[str]:
    answer = await door.get(ADJUSTMENTS, **asked)
    assert answer.status_code == 200, answer.text
    return [item["adjustment_no"] for item in answer.json()["items"]]


async def test_adjustments_tell_before_after_who_when_and_why(counted: Door) -> None:
    first, second, third, fourth = (await counted.get(ADJUSTMENTS)).json()["items"]
    assert (first["adjustment_no"], first["before"], first["after"], first["delta"]) == ("A-1", 120, 118, -2)
    assert (first["reason"], first["reason_code"], first["note"]) == (
        "cycle_count",
        "cycle_count",
        "two broken, says Mads",
    )
    assert (first["actor"], first["evidence"], first["stream"]["sku"]) == ("Ida", "confirmed", "MUG-WHITE")
    assert first["occurred_at"] <= first["recorded_at"]
    assert (second["reason"], second["reason_code"], second["note"]) == ("found behind the rack", None, None)
    assert (second["before"], second["after"], second["stream"]["location_id"]) == (0, 3, "HAM-A-2")
    assert (third["before"], third["after"], third["stream"]["lot"]) == (10, 10, "L-1")
    assert (fourth["before"], fourth["after"], fourth["stream"]["stock_status"]) == (0, 0, "inspection")


async def test_adjustments_are_found_by_what_where_and_when(counted: Door) -> None:
    assert await listed(counted, sku="WINE") == ["A-3"]
    assert await listed(counted, location="HAM-A") == ["A-1", "A-2", "A-3"]
    assert await listed(counted, location="HAM-A-2") == ["A-2"]
    assert await listed(counted, site="HAM") == ["A-1", "A-2", "A-3", "A-4"]
    assert await listed(counted, site="CPH") == []
    second = (await counted.get(ADJUSTMENTS)).json()["items"][1]["recorded_at"]
    assert await listed(counted, since=second) == ["A-2", "A-3", "A-4"]
    assert await listed(counted, until=second) == ["A-1"]
    first = (await counted.get(ADJUSTMENTS, limit=3)).json()
    rest = (await counted.get(ADJUSTMENTS, limit=3, cursor=first["next"])).json()
    assert [item["adjustment_no"] for page in (first, rest) for item in page["items"]] == ["A-1", "A-2", "A-3", "A-4"]
    assert rest["next"] is None
    assert faults_of(await counted.get(ADJUSTMENTS, cursor="x")) == [("/query/cursor", "bad_cursor")]


async def test_any_key_of_the_tenant_reads_them_and_no_other(counted: Door) -> None:
    async with counted.engine.begin() as connection:
        await api_keys.register_key(connection, tenant=counted.tenant, source=None, key=f"office-{counted.tenant}")
        await api_keys.register_key(
            connection, tenant=f"other-{counted.tenant}", source=None, key=f"b-{counted.tenant}"
        )
    office = (await counted.get(ADJUSTMENTS, key=f"office-{counted.tenant}")).json()["items"]
    assert office[0]["note"] == "two broken, says Mads"
    assert (await counted.get(ADJUSTMENTS, key=f"b-{counted.tenant}")).json()["items"] == []


async def test_the_ledger_has_the_code_and_never_the_words(counted: Door) -> None:
    query = text("select answer from ledger.posting where tenant = :tenant and reason = 'adjustment'")
    async with counted.engine.connect() as connection:
        answers = " ".join((await connection.execute(query, {"tenant": counted.tenant})).scalars())
    assert '"reason_code":"cycle_count"' in answers.replace(" ", "")
    assert "Mads" not in answers
    assert "behind" not in answers


async def entry(door: Door, location: str, seq: int = -1) -> dict[str, Any]:
    (item,) = (await door.get("/api/inventory", sku="MUG-WHITE", location=location)).json()["items"]
    return dict((await door.get(f"/api/ledger/streams/{item['stream_id']}/entries")).json()["items"][seq])


async def test_entries_say_why(counted: Door) -> None:
    told = await entry(counted, "HAM-A-1")
    assert (told["reason"], told["reason_code"], told["note"]) == ("adjustment", "cycle_count", "two broken, says Mads")
    move = {"move_no": "M-1", "sku": "MUG-WHITE", "quantity": 5, "from": {"location_id": "HAM-A-1"}}
    await counted.made("/api/locations", place("HAM-A-3"))
    await counted.made(
        "/api/inventory/move", {**move, "to": {"location_id": "HAM-A-3"}, "reason": "too heavy up there"}
    )
    moved = await entry(counted, "HAM-A-3")
    assert (moved["reason"], moved["reason_code"], moved["reason_text"]) == ("move", None, "too heavy up there")
    change = {"change_no": "S-1", "to": "damaged", "quantity": 5, "reason": "leaking"}
    await counted.put(f"/api/inventory/{(await stream_of(counted, 'HAM-A-3'))}/status", change)
    restated = await entry(counted, "HAM-A-3")
    assert (restated["reason"], restated["reason_code"], restated["reason_text"]) == ("status_change", "leaking", None)


async def stream_of(door: Door, location: str) -> str:
    (item,) = (await door.get("/api/inventory", sku="MUG-WHITE", location=location)).json()["items"]
    return str(item["stream_id"])


async def test_a_recall_says_why(counted: Door) -> None:
    recall = {"recall_no": "RC-1", "sku": "WINE", "lot": "L-1", "reason": "Mrs Holm found glass in it"}
    await counted.made("/api/inventory/recalls", recall)
    (item,) = (await counted.get("/api/inventory", sku="WINE")).json()["items"]
    (told,) = (await counted.get(f"/api/ledger/streams/{item['stream_id']}/entries")).json()["items"]
    assert (told["reason"], told["reason_code"], told["reason_text"]) == (
        "lot_block",
        None,
        "Mrs Holm found glass in it",
    )


async def test_the_timeline_says_why_an_order_was_cancelled_and_what_was_noted_of_a_loss(counted: Door) -> None:
    await counted.made("/api/orders/outbound", push(lines=[line(quantity=6, uom="EA")]))
    cancel = {"cancel_no": "X-1", "reason": "customer", "lines": [{"line_no": 1, "quantity": 2}]}
    await counted.made("/api/orders/SO-1/cancel", cancel)
    await counted.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 4}]})
    await counted.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    await counted.made("/api/orders/SO-1/shipments/SH-1/handover", {"handover_no": "H-1"})
    loss = {"loss_no": "L-1", "reason": "lost", "note": "claim 4711, Mr Bruun"}
    await counted.made("/api/orders/SO-1/shipments/SH-1/losses", loss)
    items = (await counted.get("/api/orders/SO-1/timeline")).json()["items"]
    said = {item["data"]["command"]: item["data"] for item in items if item["kind"] == "operator"}
    posted = {item["data"]["reason"]: item["data"] for item in items if item["kind"] == "posting"}
    assert (said["cancel"]["reason"], posted["cancellation"]["reason_code"]) == ("customer", "customer")
    assert (said["lose"]["reason"], said["lose"]["note"]) == ("lost", "claim 4711, Mr Bruun")
    assert (posted["loss"]["reason_code"], posted["loss"]["note"]) == ("lost", "claim 4711, Mr Bruun")


async def test_a_count_shows_its_note(counted: Door) -> None:
    await counted.made("/api/orders/outbound", push(lines=[line(quantity=6, uom="EA")]))
    missed = [{"line_no": 1, "quantity": 2, "location_id": "HAM-A-1"}]
    await counted.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": missed, "short": True})
    (task,) = (await counted.get("/api/inventory/counts")).json()["items"]
    body = {"counted": 3, "by": "Ida", "note": "behind the rack"}
    told = await counted.made(f"/api/inventory/counts/{task['task_no']}", body)
    (again,) = (await counted.get("/api/inventory/counts")).json()["items"]
    assert (task["note"], told["note"], again["note"]) == (None, "behind the rack", "behind the rack")


# -- an operator's target --------------------------------------------------------------------------------------------


def act(verb: str, target: str | None, act_no: str = "O-1") -> dict[str, Any]:
    return {"act_no": act_no, "verb": verb, "by": "Mads", "reason": "try again", "target": target}


@pytest.mark.parametrize("verb", ["retry_step", "skip_step", "accept_short", "release_hold"])
async def test_a_target_that_names_no_waiting_step_is_refused(counted: Door, verb: str) -> None:
    await counted.made("/api/orders/outbound", push(lines=[line(quantity=200, uom="EA")]))
    before = await counted.get("/api/orders/SO-1")
    for number, target in enumerate(("label/SH-9/1", "erp/99", "erp/1x", "hold", "nonsense")):
        answer = await counted.post("/api/orders/SO-1/operator-acts", act(verb, target, f"O-{number}"))
        assert (answer.status_code, faults_of(answer)) == (404, [("/target", "unknown_step")]), target
    assert (await counted.get("/api/orders/SO-1")).json()["lines"] == before.json()["lines"]


async def test_a_target_that_names_a_step_which_waits_is_taken(counted: Door) -> None:
    await counted.made("/api/orders/outbound", push(lines=[line(quantity=4, uom="EA")]))
    await counted.made("/api/orders/SO-1/operator-acts", act("retry_step", "erp/1"))
    await counted.made("/api/orders/SO-1/operator-acts", act("retry_step", None, "O-2"))
    restate = {"change_no": "S-1", "to": "damaged", "quantity": 118, "reason": "wet"}
    assert (await counted.put(f"/api/inventory/{await stream_of(counted, 'HAM-A-1')}/status", restate)).is_success
    told = (await counted.get("/api/orders/SO-1")).json()
    assert told["attention"]["step"] == "hold"
    done = await counted.made("/api/orders/SO-1/operator-acts", act("retry_step", "hold", "O-3"))
    assert (done["outcome"], done["needs_attention"]) == ("done", False)
