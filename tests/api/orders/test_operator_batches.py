"""One act of an operator for many orders: looked at, accepted as a whole, decided order by order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from commands.context import ask_for_a_person
from domain.attention import Ask
from domain.messages import OrderId
from records.access import api_keys
from records.orders import orders
from tests.api.doorway import Door, code_of, faults_of, line, push

BATCHES = "/api/operator-batches"
CLOSED = "The ERP refused (`erp/{}`): No open posting period."
ERP_ACTIONS = ("retry_step", "skip_step", "resend_to_erp")
PERIOD = {"step": "erp", "reason": "no open posting"}


def batch(batch_no: str = "OPS-1", verb: str = "retry_step", **fields: Any) -> dict[str, Any]:
    return {"batch_no": batch_no, "verb": verb, "by": "ida", "reason": "the period is open", "where": PERIOD, **fields}


async def flag(
    door: Door, order_no: str, step: str, reason: str = CLOSED, actions: tuple[str, ...] = ERP_ACTIONS
) -> None:
    """Let an order need a person, as its workflow does."""
    async with door.engine.begin() as connection:
        order = OrderId(tenant=door.tenant, order_ref=order_no)
        await ask_for_a_person(connection, order, Ask(reason.format(step.partition("/")[2]), actions, step))


async def decide(door: Door, *order_nos: str) -> None:
    """Let orders decide what waits for them, as the relay has them do."""
    for order_no in order_nos:
        await door.gateway.decide_all(door.tenant, order_no)


def numbers(answer: Any) -> list[str]:
    return [item["order_no"] for item in answer["items"]]


async def acts(door: Door, order_no: str) -> list[dict[str, Any]]:
    items = (await door.get(f"/api/orders/{order_no}/timeline")).json()["items"]
    return [item for item in items if item["kind"] == "operator"]


@pytest.fixture
async def stuck(shop: Door) -> Door:
    """Five orders of mugs, of which four need a person: three for the ERP's closed period, one for its label."""
    await shop.stock(quantity=30)
    for number in range(1, 6):
        await shop.made("/api/orders/outbound", push(f"SO-{number}", lines=[line(quantity=8, uom=None)]))
    for number in (1, 2, 3):
        await flag(shop, f"SO-{number}", f"erp/{number}")
    await flag(shop, "SO-4", "label/SO-4-1/1", "The carrier refused (`label/SO-4-1/1`): no such street", ("skip_step",))
    return shop


async def test_a_preview_shows_which_orders_are_meant_and_why_and_writes_nothing(stuck: Door) -> None:
    before = await stuck.counts()

    told = (await stuck.post(f"{BATCHES}/preview", batch(at_most=1))).json()

    assert numbers(told) == ["SO-1", "SO-2", "SO-3"]
    assert told["totals"] == {"orders": 3}
    reason = "The ERP refused (`erp`): No open posting period."
    assert told["causes"] == [{"step": "erp", "reason": reason, "orders": 3}], "one cause, whatever its number"
    first = (await stuck.post(f"{BATCHES}/preview?limit=2", batch())).json()
    rest = (await stuck.post(f"{BATCHES}/preview?limit=2&cursor={first['next']}", batch())).json()
    assert (numbers(first), numbers(rest), rest["next"]) == (["SO-1", "SO-2"], ["SO-3"], None)
    assert await stuck.counts() == before
    assert (await stuck.get(f"{BATCHES}/OPS-1")).status_code == 404


