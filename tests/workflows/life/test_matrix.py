"""What becomes of every change at every point of an order's life: `outcomes.toml` says it, and each cell is tried.

After a change that was meant, and when every line of the difference was read:
STOCKBRIDGE_RECORD=1 pytest tests/workflows/life/test_matrix.py
"""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from domain.carriers import TrackingStatus
from domain.commands import OperatorVerb
from domain.order_commands import ORDER_COMMANDS
from domain.orders import OrderStatus
from ledger.verifying.verification import verify
from runtime.embedded.servers import BackingServices
from tests.workflows.agreement import disagreements
from tests.workflows.partners import Partners
from tests.workflows.points import NOWHERE, POINTS, Point
from tests.workflows.shop import Body, Order, Shop
from tests.workflows.telling import said, state_of

from .changes import CHANGES, Change

pytestmark = pytest.mark.usefixtures("worker")

TABLE = Path(__file__).with_name("outcomes.toml")
RECORDING = bool(os.environ.get("STOCKBRIDGE_RECORD"))


def table() -> dict[str, dict[str, str]]:
    return tomllib.loads(TABLE.read_text()) if TABLE.exists() else {}


@pytest.mark.parametrize("named", CHANGES)
async def test_a_change_at_every_point_of_life_has_its_outcome(shop: Shop, partners: Partners, named: str) -> None:
    told = await asyncio.gather(*(outcome(shop, partners, point, CHANGES[named]) for point in POINTS.values()))
    outcomes = {point: words for point, (words, _) in zip(POINTS, told, strict=True)}
    if RECORDING:
        record(named, outcomes)
    assert {point: wrong for point, (_, wrong) in zip(POINTS, told, strict=True) if wrong} == {}
    assert outcomes == table()[named]


async def outcome(shop: Shop, partners: Partners, point: Point, change: Change) -> tuple[str, list[str]]:
    """Bring an order to a point of its life, let something happen, and tell what became of it and what disagrees."""
    order = await point.reach(shop)
    begun, before = await settled(order)
    answer = await change(order)
    view, after = await settled(order)
    await order.forget()
    wrong = await disagreements(order, view, partners)
    if begun["status"] != point.status:
        wrong.append(f"it began as {begun['status']}")
    told = f"{said(answer)} -> {'unchanged' if after == before else after}"
    names = {order.order_no: "SO", str(order.former_number): "FORMER", str(order.tracking_number): "TN"}
    for name, short in names.items():
        told = told.replace(name, short)
    return told, wrong


async def settled(order: Order) -> tuple[Body, str]:
    """Wait for all that follows by itself; return the view, and the order in a line."""
    view = await order.settle()
    return view, state_of(view, await order.holds(), await order.labels())


def record(named: str, outcomes: dict[str, str]) -> None:
    rows = {**table(), named: outcomes}
    head = "# What becomes of each change at each point of an order's life: the answer -> the order as it is then.\n"
    told = [
        f"\n[{json.dumps(name)}]\n" + "".join(f"{point} = {json.dumps(words)}\n" for point, words in rows[name].items())
        for name in CHANGES
        if name in rows
    ]
    TABLE.write_text(head + "".join(told))


def test_no_point_of_life_is_missing() -> None:
    assert {point.status for point in POINTS.values()} | NOWHERE == set(OrderStatus)
    assert all(list(row) == list(POINTS) for row in table().values())


def test_no_change_is_missing() -> None:
    assert list(table()) == list(CHANGES)
    assert {f"the carrier says {status}" for status in TrackingStatus} <= set(CHANGES)
    assert set(get_args(OperatorVerb)) <= set(CHANGES)


async def test_every_kind_of_command_is_in_the_matrix(shop: Shop) -> None:
    rows = await shop.hub.rows("select distinct kind from records.inbox where tenant = :tenant")
    assert {row["kind"] for row in rows} == set(ORDER_COMMANDS)


async def test_the_ledger_of_all_these_lives_is_sound(shop: Shop, services: BackingServices) -> None:
    del shop
    found: Any = await asyncio.to_thread(lambda: verify(services.database_url).findings)
    assert found == []
