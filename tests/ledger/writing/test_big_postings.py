"""A posting of twice as many serial numbers is twice the work, not four times: counted, in Python and in PostgreSQL."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import pytest
import pytest_asyncio
from psycopg import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from domain.messages import OrderId
from ledger.proving.checkpoints import take_checkpoint
from ledger.reads.balances import order_postings
from ledger.requests import BlockLot, Request
from ledger.verifying import verification_queries as queries
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from runtime.settings import sqlalchemy_url
from tests.ledger.copies import OURS, copied, database_of_its_own, named
from tests.ledger.warehouse import SITE, Warehouse

FEW: Final = 200
LINEAR: Final = 2.6
"""How many times the work may be, for twice as many serial numbers: what does not depend on them makes it less."""

ANSWERS_READ: Final = """
select coalesce(toast_blks_hit + toast_blks_read, 0) from pg_statio_user_tables
where schemaname = 'ledger' and relname = 'posting'
"""

TAILS_READ: Final = """
select heap_blks_hit + heap_blks_read from pg_statio_user_tables where relname = 'checkpoint_tail'
"""

# Counts how much text is searched, in place of PostgreSQL's own functions.
COUNTING: Final = """
create schema counting;
create function counting.note(octets bigint) returns void language sql as $$
  select set_config('counting.octets', (coalesce(nullif(current_setting('counting.octets', true), ''), '0')::bigint
                                        + octets)::text, false)