async def test_the_orders_that_fulfill_every_condition_and_that_the_act_helps_are_meant(stuck: Door) -> None:
    for verb, where, meant in (
        ("retry_step", {"step": "erp/2"}, ["SO-2"]),
        ("retry_step", {"status": "reserved"}, ["SO-1", "SO-2", "SO-3"]),
        ("skip_step", {"sku": "MUG-WHITE"}, ["SO-1", "SO-2", "SO-3", "SO-4"]),
        ("skip_step", {"carrier": "sandbox", "reason": "NO SUCH STREET"}, ["SO-4"]),
        ("skip_step", {"reason": "%"}, []),
        ("skip_step", {"flagged_before": "2026-01-01T00:00:00Z"}, []),
        ("skip_step", {"flagged_before": "2199-01-01T00:00:00Z", "order_nos": ["SO-4", "SO-1"]}, ["SO-1", "SO-4"]),
        ("skip_step", {"ordered_before": "2026-01-01T00:00:00Z"}, []),
        ("skip_step", {"sku": "WINE"}, []),
        ("accept_short", {"sku": "MUG-WHITE"}, ["SO-4", "SO-5"]),
        ("release_hold", {"sku": "MUG-WHITE"}, ["SO-1", "SO-2", "SO-3", "SO-4", "SO-5"]),
        ("release_hold", {"waits_for": "MUG-WHITE"}, ["SO-4", "SO-5"]),
        ("release_hold", {"waits_for": "WINE"}, []),
        ("release_hold", {"source": "erp", "status": "backordered"}, ["SO-4", "SO-5"]),
    ):
        answer = await stuck.post(f"{BATCHES}/preview", batch(verb=verb, where=where))
        assert numbers(answer.json()) == meant, (verb, where)


async def test_a_closed_order_is_not_meant(stuck: Door) -> None:
    async with stuck.engine.begin() as connection:
        order = OrderId(tenant=stuck.tenant, order_ref="SO-2")
        await orders.set_fields(connection, order, closed_at=datetime.now(UTC))
    assert numbers((await stuck.post(f"{BATCHES}/preview", batch())).json()) == ["SO-1", "SO-3"]


async def test_a_batch_is_decided_order_by_order_and_each_tells_who_and_why(stuck: Door) -> None:
    stuck.gateway.down = True

    accepted = await stuck.post(BATCHES, batch())

    assert accepted.status_code == 202
    assert accepted.json()["totals"] == {"orders": 3, "pending": 3, "done": 0, "refused": 0, "needing_attention": 3}
    await decide(stuck, "SO-1", "SO-2")
    await flag(stuck, "SO-2", "erp/2")
    told = (await stuck.get(f"{BATCHES}/OPS-1")).json()
    assert told["totals"] == {"orders": 3, "pending": 1, "done": 2, "refused": 0, "needing_attention": 2}
    assert [(item["order_no"], item["state"], item["needs_attention"]) for item in told["items"]] == [
        ("SO-1", "done", False),
        ("SO-2", "done", True),
        ("SO-3", "pending", True),
    ]
    assert numbers((await stuck.get(f"{BATCHES}/OPS-1", state="pending")).json()) == ["SO-3"]
    (act,) = await acts(stuck, "SO-1")
    assert act["summary"] == "ida: retry step (the period is open) in batch OPS-1: done"
    assert (act["actor"], act["data"]["batch_no"]) == ("ida", "OPS-1")


async def test_the_orders_of_a_batch_are_those_that_were_found_when_it_was_accepted(stuck: Door) -> None:
    first, twin = await asyncio.gather(*(stuck.post(BATCHES, batch()) for _ in range(2)))
    assert (first.status_code, twin.json()) == (202, first.json())
    await flag(stuck, "SO-5", "erp/5")

    again = await stuck.post(BATCHES, batch())
    assert again.json() == first.json()
    await decide(stuck, "SO-1", "SO-2", "SO-3", "SO-5")

    done = await stuck.post(BATCHES, batch())
    assert (done.status_code, numbers(done.json())) == (200, ["SO-1", "SO-2", "SO-3"])
    assert await acts(stuck, "SO-5") == []
    assert len(await acts(stuck, "SO-1")) == 1, "however often it was sent"
    other = await stuck.post(BATCHES, batch(reason="another"))
    assert (other.status_code, code_of(other)) == (409, "conflict")


@pytest.mark.parametrize("verb", ["skip_step", "release_hold"])
async def test_an_act_is_not_done_where_an_order_needs_a_person_for_something_else_by_then(
    stuck: Door, verb: str
) -> None:
    meant = {"order_nos": ["SO-4"]}
    await flag(stuck, "SO-4", "erp/4")
    await stuck.post(BATCHES, batch(verb=verb, where=meant))
    await flag(stuck, "SO-4", "erp/4", "The ERP refused (`erp/{}`): unknown item")
    await decide(stuck, "SO-4")

    told = (await stuck.get(f"{BATCHES}/OPS-1", state="refused")).json()

    (item,) = told["items"]
    assert (item["problem"]["status"], item["problem"]["title"]) == (409, "Flag changed")
    assert "unknown item" in item["problem"]["detail"]
    assert item["needs_attention"], "nobody has looked at that yet"


