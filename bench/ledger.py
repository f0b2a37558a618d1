"""The ledger: reservations beside the usual design, amendments, verification, balances."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.report import Ask, Load, Report, console, in_turn, load
from bench.spending import where_time_goes
from bench.usual import SCHEMA, Usual
from domain.errors import Rejected
from domain.stock import Place
from ledger.reads.balances import BalanceQuery, balances
from ledger.requests import AmendOrder, Demand, ReceivedLine, ReceiveStock
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from runtime.migrating import migrate
from runtime.settings import sqlalchemy_url

CLIENTS = (1, 32, 256)
CROWD = 1024
SECONDS = 5.0
POOL_SIZE = 20
ORDERS = 16 * max(CLIENTS)
SERIALS = 10_000
SITE = "HAM"
TENANT = "bench"
HOT = "HOT"
SKUS = [f"SKU-{number:04}" for number in range(1000)]


@dataclass
class Bench:
    """The connections, the writer, and numbers that were not used before."""

    engine: AsyncEngine
    writer: LedgerWriter
    usual: Usual
    report: Report
    number: count[int] = field(default_factory=count)
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    async def reserve(self, sku: str) -> None:
        await self.writer.post(order(f"SO-{next(self.number)}", 1, sku))

    async def reserve_as_usual(self, sku: str) -> None:
        await self.usual.reserve(f"SO-{next(self.number)}", sku)

    async def reserve_lean(self, sku: str) -> None:
        await self.usual.reserve_lean(f"SO-{next(self.number)}", sku)


def order(order_ref: str, revision: int, sku: str, quantity: int = 1) -> AmendOrder:
    """Make a revision of an order with one line."""
    return AmendOrder(
        tenant=TENANT,
        key=f"order/{order_ref}/{revision}",
        actor="bench",
        order_ref=order_ref,
        priority=0,
        shortage_policy="backorder",
        lines=(Demand(1, sku, SITE, quantity, "EA"),),
        former=() if revision == 1 else ((SITE, sku),),
    )


async def run(report: Report, services: BackingServices, seconds: float = SECONDS) -> None:
    """Measure everything about the ledger."""
    owner = create_async_engine(sqlalchemy_url(services.database_admin_url))
    async with owner.begin() as connection:
        await connection.execute(text(f"create schema if not exists {SCHEMA}"))
        await connection.execute(text(f"grant all on schema {SCHEMA} to stockbridge_app"))
    await owner.dispose()
    engine = create_async_engine(sqlalchemy_url(services.database_url), pool_size=POOL_SIZE, max_overflow=0)
    usual = Usual(sqlalchemy_url(services.database_url), engine)
    usual.prepare([HOT, *SKUS])
    bench = Bench(engine, LedgerWriter(engine), usual, report)
    await stock_up(bench.writer)
    gc.collect()
    gc.freeze()
    await reservations(bench, seconds)
    await refusals(bench, seconds)
    await where_time_goes(report, services, "reserve_hot_time", lambda _: bench.reserve(HOT), seconds)
    await amendments(bench, seconds)
    await reads(bench, seconds)
    usual.close()
    await engine.dispose()
    usually = (await asyncio.to_thread(_verified, services)).rate
    report.add_rate("verify", usually)
    await big_posting(report, services, usually)


@asynccontextmanager
async def writer_to(url: str) -> AsyncIterator[LedgerWriter]:
    """Yield a writer with connections of its own."""
    engine = create_async_engine(sqlalchemy_url(url), pool_size=POOL_SIZE, max_overflow=0)
    try:
        yield LedgerWriter(engine)
    finally:
        await engine.dispose()


async def stock_up(writer: LedgerWriter) -> None:
    """Receive plenty of every sku."""
    await asyncio.gather(
        *(
            writer.post(
                ReceiveStock(
                    tenant=TENANT,
                    key=f"receipt/{sku}",
                    actor="bench",
                    place=Place("A-01", SITE),
                    lines=(ReceivedLine(sku, 10**12),),
                )
            )
            for sku in [HOT, *SKUS]
        )
    )


async def reservations(bench: Bench, seconds: float) -> None:
    """Reserve one unit for a new order: on one hot sku, and spread over a thousand."""
    for name, skus, all_clients in (("reserve_hot", [HOT], (*CLIENTS, CROWD)), ("reserve_spread", SKUS, CLIENTS)):
        for clients in all_clients:
            designs = (bench.reserve_lean, bench.reserve_as_usual, bench.reserve)
            asks = [lambda _, ask=ask, skus=skus: ask(bench.dice.choice(skus)) for ask in designs]
            # A slice is long enough for each client to be answered several times, by the usual design too.
            lean, usual, ours = await in_turn(asks, clients, seconds, rounds=10 if clients <= 32 else 2)
            bench.report.add(name, ours, usual, lean_rate=round(lean.rate, 3))


async def refusals(bench: Bench, seconds: float) -> None:
    """Reserve on the hot sku, while one request in twenty wants more than there is and is refused."""

    async def some_refused(_client: int) -> None:
        if bench.dice.random() >= 0.05:
            return await bench.reserve(HOT)
        with suppress(Rejected):
            await bench.writer.post(
                replace(order(f"SO-{next(bench.number)}", 1, HOT, 10**13), shortage_policy="reject")
            )
            raise RuntimeError("more was reserved than there is")

    without, with_them = await in_turn([lambda _: bench.reserve(HOT), some_refused], 32, seconds)
    bench.report.add("reserve_hot_refusals", with_them, without, beside="without refusals")


async def amendments(bench: Bench, seconds: float) -> None:
    """Amend orders that hold a hot sku up and down, each client its own in turn."""
    orders = [f"AM-{number}" for number in range(ORDERS)]
    await asyncio.gather(*(bench.writer.post(order(order_ref, 1, HOT, 5)) for order_ref in orders))
    revisions = dict.fromkeys(orders, 1)

    def amending(clients: int) -> Ask:
        turns = [cycle(orders[client::clients]) for client in range(clients)]

        async def amend(client: int) -> None:
            order_ref = next(turns[client])
            revisions[order_ref] += 1
            revision = revisions[order_ref]
            await bench.writer.post(order(order_ref, revision, HOT, 5 + revision % 3))

        return amend

    for clients in CLIENTS:
        amended, reserved = await in_turn([amending(clients), lambda _: bench.reserve(HOT)], clients, seconds)
        bench.report.add("amend_hot", amended, reserved, beside="reserve_hot")


async def reads(bench: Bench, seconds: float) -> None:
    """Read the balances of a sku, now and as of an instant of the past minute."""
    began = datetime.now(UTC)

    async def read(as_of: datetime | None) -> None:
        query = BalanceQuery(tenant=TENANT, sku=bench.dice.choice(SKUS), as_of=as_of)
        async with bench.engine.connect() as connection:
            await balances(connection, query)

    def then() -> datetime:
        return began - timedelta(seconds=bench.dice.uniform(0, 30))

    asked: dict[str, Any] = {"balance_now": lambda *_: read(None), "balance_as_of": lambda *_: read(then())}
    for name, ask in asked.items():
        for clients in (1, 32):
            measured: Load = await load(ask, clients, seconds / 2)
            bench.report.add(name, measured)


async def big_posting(report: Report, services: BackingServices, usually: float) -> None:
    """Verify a ledger of a few postings of ten thousand serial numbers each, beside the usual one of this run."""
    name = "big_posting"
    with psycopg.connect(services.database_admin_url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    admin_url, url = (
        of.replace("/stockbridge?", f"/{name}?") for of in (services.database_admin_url, services.database_url)
    )
    await asyncio.to_thread(migrate, admin_url)
    serials = tuple(f"SN-{number:08}" for number in range(SERIALS))
    async with writer_to(url) as writer:
        line = ReceivedLine(HOT, SERIALS, serial_numbers=serials)
        await writer.post(
            ReceiveStock(tenant=TENANT, key="receipt", actor="bench", place=Place("A-01", SITE), lines=(line,))
        )
        for revision, quantity in enumerate((SERIALS, SERIALS // 2, SERIALS), start=1):
            await writer.post(order("SO-BIG", revision, HOT, quantity))
    verified = await asyncio.to_thread(_verified, replace(services, database_admin_url=admin_url, database_url=url))
    ratio = round(verified.rate / usually, 2)
    report.add_rate("verify_big_posting", verified.rate, baseline_rate=round(usually, 3), ratio=ratio)


def _verified(services: BackingServices) -> Any:
    """Verify a ledger that PostgreSQL knows its way about in, as it does after a minute of life."""
    with psycopg.connect(services.database_admin_url, autocommit=True) as connection:
        connection.execute("analyze")
    report = verify(services.database_url)
    console.print(str(report), highlight=False)
    if report.findings:
        raise RuntimeError(str(report.findings[0]))
    return report
