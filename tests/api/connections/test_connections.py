"""Connections: an administrator adds, changes and removes them; what is secret of them is never told again."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from adapters.erp.files import FILE, folder
from api.door import examples
from domain.api_keys import Scope
from tests.api.access.test_keys import key_of
from tests.api.doorway import Door, code_of, faults_of, line, push

PASSWORD = "pa55-of-the-erp"
CONTRACT = "contract.wsdl"
SANDBOX = (folder("sandbox") / FILE).read_text()
ERP = {**examples.NEW_ERP, "secrets": {"password": PASSWORD}}
PATH = "/api/connections/erp/erp"


class Office:
    """The door as its tenant's administrator uses it."""

    def __init__(self, door: Door, key: str) -> None:
        self.door, self.key = door, key

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        return await self.door.http.request(
            method, path, headers=self.door.headers(self.key), json=body, params=query or None
        )

    async def add(self, **changes: Any) -> httpx.Response:
        return await self.ask("POST", "/api/connections", {**ERP, **changes})

    async def read(self, path: str = PATH) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def office(door: Door) -> Office:
    return Office(door, await key_of(door, "ida", Scope.ADMINISTRATOR))


async def test_a_connection_is_added_once_and_shown_without_its_secrets(office: Office) -> None:
    first, again = await office.add(actor="ida"), await office.add()
    assert (first.status_code, again.status_code) == (201, 200)
    shown = first.json()
    assert {name: shown[name] for name in ("kind", "name", "adapter", "settings", "flow", "secrets")} == {
        **{name: ERP[name] for name in ("kind", "name", "adapter", "settings")},
        "flow": "observe",
        "secrets": [{"name": "password", "key_id": "test"}],
    }
    assert len(shown["public_id"]) >= 22
    assert [(act["act"], act["actor"], act["by_key"], act["what"]["secrets"]) for act in shown["acts"]] == [
        ("added", "ida", "ida", ["password"])
    ]
    listed = (await office.ask("GET", "/api/connections")).json()["items"]
    assert [(item["kind"], item["name"]) for item in listed] == [("carrier", "sandbox"), ("erp", "erp")]


