"""64 clients at once: half amend their orders in every way, half place new orders for the same scarce sku."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.errors import Rejected
from ledger.outcomes import Outcome
from ledger.requests import AmendOrder, Request
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import BIN, OTHER_BIN, Warehouse

from .hold_checker import commits, violations

CLIENTS = 64
ROUNDS = 8
SCARCE = "SCARCE"
OTHER = "OTHER"
POLICIES = ("backorder", "reject", "partial")
SEEDS = int(os.environ.get("STOCKBRIDGE_SEEDS", "3"))
"""How many races are run of orders whose lines share a sku; `make prove` runs 200."""


class ReleaseThenReserve(LedgerWriter):
    """What the systems before did on every edit: let go of everything, then ask again."""

    async def post(self, request: Request, *_: object) -> Outcome:
        if isinstance(request, AmendOrder) and request.former:
            await super().post(replace(request, key=f"{request.key}#1", lines=()))
            return await super().post(replace(request, key=f"{request.key}#2"))
        return await super().post(request)


@pytest.fixture
async def engines(engine: AsyncEngine) -> AsyncIterator[list[AsyncEngine]]:
    """Two pools of connections, as two processes have them."""
    pools = [create_async_engine(engine.url, pool_size=2) for _ in range(2)]
    yield pools
    for pool in pools:
        await pool.dispose()


class Fire:
    """All clients, with their orders."""

    def __init__(self, warehouses: list[Warehouse], policies: Sequence[str], seed: int) -> None:
        self.warehouses = warehouses
        self.policies = policies
        self.seed = seed
        self.refused: list[str] = []

    def dice(self, client: int) -> random.Random:
        return random.Random(self.seed * CLIENTS + client)

    def at(self, client: int) -> Warehouse:
        return self.warehouses[client % len(self.warehouses)]

    async def stock_up(self) -> None:
        warehouse = self.warehouses[0]
        for lot, place in (("A", BIN), ("B", OTHER_BIN)):
            await warehouse.post(warehouse.receipt(SCARCE, 220, place, lot=lot, key=f"receipt-{lot}"))
        await warehouse.post(warehouse.receipt(OTHER, 300, key="receipt-other"))

    async def accept(self, client: int) -> None:
        lines = ((1, SCARCE, 5), (2, SCARCE, 4), (3, OTHER, 3))
        await self.ask(client, self.at(client).order(f"A{client}", *lines, key=f"A{client}/r1"))

    async def amend(self, client: int) -> None:
        """Up, down and sideways: between lines, to another sku, to a named lot, and nothing at all."""
        dice = self.dice(client)
        first, second, other = 5, 4, 3
        sku, lot = OTHER, ""
        for revision in range(2, ROUNDS + 2):
            was = lot
            match dice.choice(("up", "down", "sideways", "sku", "lot", "same")):
                case "up":
                    first, second = first + dice.randint(1, 4), second + dice.randint(0, 2)
                case "down":
                    first, second = max(1, first - dice.randint(1, 4)), max(1, second - 1)
                case "sideways":
                    moved = dice.randint(1, first)
                    first, second = first - moved + 1, second + moved - 1
                case "sku":
                    sku, other = (SCARCE if sku == OTHER else OTHER), dice.randint(1, 5)
                case "lot":
                    lot = dice.choice(("", "A", "B"))
            lines = ((1, SCARCE, first), (2, SCARCE, second, lot), (3, sku, other))
            key = f"A{client}/r{revision}" + ("" if was or lot else "/any-lot")
            request = self.at(client).order(f"A{client}", *lines, policy=dice.choice(self.policies), key=key)
            await self.ask(client, request)

    async def buy(self, client: int) -> None:
        dice = self.dice(client)
        for number in range(ROUNDS):
            name = f"N{client}-{number}"
            order = (1, SCARCE, dice.randint(1, 6))
            request = self.at(client).order(name, order, policy=dice.choice(self.policies), key=f"{name}/r1")
            await self.ask(client, request)

    async def ask(self, client: int, request: Request) -> None:
        try:
            await self.at(client).post(request)
        except Rejected as refusal:
            self.refused.append(refusal.code)


async def _under_fire(
    writers: list[LedgerWriter],
    engine: AsyncEngine,
    tenant: str,
    policies: Sequence[str] = POLICIES,
    seed: int = 0,
) -> Fire:
    fire = Fire([Warehouse(writer, engine, tenant) for writer in writers], policies, seed)
    await fire.stock_up()
    await asyncio.gather(*(fire.accept(client) for client in range(CLIENTS // 2)))
    await asyncio.gather(
        *(fire.amend(client) if client < CLIENTS // 2 else fire.buy(client) for client in range(CLIENTS))
    )
    return fire


async def test_no_amended_order_lets_go_of_stock_and_nothing_is_oversold(
    engines: list[AsyncEngine], engine: AsyncEngine, tenant: str, database: BackingServices
) -> None:
    fire = await _under_fire([LedgerWriter(pool) for pool in engines], engine, tenant)

    history = await commits(engine, tenant)
    amendments = [commit for commit in history if commit.reason == "amendment"]
    assert len(amendments) > 100
    assert violations(history) == []
    assert set(fire.refused) == {"insufficient_stock"}
    for sku, received in ((SCARCE, 440), (OTHER, 300)):
        assert max(_held(commit.holds, sku) for commit in history) <= received
    assert _held(history[-1].holds, SCARCE) == 440, "it was not scarce"
    assert await _oversold(engine, tenant) == 0
    assert (await asyncio.to_thread(verify, database.database_url)).findings == []


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
async def test_lines_of_an_order_that_share_a_sku_leave_each_other_what_they_let_go_of(
    engines: list[AsyncEngine], engine: AsyncEngine, tenant: str, seed: int
) -> None:
    await _under_fire([LedgerWriter(pool) for pool in engines], engine, tenant, ("backorder",), seed)

    history = await commits(engine, tenant)
    shared = [commit for commit in history if commit.reason == "amendment" and commit.key.endswith("/any-lot")]
    assert len(shared) > 50
    assert any(commit.wanted[SCARCE] > commit.holds[commit.order_ref, SCARCE] for commit in shared), "nobody waited"
    assert violations(history) == []


def _held(holds: dict[tuple[str, str], int], sku: str) -> int:
    return sum(held for (_, of), held in holds.items() if of == sku)


async def _oversold(engine: AsyncEngine, tenant: str) -> int:
    query = text("select count(*) from ledger.entry where tenant = :tenant and floor = 0 and reserved > on_hand")
    async with engine.connect() as connection:
        return int((await connection.execute(query, {"tenant": tenant})).scalar_one())


async def test_a_writer_that_releases_and_then_reserves_is_caught(
    engines: list[AsyncEngine], engine: AsyncEngine, tenant: str
) -> None:
    await _under_fire([ReleaseThenReserve(pool) for pool in engines], engine, tenant)

    found = violations(await commits(engine, tenant))

    assert found
    assert any(violation.lowest == 0 < violation.before for violation in found)
    assert any(violation.after < violation.before for violation in found), "nobody took what was let go"
