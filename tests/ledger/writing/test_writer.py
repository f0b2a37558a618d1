from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.errors import Conflict, InvariantViolated, Kind, Rejected, Unavailable
from domain.stock import Evidence, Place
from ledger.outcomes import Outcome
from ledger.requests import PickedLine
from ledger.writing.writer import LedgerWriter
from tests.ledger.warehouse import SITE, Warehouse


async def test_the_same_request_again_gets_the_same_answer_though_the_world_moved_on(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5))
    request = warehouse.order("SO-1", (1, "MUG", 4))
    first = await warehouse.post(request)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))
    before = await warehouse.count("posting")

    again = await warehouse.post(request)

    assert again.replayed
    assert (again.answer, again.posting_id, again.recorded_at) == (first.answer, first.posting_id, first.recorded_at)
    assert await warehouse.count("posting") == before
    assert (await warehouse.line("SO-1")).ordered == 1


async def test_a_repeat_may_find_other_circumstances_and_asks_for_the_same(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5))
    request = warehouse.order("SO-1", (1, "MUG", 4))
    await warehouse.post(request)

    again = await warehouse.post(replace(request, former=((SITE, "MUG"),), actor="somebody else"))

    assert again.replayed


async def test_a_refusal_holds_nothing_of_its_batch(warehouse: Warehouse) -> None:
    """Its traceback would: all that was read and decided, in a circle that only the garbage collector opens."""
    with pytest.raises(Rejected) as refused:
        await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), policy="reject"))
    assert "decide_batch" not in {entry.name for entry in refused.traceback}


async def test_a_bug_tells_where_it_was_found(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    nowhere = warehouse.put_back("SO-1", 1, "MUG", None)
    nowhere = replace(nowhere, lines=(replace(nowhere.lines[0], place=None),))
    with pytest.raises(InvariantViolated) as found:
        await warehouse.post(nowhere)
    assert "put_back" in {entry.name for entry in found.traceback}


async def test_the_same_key_with_other_content_is_a_conflict(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5, key="GR-1"))

    with pytest.raises(Conflict):
        await warehouse.post(warehouse.receipt("MUG", 6, key="GR-1"))
    with pytest.raises(Conflict):
        await warehouse.post(warehouse.receipt("CUP", 5, key="GR-1"))
    assert await warehouse.count("posting") == 1


async def test_the_same_key_twice_in_one_batch_gives_one_posting_and_one_answer(warehouse: Warehouse) -> None:
    request = warehouse.receipt("MUG", 5)

    outcomes = await asyncio.gather(*(warehouse.post(request) for _ in range(5)))

    assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True, True]
    assert len({str(outcome.answer) for outcome in outcomes}) == 1
    assert (await warehouse.state("MUG"))["A-01"] == (5, 0)


async def test_other_content_with_the_same_key_in_one_batch_is_a_conflict(warehouse: Warehouse) -> None:
    outcomes = await asyncio.gather(
        *(warehouse.post(warehouse.receipt("MUG", quantity, key="GR-1")) for quantity in (5, 6)),
        return_exceptions=True,
    )

    assert isinstance(outcomes[0], Outcome)
    assert isinstance(outcomes[1], Conflict)


async def test_the_same_key_from_two_writers_gives_one_posting_and_one_answer(
    warehouse: Warehouse, engine: AsyncEngine
) -> None:
    other_engine = create_async_engine(engine.url)
    writers = (LedgerWriter(engine), LedgerWriter(other_engine))
    requests = [warehouse.receipt(f"SKU-{n % 3}", 5) for n in range(20)]

    outcomes = await asyncio.gather(*(writer.post(request) for request in requests for writer in writers))
    await other_engine.dispose()

    pairs = list(zip(outcomes[::2], outcomes[1::2], strict=True))
    assert all({one.replayed, other.replayed} == {False, True} for one, other in pairs)
    assert all(one.answer == other.answer for one, other in pairs)
    assert await warehouse.count("posting") == 20


