"""The ERP of another make: polled, in local times and decimal commas, never idempotent, and out of order on demand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

_numbers = itertools.count(1)

MUG = {"no": "410-0007", "text": "Becher", "packagings": [{"unit": "KAR", "contains": "12", "ean": "4006381333931"}]}
TEA = {"no": "410-0008", "text": "Tee", "tracking": "CHARGE"}
SCALE = {"no": "410-0009", "text": "Waage", "tracking": "SERIE"}
HOLM = {"no": "K-20017", "name": "Holm & Söhne", "street": "Kehrwieder 2", "zip": "20457", "city": "Hamburg"}
NOW = "2026-11-20T14:03:00"
LONG_AGO = "2001-01-01T00:00:00"


@dataclass
class Caller:
    """Somebody who is logged in, beside the clerks, who need not be."""

    client: httpx.AsyncClient
    session: str

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(f"/rest{path}", params=query, headers={"X-Session": self.session})

    async def post(self, path: str, body: Any, *, timeout: float = 5) -> httpx.Response:  # noqa: ASYNC109  # the client's
        headers = {"X-Session": self.session}
        return await self.client.post(f"/rest{path}", json=body, headers=headers, timeout=timeout)

    async def order(self, *positions: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Have a clerk enter an order."""
        wanted = list(positions) or [position("2")]
        (order,) = (await self.clerk("/orders", [{"customer": HOLM["no"], "positions": wanted, **fields}]))["orders"]
        return dict(order)

    async def clerk(self, path: str, body: Any = None, method: str = "POST") -> Any:
        response = await self.client.request(method, f"/rest/admin{path}", json=body)
        response.raise_for_status()
        return response.json()

    async def misbehave(self, **fault: Any) -> None:
        await self.clerk("/faults", {"count": 1, **fault})

    async def made(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.clerk(f"/documents?order={order['no']}", method="GET")
        return found


def position(quantity: str, unit: str = "ST", item: str = "410-0007", **fields: Any) -> dict[str, Any]:
    return {"item": item, "quantity": quantity, "unit": unit, **fields}


def document(order: dict[str, Any], quantity: str = "1", unit: str = "ST", **fields: Any) -> dict[str, Any]:
    tracked = {name: fields.pop(name) for name in ("lots", "serials") if name in fields}
    first = {"id": order["positions"][0]["id"], "quantity": quantity, "unit": unit, **tracked}
    return {"our_ref": f"acme/{next(_numbers)}", "date": NOW, "positions": [first], **fields}


def delivery(order: dict[str, Any], quantity: str = "1", unit: str = "ST", **fields: Any) -> dict[str, Any]:
    parcels = [{"no": "1", "tracking": "T-1"}]
    return document(order, quantity, unit, shipment="S-1", carrier="DHL", parcels=parcels, **fields)


async def log_in(client: httpx.AsyncClient, password: str) -> Caller:
    response = await client.post("/rest/login", json={"user": "stockbridge", "password": password})
    caller = Caller(client, response.json()["session"])
    await caller.clerk("/items", [MUG, TEA, SCALE])
    await caller.clerk("/customers", [HOLM])
    return caller


@pytest.fixture
async def caller(sandbox: Any) -> Caller:
    return await log_in(sandbox.erp, sandbox.settings.erp_rest_password)


# Who may call


async def test_a_wrong_password_is_refused(sandbox: Any) -> None:
    response = await sandbox.erp.post("/rest/login", json={"user": "stockbridge", "password": "guess"})
    assert (response.status_code, response.json()["fehler"]["code"]) == (401, "ANMELDUNG")


@pytest.mark.parametrize("headers", [{}, {"X-Session": "made-up"}])
async def test_a_stranger_gets_401_and_a_page_to_log_in_at(sandbox: Any, headers: dict[str, str]) -> None:
    response = await sandbox.erp.get("/rest/orders", headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (401, "text/html; charset=utf-8")


async def test_a_session_lapses_after_its_calls_into_a_page_under_200(another_sandbox: Callable[..., Any]) -> None:
    async with another_sandbox(erp_rest_session_calls=2) as sandbox:
        caller = await log_in(sandbox.erp, sandbox.settings.erp_rest_password)
        answers = [await caller.get("/orders") for _ in range(3)]
        types = [(each.status_code, each.headers["content-type"]) for each in answers]
        renewed = await log_in(sandbox.erp, sandbox.settings.erp_rest_password)
        assert types == [(200, "application/json")] * 2 + [(200, "text/html; charset=utf-8")]
        assert (await renewed.get("/orders")).json()["orders"] == []


async def test_sessions_lapse_on_demand_and_nothing_is_done(caller: Caller) -> None:
    order = await caller.order()
    assert (await caller.clerk("/sessions/lapse"))["lapsed"] >= 1
    response = await caller.post(f"/orders/{order['no']}/deliveries", delivery(order))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert await caller.made(order) == []


# What is told


async def test_an_order_is_told_in_the_erps_own_words(caller: Caller) -> None:
    order = await caller.order(position("2", "KAR", price="12,50"), ordered=NOW, wanted="2026-12-03", text="Klingeln")
    told = (await caller.get(f"/orders/{order['no']}")).json()
    assert told == order
    assert told | {"changed": None, "no": None, "positions": None} == {
        "no": None,
        "changed": None,
        "customer": "K-20017",
        "state": "FREIGEGEBEN",
        "ordered": NOW,
        "wanted": "2026-12-03",
        "shipping": "PAKET",
        "text": "Klingeln",
        "positions": None,
    }
    assert told["positions"][0] | {"id": None} == {
        "id": None,
        "item": "410-0007",
        "quantity": "2,000",
        "unit": "KAR",
        "base_quantity": "24,000",
        "base_unit": "ST",
        "price": "12,50",
        "currency": "EUR",
        "delivered": "0,000",
        "cancelled": "0,000",
    }


async def test_an_orders_address_is_its_customers(caller: Caller) -> None:
    order = await caller.order()
    customer = (await caller.get(f"/customers/{order['customer']}")).json()
    assert (customer["name"], customer["zip"], customer["country"]) == ("Holm & Söhne", "20457", "D")
    assert "street" not in order


async def test_an_item_has_its_packagings_and_how_it_is_tracked(caller: Caller) -> None:
    items = {item["no"]: item for item in (await caller.get("/items", rows=500)).json()["items"]}
    assert items["410-0007"]["packagings"] == [{"unit": "KAR", "contains": "12,000", "ean": "4006381333931"}]
    assert (items["410-0007"]["unit"], items["410-0008"]["tracking"]) == ("ST", "CHARGE")
    assert (await caller.get("/items/410-0007")).json() == items["410-0007"]


@pytest.mark.parametrize("path", ["/orders/A-9", "/items/9", "/customers/K-9"])
async def test_what_there_is_not_is_404_in_the_erps_words(caller: Caller, path: str) -> None:
    response = await caller.get(path)
    assert (response.status_code, response.json()["fehler"]["code"]) == (404, "UNBEKANNT")


# Polling


async def test_changes_are_polled_in_pages_that_lead_on(another_sandbox: Callable[..., Any]) -> None:
    async with another_sandbox() as sandbox:
        caller = await log_in(sandbox.erp, sandbox.settings.erp_rest_password)
        times = [f"2026-11-20T14:00:0{second}" for second in (3, 1, 2, 2, 5)]
        entered = [(await caller.order(changed=changed))["no"] for changed in times]
        pages = [(await caller.get("/orders", changed_since="2026-11-20T14:00:02", rows=2)).json()]
        while (following := pages[-1]["next"]) is not None:
            pages.append((await sandbox.erp.get(following, headers={"X-Session": caller.session})).json())
        assert [(page["page"], page["rows"], page["total"]) for page in pages] == [(1, 2, 4), (2, 2, 4)]
        found = [order["no"] for page in pages for order in page["orders"]]
        assert found == [entered[2], entered[3], entered[0], entered[4]]


async def test_states_filter_a_list(another_sandbox: Callable[..., Any]) -> None:
    async with another_sandbox() as sandbox:
        caller = await log_in(sandbox.erp, sandbox.settings.erp_rest_password)
        draft, released = await caller.order(state="OFFEN"), await caller.order()
        await caller.order(state="GELIEFERT")
        found = (await caller.get("/orders", state="OFFEN,FREIGEGEBEN")).json()["orders"]
        assert {order["no"] for order in found} == {draft["no"], released["no"]}


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ({"changed_since": "2026-11-20T14:03:00+01:00"}, "ZEIT"),
        ({"changed_since": "2026-11-31T14:03:00"}, "ZEIT"),
        ({"rows": "501"}, "SEITE"),
        ({"page": "0"}, "SEITE"),
        ({"page": "two"}, "SEITE"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(caller: Caller, query: dict[str, str], refused: str) -> None:
    response = await caller.get("/orders", **query)
    assert (response.status_code, response.json()["fehler"]["code"]) == (422, refused)


async def test_times_are_those_of_the_zone_and_the_hour_that_comes_twice_is_the_first(
    another_sandbox: Callable[..., Any], tmp_path: Path
) -> None:
    async with another_sandbox(tmp_path) as sandbox:
        caller = await log_in(sandbox.erp, sandbox.settings.erp_rest_password)
        order = await caller.order(changed="2026-10-25T02:30:00")
        assert order["changed"] == "2026-10-25T02:30:00"
    async with another_sandbox(tmp_path, erp_rest_zone="UTC") as elsewhere:
        caller = await log_in(elsewhere.erp, elsewhere.settings.erp_rest_password)
        assert (await caller.get(f"/orders/{order['no']}")).json()["changed"] == "2026-10-25T00:30:00"


# What clerks do


async def test_a_changed_order_has_a_new_stamp_and_no_revision(caller: Caller) -> None:
    order = await caller.order(position("2"), position("3"), changed=LONG_AGO)
    kept, dropped = (each["id"] for each in order["positions"])
    change = {"quantities": {kept: "5"}, "drop": [dropped], "add": [position("1", "KAR")], "text": "eilig"}
    changed = await caller.clerk(f"/orders/{order['no']}", change, "PATCH")
    assert changed == (await caller.get(f"/orders/{order['no']}")).json()
    assert [(each["id"] == kept, each["base_quantity"]) for each in changed["positions"]] == [
        (True, "5,000"),
        (False, "12,000"),
    ]
    assert changed["changed"] > order["changed"] == LONG_AGO
    assert "revision" not in changed


async def test_a_canceled_order_is_told_as_such_and_a_deleted_one_not_at_all(caller: Caller) -> None:
    canceled, deleted = await caller.order(), await caller.order()
    assert (await caller.clerk(f"/orders/{canceled['no']}/cancel"))["state"] == "STORNO"
    (await caller.client.delete(f"/rest/admin/orders/{deleted['no']}")).raise_for_status()
    assert (await caller.get(f"/orders/{canceled['no']}")).json()["positions"][0]["cancelled"] == "2,000"
    assert (await caller.get(f"/orders/{deleted['no']}")).status_code == 404


@pytest.mark.parametrize("wanted", [position("1", item="none"), position("1", "PAL"), position("1.5")])
async def test_a_clerk_cannot_enter_what_the_erp_does_not_know(caller: Caller, wanted: dict[str, Any]) -> None:
    body = [{"customer": HOLM["no"], "positions": [wanted]}]
    assert (await caller.client.post("/rest/admin/orders", json=body)).status_code in {404, 422}


# Documents


@pytest.mark.parametrize(
    ("collection", "extra", "kind"),
    [
        ("confirmations", {"decision": "ANNAHME"}, "AUFTRAGSBESTAETIGUNG"),
        ("reservations", {"state": "RUECKSTAND"}, "RESERVIERUNG"),
        (
            "deliveries",
            {"shipment": "S-1", "carrier": "DHL", "parcels": [{"no": "1", "tracking": "T"}]},
            "LIEFERSCHEIN",
        ),
        ("proofs", {"shipment": "S-1", "signed_by": "Holm"}, "ABLIEFERNACHWEIS"),
        ("cancellations", {"text": "vergriffen"}, "STORNOBELEG"),
        ("returns", {}, "RETOURE"),
    ],
)
async def test_a_document_is_made_and_found_by_our_reference_with_all_that_it_was_told(
    caller: Caller, collection: str, extra: dict[str, Any], kind: str
) -> None:
    order = await caller.order(changed=LONG_AGO)
    told = document(order, **extra)
    made = await caller.post(f"/orders/{order['no']}/{collection}", told)
    assert (made.status_code, made.json()["kind"]) == (201, kind)
    (found,) = (await caller.get("/documents", our_ref=told["our_ref"])).json()["documents"]
    assert {name: found[name] for name in made.json()} == made.json()
    assert found["order"] == order["no"]
    assert {name: found[name] for name in extra} == extra
    assert found["positions"] == [{**told["positions"][0], "lots": [], "serials": []}]
    assert (await caller.get(f"/orders/{order['no']}")).json()["changed"] > LONG_AGO


async def test_the_same_document_twice_is_two_documents(caller: Caller) -> None:
    order = await caller.order()
    told = delivery(order)
    made = [(await caller.post(f"/orders/{order['no']}/deliveries", told)).json()["no"] for _ in range(2)]
    found = (await caller.get("/documents", our_ref=told["our_ref"])).json()
    assert [each["no"] for each in found["documents"]] == made
    assert len(set(made)) == found["rows"] == 2


async def test_a_reference_that_nobody_gave_finds_nothing_and_none_is_refused(caller: Caller) -> None:
    assert (await caller.get("/documents", our_ref="nobody/1")).json() == {"documents": [], "rows": 0}
    assert (await caller.get("/documents")).json()["fehler"]["code"] == "FILTER"


async def test_deliveries_and_cancellations_move_the_orders_state(caller: Caller) -> None:
    order = await caller.order(position("2", "KAR"))
    path = f"/orders/{order['no']}"
    states = []
    for collection, told in (
        ("deliveries", delivery(order, "1", "KAR")),
        ("deliveries", delivery(order, "4", "ST")),
        ("cancellations", document(order, "8")),
    ):
        await caller.post(f"{path}/{collection}", told)
        states.append((await caller.get(path)).json()["state"])
    (line,) = (await caller.get(path)).json()["positions"]
    assert states == ["TEILGELIEFERT", "TEILGELIEFERT", "GELIEFERT"]
    assert (line["delivered"], line["cancelled"]) == ("16,000", "8,000")


async def test_a_delivery_names_its_lots_and_serials(caller: Caller) -> None:
    tea = await caller.order(position("3", item="410-0008"))
    lots = [{"lot": "L-1", "quantity": "1"}, {"lot": "L-2", "quantity": "2,000"}]
    scale = await caller.order(position("2", item="410-0009"))
    assert (await caller.post(f"/orders/{tea['no']}/deliveries", delivery(tea, "3", lots=lots))).is_success
    assert (
        await caller.post(f"/orders/{scale['no']}/deliveries", delivery(scale, "2", serials=["S-1", "S-2"]))
    ).is_success
    assert (await caller.made(tea))[0]["positions"][0]["lots"] == lots
    assert (await caller.made(scale))[0]["positions"][0]["serials"] == ["S-1", "S-2"]


@pytest.mark.parametrize(
    ("ordered", "changes", "code"),
    [
        (position("3", item="410-0008"), {"lots": [{"lot": "L-1", "quantity": "2"}]}, "CHARGE"),
        (position("3", item="410-0008"), {}, "CHARGE"),
        (position("3", item="410-0009"), {"serials": ["S-1", "S-1", "S-2"]}, "SERIE"),
        (position("3"), {"positions": [{"id": "1", "quantity": "1", "unit": "ST"}]}, "POSITION"),
        (position("3"), {"unit": "PAL"}, "EINHEIT"),
        (position("3"), {"quantity": "1.5"}, "FORMAT"),
        (position("3"), {"quantity": 1}, "FORMAT"),
        (position("3"), {"note": "unheard of"}, "FORMAT"),
        (position("3"), {"date": "2026-11-20T14:03:00Z"}, "ZEIT"),
        (position("3"), {"date": "2199-01-01T00:00:00"}, "PERIODE"),
    ],
)
async def test_a_delivery_that_does_not_fit_is_refused_whole(
    caller: Caller, ordered: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    order = await caller.order(ordered)
    response = await caller.post(f"/orders/{order['no']}/deliveries", delivery(order, **{"quantity": "3", **changes}))
    assert (response.status_code, response.json()["fehler"]["code"]) == (422, code)
    assert response.json()["fehler"]["text"]
    assert await caller.made(order) == []


@pytest.mark.parametrize(("state", "code"), [("STORNO", "STORNIERT"), ("OFFEN", "NICHT_FREIGEGEBEN")])
async def test_what_is_not_released_is_not_delivered(caller: Caller, state: str, code: str) -> None:
    order = await caller.order(state=state)
    response = await caller.post(f"/orders/{order['no']}/deliveries", delivery(order))
    assert (response.status_code, response.json()["fehler"]["code"]) == (422, code)


@pytest.mark.parametrize("path", ["/orders/A-9/deliveries", "/orders/{no}/invoices"])
async def test_a_document_of_nothing_or_of_no_kind_is_404(caller: Caller, path: str) -> None:
    order = await caller.order()
    assert (await caller.post(path.format(**order), delivery(order))).status_code == 404


async def test_records_survive_a_restart(another_sandbox: Callable[..., Any], tmp_path: Path) -> None:
    async with another_sandbox(tmp_path) as before:
        caller = await log_in(before.erp, before.settings.erp_rest_password)
        order = await caller.order()
        made = (await caller.post(f"/orders/{order['no']}/deliveries", delivery(order))).json()
    async with another_sandbox(tmp_path) as after:
        caller = await log_in(after.erp, after.settings.erp_rest_password)
        assert [each["no"] for each in await caller.made(order)] == [made["no"]]
        assert (await caller.order())["no"] != order["no"]


# Bad days


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "busy"}, 503, "AUSGELASTET"),
        ({"kind": "too_many", "seconds": 7}, 429, "ZU_VIELE"),
        ({"kind": "fault", "form": "result", "code": "77"}, 422, "77"),
        ({"kind": "fault", "form": "fault_200", "code": "77"}, 200, "77"),
        ({"kind": "fault", "form": "fault_500", "code": "77"}, 500, "77"),
    ],
)
async def test_it_refuses_on_demand_once_and_does_nothing(
    caller: Caller, fault: dict[str, Any], status: int, code: str
) -> None:
    order = await caller.order()
    path = f"/orders/{order['no']}/deliveries"
    await caller.misbehave(operation="deliveries", **fault)
    refused = await caller.post(path, delivery(order))
    assert (refused.status_code, refused.json()["fehler"]["code"]) == (status, code)
    assert refused.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert await caller.made(order) == []
    assert (await caller.post(path, delivery(order))).status_code == 201


