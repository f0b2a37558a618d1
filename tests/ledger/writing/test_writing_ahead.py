"""Batches that are decided while others are still being written, on pools that are kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import InvariantViolated, Kind, Rejected
from domain.stock import Place
from ledger.outcomes import Outcome
from ledger.verifying.verification import verify
from ledger.writing.writer import AHEAD, WARY, LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import SITE, Warehouse

CROWD = 4 * AHEAD


@pytest.fixture(autouse=True)
def verified(database: BackingServices) -> Iterator[None]:
    """Leave no ledger behind that does not add up."""
    yield
    assert verify(database.database_url).findings == []


async def refuse(_connection: AsyncConnection, _outcome: Outcome) -> None:
    raise Rejected("stale_revision", "A higher revision was accepted before.", kind=Kind.CONFLICT)


async def test_a_crowd_for_one_sku_gets_what_there_is_and_no_more(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 100))
    requests = [warehouse.order(f"SO-{n}", (1, "MUG", 3), policy="reject") for n in range(CROWD)]

    answers = await asyncio.gather(*map(warehouse.post, requests), return_exceptions=True)

    assert sum(isinstance(answer, Outcome) for answer in answers) == 33
    assert (await warehouse.state("MUG"))["A-01"] == (100, 99)


async def test_what_another_process_wrote_in_between_is_seen(engine: AsyncEngine, warehouse: Warehouse) -> None:
    other = LedgerWriter(engine)
    await warehouse.post(warehouse.receipt("MUG", 10))
    await other.post(warehouse.order("SO-1", (1, "MUG", 8)))

    with pytest.raises(Rejected, match="more are wanted"):
        await warehouse.post(warehouse.order("SO-2", (1, "MUG", 3), policy="reject"))
    await warehouse.post(warehouse.order("SO-3", (1, "MUG", 2)))

    assert (await warehouse.state("MUG"))["A-01"] == (10, 10)


async def test_stock_that_another_process_received_is_there_at_once(engine: AsyncEngine, warehouse: Warehouse) -> None:
    other = LedgerWriter(engine)
    await warehouse.post(warehouse.receipt("MUG", 2))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await other.post(warehouse.receipt("MUG", 3))

    outcome = await warehouse.post(warehouse.order("SO-2", (1, "MUG", 1)))

    assert (outcome.lines[0].reserved, outcome.lines[0].backordered) == (1, 0)


async def test_a_refusal_is_of_what_is_there_and_not_of_what_was(engine: AsyncEngine, warehouse: Warehouse) -> None:
    other = LedgerWriter(engine)
    await warehouse.post(warehouse.receipt("MUG", 2))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await other.post(warehouse.receipt("MUG", 3))

    outcome = await warehouse.post(warehouse.order("SO-2", (1, "MUG", 3), policy="reject"))

    assert outcome.lines[0].reserved == 3


async def test_two_processes_that_want_the_same_sku_all_the_time_lose_nothing(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    other = LedgerWriter(engine)
    await warehouse.post(warehouse.receipt("MUG", 10 * CROWD))

    async def want(writer: LedgerWriter, name: str) -> None:
        for revision in range(1, 6):
            await writer.post(warehouse.order(name, (1, "MUG", revision)))

    writers = [(writer, f"SO-{n}-{i}") for n in range(CROWD) for i, writer in enumerate((warehouse.writer, other))]
    await asyncio.gather(*(want(writer, name) for writer, name in writers))

    assert (await warehouse.state("MUG"))["A-01"] == (10 * CROWD, 10 * CROWD)


class _Sizes:
    """A hook that hears how large each batch is."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def prepare(self, _connection: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
        self.heard.append(len(outcomes))

    async def write(self, _connection: AsyncConnection, outcomes: Sequence[Outcome], prepared: None) -> None:
        del outcomes, prepared