async def test_other_content_with_the_same_key_from_two_writers_is_a_conflict(
    warehouse: Warehouse, engine: AsyncEngine
) -> None:
    other = LedgerWriter(engine)

    outcomes = await asyncio.gather(
        warehouse.post(warehouse.receipt("MUG", 5, key="GR-1")),
        other.post(warehouse.receipt("CUP", 5, key="GR-1")),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Outcome"]


async def test_a_refusal_in_a_batch_is_its_own_requests_alone(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    requests = [warehouse.order(f"SO-{n}", (1, "MUG", 4), policy="reject") for n in range(4)]

    outcomes = await asyncio.gather(*map(warehouse.post, requests), return_exceptions=True)

    assert [isinstance(outcome, Outcome) for outcome in outcomes] == [True, True, False, False]
    assert (await warehouse.state("MUG"))["A-01"] == (10, 8)


async def test_a_refusal_is_not_kept_and_the_same_may_be_asked_again(warehouse: Warehouse) -> None:
    request = warehouse.order("SO-1", (1, "MUG", 4), policy="reject")
    with pytest.raises(Rejected):
        await warehouse.post(request)
    await warehouse.post(warehouse.receipt("MUG", 4))

    assert not (await warehouse.post(request)).replayed


async def test_requests_of_one_batch_see_what_those_before_them_did(warehouse: Warehouse) -> None:
    requests = [
        warehouse.receipt("MUG", 5),
        warehouse.order("SO-1", (1, "MUG", 3)),
        warehouse.order("SO-2", (1, "MUG", 3)),
        warehouse.pick("SO-1", 1, "MUG", 3),
        warehouse.issue("SO-1", "SH-1", (1, "MUG", 3)),
        warehouse.receipt("MUG", 1),
        warehouse.deliver("SO-1", "SH-1", (1, "MUG", 3)),
    ]

    outcomes = await asyncio.gather(*map(warehouse.post, requests))

    assert outcomes[5].served == {"SO-2"}
    assert await warehouse.state("MUG") == {"A-01": (3, 3), "customer/SO-1": (3, 0), "supplier/HAM": (-6, 0)}


async def test_a_batch_that_is_one_transaction_is_recorded_in_the_order_that_it_was_asked(
    warehouse: Warehouse,
) -> None:
    requests = [warehouse.order(f"SO-{9 - n}", (1, "MUG", 4)) for n in range(9)]
    outcomes = await asyncio.gather(*map(warehouse.post, requests))
    instants = [outcome.recorded_at for outcome in outcomes]
    assert instants == sorted(set(instants))

    await warehouse.post(warehouse.receipt("MUG", 4))

    assert (await warehouse.line("SO-9")).reserved == 4


async def test_an_attachment_commits_with_its_posting(warehouse: Warehouse) -> None:
    heard: list[Outcome] = []

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        seen = await connection.scalar(
            text("select count(*) from ledger.posting where posting_id = :id"), {"id": outcome.posting_id}
        )
        assert seen == 1
        heard.append(outcome)

    request = warehouse.receipt("MUG", 5)
    await warehouse.writer.post(request, attach)
    await warehouse.writer.post(request, attach)

    assert len(heard) == 1


async def test_a_failing_attachment_fails_only_its_own_request(warehouse: Warehouse) -> None:
    async def fail(_connection: AsyncConnection, _outcome: Outcome) -> None:
        raise Rejected("stale_revision", "A higher revision was accepted before.", kind=Kind.CONFLICT)

    outcomes = await asyncio.gather(
        warehouse.writer.post(warehouse.receipt("MUG", 1)),
        warehouse.writer.post(warehouse.receipt("CUP", 1), fail),
        warehouse.writer.post(warehouse.receipt("PLATE", 1)),
        return_exceptions=True,
    )

    assert [type(outcome).__name__ for outcome in outcomes] == ["Outcome", "Rejected", "Outcome"]
    assert await warehouse.state("CUP") == {}


async def test_a_pool_whose_first_posting_failed_takes_the_next(warehouse: Warehouse) -> None:
    async def fail(_connection: AsyncConnection, _outcome: Outcome) -> None:
        raise Rejected("stale_revision", "A higher revision was accepted before.")

    with pytest.raises(Rejected):
        await warehouse.writer.post(warehouse.receipt("MUG", 1), fail)

    await warehouse.post(warehouse.receipt("MUG", 1))
    assert (await warehouse.state("MUG"))["A-01"] == (1, 0)


async def test_a_statement_that_fails_in_an_attachment_is_told_as_ours(warehouse: Warehouse) -> None:
    async def break_a_rule(connection: AsyncConnection, outcome: Outcome) -> None:
        again = text("insert into ledger.posting select * from ledger.posting where posting_id = :id")
        await connection.execute(again, {"id": outcome.posting_id})

    outcomes = await asyncio.gather(
        warehouse.writer.post(warehouse.receipt("MUG", 1)),
        warehouse.writer.post(warehouse.receipt("CUP", 1), break_a_rule),
        return_exceptions=True,
    )

    assert isinstance(outcomes[0], Outcome)
    assert isinstance(outcomes[1], InvariantViolated)


class _Listener:
    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def prepare(self, _connection: AsyncConnection, outcomes: Sequence[Outcome]) -> list[str]:
        return [outcome.request.key for outcome in outcomes]

    async def write(self, _connection: AsyncConnection, _outcomes: Sequence[Outcome], prepared: list[str]) -> None:
        self.batches.append(prepared)


async def test_a_hook_hears_once_of_each_batch_and_never_of_a_repeat(engine: AsyncEngine, warehouse: Warehouse) -> None:
    listener = _Listener()
    writer = LedgerWriter(engine, listener)
    requests = [warehouse.receipt("MUG", 1, key=f"GR-{n}") for n in range(3)]

    await asyncio.gather(*map(writer.post, requests))
    await asyncio.gather(*map(writer.post, requests))

    assert listener.batches == [["GR-0", "GR-1", "GR-2"]]


async def test_a_caller_that_gives_up_takes_nothing_back(warehouse: Warehouse) -> None:
    waiting = asyncio.create_task(warehouse.post(warehouse.receipt("MUG", 5)))
    await asyncio.sleep(0)
    waiting.cancel()
    await warehouse.writer.drain()

    assert (await warehouse.state("MUG"))["A-01"] == (5, 0)


async def test_a_database_that_cannot_be_reached_is_unavailable(warehouse: Warehouse) -> None:
    nowhere = create_async_engine("postgresql+psycopg://nobody@/nothing?host=/nonexistent")

    with pytest.raises(Unavailable):
        await LedgerWriter(nowhere).post(warehouse.receipt("MUG", 5))
    await nowhere.dispose()


async def test_a_connection_that_was_cut_is_unavailable_once(warehouse: Warehouse, owner: AsyncEngine) -> None:
    engine = create_async_engine(warehouse.engine.url, pool_size=1, max_overflow=0)
    writer = LedgerWriter(engine)
    async with engine.connect() as connection:
        backend = await connection.scalar(text("select pg_backend_pid()"))
    async with owner.connect() as connection:
        await connection.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": backend})

    with pytest.raises(Unavailable):
        await writer.post(warehouse.receipt("MUG", 5))
    await writer.post(warehouse.receipt("MUG", 5))
    await engine.dispose()


async def test_statements_that_were_deallocated_are_prepared_again(warehouse: Warehouse) -> None:
    engine = create_async_engine(warehouse.engine.url, pool_size=1, max_overflow=0)
    writer = LedgerWriter(engine)
    await writer.post(warehouse.receipt("MUG", 5))
    async with engine.connect() as connection:
        await connection.execute(text("deallocate all"))

    await writer.post(warehouse.receipt("MUG", 5))

    assert (await warehouse.state("MUG"))["A-01"] == (10, 0)
    await engine.dispose()


async def test_an_attachment_that_fails_leaves_no_lock_behind(warehouse: Warehouse) -> None:
    engine = create_async_engine(warehouse.engine.url, pool_size=1, max_overflow=0)
    writer = LedgerWriter(engine)

    async def fail(_connection: AsyncConnection, _outcome: Outcome) -> None:
        raise Rejected("stale_revision", "A higher revision was accepted before.")

    with pytest.raises(Rejected):
        await writer.post(warehouse.receipt("MUG", 5), fail)
    async with asyncio.timeout(5):
        await warehouse.post(warehouse.receipt("MUG", 5))
    await engine.dispose()


async def test_a_savepoint_in_an_attachment_is_its_own(warehouse: Warehouse) -> None:
    async def try_in_vain(connection: AsyncConnection, _outcome: Outcome) -> None:
        with pytest.raises(DBAPIError):
            async with connection.begin_nested():
                await connection.execute(text("select 1 / 0"))

    await warehouse.writer.post(warehouse.receipt("MUG", 5), try_in_vain)

    assert (await warehouse.state("MUG"))["A-01"] == (5, 0)


async def test_a_text_with_a_nul_character_is_refused_and_harms_nobody(warehouse: Warehouse) -> None:
    outcomes = await asyncio.gather(
        warehouse.post(warehouse.receipt("MUG", 1)),
        warehouse.post(warehouse.receipt("CUP", 1, lot="\0'); drop table ledger.lot; --")),
        return_exceptions=True,
    )

    assert isinstance(outcomes[0], Outcome)
    assert isinstance(outcomes[1], InvariantViolated)


async def test_a_database_with_another_isolation_level_changes_nothing(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    strict = create_async_engine(engine.url, connect_args={"options": "-c default_transaction_isolation=serializable"})
    levels: list[str] = []

    async def look(connection: AsyncConnection, _outcome: Outcome) -> None:
        levels.append(str(await connection.scalar(text("show transaction_isolation"))))

    await LedgerWriter(strict).post(warehouse.receipt("MUG", 5), look)
    await strict.dispose()

    assert levels == ["read committed"]


async def test_texts_with_every_kind_of_quote_go_through(warehouse: Warehouse) -> None:
    lot = "a \"quoted\" \\lot's, {with} NULL, None and ünïcödé; -- '"
    await warehouse.post(warehouse.receipt("MUG", 5, Place('B "1"', SITE), lot=lot))

    assert (await warehouse.state("MUG"))[f'B "1"/{lot}'] == (5, 0)


async def test_a_field_with_a_line_feed_is_refused_by_the_database(warehouse: Warehouse) -> None:
    with pytest.raises(InvariantViolated, match="one_line"):
        await warehouse.post(warehouse.receipt("MUG", 5, lot="two\nlines"))


@pytest.mark.parametrize("quantity", [0, -1])
def test_no_request_moves_stock_backwards(warehouse: Warehouse, quantity: int) -> None:
    with pytest.raises(InvariantViolated):
        warehouse.receipt("MUG", quantity)


def test_a_digest_is_over_what_was_asked(warehouse: Warehouse) -> None:
    request = warehouse.pick("SO-1", 1, "MUG", 2, key="P-1")
    berlin = datetime(2026, 11, 20, 10, tzinfo=timezone(timedelta(hours=1)))
    same = [
        replace(request, actor="another"),
        replace(request, staging=()),
        replace(request, evidence=Evidence.CONFIRMED),
    ]
    other = [
        replace(request, short=True),
        replace(request, lines=()),
        replace(request, lines=(PickedLine(1, "MUG", SITE, 3),)),
        replace(request, occurred_at=berlin),
    ]

    assert {r.digest() for r in same} == {request.digest()}
    assert len({r.digest() for r in other} | {request.digest()}) == 5
    assert replace(request, occurred_at=berlin.astimezone(UTC)).digest() == other[3].digest()