@pytest.mark.parametrize("kind", ["garbage", "login_page"])
async def test_a_page_for_people_comes_on_demand_and_nothing_is_done(caller: Caller, kind: str) -> None:
    order = await caller.order()
    await caller.misbehave(kind=kind)
    response = await caller.post(f"/orders/{order['no']}/deliveries", delivery(order))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert await caller.made(order) == []


async def test_reads_work_while_writes_are_done_and_not_answered(caller: Caller) -> None:
    order = await caller.order()
    await caller.misbehave(kind="timeout_after", operation="deliveries", count=None)
    told = delivery(order)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await caller.post(f"/orders/{order['no']}/deliveries", told)
    assert (await caller.get("/documents", our_ref=told["our_ref"])).json()["rows"] == 1


async def test_down_does_nothing(caller: Caller) -> None:
    order = await caller.order()
    await caller.misbehave(kind="down")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await caller.post(f"/orders/{order['no']}/deliveries", delivery(order))
    assert await caller.made(order) == []


async def test_another_documents_number_is_answered(caller: Caller) -> None:
    order = await caller.order()
    await caller.misbehave(kind="another_document", count=2)
    made = (await caller.post(f"/orders/{order['no']}/deliveries", delivery(order))).json()
    told = (await caller.get(f"/orders/{order['no']}")).json()
    (kept,) = await caller.made(order)
    assert made["no"] != kept["no"]
    assert told["no"] != order["no"]


async def test_fewer_rows_come_than_were_announced(caller: Caller) -> None:
    await caller.order()
    await caller.misbehave(kind="fewer_rows", operation="orders")
    page = (await caller.get("/orders")).json()
    assert len(page["orders"]) == page["rows"] - 1


async def test_faults_of_one_erp_are_none_of_the_others(caller: Caller, sandbox: Any, reference: str) -> None:
    await caller.misbehave(kind="down", count=None)
    order_no = await sandbox.order()
    assert (await sandbox.amend(order_no, reference)).text("ResultCode") == "0"
    assert (await caller.client.post("/admin/faults", json={"kind": "too_many"})).status_code == 422
