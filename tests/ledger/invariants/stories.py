"""Random stories: the same requests for the real ledger and an independent model, compared after every step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.errors import Conflict, Rejected, Unavailable
from domain.orders import QUANTITIES
from domain.stock import Place, StockStatus
from ledger.days import Days
from ledger.outcomes import Outcome
from ledger.requests import ExpireStock, ReceiveStock, Request
from ledger.writing.writer import Attachment, LedgerWriter
from runtime.polling import until
from runtime.settings import sqlalchemy_url
from tests.ledger.warehouse import BIN, OTHER_BIN, SITE, Warehouse

from .model import ALLOWS_EXPIRED, KEEPS, PERISHABLE, Key, Model, Refused
from .witness import Witness

STEPS = 25
ORDERS = ("SO-1", "SO-2", "SO-3")
SKUS = ("MUG", "CUP", PERISHABLE)
LONG_AGO = datetime(2026, 1, 15, 12, tzinfo=UTC)
"""When stories begin, by their own days: so long ago that what may have expired then has by PostgreSQL's clock."""
LAST_DAY = 4

SOMEBODY_WAITS_FOR_US = text(
    "select exists (select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))"
)

skus = st.sampled_from(SKUS)
few = st.integers(1, 6)
some = st.integers(1, 8)
wishes = st.one_of(
    st.dictionaries(st.integers(1, 2), st.tuples(skus, some), min_size=1),
    st.builds(lambda sku, first, second: {1: (sku, first), 2: (sku, second)}, skus, some, some),
)
policies = st.sampled_from(("backorder", "backorder", "reject", "partial"))


@dataclass(frozen=True)
class Asked:
    """A request, and what it does to a model, which refuses what the ledger must refuse."""

    request: Request
    expected: Callable[[Model], None]

    def of(self, model: Model) -> bool:
        """Ask the model; say whether it accepts."""
        try:
            self.expected(model)
        except Refused:
            return False
        return True


@dataclass
class Stage:
    """Where stories are told: connections to a database, and an event loop."""

    url: str
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    engine: AsyncEngine = field(init=False)
    looking: psycopg.Connection[Any] = field(init=False)

    def __post_init__(self) -> None:
        # Nobody pulls the plug here, so nobody waits for the disk.
        at_once = {"options": "-c synchronous_commit=off"}
        self.engine = create_async_engine(sqlalchemy_url(self.url), pool_size=4, connect_args=at_once)
        self.looking = psycopg.connect(self.url, autocommit=True)

    def close(self) -> None:
        self.looking.close()
        self.runner.run(self.engine.dispose())
        self.runner.close()


