"""The mapping of the sandbox's second ERP: what is booked is what was told, once, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any, get_args

import httpx
import pytest

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.files import FILE, folder
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.values import from_json
from adapters.erp.mapping.file import Example, load
from domain.commands import Push
from domain.erp import ErpLine, ErpMessage, ErpMessageKind, ErpParcel
from domain.errors import OutcomeUnknown, Rejected, Unavailable
from domain.shapes import Product
from sandbox.serve import running
from sandbox.settings import SandboxSettings
from tests.adapters.conftest import Sandbox
from tests.adapters.erp.connected import sandbox_rest_connection, sandbox_rest_erp
from tests.adapters.erp.given import given

KINDS = get_args(ErpMessageKind)
COLLECTIONS = {
    "accepted": "confirmations",
    "refused": "confirmations",
    "amended": "confirmations",
    "reserved": "reservations",
    "backordered": "reservations",
    "shipped": "deliveries",
    "delivered": "proofs",
    "cancelled": "cancellations",
    "returned": "returns",
}
SAYS: dict[str, dict[str, Any]] = {
    "accepted": {"decision": "ANNAHME"},
    "refused": {"decision": "ABLEHNUNG", "text": "no such address"},
    "amended": {"decision": "AENDERUNG"},
    "reserved": {"state": "RESERVIERT"},
    "backordered": {"state": "RUECKSTAND"},
    "shipped": {"shipment": "S-1", "carrier": "sandbox", "parcels": [{"no": "1", "tracking": "SBX1"}]},
    "delivered": {"shipment": "S-1", "signed_by": "I. Holm"},
    "cancelled": {"text": "no such address"},
    "returned": {},
}
ITEMS = [
    {"no": "MUG", "packagings": [{"unit": "KAR", "contains": "12"}]},
    {"no": "TEA", "tracking": "CHARGE"},
    {"no": "SCALE", "tracking": "SERIE"},
]
HOLM = {"no": "K-1", "name": "Holm", "street": "Kehrwieder 2", "zip": "20457", "city": "Hamburg"}
_numbers = count(1)


@dataclass
class Office:
    """The ERP's back office, and the hub's way to its front."""

    client: httpx.AsyncClient
    settings: SandboxSettings
    erp: MappedErp

    async def clerk(self, path: str, body: Any = None) -> Any:
        response = await self.client.post(f"/rest/admin{path}", json=body)
        response.raise_for_status()
        return response.json()

    async def misbehave(self, **fault: Any) -> None:
        await self.clerk("/faults", {"count": 1, **fault})

    async def order(self, **fields: Any) -> dict[str, Any]:
        await self.clerk("/items", ITEMS)
        await self.clerk("/customers", [HOLM])
        wanted = [("MUG", "2", "KAR"), ("TEA", "5", "ST"), ("SCALE", "2", "ST")]
        positions = [{"item": item, "quantity": quantity, "unit": unit} for item, quantity, unit in wanted]
        made = await self.clerk("/orders", [{"customer": "K-1", "positions": positions, **fields}])
        return dict(made["orders"][0])

    async def message(self, kind: ErpMessageKind = "shipped", **order: Any) -> ErpMessage:
        """Have an order entered, and make a message about all of it."""
        return message(await self.order(**order), kind)

    async def documents(self, reference: str) -> list[dict[str, Any]]:
        found = await self.client.get("/rest/admin/documents", params={"our_ref": reference})
        return list(found.json())

    async def tell(self, told: ErpMessage) -> str | None:
        return (await asyncio.to_thread(self.erp.tell, told)).document_no

    async def tell_until_told(self, told: ErpMessage) -> str | None:
        for _ in range(5):
            try:
                return await self.tell(told)
            except (OutcomeUnknown, Unavailable):
                told = replace(told, repeated=True)
        raise AssertionError("it was never told")


def message(order: dict[str, Any], kind: ErpMessageKind) -> ErpMessage:
    mug, tea, scale = (int(position["id"]) for position in order["positions"])
    of_a_shipment = kind in {"shipped", "delivered"}
    return ErpMessage(
        reference=f"acme/rest/{order['no']}/{next(_numbers)}",
        order_no=order["no"],
        number=1,
        kind=kind,
        revision=1,
        occurred_at="2026-01-05T09:12:00Z",
        lines=(
            ErpLine(mug, "MUG", 24, 24, "EA", line_quantity="2", line_uom="CA"),
            ErpLine(tea, "TEA", 3, 5, "EA", "L-1", line_quantity="3", line_uom="EA"),
            ErpLine(tea, "TEA", 2, 5, "EA", "L-2", line_quantity="2", line_uom="EA"),
            ErpLine(scale, "SCALE", 2, 2, "EA", None, ("S-1", "S-2")),
        ),
        shipment_no="S-1" if of_a_shipment else None,
        carrier="sandbox" if kind == "shipped" else None,
        parcels=(ErpParcel(1, "SBX1"),) if kind == "shipped" else (),
        signed_by="I. Holm" if kind == "delivered" else None,
        reason="no such address" if kind in {"refused", "cancelled"} else None,
    )


def booked(told: ErpMessage) -> list[dict[str, Any]]:
    mug, tea, _, scale = (str(line.line_no) for line in told.lines)
    return [
        {"id": mug, "quantity": "2,000", "unit": "KAR", "lots": [], "serials": []},
        {"id": tea, "quantity": "3,000", "unit": "ST", "lots": [{"lot": "L-1", "quantity": "3,000"}], "serials": []},
        {"id": tea, "quantity": "2,000", "unit": "ST", "lots": [{"lot": "L-2", "quantity": "2,000"}], "serials": []},
        {"id": scale, "quantity": "2,000", "unit": "ST", "lots": [], "serials": ["S-1", "S-2"]},
    ]


@pytest.fixture
async def office(sandbox: Sandbox) -> AsyncIterator[Office]:
    erp = sandbox_rest_erp(str(sandbox.erp.base_url), sandbox.settings)
    yield Office(sandbox.erp, sandbox.settings, erp)
    erp.close()


@asynccontextmanager
async def another_office(sandbox: Sandbox, **settings: Any) -> AsyncIterator[Office]:
    changed = sandbox.settings.model_copy(update=settings)
    async with running(changed) as urls, httpx.AsyncClient(base_url=urls.erp, trust_env=False) as client:
        erp = sandbox_rest_erp(urls.erp, changed)
        yield Office(client, changed, erp)
        erp.close()


# What is told


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_booked_is_what_was_told(office: Office, kind: ErpMessageKind) -> None:
    told = await office.message(kind)
    number = await office.tell(told)
    (document,) = await office.documents(told.reference)
    assert (document["no"], document["order"]) == (number, told.order_no)
    assert document["date"] == "2026-01-05T10:12:00"
    assert document["positions"] == booked(told)
    assert {name: document[name] for name in SAYS[kind]} == SAYS[kind]


@pytest.mark.parametrize(
    ("quantity", "own", "unit", "written"),
    [
        (18, ("1.5", "CA"), "KAR", "1,500"),
        (3, ("0.1875", "CA"), "ST", "3,000"),
        (16, (None, None), "ST", "16,000"),
        (123_456_789, (None, None), "ST", "123456789,000"),
    ],
)
async def test_a_quantity_is_in_the_lines_own_unit_where_three_decimals_hold_it(
    office: Office, quantity: int, own: tuple[str | None, str | None], unit: str, written: str
) -> None:
    told = await office.message("cancelled")
    line = replace(told.lines[0], quantity=quantity, line_quantity=own[0], line_uom=own[1])
    await office.tell(replace(told, lines=(line,)))
    ((position,),) = [each["positions"] for each in await office.documents(told.reference)]
    assert (position["quantity"], position["unit"]) == (written, unit)


@pytest.mark.parametrize(
    ("occurred_at", "local"),
    [
        ("2026-03-29T00:59:59Z", "2026-03-29T01:59:59"),
        ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00"),
        ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00"),
        ("2026-10-25T01:30:00Z", "2026-10-25T02:30:00"),
        ("2025-12-31T20:00:00-05:00", "2026-01-01T02:00:00"),
    ],
)
async def test_times_are_those_of_the_erps_clock(office: Office, occurred_at: str, local: str) -> None:
    told = replace(await office.message("returned"), occurred_at=occurred_at)
    await office.tell(told)
    (document,) = await office.documents(told.reference)
    assert document["date"] == local


async def test_what_our_own_rules_added_is_not_told_to_an_erp_that_has_no_such_line(office: Office) -> None:
    told = await office.message()
    added = ErpLine(1_000_000 + told.lines[0].line_no, "LEAFLET", 2, 2, "EA", main_line_no=told.lines[0].line_no)
    await office.tell(replace(told, lines=(*told.lines, added)))
    (document,) = await office.documents(told.reference)
    assert document["positions"] == booked(told)


async def test_a_number_that_is_no_key_of_ours_is_written_as_it_is_there(office: Office) -> None:
    order = await office.order(no=f"A 7#{next(_numbers)}?ü")
    key = order["no"].replace(" ", "~20").replace("#", "~23").replace("?", "~3F").replace("ü", "~C3~BC")
    told = replace(message(order, "accepted"), order_no=key)
    await office.tell(told)
    (document,) = await office.documents(told.reference)
    assert document["order"] == order["no"]


async def test_a_message_of_500_lines_is_told(office: Office) -> None:
    order = await office.order(positions=[{"item": "MUG", "quantity": str(n + 1)} for n in range(500)])
    lines = [ErpLine(int(each["id"]), "MUG", n + 1, n + 1, "EA") for n, each in enumerate(order["positions"])]
    told = replace(message(await office.order(), "shipped"), order_no=order["no"], lines=tuple(lines))
    await office.tell(told)
    (document,) = await office.documents(told.reference)
    assert [each["quantity"] for each in document["positions"]] == [f"{n + 1},000" for n in range(500)]


async def test_of_an_order_that_is_canceled_there_reservations_are_not_told_and_deliveries_are_a_persons(
    office: Office,
) -> None:
    told = await office.message("reserved", state="STORNO")
    assert await office.tell(told) is None
    with pytest.raises(Rejected) as refusal:
        await office.tell(await office.message("shipped", state="STORNO"))
    assert refusal.value.code == "erp_order_not_open"
    assert await office.documents(told.reference) == []


# What is refused


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_no": "A-0"}, "erp_unknown_order"),
        ({"occurred_at": "2199-01-01T00:00:00Z"}, "erp_period_closed"),
        ({"lines": (ErpLine(1, "MUG", 1, 1, "EA"),)}, "erp_unknown_line"),
        ({"shipment_no": "S" * 65}, "erp_contract"),
        ({"carrier": None}, "erp_contract"),
    ],
)
async def test_a_refusal_says_why(office: Office, changes: dict[str, Any], code: str) -> None:
    told = replace(await office.message(), **changes)
    with pytest.raises(Rejected) as refusal:
        await office.tell(told)
    assert refusal.value.code == code
    assert await office.documents(told.reference) == []


async def test_lots_and_serials_that_the_erp_counts_otherwise_are_refused(office: Office) -> None:
    told = await office.message()
    for number, changes in ((1, {"lot": None}), (3, {"serial_numbers": ("S-1",)})):
        with pytest.raises(Rejected) as refusal:
            await office.tell(replace(told, lines=(replace(told.lines[number], **changes),)))
        assert refusal.value.code == "erp_tracking"


@pytest.mark.parametrize("form", ["result", "fault_200", "fault_500"])
async def test_a_refusal_is_one_whatever_its_status(office: Office, form: str) -> None:
    told = await office.message()
    await office.misbehave(kind="fault", operation="deliveries", form=form, code="77", message="Holm is blocked")
    with pytest.raises(Rejected) as refusal:
        await office.tell(told)
    assert (refusal.value.code, refusal.value.said) == ("erp_refused", "77: Holm is blocked")
    assert await office.documents(told.reference) == []


# Sessions


async def test_a_session_that_lapses_before_every_call_is_renewed_for_each(sandbox: Sandbox) -> None:
    async with another_office(sandbox, erp_rest_session_calls=1) as office:
        told = await office.message()
        number = await office.tell(told)
        assert [each["no"] for each in await office.documents(told.reference)] == [number]


async def test_a_session_that_lapsed_is_renewed_once(office: Office) -> None:
    first, second = await office.message(), await office.message()
    await office.tell(first)
    await office.clerk("/sessions/lapse")
    await office.tell(second)
    assert await office.clerk("/sessions/lapse") == {"lapsed": 1}
    assert len(await office.documents(second.reference)) == 1


async def test_a_hundred_threads_with_a_lapsed_session_log_in_once(office: Office) -> None:
    told = await office.message("amended")
    many = [replace(told, reference=f"{told.reference}/{number}") for number in range(100)]
    await office.tell(told)
    await office.clerk("/sessions/lapse")
    with ThreadPoolExecutor(100) as threads:
        loop = asyncio.get_running_loop()
        receipts = await asyncio.gather(*(loop.run_in_executor(threads, office.erp.tell, each) for each in many))
    assert await office.clerk("/sessions/lapse") == {"lapsed": 1}
    assert len({receipt.document_no for receipt in receipts}) == 100


async def test_a_wrong_password_is_an_operators_and_nothing_is_done(office: Office) -> None:
    told = await office.message()
    stranger = sandbox_rest_erp(str(office.client.base_url), office.settings, password="guess")
    with pytest.raises(Unavailable, match="password"):
        await asyncio.to_thread(stranger.tell, told)
    stranger.close()
    assert await office.documents(told.reference) == []


# Bad days


async def test_an_erp_that_has_too_many_calls_is_left_alone_as_long_as_it_says(office: Office) -> None:
    told = await office.message()
    await office.misbehave(kind="too_many", operation="deliveries", seconds=60)
    with pytest.raises(Unavailable) as busy:
        await office.tell(told)
    assert busy.value.retry_after_s == 60
    with pytest.raises(Unavailable, match="asked not to be called"):
        await office.tell(told)
    assert await office.documents(told.reference) == []


@pytest.mark.parametrize("operation", ["login", "documents", "deliveries"])
async def test_a_busy_erp_did_nothing(office: Office, operation: str) -> None:
    told = await office.message()
    await office.misbehave(kind="busy", operation=operation)
    with pytest.raises(Unavailable):
        await office.tell(told)
    assert await office.documents(told.reference) == []
    await office.tell(told)
    assert len(await office.documents(told.reference)) == 1


@pytest.mark.parametrize(
    ("fault", "operation", "comes"),
    [
        ("garbage", "documents", Unavailable),
        ("garbage", "login", Unavailable),
        ("garbage", "deliveries", OutcomeUnknown),
        ("another_document", "documents", Unavailable),
        ("another_document", "deliveries", OutcomeUnknown),
        ("fewer_rows", "documents", Unavailable),
    ],
)
async def test_what_is_no_answer_to_the_call_is_not_understood(
    office: Office, fault: str, operation: str, comes: type[Exception]
) -> None:
    told = await office.message()
    if operation == "documents":
        await office.tell(told)  # what is not there can't be taken for another one, nor be left out
    await office.misbehave(kind=fault, operation=operation)
    with pytest.raises(comes):
        await office.tell(told)
    await office.tell(told)
    assert len(await office.documents(told.reference)) == 1


@pytest.mark.parametrize("fault", ["another_document", "fewer_rows"])
async def test_a_document_that_is_looked_for_is_not_missed(office: Office, fault: str) -> None:
    told = await office.message()
    await office.tell(told)
    await office.misbehave(kind=fault, operation="documents")
    with pytest.raises(Unavailable):
        await asyncio.to_thread(office.erp.find, told.reference)


async def test_a_log_in_page_is_answered_by_one_log_in_and_never_taken_for_an_answer(office: Office) -> None:
    told = await office.message()
    await office.misbehave(kind="login_page", operation="deliveries")
    assert await office.tell(told)
    again = await office.message()
    await office.misbehave(kind="login_page", operation="deliveries", count=2)
    with pytest.raises(Unavailable):
        await office.tell(again)
    assert await office.documents(again.reference) == []


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("fault", ["down", "timeout_after"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_is_cut_before_or_after_its_work_makes_one_document(
    office: Office, kind: ErpMessageKind, fault: str, times: int
) -> None:
    told, undisturbed = await office.message(kind), await office.message(kind)
    await office.tell(undisturbed)
    await office.misbehave(kind=fault, operation=COLLECTIONS[kind], count=times)
    number = await office.tell_until_told(told)
    (document,) = await office.documents(told.reference)
    (other,) = await office.documents(undisturbed.reference)
    own = {"no", "our_ref", "order", "made", "positions"}
    assert document["no"] == number
    assert document["positions"] == booked(told)
    assert {name: document[name] for name in document.keys() - own} == {
        name: other[name] for name in other.keys() - own
    }
    await office.client.delete("/rest/admin/faults")


@pytest.mark.parametrize("fault", ["down", "timeout_after"])
@pytest.mark.parametrize("operation", ["login", "documents", "order"])
async def test_a_question_that_is_cut_is_asked_again(office: Office, operation: str, fault: str) -> None:
    told = await office.message("reserved")
    await office.misbehave(kind=fault, operation=operation)
    with pytest.raises(Unavailable):
        await office.tell(told)
    await office.tell_until_told(told)
    assert len(await office.documents(told.reference)) == 1


async def test_two_documents_under_one_reference_are_a_persons(office: Office) -> None:
    told = await office.message("returned")
    number = await office.tell(told)
    (document,) = await office.documents(told.reference)
    session = (await office.client.post("/rest/login", json=credentials(office))).json()["session"]
    body = {name: document[name] for name in ("our_ref", "date", "positions", "text")}
    path, headers = f"/rest/orders/{told.order_no}/returns", {"X-Session": session}
    (await office.client.post(path, json=body, headers=headers)).raise_for_status()
    with pytest.raises(Rejected) as refusal:
        await office.tell(told)
    assert refusal.value.code == "erp_doubled"
    found = await asyncio.to_thread(office.erp.find, told.reference)
    assert found is not None
    assert found.document_no == number


async def test_a_document_under_our_reference_that_says_something_else_is_a_persons(office: Office) -> None:
    told = await office.message("returned")
    await office.tell(told)
    other = replace(told, lines=told.lines[:1])
    with pytest.raises(Rejected) as refusal:
        await office.tell(other)
    assert refusal.value.code == "erp_not_kept"
    assert len(await office.documents(told.reference)) == 1


def credentials(office: Office) -> dict[str, str]:
    return {"user": office.settings.erp_rest_user, "password": office.settings.erp_rest_password}


# What comes in


EXAMPLES = load((folder("sandbox_rest") / FILE).read_text()).file.examples


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.given for example in EXAMPLES])
async def test_a_golden_example_gives_what_it_says_and_the_hub_takes_it(office: Office, example: Example) -> None:
    here = folder("sandbox_rest")
    inbound = getattr(load((here / FILE).read_text()).file.inbound, example.of)
    names = from_json((here / example.given).read_bytes())
    assert isinstance(names, dict)
    connection = sandbox_rest_connection("http://127.0.0.1", office.settings)
    kind, body = given(connection, inbound, **names)
    assert {kind: body} == json.loads((here / example.gives).read_bytes())
    if kind == "order":
        Push.model_validate({**body, "revision": 1})
    if kind == "product":
        Product.model_validate(body)


async def test_what_the_erp_really_answers_gives_an_order(office: Office) -> None:
    order = await office.order(ordered="2026-10-25T02:30:00", shipping="EXPRESS")
    page = await asked(office, "/orders", changed_since="2001-01-01T00:00:00", rows="500")
    (row,) = [row for row in page["orders"] if row["no"] == order["no"]]
    customer = await asked(office, f"/customers/{row['customer']}")
    connection = sandbox_rest_connection("http://127.0.0.1", office.settings)
    assert connection.mapping.file.inbound.orders is not None
    _, body = given(connection, connection.mapping.file.inbound.orders, id=row["no"], row=row, customer=customer)
    push = Push.model_validate({**body, "revision": 1})
    assert [(line.sku, line.quantity, line.uom) for line in push.lines] == [
        ("MUG", "2", "CA"),
        ("TEA", "5", "EA"),
        ("SCALE", "2", "EA"),
    ]
    assert push.ordered_at.isoformat() == "2026-10-25T02:30:00+02:00"
    assert (push.service_level, push.note, push.ship_to.company) == ("express", None, None)


@pytest.mark.parametrize(
    ("since", "changed", "still"),
    [
        ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00", True),
        ("2026-10-25T01:30:00Z", "2026-10-25T02:30:00", True),  # asked by the first half past two, and may be either
        ("2026-10-25T01:30:00Z", "2026-10-25T02:29:59", True),
        ("2026-10-25T02:30:00Z", "2026-10-25T02:29:59", False),
        ("2026-06-01T10:00:00Z", "2026-06-01T11:59:59", False),
        ("2026-06-01T10:00:00Z", "2026-06-01T12:00:00", True),
    ],
)
def test_a_filter_that_the_erp_ignored_is_noticed_and_an_hour_that_comes_twice_is_none(
    since: str, changed: str, still: bool
) -> None:
    connection = sandbox_rest_connection("http://127.0.0.1", SandboxSettings())
    inbound = connection.mapping.file.inbound.orders
    assert inbound is not None
    assert inbound.poll is not None
    names = {"settings": connection.public(), "since": datetime.fromisoformat(since), "row": {"changed": changed}}
    assert inbound.poll.still.value(Scope(names)) is still


async def asked(office: Office, path: str, **query: str) -> Any:
    session = (await office.client.post("/rest/login", json=credentials(office))).json()["session"]
    response = await office.client.get(f"/rest{path}", params=query, headers={"X-Session": session})
    return from_json(response.content)