async def test_other_content_under_the_same_name_is_refused(office: Office) -> None:
    await office.add()
    for change in ({"at_once": 3}, {"secrets": {"password": "another"}}, {"start_at": "2026-12-02T00:00:00Z"}):
        answer = await office.add(**change)
        assert (answer.status_code, code_of(answer)) == (409, "conflict"), change


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"adapter": "sap"}, [("/adapter", "unknown_adapter")]),
        ({"settings": {"address": "ftp://erp"}}, [("/settings/address", "setting"), ("/settings/user", "setting")]),
        ({"settings": {**ERP["settings"], "password": "x"}}, [("/settings/password", "setting")]),
        ({"secrets": {"token": "x"}}, [("/secrets/password", "secret_missing"), ("/secrets/token", "unknown_secret")]),
        ({"mapping": "no such mapping"}, [("/mapping", "mapping")]),
        ({"start_at": None}, [("/start_at", "start_at")]),
        ({"flow": "off"}, [("/flow", "added_off")]),
        ({"secrets": {"password": 5}}, [("/secrets/password", "invalid")]),
    ],
)
async def test_what_is_wrong_with_a_connection_is_told_by_its_place(
    office: Office, change: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    answer = await office.add(**change)
    assert (answer.status_code, sorted(faults_of(answer))) == (422, faults)


async def test_no_secret_is_in_any_answer_act_row_or_refusal(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [
        await office.add(),
        await office.add(at_once=3),
        await office.add(settings={"address": PASSWORD, "user": "x"}),
        await office.add(settings={**ERP["settings"], "extra": PASSWORD}),
        await office.ask("PUT", f"{PATH}/secrets", {"secrets": {"password": PASSWORD, "token": PASSWORD}}),
        await office.ask("PATCH", PATH, {"secrets": {"password": f"{PASSWORD}-2"}, "timeout_s": 0.1}),
        await office.ask("POST", f"{PATH}/test", {}),
        await office.ask("GET", PATH),
        await office.ask("GET", "/api/connections"),
    ]
    assert [answer.request.url.path for answer in told if PASSWORD in answer.text] == []
    async with office.door.engine.connect() as connection:
        for table in ("connection", "connection_secret", "connection_act"):
            rows = (await connection.execute(text(f"select t::text from records.{table} t"))).scalars()
            assert [row for row in rows if PASSWORD in row or PASSWORD.encode().hex() in row] == []
    written = capsys.readouterr()
    assert PASSWORD not in written.out + written.err


async def test_elsewhere_no_secret_goes_that_was_not_given_again(office: Office) -> None:
    await office.add()
    elsewhere = {"settings": {**ERP["settings"], "address": "https://evil.example.com/soap"}}
    refused = await office.ask("PATCH", PATH, elsewhere)
    assert (refused.status_code, faults_of(refused)) == (422, [("/secrets/password", "secret_missing")])
    assert (await office.read())["settings"] == ERP["settings"]

    given = await office.ask("PATCH", PATH, {**elsewhere, "secrets": {"password": "another"}, "actor": "bo"})
    assert (given.status_code, given.json()["settings"]["address"]) == (200, "https://evil.example.com/soap")

    kept = await office.ask("PATCH", PATH, {"at_once": 2})
    assert (kept.status_code, kept.json()["at_once"], len(kept.json()["secrets"])) == (200, 2, 1)
    again = await office.ask("PATCH", PATH, {"at_once": 2})
    assert len(again.json()["acts"]) == len(kept.json()["acts"]), "the same again does nothing"


async def test_through_other_doors_no_secret_goes_that_was_not_given_again(office: Office) -> None:
    contracts = {CONTRACT: (folder("sandbox") / CONTRACT).read_text()}
    await office.add(mapping=SANDBOX, contracts=contracts)
    sent_along = SANDBOX.replace('Password: "${settings.password}"}', 'Password: "${settings.password}", _header: {}}')
    assert sent_along != SANDBOX
    refused = await office.ask("PATCH", PATH, {"mapping": sent_along})
    assert refused.status_code == 422
    before = await office.read()

    told_otherwise = SANDBOX.replace("cut(2000)", "cut(1000)")
    changed = await office.ask("PATCH", PATH, {"mapping": told_otherwise})
    assert (changed.status_code, len(changed.json()["secrets"])) == (200, 1), "its doors are as they were"
    assert changed.json()["mapping"] != before["mapping"]

    slower = SANDBOX.replace("    faults: orders\n", "    faults: orders\n    timeout_s: 5\n", 1)
    refused = await office.ask("PATCH", PATH, {"mapping": slower})
    assert (refused.status_code, faults_of(refused)) == (422, [("/secrets/password", "secret_missing")])
    given = await office.ask("PATCH", PATH, {"mapping": slower, "secrets": {"password": PASSWORD}})
    assert given.status_code == 200, given.text


async def test_a_mapping_with_a_fault_is_refused_with_its_line_and_what_is_meant(office: Office) -> None:
    contracts = {CONTRACT: (folder("sandbox") / CONTRACT).read_text()}
    misspelt = SANDBOX.replace("Reference: ${message.reference}", "Referenze: ${message.reference}", 1)
    answer = await office.add(mapping=misspelt, contracts=contracts)
    line_no = misspelt[: misspelt.index("Referenze")].count("\n") + 1
    told = [fault["detail"] for fault in answer.json()["errors"]]
    assert answer.status_code == 422
    assert any(f"line {line_no}" in detail and "Reference" in detail for detail in told), told


async def test_a_mapping_without_its_contract_is_refused(office: Office) -> None:
    answer = await office.add(mapping=SANDBOX)
    assert answer.status_code == 422
    assert CONTRACT in json.dumps(answer.json()["errors"])


async def test_a_flow_goes_step_by_step_and_off_from_anywhere(office: Office) -> None:
    await office.add()

    async def switch(flow: str) -> tuple[int, str]:
        answer = await office.ask("POST", f"{PATH}/switch", {"flow": flow, "reason": f"to {flow}"})
        return answer.status_code, answer.json().get("flow") or code_of(answer)

    assert await switch("both") == (409, "step_left_out")
    assert await switch("inbound") == (200, "inbound")
    assert await switch("off") == (200, "off")
    assert (await office.read())["off_reason"] == "to off"
    assert await switch("both") == (409, "step_left_out"), "it was not there before"
    assert await switch("inbound") == (200, "inbound")
    assert await switch("both") == (200, "both")
    assert await switch("off") == (200, "off")
    assert await switch("both") == (200, "both"), "back to what it was"
    assert await switch("observe") == (200, "observe")
    assert (await office.read())["acts"][0]["reason"] == "to observe"


async def test_a_public_id_is_replaced_and_the_old_one_works_for_a_while(office: Office) -> None:
    door, path = office.door, "/api/connections/carrier/sandbox"
    asked = {"public_id": door.tenant, "grace_s": 60}
    first = await office.ask("POST", f"{path}/rotate", asked)
    again = await office.ask("POST", f"{path}/rotate", asked)
    assert (first.status_code, again.status_code) == (201, 200)
    new = first.json()["public_id"]
    assert new == again.json()["public_id"] != door.tenant

    async def knock(public_id: str) -> str:
        return code_of(await door.http.post(f"/api/callbacks/carriers/sandbox/{public_id}", json={}))

    assert [await knock(each) for each in (door.tenant, new, "guessed")] == [
        "invalid_signature",
        "invalid_signature",
        "not_found",
    ]
    stale = await office.ask("POST", f"{path}/rotate", {"public_id": "guessed"})
    assert (stale.status_code, code_of(stale)) == (409, "conflict")
    await office.ask("POST", f"{path}/rotate", {"public_id": new, "grace_s": 0})
    assert await knock(new) == "not_found"


async def test_while_a_carrier_is_off_its_callbacks_are_to_be_sent_again(office: Office) -> None:
    door = office.door
    await office.ask("POST", "/api/connections/carrier/sandbox/switch", {"flow": "off", "reason": "a move"})
    answer = await door.http.post(f"/api/callbacks/carriers/sandbox/{door.tenant}", json={})
    assert (answer.status_code, code_of(answer), answer.headers["Retry-After"]) == (503, "unavailable", "60")


async def test_a_look_tells_why_it_did_not_work(office: Office) -> None:
    await office.add(settings={"address": "http://127.0.0.1:9/soap", "user": "hub"}, timeout_s=1)
    for path in (PATH, "/api/connections/carrier/sandbox"):
        answer = await office.ask("POST", f"{path}/test", {})
        assert (answer.status_code, answer.json()["works"]) == (200, False)
        assert answer.json()["reason"]
        assert (await office.read(path))["acts"][0]["act"] == "tested"


async def test_what_something_is_open_on_is_not_removed(office: Office, shop: Door) -> None:
    await office.add()
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    for path, words in ((PATH, "messages that it has not heard"), ("/api/connections/carrier/sandbox", "open orders")):
        refused = await office.ask("DELETE", path)
        assert (refused.status_code, code_of(refused)) == (409, "connection_in_use")
        assert words in refused.json()["detail"]
    await shop.made("/api/orders/SO-1/cancel", {"cancel_no": "X-1", "reason": "customer"})
    done = "update records.erp_message set state = 'skipped' where tenant = :t"
    closed = "update records.orders set closed_at = clock_timestamp() where tenant = :t"
    async with shop.engine.begin() as connection:
        for statement in (done, closed):
            await connection.execute(text(statement), {"t": shop.tenant})
    removed = await office.ask("DELETE", PATH, reason="moved", actor="ida")
    assert (removed.status_code, removed.text) == (204, "")
    gone = await office.ask("GET", PATH)
    assert (gone.status_code, code_of(gone)) == (404, "not_found")
    async with shop.engine.connect() as connection:
        acts = (
            "select act, actor, reason from records.connection_act where tenant = :t and kind = 'erp' order by act_no"
        )
        found = (await connection.execute(text(acts), {"t": shop.tenant})).all()
    assert [tuple(row) for row in found] == [("added", "ida", None), ("removed", "ida", "moved")]


async def test_an_order_says_why_its_erp_hears_nothing(office: Office, shop: Door) -> None:
    await office.add()
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    story = (await shop.get("/api/orders/SO-1/timeline")).json()["items"]
    why = {item["data"]["last_error"] for item in story if item["kind"] == "erp_message"}
    assert why == {"The ERP erp is switched to observe: nothing leaves, and what it is to hear waits."}


async def test_connections_of_another_tenant_are_not_there(office: Office, engine: Any) -> None:
    await office.add()
    async with engine.connect() as connection:
        others = (await connection.execute(text("select count(*) from records.connection"))).scalar_one()
    assert others >= 1
    listed = (await office.ask("GET", "/api/connections")).json()["items"]
    assert len(listed) == 2


async def test_an_order_may_name_a_carrier_that_is_connected_and_no_other(shop: Door) -> None:
    await shop.stock()
    answer = await shop.post("/api/orders/outbound", push(lines=[line()], carrier="pigeon"))
    assert (answer.status_code, code_of(answer)) == (422, "unknown_carrier")
    assert json.loads(answer.text)["errors"][0]["pointer"] == "/carrier"


async def test_what_a_mapping_needs_is_told_setting_by_setting(office: Office) -> None:
    given = {"address": "https://erp.example.com/rest", "user": "hub", "site": "HAM", "zone": "Europe/Bielefeld"}
    answer = await office.add(mapping="sandbox_rest", settings=given)
    assert answer.status_code == 422
    assert ("/settings/zone", "setting") in faults_of(answer)