async def test_who_met_another_process_at_one_sku_is_soon_as_fast_as_ever_at_others(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    sizes = _Sizes()
    writer, other = LedgerWriter(engine, sizes), LedgerWriter(engine)
    for sku in ("MUG", "CUP"):
        await writer.post(warehouse.receipt(sku, 5 * CROWD))
        await writer.post(warehouse.order(f"SO-{sku}", (1, sku, 1)))
    await other.post(warehouse.receipt("MUG", 1))
    await writer.post(warehouse.order("SO-MET", (1, "MUG", 1)))  # decided on what the other has changed

    async def crowd(name: str) -> int:
        del sizes.heard[:]
        await asyncio.gather(*(writer.post(warehouse.order(f"{name}-{n}", (1, "CUP", 1))) for n in range(CROWD)))
        return max(sizes.heard)

    assert await crowd("SO-WARY") == CROWD  # one batch, which no other overlaps
    for n in range(WARY):
        await writer.post(warehouse.order(f"SO-{n}", (1, "CUP", 1)))
    assert await crowd("SO-CALM") == CROWD // 2


async def test_a_batch_that_fails_takes_none_with_it_that_was_decided_after_it(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", CROWD))

    answers = await asyncio.gather(
        *(
            warehouse.writer.post(warehouse.order(f"SO-{n}", (1, "MUG", 1)), refuse if n % 7 == 0 else None)
            for n in range(CROWD)
        ),
        return_exceptions=True,
    )

    refused = [n for n, answer in enumerate(answers) if isinstance(answer, Rejected)]
    assert refused == list(range(0, CROWD, 7))
    assert not any(isinstance(answer, InvariantViolated) for answer in answers)
    assert (await warehouse.state("MUG"))["A-01"] == (CROWD, CROWD - len(refused))


async def test_orders_that_are_amended_in_a_crowd_are_amended_one_after_the_other(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", CROWD))

    async def live(name: str) -> None:
        for quantity in (1, 3, 2, 0, 1):
            await warehouse.post(warehouse.order(name, (1, "MUG", quantity)))

    await asyncio.gather(*(live(f"SO-{n}") for n in range(CROWD)))

    assert (await warehouse.state("MUG"))["A-01"] == (CROWD, CROWD)


async def test_stock_that_comes_and_goes_while_it_is_wanted_is_never_promised_twice(warehouse: Warehouse) -> None:
    async def live(n: int) -> None:
        name = f"SO-{n}"
        await warehouse.post(warehouse.receipt("MUG", 2, lot=f"L{n % 3}"))
        await warehouse.post(warehouse.order(name, (1, "MUG", 2)))
        await warehouse.post(warehouse.pick(name, 1, "MUG", 2))
        await warehouse.post(warehouse.issue(name, f"SH-{n}", (1, "MUG", 2)))

    await asyncio.gather(*map(live, range(CROWD)), return_exceptions=True)


async def test_the_same_key_in_two_batches_gives_one_posting(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10 * CROWD))
    request = warehouse.order("SO-1", (1, "MUG", 1))
    crowd = [warehouse.order(f"SO-X{n}", (1, "MUG", 1)) for n in range(CROWD)]

    first, *_, second = await asyncio.gather(*map(warehouse.post, (request, *crowd, request)))

    assert first.posting_id == second.posting_id
    assert [first.replayed, second.replayed].count(True) == 1


async def test_a_bin_that_is_emptied_and_filled_in_a_crowd_keeps_its_numbers(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1))

    async def back_and_forth(n: int) -> None:
        place, to = (Place("A-01", SITE), Place("B-01", SITE)) if n % 2 else (Place("B-01", SITE), Place("A-01", SITE))
        await warehouse.post(warehouse.move("MUG", 1, place, to))

    await asyncio.gather(*map(back_and_forth, range(CROWD)), return_exceptions=True)

    state = await warehouse.state("MUG")
    assert state.get("A-01", (0, 0))[0] + state.get("B-01", (0, 0))[0] == 1


async def test_a_posting_is_recorded_between_the_question_and_the_answer(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    async def now() -> datetime:
        async with engine.connect() as connection:
            return cast("datetime", await connection.scalar(text("select clock_timestamp()")))

    async def ask(n: int) -> bool:
        asked = await now()
        outcome = await warehouse.post(warehouse.order(f"SO-{n}", (1, "MUG", 1)))
        return asked <= outcome.recorded_at <= await now()

    await warehouse.post(warehouse.receipt("MUG", 5 * CROWD))
    assert await ask(-1)
    assert all(await asyncio.gather(*map(ask, range(CROWD))))


async def test_when_a_crowd_has_gone_no_writer_is_left_announced(engine: AsyncEngine, warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", CROWD))
    await asyncio.gather(*(warehouse.post(warehouse.order(f"SO-{n}", (1, "MUG", 1))) for n in range(CROWD)))
    await warehouse.writer.drain()

    announced = "select count(*) from pg_locks where relation = 'ledger.pool'::regclass and mode = 'RowShareLock'"
    async with engine.connect() as connection:
        assert await connection.scalar(text(announced)) == 0


async def test_a_crowd_that_asks_again_gets_its_first_answers(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", CROWD))
    requests = [warehouse.order(f"SO-{n}", (1, "MUG", 1)) for n in range(CROWD)]
    first = await asyncio.gather(*map(warehouse.post, requests))

    newcomers = [warehouse.order(f"SO-X{n}", (1, "MUG", 1), policy="partial") for n in range(CROWD)]
    again = await asyncio.gather(*map(warehouse.post, (*requests, *newcomers)))

    assert [(a.replayed, a.answer) for a in again[:CROWD]] == [(True, f.answer) for f in first]
    assert not any(a.replayed for a in again[CROWD:])


async def test_an_order_that_is_said_to_be_new_and_is_not_is_amended(warehouse: Warehouse) -> None:
    for sku in ("MUG", "CUP"):
        await warehouse.post(warehouse.receipt(sku, 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))

    again = replace(warehouse.order("SO-1", (1, "MUG", 6)), former=())
    assert (await warehouse.post(again)).lines[0].reserved == 6
    with pytest.raises(InvariantViolated):
        await warehouse.post(replace(warehouse.order("SO-1", (1, "CUP", 1)), former=()))
