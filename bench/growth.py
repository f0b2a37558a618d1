"""A ledger that has grown: balances now and then, verification, and the write rate beside that of an empty one."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from bench import ledger
from bench.bulk import Growth, grow, planned
from bench.report import Load, Report, console, in_turn
from bench.spending import postgresql_seconds
from ledger.reads.balance_selection import page_of_balances
from ledger.reads.balances import BalanceQuery
from ledger.verifying.verification import cores, verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices, backing_services

ENTRIES: Final = 500_000
CLIENTS: Final = 32
READS: Final = 2000


async def run(report: Report, folder: Path, entries: int, seconds: float) -> None:
    """Load a ledger of so many entries, and measure what its size may slow down."""
    async with AsyncExitStack() as stack:
        grown, empty = [
            await stack.enter_async_context(backing_services(folder / name, temporal=False))
            for name in ("grown", "empty")
        ]
        growth = planned(entries)
        await asyncio.to_thread(_load, report, grown, growth)
        await asyncio.to_thread(_read, report, grown, growth)
        await asyncio.to_thread(_verify, report, grown)
        await _write(report, grown, empty, seconds)


def _load(report: Report, services: BackingServices, growth: Growth) -> None:
    began = time.perf_counter()
    entries = grow(services.database_admin_url, growth, cores())
    report.add_rate("grow", entries / (time.perf_counter() - began), cores(), entries=entries)
    _settle(services)


def _settle(services: BackingServices) -> None:
    """Do what autovacuum and the checkpointer do in a minute of life, so that they don't do it while we measure."""
    with psycopg.connect(services.database_admin_url, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")


def _read(report: Report, services: BackingServices, growth: Growth) -> None:
    """Read balances of any sku, now and as of any instant, by the statement of `balances`: time in the database."""
    dice = random.Random(7)
    instants: dict[str, Callable[[], datetime | None]] = {
        "balance_now_in_database": lambda: None,
        "balance_as_of_in_database": lambda: growth.at(dice.random()),
    }
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        for name, instant in instants.items():
            asked = _Prepared(connection, BalanceQuery(tenant=ledger.TENANT, sku=ledger.HOT, as_of=instant()))
            for _ in range(READS // 10):
                asked.time(sku=dice.choice(growth.skus), as_of=instant())
            took = sorted(asked.time(sku=dice.choice(growth.skus), as_of=instant()) for _ in range(READS))
            at = [took[READS // 2], took[int(READS * 0.99)]]
            report.add(name, Load(1, 1000 * READS / sum(took), *at))


class _Prepared:
    """The statement of a query, prepared as the driver does it after a few times, and timed by PostgreSQL itself."""

    def __init__(self, connection: psycopg.Connection, query: BalanceQuery) -> None:
        self._connection = connection
        statement, self._given = page_of_balances(query, None)
        self._names = list(self._given)
        numbered = re.sub(r"(?<!:):(\w+)", lambda found: f"${self._names.index(found[1]) + 1}", statement.text)
        connection.execute("deallocate all")
        connection.execute(f"prepare asked as {numbered}")

    def time(self, **given: Any) -> float:
        """Return how many milliseconds the statement takes, with its planning where it is planned again."""
        values = {**self._given, **given}
        execute = sql.SQL("explain (analyze, timing off, format json) execute asked ({})").format(
            sql.SQL(", ").join(sql.Literal(values[name]) for name in self._names)
        )
        row = self._connection.execute(execute).fetchone()
        told = row[0][0] if row and not isinstance(row[0], str) else json.loads(row[0] if row else "[{}]")[0]
        return float(told["Planning Time"]) + float(told["Execution Time"])


def _verify(report: Report, services: BackingServices) -> None:
    before = _spent(services)
    verified = verify(services.database_url)
    spent = _spent(services) - before
    console.print(str(verified), highlight=False)
    if verified.findings:
        raise RuntimeError(str(verified.findings[0]))
    report.add_rate(
        "verify_grown",
        verified.rate,
        cores(),
        rate_a_core=round(verified.entries / spent),
        cpu_us_an_entry=round(spent / verified.entries * 1e6, 2),
        entries=verified.entries,
    )


def _spent(services: BackingServices) -> float:
    """Return the processor time of PostgreSQL and of this process."""
    return time.process_time() + postgresql_seconds(services)


async def _write(report: Report, grown: BackingServices, empty: BackingServices, seconds: float) -> None:
    """Reserve one unit for a new order, on one hot sku and spread, in the grown ledger and in an empty one in turn."""
    async with ledger.writer_to(grown.database_url) as ours, ledger.writer_to(empty.database_url) as others:
        await ledger.stock_up(others)
        number, dice = count(), random.Random(7)
        for name, skus in (("reserve_hot_grown", [ledger.HOT]), ("reserve_spread_grown", ledger.SKUS)):

            def asking(writer: LedgerWriter, skus: list[str] = skus) -> Callable[[int], Any]:
                return lambda *_: writer.post(ledger.order(f"SO-{next(number)}", 1, dice.choice(skus)))

            # What is written to first after a checkpoint goes to the log as a whole page.
            await in_turn([asking(ours), asking(others)], CLIENTS, seconds / 4, rounds=1)
            of_grown, of_empty = await in_turn([asking(ours), asking(others)], CLIENTS, seconds)
            report.add(name, of_grown, of_empty, beside="an empty ledger")
