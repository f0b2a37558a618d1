"""The office says what may come back of an order; what comes back by that is no more than it said."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.api.doorway import Door, code_of, faults_of, line, push

AUTHORIZATIONS = "/api/orders/SO-1/return-authorizations"


def authorization(authorization_no: str = "RMA-1", quantity: Any = 3, line_no: int = 1, **fields: Any) -> Any:
    lines = [{"line_no": line_no, "quantity": quantity}]
    return {"authorization_no": authorization_no, "by": "ida", "reason": "wrong size", "lines": lines, **fields}


@pytest.fixture
async def sent(shop: Door) -> Door:
    """SO-1 has left with 5 mugs, and comes back undelivered. SO-2 has left with nothing."""
    await shop.stock()
    for order_no in ("SO-1", "SO-2"):
        await shop.made("/api/orders/outbound", push(order_no, lines=[line(quantity=5, uom=None)]))
    picked = {"line_no": 1, "quantity": 5, "location_id": "HAM-A-1"}
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1", "handed_over": True})
    async with shop.engine.begin() as connection:
        undelivered = text("update records.parcel set tracking_status = 'return_to_sender' where tenant = :tenant")
        await connection.execute(undelivered, {"tenant": shop.tenant})
    return shop


async def come_back(door: Door, return_no: str, *quantities: int, **fields: Any) -> httpx.Response:
    lines = [{"line_no": 1, "quantity": quantity} for quantity in quantities]
    return await door.post(
        "/api/orders/SO-1/returns", {"return_no": return_no, "location_id": "HAM-RET", "lines": lines, **fields}
    )


async def open_of(door: Door, authorization_no: str = "RMA-1") -> tuple[int, int, int]:
    (shown,) = (await door.get(f"{AUTHORIZATIONS}/{authorization_no}")).json()["lines"]
    return shown["authorized"], shown["received"], shown["open"]


async def test_what_is_authorized_comes_back_in_parts_and_no_more_than_that(sent: Door) -> None:
    made = await sent.post(AUTHORIZATIONS, authorization())
    assert (made.status_code, made.json()["by"], made.json()["lines"][0]["open"]) == (201, "ida", 3)

    first = await come_back(sent, "R-1", 2, authorization_no="RMA-1")
    assert (first.status_code, first.json()["authorization_no"]) == (201, "RMA-1")
    before = await sent.counts()
    for lines, fault in (((2,), "/lines/0/quantity"), ((1, 1), "/lines/1/quantity")):
        more = await come_back(sent, "R-2", *lines, authorization_no="RMA-1")
        assert (more.status_code, faults_of(more)) == (422, [(fault, "over_authorized")])
    assert "Line 1: 1 of MUG-WHITE came back, but only 0 is open of return authorization RMA-1" in more.text
    assert (await sent.counts())[3:] == before[3:]
    assert await open_of(sent) == (3, 2, 1)
    assert (await come_back(sent, "R-2", 1, authorization_no="RMA-1")).status_code == 201
    assert (await come_back(sent, "R-2", 1, authorization_no="RMA-1")).status_code == 200
    assert await open_of(sent) == (3, 3, 0)

    unannounced = await come_back(sent, "R-3", 2)
    assert (unannounced.status_code, unannounced.json()["authorization_no"]) == (201, None)
    assert await open_of(sent) == (3, 3, 0)
    told = [item["summary"] for item in (await sent.get("/api/orders/SO-1/timeline")).json()["items"]]
    assert {"ida authorized return RMA-1 (wrong size)", "Return R-1 by authorization RMA-1: done"} <= set(told)


async def test_the_same_again_is_the_same_and_other_content_is_a_conflict(sent: Door) -> None:
    made = await sent.post(AUTHORIZATIONS, authorization())
    again = await sent.post(AUTHORIZATIONS, authorization(quantity="3.0"))
    other = await sent.post(AUTHORIZATIONS, authorization(quantity=2))
    assert (again.status_code, again.json()) == (200, made.json())
    assert (other.status_code, code_of(other)) == (409, "conflict")
    assert await sent.count("records.return_authorization_line") == 1


async def test_no_more_is_authorized_than_was_shipped_less_what_is_back_or_authorized(sent: Door) -> None:
    await come_back(sent, "R-1", 1)
    await sent.made(AUTHORIZATIONS, authorization("RMA-1", 3))
    await come_back(sent, "R-2", 2, authorization_no="RMA-1")
    refused = await sent.post(AUTHORIZATIONS, authorization("RMA-2", 2))
    assert (refused.status_code, faults_of(refused)) == (422, [("/lines/0/quantity", "not_returnable")])
    assert "Line 1: only 1 of MUG-WHITE can still be authorized" in refused.text
    assert (await sent.get(f"{AUTHORIZATIONS}/RMA-2")).status_code == 404
    await sent.made(AUTHORIZATIONS, authorization("RMA-2", 1))


async def test_what_expired_takes_nothing_in_and_keeps_nothing_from_others(sent: Door) -> None:
    await sent.made(AUTHORIZATIONS, authorization(quantity=5, valid_until="2026-01-31T12:00:00Z"))
    late = await come_back(sent, "R-1", 1, authorization_no="RMA-1")
    assert (late.status_code, faults_of(late)) == (422, [("/authorization_no", "authorization_expired")])
    unknown = await come_back(sent, "R-1", 1, authorization_no="RMA-2")
    assert (unknown.status_code, faults_of(unknown)) == (422, [("/authorization_no", "unknown_authorization")])

    heard_late = await come_back(sent, "R-1", 1, authorization_no="RMA-1", occurred_at="2026-01-31T11:00:00Z")
    assert heard_late.status_code == 201
    await sent.made(AUTHORIZATIONS, authorization("RMA-2", 4))


async def test_all_that_is_wrong_with_it_is_told_and_nothing_is_written(sent: Door) -> None:
    wrong = authorization(quantity=1, line_no=9)
    wrong["lines"] += [{"line_no": 1, "quantity": 0}, {"line_no": 1, "quantity": 1, "uom": "PALETTE"}]
    answer = await sent.post(AUTHORIZATIONS, wrong)
    assert sorted(faults_of(answer)) == [
        ("/lines/0/line_no", "unknown_line"),
        ("/lines/1/quantity", "quantity_not_positive"),
        ("/lines/2/line_no", "duplicate_line"),
        ("/lines/2/uom", "unknown_uom"),
    ]
    no_shipment = await sent.post("/api/orders/SO-2/return-authorizations", authorization(quantity=1))
    assert faults_of(no_shipment) == [("/lines/0/quantity", "not_returnable")]
    assert await sent.count("records.return_authorization") == 0

    sent.gateway.down = True
    await sent.post("/api/orders/outbound", push("SO-3", lines=[line(quantity=5, uom=None)]))
    waiting = await sent.post("/api/orders/SO-3/return-authorizations", authorization(quantity=1))
    assert (waiting.status_code, code_of(waiting)) == (404, "unknown_order")


async def test_postgresql_takes_no_authorization_of_nothing(sent: Door) -> None:
    await sent.made(AUTHORIZATIONS, authorization())
    nothing = text(
        "insert into records.return_authorization_line select tenant, order_ref, authorization_no, 2, sku, 0"
        " from records.return_authorization_line where tenant = :tenant"
    )
    with pytest.raises(IntegrityError, match="ck_return_authorization_line_quantity"):
        async with sent.engine.begin() as connection:
            await connection.execute(nothing, {"tenant": sent.tenant})