async def test_what_waits_for_stock_is_given_up_in_many_orders(stuck: Door) -> None:
    await stuck.post(BATCHES, batch(verb="accept_short", where={"waits_for": "MUG-WHITE"}))
    await decide(stuck, "SO-4", "SO-5")
    ended = [(await stuck.get(f"/api/orders/SO-{number}")).json()["lines"][0] for number in (4, 5)]
    assert [(line["reserved"], line["backordered"], line["cancelled"]) for line in ended] == [(6, 0, 2), (0, 0, 8)]


async def test_a_batch_that_makes_no_sense_is_refused_by_field_and_touches_nothing(stuck: Door) -> None:
    before = await stuck.counts()
    for body, faults in (
        (batch(where={}), [("/where", "no_condition")]),
        (batch(where={"source": "erp"}), [("/where", "no_condition")]),
        (batch(where={"step": "epr"}, by=""), [("/by", "invalid"), ("/where/step", "invalid")]),
        (batch(verb="cancel"), [("/verb", "invalid")]),
        (batch(where={"carier": "sandbox"}), [("/where/carier", "unknown_field")]),
        (batch(where={"reason": "no such thing"}), [("/where", "nothing_meant")]),
        (batch(at_most=2), [("/at_most", "too_many_orders")]),
        (batch(at_most=10_000), [("/at_most", "invalid")]),
        (
            batch(where={"order_nos": ["SO-1", "SO-5", "SO-9"]}),
            [("/where/order_nos/1", "not_meant"), ("/where/order_nos/2", "not_meant")],
        ),
    ):
        refused = await stuck.post(BATCHES, body)
        assert (refused.status_code, sorted(faults_of(refused))) == (422, faults)
    too_many = await stuck.post(BATCHES, batch(at_most=2))
    assert too_many.json()["detail"] == "at_most: 3 orders fulfill the conditions; raise it if all are meant."
    assert await stuck.counts() == before


async def test_a_batch_is_of_the_orders_that_its_key_may_see(stuck: Door) -> None:
    other, office = f"other-{stuck.tenant}", f"office-{stuck.tenant}"
    async with stuck.engine.begin() as connection:
        await api_keys.register_key(connection, tenant=stuck.tenant, source="shop", key=other)
        await api_keys.register_key(connection, tenant=stuck.tenant, source=None, key=office)
    await stuck.post("/api/orders/outbound", push("SO-1", lines=[line(quantity=8, uom=None)]), key=other)
    await flag(stuck, "shop:SO-1", "erp/1")

    assert code_of(await stuck.post(BATCHES, batch(where={**PERIOD, "source": "erp"}), key=other)) == "forbidden"
    of_both = await stuck.post(BATCHES, batch("OPS-2", where={"order_nos": ["SO-1"]}), key=office)
    assert faults_of(of_both) == [("/where/order_nos/0", "ambiguous_order")]
    own = (await stuck.post(BATCHES, batch(), key=other)).json()
    assert [(item["source"], item["order_no"]) for item in own["items"]] == [("shop", "SO-1")]
    assert (await stuck.get(f"{BATCHES}/OPS-1")).status_code == 404
    assert (await stuck.get(f"{BATCHES}/OPS-1", key=office)).status_code == 200
    taken = await stuck.post(BATCHES, batch())
    assert code_of(taken) == "conflict", "a number is taken in all of the tenant"


async def test_many_orders_are_cancelled_at_once_and_an_address_is_one_orders_own(stuck: Door) -> None:
    accepted = await stuck.post(BATCHES, batch(verb="cancel_order", where={"order_nos": ["SO-1", "SO-5"]}))
    assert (accepted.status_code, accepted.json()["totals"]["orders"]) == (202, 2)
    await decide(stuck, "SO-1", "SO-5")
    for order_no in ("SO-1", "SO-5"):
        assert (await stuck.get(f"/api/orders/{order_no}")).json()["status"] == "cancelled"
    refused = await stuck.post(BATCHES, batch("OPS-2", verb="use_address"))
    assert (refused.status_code, faults_of(refused)) == (422, [("/verb", "invalid")])
