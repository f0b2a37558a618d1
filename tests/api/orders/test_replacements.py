"""Orders that are sent in place of others: exchanges, and what goes out again because it went out wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from commands.orders.taking_in import content_of
from domain.commands import Push
from records.access import api_keys
from records.orders import orders
from tests.api.doorway import Door, code_of, faults_of, line, push

MUGS = [line(quantity=5, uom=None)]


def in_place_of(order_no: str = "SO-1", return_no: str | None = None) -> dict[str, str]:
    """Write what a push says that it replaces."""
    return {"order_no": order_no} | ({"return_no": return_no} if return_no else {})


def replacement(order_no: str = "SO-1-X", revision: int = 1, **fields: Any) -> dict[str, Any]:
    return push(order_no, revision, MUGS, **{"replaces": in_place_of(), **fields})


@pytest.fixture
async def sent(shop: Door) -> Door:
    """SO-1 has left with 5 mugs; there are plenty."""
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=MUGS))
    picked = {"line_no": 1, "quantity": 5, "location_id": "HAM-A-1"}
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1", "handed_over": True})
    return shop


@pytest.fixture
async def back(sent: Door) -> Door:
    """Three of the mugs are back, undelivered."""
    async with sent.engine.begin() as connection:
        undelivered = text("update records.parcel set tracking_status = 'return_to_sender' where tenant = :tenant")
        await connection.execute(undelivered, {"tenant": sent.tenant})
    body = {"return_no": "R-1", "location_id": "HAM-RET", "lines": [{"line_no": 1, "quantity": 3}]}
    await sent.made("/api/orders/SO-1/returns", body)
    return sent


async def view(door: Door, order_no: str = "SO-1") -> Any:
    return (await door.get(f"/api/orders/{order_no}")).json()


async def summaries(door: Door, order_no: str) -> list[str]:
    timeline = (await door.get(f"/api/orders/{order_no}/timeline")).json()
    return [item["summary"] for item in timeline["items"] if item["kind"] == "push"]


async def test_it_is_shown_by_both_and_by_the_return_that_it_is_for(back: Door) -> None:
    made = await back.made("/api/orders/outbound", replacement(replaces=in_place_of(return_no="R-1")))
    assert (made["outcome"], made["status"]) == ("accepted", "reserved")

    new, old = await view(back, "SO-1-X"), await view(back)
    assert (new["replaces"], new["replaced_by"]) == ({"order_no": "SO-1", "return_no": "R-1"}, [])
    assert (old["replaces"], old["replaced_by"]) == (None, ["SO-1-X"])
    listed = (await back.get("/api/orders")).json()["items"]
    assert {item["order_no"]: item["replaced_by"] for item in listed} == {"SO-1": ["SO-1-X"], "SO-1-X": []}
    assert (await back.get("/api/orders/SO-1/returns/R-1")).json()["replaced_by"] == ["SO-1-X"]
    assert await summaries(back, "SO-1-X") == ["Revision 1 pushed in place of SO-1, for return R-1: accepted"]
    assert await summaries(back, "SO-1") == [
        "Revision 1 pushed: accepted",
        "SO-1-X is sent in its place, for return R-1",
    ]


async def test_a_return_names_what_is_for_it_and_what_was_sent_in_advance(back: Door) -> None:
    second = {"return_no": "R-2", "location_id": "HAM-RET", "lines": [{"line_no": 1, "quantity": 1}]}
    answer = await back.post("/api/orders/SO-1/returns", second)
    assert (answer.status_code, answer.json()["replaced_by"]) == (201, [])
    await back.made("/api/orders/outbound", replacement("SO-1-X"))
    await back.made("/api/orders/outbound", replacement("SO-1-Y", replaces=in_place_of(return_no="R-1")))

    first = (await back.get("/api/orders/SO-1/returns/R-1")).json()
    assert (first["outcome"], first["lines"][0]["quantity"], first["replaced_by"]) == ("done", 3, ["SO-1-X", "SO-1-Y"])
    assert (await back.post("/api/orders/SO-1/returns", second)).json()["replaced_by"] == ["SO-1-X"]
    assert (await view(back))["replaced_by"] == ["SO-1-X", "SO-1-Y"]
    for other in ("R-3", "SO-1"):
        assert (await back.get(f"/api/orders/SO-1/returns/{other}")).status_code == 404


async def test_a_replacement_can_be_replaced_but_an_order_only_by_another(sent: Door) -> None:
    itself = await sent.post("/api/orders/outbound", replacement("SO-1", 2, site="NOWHERE"))
    wrong = [("/site", "unknown_site"), ("/replaces/order_no", "replaces_itself")]
    assert (itself.status_code, faults_of(itself)) == (422, wrong)
    await sent.made("/api/orders/outbound", replacement())
    picked = {"line_no": 1, "quantity": 5, "location_id": "HAM-A-1"}
    await sent.made("/api/orders/SO-1-X/picks", {"pick_no": "P-1", "lines": [picked]})
    await sent.made("/api/orders/SO-1-X/shipments", {"shipment_no": "SH-2", "handed_over": True})
    await sent.made("/api/orders/outbound", replacement("SO-1-Y", replaces=in_place_of("SO-1-X")))
    assert [(await view(sent, name))["replaced_by"] for name in ("SO-1", "SO-1-X")] == [["SO-1-X"], ["SO-1-Y"]]


CANNOT_BE: list[tuple[Any, int, tuple[str, str]]] = [
    (in_place_of("SO-9"), 422, ("/replaces/order_no", "unknown_order")),
    (in_place_of("SO-2"), 409, ("/replaces/order_no", "nothing_shipped")),
    (in_place_of(return_no="R-1"), 422, ("/replaces/return_no", "unknown_return")),
    ({"return_no": "R-1"}, 422, ("/replaces/order_no", "missing")),
    (in_place_of() | {"lines": []}, 422, ("/replaces/lines", "unknown_field")),
    ("SO-1", 422, ("/replaces", "invalid")),
]


async def test_what_cannot_be_replaced_refuses_the_push_and_nothing_is_held(sent: Door) -> None:
    await sent.made("/api/orders/outbound", push("SO-2", lines=MUGS))
    before = [await sent.count(table) for table in ("records.orders", "ledger.posting")]
    for replaces, status, fault in CANNOT_BE:
        answer = await sent.post("/api/orders/outbound", replacement(replaces=replaces))
        assert (answer.status_code, faults_of(answer)) == (status, [fault])
    assert [await sent.count(table) for table in ("records.orders", "ledger.posting")] == before


async def test_an_erp_replaces_its_own_orders_only(sent: Door) -> None:
    other = f"other-{sent.key}"
    async with sent.engine.begin() as connection:
        await api_keys.register_key(connection, tenant=sent.tenant, source="shop", key=other)
    answer = await sent.post("/api/orders/outbound", replacement(), other)
    assert (answer.status_code, code_of(answer)) == (422, "unknown_order")


async def test_the_same_push_again_is_the_same_and_no_second_replacement(sent: Door) -> None:
    first = await sent.post("/api/orders/outbound", replacement())
    again = await sent.post("/api/orders/outbound", replacement(replaces={"order_no": "SO-1", "return_no": None}))
    assert [(x.status_code, x.json()["outcome"]) for x in (first, again)] == [(201, "accepted"), (200, "unchanged")]
    other = await sent.post("/api/orders/outbound", push("SO-1-X", lines=MUGS))
    assert (other.status_code, code_of(other)) == (409, "conflict")
    assert (await view(sent))["replaced_by"] == ["SO-1-X"]


async def test_a_later_revision_may_leave_it_out_and_names_no_other(back: Door) -> None:
    for_the_return = in_place_of(return_no="R-1")
    await back.made("/api/orders/outbound", replacement(replaces=for_the_return))
    for revision, said in enumerate(({}, {"replaces": None}, {"replaces": for_the_return}), 2):
        assert (await back.made("/api/orders/outbound", push("SO-1-X", revision, MUGS, **said)))["outcome"] == "amended"
    await back.made("/api/orders/outbound", push("SO-2", lines=MUGS))
    for order_no, other, at, detail in (
        ("SO-1-X", in_place_of("SO-2"), "order_no", "SO-1-X replaces SO-1, for return R-1"),
        ("SO-1-X", in_place_of(), "return_no", "SO-1-X replaces SO-1, for return R-1"),
        ("SO-2", in_place_of(), "order_no", "SO-2 replaces no order"),
    ):
        answer = await back.post("/api/orders/outbound", push(order_no, 9, MUGS, replaces=other))
        assert (answer.status_code, faults_of(answer)) == (409, [(f"/replaces/{at}", "replaces_otherwise")])
        assert answer.json()["detail"] == f"{detail}, since its first revision: that can't change."
    assert (await view(back, "SO-1-X"))["replaces"] == for_the_return


async def test_an_order_is_replaced_while_others_change_it(sent: Door) -> None:
    async with sent.engine.begin() as connection, asyncio.timeout(10):
        await orders.lock(connection, [(sent.tenant, "SO-1")])
        await sent.made("/api/orders/outbound", replacement())


async def test_a_replacement_that_waits_for_its_answer_says_what_it_is_for(sent: Door) -> None:
    sent.gateway.down = True
    assert (await sent.post("/api/orders/outbound", replacement())).status_code == 202
    waiting = await view(sent, "SO-1-X")
    assert (waiting["status"], waiting["replaces"]["order_no"]) == ("received", "SO-1")
    assert (await view(sent))["replaced_by"] == []


async def test_the_database_keeps_the_link_whole(sent: Door) -> None:
    for link, constraint in (
        ("replaces = 'SO-9'", "fk_orders_tenant_source_replaces"),
        ("replaces = 'SO-1'", "ck_orders_replaces_another"),
        ("replaces_return = 'R-1'", "ck_orders_a_return_is_of_what_it_replaces"),
    ):
        statement = text(f"update records.orders set {link} where tenant = :tenant")
        with pytest.raises(IntegrityError, match=constraint):
            async with sent.engine.begin() as connection:
                await connection.execute(statement, {"tenant": sent.tenant})


def test_a_push_that_says_nothing_of_it_asks_for_what_it_always_did() -> None:
    assert "replaces" not in content_of(Push.model_validate(push()), {})
    assert content_of(Push.model_validate(replacement("SO-1")), {}) != content_of(Push.model_validate(push()), {})
