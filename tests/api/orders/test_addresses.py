"""An operator chooses another address for an order: it is stored first, and then named by its id."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.api.doorway import ADDRESS, Door, code_of, faults_of, push

ADDRESSES = "/api/orders/SO-1/addresses"
ACTS = "/api/orders/SO-1/operator-acts"
ELSEWHERE = {**ADDRESS, "street": ["Zirkusweg 7"]}


@pytest.fixture
async def pushed(shop: Door) -> Door:
    await shop.stock()
    for order_no in ("SO-1", "SO-2"):
        await shop.made("/api/orders/outbound", push(order_no))
    return shop


def act(**fields: Any) -> dict[str, Any]:
    return {"act_no": "O-1", "verb": "use_address", "by": "ida", "reason": "the customer moved", **fields}


async def test_an_address_is_stored_once_under_its_number_and_used_by_its_id(pushed: Door) -> None:
    body = {"address_no": "A-1", "ship_to": ELSEWHERE}
    first, again = await pushed.post(ADDRESSES, body), await pushed.post(ADDRESSES, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = await pushed.post(ADDRESSES, {**body, "ship_to": ADDRESS})
    assert (other.status_code, code_of(other)) == (409, "conflict")
    assert (await pushed.get("/api/orders/SO-1")).json()["ship_to"]["street"] == ADDRESS["street"]

    used = await pushed.post(ACTS, act(address_id=first.json()["address_id"]))

    assert (used.status_code, used.json()["outcome"]) == (200, "done")
    assert used.json()["ship_to"]["street"] == ["Zirkusweg 7"]
    same = await pushed.made("/api/orders/outbound", push("SO-1", 2, priority=5))
    assert same["outcome"] == "amended"
    assert (await pushed.get("/api/orders/SO-1")).json()["ship_to"]["street"] == ["Zirkusweg 7"]
    await pushed.made("/api/orders/outbound", push("SO-1", 3, ship_to={**ADDRESS, "city": "Kiel"}))
    assert (await pushed.get("/api/orders/SO-1")).json()["ship_to"]["city"] == "Kiel"


async def test_an_address_that_is_not_stored_for_the_order_is_refused(pushed: Door) -> None:
    foreign = await pushed.made("/api/orders/SO-2/addresses", {"address_no": "A-1", "ship_to": ELSEWHERE})
    before = await pushed.counts()
    for fields, fault in (
        ({}, ("/address_id", "missing")),
        ({"address_id": "A-1"}, ("/address_id", "invalid")),
        ({"address_id": foreign["address_id"]}, ("/address_id", "unknown_address")),
        ({"address_id": str(uuid4())}, ("/address_id", "unknown_address")),
        ({"address_id": foreign["address_id"], "verb": "retry_step"}, ("/address_id", "invalid")),
    ):
        refused = await pushed.post(ACTS, act(**fields))
        assert (refused.status_code, faults_of(refused)) == (422, [fault])
    assert await pushed.counts() == before


async def test_faults_of_an_address_come_in_one_answer_and_nothing_is_stored(pushed: Door) -> None:
    before = await pushed.counts()
    refused = await pushed.post(ADDRESSES, {"ship_to": {**ADDRESS, "country": "Germany", "name": ""}, "x": 1})
    assert refused.status_code == 422
    faults = {("/address_no", "missing"), ("/ship_to/country", "invalid"), ("/ship_to/name", "invalid")}
    assert {*faults_of(refused)} == faults | {("/x", "unknown_field")}
    assert (
        await pushed.post("/api/orders/SO-9/addresses", {"address_no": "A-1", "ship_to": ADDRESS})
    ).status_code == 404
    assert await pushed.counts() == before


async def test_an_act_without_an_address_is_the_one_that_it_was_before_there_were_any(pushed: Door) -> None:
    told = {key: value for key, value in act(verb="retry_step", target=None).items() if key != "address_id"}
    await pushed.made(ACTS, told)
    async with pushed.engine.connect() as connection:
        query = text("select payload from records.inbox where tenant = :tenant and kind = 'operate'")
        (payload,) = (await connection.execute(query, {"tenant": pushed.tenant})).scalars()
    assert payload == told
