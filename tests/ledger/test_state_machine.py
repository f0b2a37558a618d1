"""Random requests against the real ledger and an independent model; everything is compared after every step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from stockbridge.domain.errors import Rejected
from stockbridge.domain.orders import QUANTITIES
from stockbridge.domain.stock import StockStatus
from stockbridge.ledger.balances import order_lines
from stockbridge.ledger.requests import Request
from stockbridge.ledger.verification import verify
from stockbridge.ledger.writer import LedgerWriter
from stockbridge.runtime.services import BackingServices
from stockbridge.runtime.settings import sqlalchemy_url

from .model import Key, Model, Refused
from .warehouse import Warehouse

STORIES = int(os.environ.get("STOCKBRIDGE_STORIES", "0"))
"""How many random stories are told, other ones each time; 0 for a few, always the same."""

ORDERS = ("SO-1", "SO-2", "SO-3")
skus = st.sampled_from(("MUG", "CUP"))
few = st.integers(1, 6)
wishes = st.dictionaries(st.integers(1, 2), st.tuples(skus, st.integers(1, 8)), min_size=1)


class LedgerMachine(RuleBasedStateMachine):
    """Asks the ledger and the model for the same."""

    runner: asyncio.Runner
    engine: AsyncEngine

    def __init__(self) -> None:
        super().__init__()
        self.warehouse = Warehouse(LedgerWriter(self.engine), self.engine, f"m-{uuid4().hex[:12]}")
        self.model = Model()

    def ask(self, request: Request, expected: Callable[[], None]) -> None:
        """Post a request; it is refused exactly where the model says so."""
        try:
            expected()
            refused = False
        except Refused:
            refused = True
        with pytest.raises(Rejected) if refused else nullcontext():
            self.runner.run(self.warehouse.post(request))

    def key(self, data: st.DataObject) -> Key:
        return data.draw(st.sampled_from(sorted(self.model.lines)))

    @rule(sku=skus, quantity=few)
    def receive(self, sku: str, quantity: int) -> None:
        self.ask(self.warehouse.receipt(sku, quantity), lambda: self.model.receive(sku, quantity))

    @rule(
        order=st.sampled_from(ORDERS),
        wanted=wishes,
        policy=st.sampled_from(("backorder", "backorder", "reject", "partial")),
        priority=st.integers(0, 1),
    )
    def order(self, order: str, wanted: dict[int, tuple[str, int]], policy: str, priority: int) -> None:
        lines = [(number, sku, quantity) for number, (sku, quantity) in wanted.items()]
        request = self.warehouse.order(order, *lines, policy=policy, priority=priority)
        demand = {(number, sku): quantity for number, sku, quantity in lines}
        self.ask(request, lambda: self.model.order(order, demand, policy, priority))

    @precondition(lambda self: self.model.lines)
    @rule(data=st.data(), quantity=few)
    def cancel(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.cancel(key[0], (key[1], key[2], quantity))
        self.ask(request, lambda: self.model.cancel(key, quantity))

    @precondition(lambda self: self.model.lines)
    @rule(data=st.data(), quantity=few, short=st.booleans())
    def pick(self, data: st.DataObject, quantity: int, short: bool) -> None:
        key = self.key(data)
        request = self.warehouse.pick(*key, quantity, short=short)
        self.ask(request, lambda: self.model.pick(key, quantity, short=short))

    @precondition(lambda self: any(line["to_put_back"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few)
    def put_back(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.put_back(*key, quantity)
        self.ask(request, lambda: self.model.put_back(key, quantity))

    @precondition(lambda self: self.model.lines)
    @rule(data=st.data(), quantity=few)
    def issue(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.issue(key[0], key[0], (key[1], key[2], quantity))
        self.ask(request, lambda: self.model.issue(key, quantity))

    @precondition(lambda self: any(line["underway"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few)
    def deliver(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.deliver(key[0], key[0], (key[1], key[2], quantity))
        self.ask(request, lambda: self.model.deliver(key, quantity))

    @precondition(lambda self: any(line["delivered"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few)
    def give_back(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        self.ask(self.warehouse.give_back(*key, quantity), lambda: self.model.give_back(key, quantity))

    @rule(sku=skus, quantity=few)
    def damage(self, sku: str, quantity: int) -> None:
        self.ask(self.warehouse.restate(sku, quantity, StockStatus.DAMAGED), lambda: self.model.damage(sku, quantity))

    @precondition(lambda self: any(q for (_, place), q in self.model.elsewhere.items() if place == "damaged"))
    @rule(sku=skus, quantity=few)
    def repair(self, sku: str, quantity: int) -> None:
        request = self.warehouse.restate(sku, quantity, StockStatus.AVAILABLE, was=StockStatus.DAMAGED)
        self.ask(request, lambda: self.model.repair(sku, quantity))

    @rule(sku=skus, delta=st.integers(-5, 5).filter(bool))
    def adjust(self, sku: str, delta: int) -> None:
        self.ask(self.warehouse.adjust(sku, delta), lambda: self.model.adjust(sku, delta))

    @invariant()
    def the_ledger_shows_what_the_model_does(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        for sku in ("MUG", "CUP"):
            state = await self.warehouse.state(sku)
            assert state == self.model.places(sku)
            assert sum(on_hand for on_hand, _ in state.values()) == 0
        expected = {key: tuple(line[name] for name in QUANTITIES) for key, line in self.model.lines.items()}
        assert await self._lines() == expected

    async def _lines(self) -> dict[Key, tuple[int, ...]]:
        async with self.engine.connect() as connection:
            orders = await order_lines(connection, self.warehouse.tenant, ORDERS)
        return {
            (line.order_ref, line.line_no, line.sku): tuple(line.quantities().values())
            for lines in orders.values()
            for line in lines
        }


def test_the_ledger_does_what_an_independent_model_says(database: BackingServices) -> None:
    with asyncio.Runner() as runner:
        engine = create_async_engine(sqlalchemy_url(database.database_url), pool_size=2)
        machine: Any = type("Machine", (LedgerMachine,), {"runner": runner, "engine": engine})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=STORIES or 40,
                stateful_step_count=30,
                deadline=None,
                derandomize=not STORIES,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate, Phase.shrink),
            ),
        )
        runner.run(engine.dispose())
    assert verify(database.database_url).findings == []
