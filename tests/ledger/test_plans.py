"""How PostgreSQL finds what the writer asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest_asyncio
from psycopg import sql
from sqlalchemy.ext.asyncio import create_async_engine

from stockbridge.ledger.writer import LedgerWriter
from stockbridge.runtime.migrating import migrate
from stockbridge.runtime.services import BackingServices
from stockbridge.runtime.settings import sqlalchemy_url

from .warehouse import Warehouse

ORDERS = 500

# Counts the rows of tables that were read from end to end.
READ_FROM_END_TO_END = "select coalesce(sum(seq_tup_read), 0) from pg_stat_user_tables where schemaname = 'ledger'"


@pytest_asyncio.fixture(loop_scope="session")
async def empty_ledger(database: BackingServices) -> AsyncIterator[str]:
    """The address of a database of the test's own, with nothing in it."""
    name = f"empty_{uuid4().hex[:8]}"
    with psycopg.connect(database.database_admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = urlunsplit(urlsplit(database.database_admin_url)._replace(path=f"/{name}"))
    migrate(url)
    yield url


async def test_a_writer_that_began_in_an_empty_ledger_looks_up_by_key_when_it_is_full(empty_ledger: str) -> None:
    engine = create_async_engine(sqlalchemy_url(empty_ledger))
    warehouse = Warehouse(LedgerWriter(engine), engine, "acme")

    async def live(name: str) -> None:
        for quantity in (2, 1, 3):
            await warehouse.post(warehouse.order(name, (1, "MUG", quantity)))
        await warehouse.post(warehouse.pick(name, 1, "MUG", 3))
        await warehouse.post(warehouse.issue(name, f"SH-{name}", (1, "MUG", 3)))

    await warehouse.post(warehouse.receipt("MUG", 3))
    await live("SO-FIRST")
    await warehouse.post(warehouse.receipt("MUG", 4 * ORDERS))
    await asyncio.gather(*(live(f"SO-{number}") for number in range(ORDERS)))
    await engine.dispose()

    with psycopg.connect(empty_ledger) as connection:
        row = connection.execute(READ_FROM_END_TO_END).fetchone()
    assert row is not None
    assert row[0] < ORDERS
