"""How PostgreSQL finds what the writer asks for."""

from __future__ import annotations

import asyncio

import psycopg

from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.copies import database_of_its_own, named
from tests.ledger.warehouse import Warehouse

ORDERS = 500

# Counts the rows of tables that were read from end to end.
READ_FROM_END_TO_END = "select coalesce(sum(seq_tup_read), 0) from pg_stat_user_tables where schemaname = 'ledger'"


async def test_a_writer_that_began_in_an_empty_ledger_looks_up_by_key_when_it_is_full(
    database: BackingServices,
) -> None:
    async with database_of_its_own(database) as (name, engine):
        await _fill(Warehouse(LedgerWriter(engine), engine, "acme"))

    with psycopg.connect(named(database.database_admin_url, name)) as connection:
        row = connection.execute(READ_FROM_END_TO_END).fetchone()
    assert row is not None
    assert row[0] < ORDERS


async def _fill(warehouse: Warehouse) -> None:
    """Carry one order through, then many at once."""

    async def live(name: str) -> None:
        for quantity in (2, 1, 3):
            await warehouse.post(warehouse.order(name, (1, "MUG", quantity)))
        await warehouse.post(warehouse.pick(name, 1, "MUG", 3))
        await warehouse.post(warehouse.issue(name, f"SH-{name}", (1, "MUG", 3)))

    await warehouse.post(warehouse.receipt("MUG", 3))
    await live("SO-FIRST")
    await warehouse.post(warehouse.receipt("MUG", 4 * ORDERS))
    await asyncio.gather(*(live(f"SO-{number}") for number in range(ORDERS)))