class Story(RuleBasedStateMachine):
    """Asks the ledger and the model for the same."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        engine = self.stage.engine
        self.days = Days()
        self.days.ahead = LONG_AGO - datetime.now(UTC)
        self.warehouse = Warehouse(LedgerWriter(engine, days=self.days), engine, f"m-{uuid4().hex[:12]}")
        self.warehouse.lots[PERISHABLE] = "L1"
        self.other_writer = LedgerWriter(engine, days=self.days)
        self.model = Model()
        self.witness = Witness(self.stage.looking, self.warehouse.tenant)
        self.seen = self.witness.look()
        self.told: list[tuple[Request, Outcome]] = []

    # -- asking -------------------------------------------------------------------------------------------------------

    def run(self, awaited: Awaitable[Any]) -> Any:
        """Wait for what the ledger answers."""

        async def waiting() -> Any:
            return await awaited

        return self.stage.runner.run(waiting())

    def ask(
        self, asked: Asked, attachment: Attachment | None = None, *, awaited: Awaitable[Outcome] | None = None
    ) -> None:
        """Post a request, or wait for one that was; it is refused exactly where the model says so."""
        refused = not asked.of(self.model)
        with pytest.raises(Rejected) if refused else nullcontext():
            outcome = self.run(awaited or self.warehouse.writer.post(asked.request, attachment))
            self.remember(asked.request, outcome)

    def remember(self, request: Request, outcome: Outcome) -> None:
        """Remember what was posted. What changed nothing is not posted, and asked anew when it comes again."""
        if outcome.posting_id is not None:
            self.told.append((request, outcome))

    def key(self, data: st.DataObject) -> Key:
        return data.draw(st.sampled_from(sorted(self.model.lines)))

    def place(self, sku: str) -> Place:
        return Place(self.model.bin_of(sku), SITE)

    # -- what may be asked --------------------------------------------------------------------------------------------

    def receipt(self, sku: str, quantity: int, last_day: int | None = None) -> Asked:
        expires_on = None if last_day is None else self.date(last_day)
        request = self.warehouse.receipt(sku, quantity, self.place(sku), expires_on=expires_on)
        if sku == PERISHABLE:
            made = {"produced_on": self.date(0), "shelf_life_days": KEEPS}
            request = replace(request, lines=tuple(replace(line, **made) for line in request.lines))
        return Asked(request, lambda model: model.receive(sku, quantity, last_day))

    def date(self, day: int) -> date:
        return LONG_AGO.date() + timedelta(days=day)

    def ordering(self, order: str, wanted: dict[int, tuple[str, int]], policy: str, priority: int) -> Asked:
        lines = [(number, sku, quantity) for number, (sku, quantity) in wanted.items()]
        named = [(*line, self.warehouse.lots.get(line[1], "")) for line in lines]
        request = self.warehouse.order(order, *named, policy=policy, priority=priority)
        if order == ALLOWS_EXPIRED:
            request = replace(request, lines=tuple(replace(line, allow_expired=True) for line in request.lines))
        demand = {(number, sku): quantity for number, sku, quantity in lines}
        return Asked(request, lambda model: model.order(order, demand, policy, priority))

    def adjustment(self, sku: str, delta: int) -> Asked:
        request = self.warehouse.adjust(sku, delta, self.place(sku))
        return Asked(request, lambda model: model.adjust(sku, delta))

    @rule(sku=skus, quantity=few)
    def receive(self, sku: str, quantity: int) -> None:
        self.ask(self.receipt(sku, quantity))

    @rule(quantity=few, last_day=st.integers(0, 4))
    def tell(self, quantity: int, last_day: int) -> None:
        """Receive what is perishable, and tell when it expires."""
        self.ask(self.receipt(PERISHABLE, quantity, last_day))

    @precondition(lambda self: self.model.day < LAST_DAY)
    @rule()
    def a_day_passes(self) -> None:
        """Nothing happens by itself: what has expired is not promised, and holds in it wait for the sweep."""
        self.days.ahead += timedelta(days=1)
        self.model.day += 1
        self.witness.today = self.date(self.model.day)

    @rule()
    def sweep(self) -> None:
        key, day = self.warehouse.key(), self.date(self.model.day)
        request = ExpireStock(tenant=self.warehouse.tenant, key=key, actor="test", site=SITE, sku=PERISHABLE, day=day)
        self.ask(Asked(request, lambda model: model.expire()))

    @rule(order=st.sampled_from(ORDERS), wanted=wishes, policy=policies, priority=st.integers(0, 1))
    def order(self, order: str, wanted: dict[int, tuple[str, int]], policy: str, priority: int) -> None:
        self.ask(self.ordering(order, wanted, policy, priority))

    @precondition(lambda self: self.model.lines)
    @rule(data=st.data(), quantity=few)
    def cancel(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.cancel(key[0], (key[1], key[2], quantity))
        self.ask(Asked(request, lambda model: model.cancel(key, quantity)))

    @precondition(lambda self: self.model.lines)
    @rule(data=st.data(), quantity=few, short=st.booleans())
    def pick(self, data: st.DataObject, quantity: int, short: bool) -> None:
        key = self.key(data)
        request = self.warehouse.pick(*key, quantity, short=short)
        self.ask(Asked(request, lambda model: model.pick(key, quantity, short=short)))

    @precondition(lambda self: any(line["to_put_back"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few)
    def put_back(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.put_back(*key, quantity, self.place(key[2]))
        self.ask(Asked(request, lambda model: model.put_back(key, quantity)))

    @precondition(lambda self: self.model.lines)
    @rule(data=st.data(), quantity=few)
    def issue(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.issue(key[0], key[0], (key[1], key[2], quantity))
        self.ask(Asked(request, lambda model: model.issue(key, quantity)))

    @precondition(lambda self: any(line["underway"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few)
    def deliver(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.deliver(key[0], key[0], (key[1], key[2], quantity))
        self.ask(Asked(request, lambda model: model.deliver(key, quantity)))

    @precondition(lambda self: any(line["underway"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few, resend=st.booleans())
    def lose(self, data: st.DataObject, quantity: int, resend: bool) -> None:
        key = self.key(data)
        request = self.warehouse.lose(key[0], key[0], (key[1], key[2], quantity), resend=resend)
        self.ask(Asked(request, lambda model: model.lose(key, quantity, resend=resend)))

    @precondition(lambda self: any(line["lost"] for line in self.model.lines.values()))
    @rule(data=st.data(), sent_again=st.booleans())
    def find(self, data: st.DataObject, sent_again: bool) -> None:
        key = data.draw(st.sampled_from(sorted(key for key, line in self.model.lines.items() if line["lost"])))
        quantity = data.draw(st.integers(1, self.model.lines[key]["lost"]))
        lot = self.warehouse.lots.get(key[2], "")
        request = self.warehouse.find(key[0], key[0], (key[1], key[2], quantity), lot=lot, sent_again=sent_again)
        self.ask(Asked(request, lambda model: model.find(key, quantity, sent_again=sent_again)))

    @precondition(lambda self: any(line["underway"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few, resend=st.booleans())
    def come_back(self, data: st.DataObject, quantity: int, resend: bool) -> None:
        key = self.key(data)
        request = self.warehouse.give_back(*key, quantity, shipment_no=key[0], resend=resend)
        self.ask(Asked(request, lambda model: model.come_back(key, quantity, resend=resend)))

    @precondition(lambda self: any(line["delivered"] for line in self.model.lines.values()))
    @rule(data=st.data(), quantity=few)
    def give_back(self, data: st.DataObject, quantity: int) -> None:
        key = self.key(data)
        request = self.warehouse.give_back(*key, quantity)
        self.ask(Asked(request, lambda model: model.give_back(key, quantity)))

    @precondition(lambda self: any(self.model.bin(sku) for sku in SKUS))
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        sku = data.draw(st.sampled_from([sku for sku in SKUS if self.model.bin(sku)]))
        to = OTHER_BIN if self.model.bin_of(sku) == BIN.location_id else BIN
        request = self.warehouse.move(sku, self.model.bin(sku), self.place(sku), to)
        self.ask(Asked(request, lambda model: model.move(sku, to.location_id)))

    @precondition(lambda self: any(isinstance(request, ReceiveStock) for request, _ in self.told))
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        received = data.draw(st.sampled_from([told for told, _ in self.told if isinstance(told, ReceiveStock)]))
        (line,) = received.lines
        request, place = self.warehouse.take_back(received), received.place.location_id
        self.ask(Asked(request, lambda model: model.take_back(line.sku, line.quantity, place)))

    @rule(sku=skus, quantity=few)
    def damage(self, sku: str, quantity: int) -> None:
        request = self.warehouse.restate(sku, quantity, StockStatus.DAMAGED, self.place(sku))
        self.ask(Asked(request, lambda model: model.damage(sku, quantity)))

    @precondition(lambda self: any(q for (_, place), q in self.model.elsewhere.items() if place.endswith("damaged")))
    @rule(sku=skus, quantity=few)
    def repair(self, sku: str, quantity: int) -> None:
        place = self.place(sku)
        request = self.warehouse.restate(sku, quantity, StockStatus.AVAILABLE, place, was=StockStatus.DAMAGED)
        self.ask(Asked(request, lambda model: model.repair(sku, quantity)))

    @precondition(lambda self: any(q for (_, place), q in self.model.elsewhere.items() if place.endswith("inspection")))
    @rule(sku=skus, missing=few, found=st.integers(0, 6))
    def count_missing(self, sku: str, missing: int, found: int) -> None:
        found = min(missing, found)
        request = self.warehouse.count_missing(sku, missing, found, self.place(sku))
        self.ask(Asked(request, lambda model: model.count_missing(sku, missing, found)))

    @rule(sku=skus, delta=st.integers(-5, 5).filter(bool))
    def adjust(self, sku: str, delta: int) -> None:
        self.ask(self.adjustment(sku, delta))

    @precondition(lambda self: any(self.model.bin(sku) for sku in SKUS))
    @rule(data=st.data(), difference=st.integers(-3, 3))
    def count(self, data: st.DataObject, difference: int) -> None:
        sku = data.draw(st.sampled_from([sku for sku in SKUS if self.model.bin(sku)]))
        counted = max(0, self.model.bin(sku) + difference)
        request = self.warehouse.adjust(sku, counted - self.model.bin(sku), self.place(sku))
        compared = replace(
            request, asked=f"counted {counted}", compared_seq=self.witness.seq_of(request.stream.stream_id)
        )
        self.ask(Asked(compared, lambda model: model.count(sku, counted)))

    # -- what may go wrong --------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def trouble(self, data: st.DataObject) -> None:
        happens = [self.two_at_once, self.crash_before_the_commit, self.crash_after_the_commit]
        if self.told:
            happens.append(self.say_it_again)
        data.draw(st.sampled_from(happens))(data)

    def say_it_again(self, data: st.DataObject) -> None:
        """What was posted before gets its first answer again, though the world moved on; with other content, none."""
        request, first = data.draw(st.sampled_from(self.told))
        writer = data.draw(st.sampled_from((self.warehouse.writer, self.other_writer)))
        again = self.run(writer.post(request))
        assert (again.replayed, again.posting_id, again.answer) == (True, first.posting_id, first.answer), "I5"
        with pytest.raises(Conflict):
            self.run(writer.post(replace(request, asked="something else")))

    def two_at_once(self, data: st.DataObject) -> None:
        """Another writer decides in the middle of our transaction, on what was there before; it comes out as after."""
        first, second = data.draw(st.permutations(ORDERS))[:2]
        asked, meanwhile = self.any_order(data, first), self.any_request(data, second)
        later: list[asyncio.Task[Outcome]] = []

        async def in_the_middle(connection: AsyncConnection, _outcome: Outcome) -> None:
            later.append(asyncio.create_task(self.other_writer.post(meanwhile.request)))

            async def waits_or_is_done() -> bool:
                return later[0].done() or bool(await connection.scalar(SOMEBODY_WAITS_FOR_US))

            assert await until(waits_or_is_done, limit_s=30, interval_s=0.0005)

        self.ask(asked, in_the_middle)
        self.ask(meanwhile, awaited=later[0] if later else self.other_writer.post(meanwhile.request))

    def crash_before_the_commit(self, data: st.DataObject) -> None:
        """A writer whose connection dies in the middle has changed nothing; the same request is then like a new one."""
        asked = self.any_request(data, data.draw(st.sampled_from(ORDERS)))
        with pytest.raises((Unavailable, Rejected)):  # what is refused anyway never comes to its end
            self.run(self.warehouse.writer.post(asked.request, _die))
        self.ask(asked)

    def crash_after_the_commit(self, data: st.DataObject) -> None:
        """A writer that dies before anybody hears its answer leaves the posting to its successor, which tells it."""
        asked = self.any_request(data, data.draw(st.sampled_from(ORDERS)))
        before = deepcopy(self.model)
        self.ask(asked)
        self.warehouse.writer = LedgerWriter(self.stage.engine, days=self.days)
        if asked.of(before):
            outcome = self.run(self.warehouse.post(asked.request))
            assert outcome.replayed or outcome.posting_id is None, "I5"

    def any_order(self, data: st.DataObject, order: str) -> Asked:
        return self.ordering(order, data.draw(wishes), data.draw(policies), data.draw(st.integers(0, 1)))

    def any_request(self, data: st.DataObject, order: str) -> Asked:
        sku, quantity = data.draw(skus), data.draw(few)
        kind = data.draw(st.sampled_from(("order", "receipt", "adjustment")))
        if kind == "order":
            return self.any_order(data, order)
        if kind == "receipt":
            return self.receipt(sku, quantity)
        return self.adjustment(sku, data.draw(st.sampled_from((quantity, -quantity))))

    # -- looking ------------------------------------------------------------------------------------------------------

    @invariant()
    def the_ledger_shows_what_the_model_does(self) -> None:
        self.seen = self.witness.look()
        for sku in SKUS:
            assert self.seen.places.get(sku, {}) == self.model.places(sku)
        expected = {key: tuple(line[name] for name in QUANTITIES) for key, line in self.model.lines.items()}
        assert {key: _quantities(line) for key, line in self.seen.lines.items()} == expected


async def _die(connection: AsyncConnection, _outcome: Outcome) -> None:
    await connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))


def _quantities(line: Any) -> tuple[int, ...]:
    return tuple(getattr(line, name) for name in QUANTITIES)


def tell(url: str, number: int, stories: int, *, shrinking: bool = True) -> None:
    """Tell so many stories, the same for the same number; raises what goes wrong in one."""
    stage = Stage(url)
    try:
        machine: Any = seed(number)(type("Story", (Story,), {"stage": stage}))
        phases = (Phase.generate, Phase.shrink) if shrinking else (Phase.generate,)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=stories,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=phases,
                report_multiple_bugs=False,
            ),
        )
    finally:
        stage.close()
