"""Checkpoints: what they cover, who may sign them, and what a superuser without the key cannot hide from them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.errors import InvariantViolated
from ledger.proving.checkpoint_verification import CheckpointReport, verify_checkpoints
from ledger.proving.checkpoints import Checkpoint, Head, newest_checkpoint, read_checkpoints, take_checkpoint
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from runtime.settings import sqlalchemy_url
from tests.ledger.copies import OURS, THEIRS, Copy, copied, database_of_its_own
from tests.ledger.warehouse import Warehouse

PAGE = Path(__file__).parents[3] / "docs/canonical-form.md"
TENANT = "acme"
PLATES = Warehouse.stream(Warehouse(None, None, TENANT), "PLATE").stream_id  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(database: BackingServices) -> AsyncIterator[str]:
    """A ledger with three checkpoints; nobody is connected to it."""
    async with database_of_its_own(database) as (name, engine):
        warehouse = Warehouse(LedgerWriter(engine), engine, TENANT)
        for requests in (
            (warehouse.receipt("MUG", 20), warehouse.order("SO-1", (1, "MUG", 8)), warehouse.receipt("CUP", 1)),
            (warehouse.order("SO-1", (1, "MUG", 6)), warehouse.order("SO-3", (1, "JUG", 4))),
            (warehouse.receipt("PLATE", 5), warehouse.order("SO-4", (1, "PLATE", 2))),
        ):
            for request in requests:
                await warehouse.post(request)
            assert await take_checkpoint(engine, OURS)
        await engine.dispose()
        yield name


@pytest.fixture
def copy(database: BackingServices, story: str) -> Iterator[Copy]:
    with copied(database, story) as copy:
        yield copy


@pytest_asyncio.fixture
async def engine(copy: Copy) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(copy.url), pool_size=10)
    yield engine
    await engine.dispose()


@pytest.fixture
def warehouse(engine: AsyncEngine) -> Warehouse:
    return Warehouse(LedgerWriter(engine), engine, TENANT, number=1000)


def checked(copy: Copy, known: Head | None = None) -> CheckpointReport:
    return verify_checkpoints(copy.url, {OURS.public_key}, known)


def words(report: CheckpointReport) -> str:
    return "\n".join(map(str, report.findings))


# -- taking ----------------------------------------------------------------------------------------------------------


def test_an_untouched_ledger_is_clean(copy: Copy) -> None:
    report = checked(copy)

    assert report.findings == []
    assert str(report).startswith("checkpoints verified: 3 checkpoints, up to ")
    assert str(report).endswith(f"signed with key {report.newest.key_id}")  # type: ignore[union-attr]
    assert copy.rows("select number, tails, postings from ledger.checkpoint order by 1") == [
        (1, 4, 0),
        (2, 1, 1),
        (3, 2, 0),
    ]


async def test_where_nothing_changed_no_checkpoint_is_taken(engine: AsyncEngine) -> None:
    assert await take_checkpoint(engine, OURS) is None


async def test_a_stream_that_changed_again_is_covered_again(warehouse: Warehouse, engine: AsyncEngine) -> None:
    await warehouse.post(warehouse.receipt("PLATE", 1))

    taken = await take_checkpoint(engine, OURS)

    assert taken is not None
    assert (taken.number, taken.tails) == (4, 2)


async def test_two_at_once_are_taken_one_after_the_other(warehouse: Warehouse, engine: AsyncEngine, copy: Copy) -> None:
    await warehouse.post(warehouse.receipt("PLATE", 1))

    taken = await asyncio.gather(*(take_checkpoint(engine, OURS) for _ in range(4)))

    assert [one.number for one in taken if one] == [4]
    assert checked(copy).findings == []


async def test_what_is_recorded_while_checkpoints_are_taken_is_covered_exactly_once(
    warehouse: Warehouse, engine: AsyncEngine, copy: Copy
) -> None:
    others = Warehouse(LedgerWriter(engine), engine, TENANT, number=5000)
    await warehouse.post(warehouse.receipt("SPOON", 500))
    working = True

    async def write(who: Warehouse, name: str) -> None:
        for n in range(150):
            await who.post(who.order(f"{name}-{n}", (1, "SPOON", 1)))
            await who.post(who.order(f"{name}-{n}-waits", (1, f"NONE-{n}", 1)))
            await who.post(who.receipt(f"{name}-{n}", 1))

    async def sign() -> int:
        taken = 0
        while working:
            taken += bool(await take_checkpoint(engine, OURS))
        return taken

    signing = asyncio.create_task(sign())
    await asyncio.gather(*(write(who, name) for who, name in ((warehouse, "A"), (others, "B"), (others, "C"))))
    working = False
    taken = await signing
    await take_checkpoint(engine, OURS)

    assert taken > 5
    by_time = """
        with span as (select number, lag(covers_until, 1, '-infinity') over (order by number) as since,
                             covers_until as until from ledger.checkpoint)
    """
    tails = copy.rows(
        f"""{by_time} select number, stream_id, max(seq) from span
            join ledger.entry on recorded_at > since and recorded_at <= until group by 1, 2 order by 1, 2"""
    )
    postings = copy.rows(
        f"""{by_time} select number, posting_id from span
            join ledger.posting p on recorded_at > since and recorded_at <= until
            where not exists (select from ledger.entry e where e.posting_id = p.posting_id) order by 1, 2"""
    )
    assert tails == copy.rows("select number, stream_id, seq from ledger.checkpoint_tail order by 1, 2")
    assert postings == copy.rows("select number, posting_id from ledger.checkpoint_posting order by 1, 2")
    assert len(postings) == 1 + 3 * 150
    assert copy.rows(
        "select count(*) from ledger.entry where recorded_at > (select max(covers_until) from ledger.checkpoint)"
    ) == [(0,)]
    assert checked(copy).findings == []


async def test_what_came_a_little_late_is_covered_by_the_next(
    warehouse: Warehouse, engine: AsyncEngine, copy: Copy
) -> None:
    await warehouse.post(warehouse.receipt("FORK", 1))
    await warehouse.post(warehouse.order("SO-9", (1, "NONE", 1)))
    await _write_back(copy, "3 seconds")
    assert {"put in later"} == {"put in later" for f in checked(copy).findings if "put in later" in f.words}

    assert await take_checkpoint(engine, OURS)

    assert checked(copy).findings == []


async def test_after_the_clock_was_set_back_a_look_from_the_start_finds_the_rest(
    warehouse: Warehouse, engine: AsyncEngine, copy: Copy
) -> None:
    await warehouse.post(warehouse.receipt("FORK", 1))
    await warehouse.post(warehouse.order("SO-9", (1, "NONE", 1)))
    await _write_back(copy, "3 hours")
    assert await take_checkpoint(engine, OURS) is None
    assert len(checked(copy).findings) == 3

    taken = await take_checkpoint(engine, OURS, from_the_start=True)

    assert taken is not None
    assert (taken.tails, taken.postings) == (2, 1)
    assert checked(copy).findings == []


async def _write_back(copy: Copy, ago: str) -> None:
    """Have what no checkpoint covers be recorded before the newest checkpoint, as if the clock had been set back."""
    late = f"(select max(covers_until) from ledger.checkpoint) - interval '{ago}'"
    newer = "recorded_at > (select max(covers_until) from ledger.checkpoint)"
    streams = copy.rows(f"select stream_id from ledger.entry where {newer}")
    copy.damage(
        f"update ledger.entry set recorded_at = {late} where {newer}",
        f"update ledger.posting set recorded_at = {late} where {newer}",
    )
    for (stream_id,) in streams:
        copy.hash_anew(stream_id)


# -- keys ------------------------------------------------------------------------------------------------------------


async def test_a_new_key_vouches_for_what_the_old_one_signed(engine: AsyncEngine, copy: Copy) -> None:
    taken = await take_checkpoint(engine, THEIRS, {OURS.public_key})

    assert taken is not None
    assert (taken.number, taken.tails, taken.postings) == (4, 0, 0)
    assert verify_checkpoints(copy.url, {THEIRS.public_key}).findings == []


async def test_a_key_does_not_follow_one_that_it_does_not_trust(engine: AsyncEngine) -> None:
    with pytest.raises(InvariantViolated, match="not a key that is trusted"):
        await take_checkpoint(engine, THEIRS)


async def test_a_checkpoint_is_not_put_on_one_that_was_changed(engine: AsyncEngine, copy: Copy) -> None:
    copy.damage("update ledger.checkpoint set tails = 9 where number = 3")

    with pytest.raises(InvariantViolated, match="somebody made or changed it"):
        await take_checkpoint(engine, OURS)


def test_a_newest_checkpoint_of_another_key_is_found(copy: Copy) -> None:
    report = verify_checkpoints(copy.url, {THEIRS.public_key})

    assert [str(finding) for finding in report.findings] == [
        f"I6: the ledger: the newest {report.newest}, which is not a key that is trusted here"
    ]


def test_checkpoints_that_were_all_signed_again_with_another_key_are_found(copy: Copy) -> None:
    copy.sign_again(THEIRS)

    assert verify_checkpoints(copy.url).findings == []  # they agree with each other: only a key from outside tells
    assert "not a key that is trusted" in words(checked(copy))


# -- tampering -------------------------------------------------------------------------------------------------------


def test_the_end_of_a_stream_that_was_cut_off_is_found(copy: Copy) -> None:
    ((posting_id,),) = copy.rows(f"select posting_id from ledger.entry where stream_id = '{PLATES}' and seq = 2")
    copy.damage(
        f"delete from ledger.entry where posting_id = '{posting_id}'",
        f"delete from ledger.posting where posting_id = '{posting_id}'",
        "delete from ledger.order_line where order_ref = 'SO-4'",
    )
    assert verify(copy.url).findings == []  # what is left agrees with itself

    (finding,) = checked(copy).findings

    assert (finding.stream_id, finding.seq) == (PLATES, 2)
    assert "it is gone: checkpoint 3 covers it" in finding.words


def test_a_stream_that_was_rewritten_with_all_its_hashes_is_found(copy: Copy) -> None:
    (supplied,) = {
        stream_id
        for (stream_id,) in copy.rows("select stream_id from ledger.stream where sku = 'PLATE'")
        if stream_id != PLATES
    }
    copy.damage(
        f"update ledger.entry set on_hand_delta = 7 where stream_id = '{PLATES}' and seq = 1",
        f"update ledger.entry set on_hand = 7 where stream_id = '{PLATES}'",
        f"update ledger.entry set on_hand_delta = -7, on_hand = -7 where stream_id = '{supplied}'",
    )
    copy.hash_anew(PLATES)
    copy.hash_anew(supplied)
    assert verify(copy.url).findings == []

    places = {(finding.stream_id, finding.seq): finding.words for finding in checked(copy).findings}

    assert set(places) == {(PLATES, 2), (supplied, 1)}
    assert all("checkpoint 3 covers it as it was" in found for found in places.values())


@pytest.mark.parametrize(
    "change",
    [
        "root = sha256('x')",
        "tails = tails + 1",
        "postings = postings + 1",
        "covers_until = covers_until - interval '1 us'",
        "previous_hash = sha256('x')",
        f"public_key = '\\x{THEIRS.public_key.hex()}'",
        "signature = sha256('x') || sha256('y')",
        "hash = sha256('x')",
    ],
)
def test_a_changed_checkpoint_is_found(copy: Copy, change: str) -> None:
    copy.damage(f"update ledger.checkpoint set {change} where number = 2")

    assert "checkpoint 2" in words(checked(copy))


def test_a_checkpoint_that_was_signed_twice_does_not_fit_the_next(copy: Copy) -> None:
    copy.damage("update ledger.checkpoint set covers_until = covers_until - interval '1 us' where number = 2")
    copy.sign_again(OURS, only=2)

    assert "checkpoint 3 does not follow from the one before" in words(checked(copy))


@pytest.mark.parametrize(
    "change",
    [
        "delete from ledger.checkpoint_tail where number = 2",
        "update ledger.checkpoint_tail set seq = seq + 1 where number = 2",
        "update ledger.checkpoint_tail set hash = sha256('x') where number = 2",
        "update ledger.checkpoint_posting set digest = sha256('x') where number = 2",
        "delete from ledger.checkpoint_posting where number = 2",
    ],
)
def test_a_changed_leaf_is_found(copy: Copy, change: str) -> None:
    copy.damage(change)

    assert "checkpoint 2 has another root" in words(checked(copy))


def test_a_checkpoint_that_is_gone_from_the_middle_is_found(copy: Copy) -> None:
    copy.damage("delete from ledger.checkpoint where number = 2")

    assert "checkpoint 2 is gone" in words(checked(copy))


def test_a_newest_checkpoint_that_is_gone_is_found_by_what_it_covered(copy: Copy) -> None:
    copy.damage("delete from ledger.checkpoint where number = 3")

    assert "checkpoint 3 is gone: only what it covers is left" in words(checked(copy))


def test_a_newest_checkpoint_that_is_gone_without_a_trace_is_missed_by_who_remembers_it(copy: Copy) -> None:
    newest = checked(copy).newest
    assert newest is not None
    head = Head(newest.number, newest.hash)
    assert checked(copy, head).findings == []
    copy.damage(
        "delete from ledger.checkpoint where number = 3",
        "delete from ledger.checkpoint_tail where number = 3",
        f"delete from ledger.entry where stream_id = '{PLATES}'",
    )

    assert checked(copy).findings == []
    assert "checkpoint 3" in words(checked(copy, head))


@pytest.mark.parametrize(("damage", "found"), [("delete from", "it is gone"), ("update", "it was changed")])
def test_a_posting_without_entries_that_was_deleted_or_changed_is_found(copy: Copy, damage: str, found: str) -> None:
    ((posting_id,),) = copy.rows("select posting_id from ledger.checkpoint_posting")
    change = "set actor = 'nobody'" if damage == "update" else ""
    copy.damage(f"{damage} ledger.posting {change} where posting_id = '{posting_id}'")

    (finding,) = checked(copy).findings

    assert finding.posting_id == posting_id
    assert finding.words == f"{found}, though checkpoint 2 covers it"


async def test_what_was_put_in_later_for_an_earlier_time_is_found(warehouse: Warehouse, copy: Copy) -> None:
    await warehouse.post(warehouse.receipt("FORK", 1))
    await _write_back(copy, "1 day")
    assert verify(copy.url).findings == []

    findings = checked(copy).findings

    forks: set[UUID] = {row[0] for row in copy.rows("select stream_id from ledger.stream where sku = 'FORK'")}
    assert {(finding.stream_id, finding.seq) for finding in findings} == {(stream_id, 1) for stream_id in forks}


# -- who may write ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["checkpoint", "checkpoint_tail", "checkpoint_posting"])
@pytest.mark.parametrize(
    "change", ["update ledger.{} set number = 9", "delete from ledger.{}", "truncate ledger.{} cascade"]
)
async def test_not_even_the_owner_changes_a_checkpoint(engine: AsyncEngine, table: str, change: str) -> None:
    async with engine.connect() as connection:
        with pytest.raises(Exception, match="append-only"):
            await connection.execute(text(change.format(table)))


async def test_the_newest_and_those_of_a_number_are_read(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        newest = await newest_checkpoint(connection)
        assert newest is not None
        assert await read_checkpoints(connection, [newest.number]) == [newest]


# -- the page --------------------------------------------------------------------------------------------------------


def _page_says(copy: Copy, number: int) -> list[tuple[Any, ...]]:
    _, query = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [row[2:] for row in copy.rows(query.replace(":'number'", str(number)))]


def test_the_pages_query_finds_that_every_checkpoint_fits(copy: Copy) -> None:
    with psycopg.connect(copy.url) as connection:  # a checkpoint without leaves, as after a change of key
        last = connection.execute("select max(hash) from ledger.checkpoint where number = 3").fetchone()
        assert last is not None
        until = datetime(2026, 1, 1, tzinfo=UTC)
        empty = Checkpoint(4, until, last[0], sha256().digest(), 0, 0, OURS.public_key, OURS.public_key * 2)
        values = [*vars(empty).values(), empty.hash]
        connection.execute("insert into ledger.checkpoint values (%s, %s, %s, %s, %s, %s, %s, %s, %s)", values)

    assert [_page_says(copy, number) for number in (1, 2, 3, 4)] == [[(True, True)]] * 4


def test_the_pages_query_finds_damage(copy: Copy) -> None:
    copy.damage(
        "update ledger.checkpoint_tail set seq = seq + 100 where number = 1",
        "update ledger.checkpoint set covers_until = covers_until - interval '1 us' where number = 2",
    )

    assert [_page_says(copy, number) for number in (1, 2)] == [[(False, True)], [(True, False)]]
