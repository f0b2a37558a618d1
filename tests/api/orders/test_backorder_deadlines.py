"""An order may say until when it waits for stock."""

from __future__ import annotations

from typing import Any

import pytest

from commands.orders.taking_in import content_of
from domain.commands import Push
from relay.expired_backorders import ExpiredBackorders
from tests.api.doorway import Door, faults_of, line, push

PAST, FUTURE = "2026-01-24T12:00:00+01:00", "2199-12-24T12:00:00+01:00"
MUGS = [line(quantity=5, uom=None)]


async def sweep(door: Door, order_no: str = "SO-1") -> None:
    """Let the relay look for deadlines that have passed, and the order decide what it then finds."""
    await ExpiredBackorders(door.engine).round()
    await door.gateway.decide_all(door.tenant, order_no)


async def quantities(door: Door) -> dict[str, int]:
    (of_order,) = (await door.get("/api/orders/SO-1")).json()["lines"]
    return {name: of_order[name] for name in ("reserved", "backordered", "cancelled")}


async def acts(door: Door) -> list[dict[str, Any]]:
    items = (await door.get("/api/orders/SO-1/timeline")).json()["items"]
    return [item for item in items if item["kind"] == "operator" and item["actor"] == "backorder_until"]


@pytest.fixture
async def waiting(shop: Door) -> Door:
    """An order of 5 mugs, of which 2 are there; it waits for the others, for ever."""
    await shop.stock(quantity=2)
    await shop.made("/api/orders/outbound", push(lines=MUGS))
    return shop


async def test_what_still_waits_after_the_deadline_is_cancelled(shop: Door) -> None:
    await shop.stock(quantity=2)
    told = await shop.made("/api/orders/outbound", push(lines=MUGS, backorder_until=PAST))
    assert told["lines"][0]["backordered"] == 3, "a deadline that is past is no reason to refuse"

    await sweep(shop)

    assert await quantities(shop) == {"reserved": 2, "backordered": 0, "cancelled": 3}
    view = (await shop.get("/api/orders/SO-1")).json()
    assert (view["status"], view["backorder_until"]) == ("reserved", "2026-01-24T11:00:00Z")
    (act,) = await acts(shop)
    assert act["summary"] == (
        "backorder_until: accept short (it was to wait for stock until 2026-01-24T11:00:00+00:00, no longer): done"
    )


async def test_an_order_waits_until_its_deadline_or_for_ever(waiting: Door) -> None:
    await sweep(waiting)
    await waiting.made("/api/orders/outbound", push(revision=2, lines=MUGS, backorder_until=FUTURE))
    await sweep(waiting)
    assert await quantities(waiting) == {"reserved": 2, "backordered": 3, "cancelled": 0}
    assert await acts(waiting) == []


async def test_a_deadline_is_obeyed_once(waiting: Door) -> None:
    await waiting.made("/api/orders/outbound", push(revision=2, lines=MUGS, backorder_until=PAST))
    for _ in range(3):
        await ExpiredBackorders(waiting.engine).round()
    await waiting.gateway.decide_all(waiting.tenant, "SO-1")
    await sweep(waiting)
    assert len(await acts(waiting)) == 1


async def test_a_deadline_that_is_amended_before_its_turn_comes_is_obeyed_as_amended(waiting: Door) -> None:
    await waiting.made("/api/orders/outbound", push(revision=2, lines=MUGS, backorder_until=PAST))
    waiting.gateway.down = True
    later = push(revision=3, lines=MUGS, backorder_until=FUTURE)
    assert (await waiting.post("/api/orders/outbound", later)).status_code == 202
    await sweep(waiting)
    assert await quantities(waiting) == {"reserved": 2, "backordered": 3, "cancelled": 0}
    assert [act["data"]["outcome"] for act in await acts(waiting)] == ["unchanged"]


async def test_what_comes_before_the_turn_of_the_deadline_is_kept(waiting: Door) -> None:
    await waiting.made("/api/orders/outbound", push(revision=2, lines=MUGS, backorder_until=PAST))
    await ExpiredBackorders(waiting.engine).round()
    await waiting.stock(quantity=3, po_no="PO-2")
    await waiting.gateway.decide_all(waiting.tenant, "SO-1")
    assert await quantities(waiting) == {"reserved": 5, "backordered": 0, "cancelled": 0}
    assert [act["data"]["outcome"] for act in await acts(waiting)] == ["unchanged"]


async def test_what_is_missed_after_the_deadline_does_not_wait_either(waiting: Door) -> None:
    await waiting.made("/api/orders/outbound", push(revision=2, lines=MUGS, backorder_until=PAST))
    await sweep(waiting)
    picked = {"line_no": 1, "quantity": 1, "location_id": "HAM-A-1"}
    await waiting.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked], "short": True})
    assert await quantities(waiting) == {"reserved": 1, "backordered": 1, "cancelled": 3}

    await sweep(waiting)

    assert await quantities(waiting) == {"reserved": 1, "backordered": 0, "cancelled": 4}
    assert [act["data"]["outcome"] for act in await acts(waiting)] == ["done", "done"]


@pytest.mark.parametrize("until", ["2026-12-24", "2026-12-24T12:00:00", 1798110000])
async def test_a_deadline_without_a_time_and_its_zone_names_the_field(shop: Door, until: object) -> None:
    answer = await shop.post("/api/orders/outbound", push(backorder_until=until))
    assert (answer.status_code, faults_of(answer)) == (422, [("/backorder_until", "malformed_time")])


def test_a_push_that_says_nothing_of_it_asks_for_what_it_always_did() -> None:
    assert "backorder_until" not in content_of(Push.model_validate(push()), {})