$$;
create function counting.strpos(said text, part text) returns integer language plpgsql as $$
begin perform counting.note(octet_length(said)); return pg_catalog.strpos(said, part); end $$;
create function counting.split_part(said text, at text, field integer) returns text language plpgsql as $$
begin perform counting.note(octet_length(said)); return pg_catalog.split_part(said, at, field); end $$;
create function counting.sha256(said bytea) returns bytea language plpgsql as $$
begin perform counting.note(octet_length(said)); return pg_catalog.sha256(said); end $$;
"""


@dataclass
class Told:
    """What it took to tell a story with so many serial numbers."""

    name: str
    calls: dict[str, int] = field(default_factory=dict)
    answers_read: int = 0

    @contextmanager
    def counting(self, what: str) -> Iterator[None]:
        profile = cProfile.Profile()
        with profile:
            yield
        self.calls[what] = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(database: BackingServices) -> AsyncIterator[tuple[Told, Told]]:
    yield await _tell(database, FEW), await _tell(database, 2 * FEW)


async def _tell(database: BackingServices, many: int) -> Told:
    async with database_of_its_own(database) as (name, engine):
        warehouse, done = Warehouse(LedgerWriter(engine), engine, "acme"), Told(name)
        await warehouse.post(warehouse.receipt("MUG", 1))
        for what, request in _story(warehouse, many):
            with done.counting(what):
                await warehouse.post(request)
    with psycopg.connect(named(database.database_admin_url, name)) as connection:
        done.answers_read = _one(connection, ANSWERS_READ)
    return done


def _story(warehouse: Warehouse, many: int) -> Iterator[tuple[str, Request]]:
    serials = tuple(f"S-{number:06}" for number in range(many))
    phones, waits = (1, "PHONE", many), (2, "CUP", 3)
    yield "receive", warehouse.receipt("PHONE", many, lot="L1", serials=serials)
    yield "reserve", warehouse.order("SO-1", phones, waits)
    yield "amend", warehouse.order("SO-1", (1, "PHONE", many // 2), waits)
    yield "cancel", warehouse.cancel("SO-1", (1, "PHONE", many // 2), (2, "CUP", 3))
    yield "reserve again", warehouse.order("SO-2", phones)
    yield "pick", warehouse.pick("SO-2", 1, "PHONE", many, serials=serials)
    yield "issue", warehouse.issue("SO-2", "SH-1", phones, serials=serials)
    yield "deliver", warehouse.deliver("SO-2", "SH-1", phones, serials=serials)
    yield "return", warehouse.give_back("SO-2", 1, "PHONE", many, serials=serials)
    others = tuple(f"T-{number:06}" for number in range(many))
    yield "receive others", warehouse.receipt("PHONE", many, lot="L2", serials=others)
    yield "reserve others", warehouse.order("SO-3", phones)
    block = {"sku": "PHONE", "lot": "L2", "block_no": "B-1", "cause": "recall", "sites": (SITE,)}
    yield "block", BlockLot(tenant="acme", key="block/B-1", actor="test", **block)  # type: ignore[arg-type]


def test_twice_as_many_serial_numbers_are_decided_with_twice_the_work(told: tuple[Told, Told]) -> None:
    few, many = told

    grew = {what: many.calls[what] / calls for what, calls in few.calls.items()}

    assert {what: ratio for what, ratio in grew.items() if ratio > LINEAR} == {}


def test_the_trigger_reads_the_answer_of_a_posting_once(told: tuple[Told, Told]) -> None:
    few, many = told

    assert 0 < many.answers_read <= LINEAR * few.answers_read


async def test_an_order_of_twice_as_many_is_told_with_twice_the_work(
    database: BackingServices, told: tuple[Told, Told]
) -> None:
    read = []
    for story in told:
        engine = create_async_engine(sqlalchemy_url(named(database.database_url, story.name)))
        async with engine.connect() as connection:
            assert await order_postings(connection, OrderId(tenant="acme", order_ref="SO-2"))
        await engine.dispose()
        with psycopg.connect(named(database.database_admin_url, story.name)) as connection:
            read.append(_one(connection, ANSWERS_READ) - story.answers_read)

    assert 0 < read[1] <= LINEAR * read[0]


async def test_the_first_checkpoint_reads_a_few_pages_for_each_stream(
    database: BackingServices, told: tuple[Told, Told]
) -> None:
    name = told[0].name
    with psycopg.connect(named(database.database_admin_url, name), autocommit=True) as connection:
        connection.execute("vacuum (analyze) ledger.checkpoint_tail")  # it is known to be empty: why use an index?
    engine = create_async_engine(sqlalchemy_url(named(database.database_url, name)))
    checkpoint = await take_checkpoint(engine, OURS)
    await engine.dispose()
    with psycopg.connect(named(database.database_admin_url, name)) as connection:
        read = _one(connection, TAILS_READ)

    assert checkpoint is not None
    assert FEW < read <= 6 * checkpoint.tails


def test_a_posting_of_twice_as_many_is_verified_with_twice_the_work(
    database: BackingServices, told: tuple[Told, Told]
) -> None:
    searched = []
    for story in told:
        with copied(database, story.name) as copy, psycopg.connect(copy.url) as connection:
            connection.execute(COUNTING)
            searched.append(_octets_looked_at(connection))

    assert searched[1] <= LINEAR * searched[0]


@pytest.mark.parametrize("damage", ["actor = 'somebody'", "answer = replace(answer, '[[', '[[ ')"])
def test_a_big_posting_that_was_changed_is_found_with_twice_the_work_for_twice_as_many(
    database: BackingServices, told: tuple[Told, Told], damage: str
) -> None:
    searched = []
    for story in told:
        with copied(database, story.name) as copy:
            copy.damage(f"update ledger.posting set {damage} where reason = 'goods_issue'")
            findings = verify(copy.url).findings
            with psycopg.connect(copy.url) as connection:
                connection.execute(COUNTING)
                searched.append(_octets_looked_at(connection))

        assert {"I6"} <= {finding.rule for finding in findings}
        assert len(findings) >= FEW

    assert searched[1] <= LINEAR * searched[0]


def _octets_looked_at(connection: Connection) -> int:
    """Ask what `verify` asks of all postings, and count the text that is searched and hashed for it."""
    connection.execute("set search_path = counting, pg_catalog")
    connection.execute("set enable_nestloop = off")
    asked = {"low": "00000000-0000-0000-0000-000000000000", "high": None}
    row = connection.execute(queries.FIRST_LOOK, asked).fetchone()
    assert row is not None
    _, _, streams, seqs, postings = row
    looked = connection.execute(queries.SUSPECT_POSTINGS, {"postings": postings}).fetchone()
    assert looked is not None
    suspect, mixed = looked
    connection.execute("set enable_nestloop = on")
    if streams is not None:
        connection.execute(queries.CHAINS, {"streams": streams, "seqs": seqs})
    connection.execute(queries.CONSERVATION, {"postings": mixed})
    for query in (queries.CONSERVATION, queries.ANSWERS, queries.AMENDMENTS, queries.LETS_GO):
        connection.execute(query, {"postings": suspect})
    return int(_one(connection, "select current_setting('counting.octets')"))


def _one(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0]
