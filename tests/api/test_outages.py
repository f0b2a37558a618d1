"""PostgreSQL is there, and can't do it: its disk is full, it may only be read, it is short of memory or of time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api.app import create_app
from api.health import WriteProbe
from ledger.writing.writer import LedgerWriter
from postgres.statements import Patience

from .doorway import Door, code_of

FULL = "53100"
STATES = {
    FULL: "disk is full",
    "53200": "short of memory",
    "53300": "short of memory, or of connections",
    "25006": "only lets us read",
    "57P01": "stopping or starting",
    "57014": "took longer than it may",
    "55P03": "took longer than it may",
    "58030": "read or write its files",
}


@asynccontextmanager
async def refusing(owner: AsyncEngine, tenant: str, table: str, state: str) -> AsyncIterator[None]:
    """Have PostgreSQL say this SQLSTATE of a tenant's new rows in a table."""
    name = f"says_{tenant.replace('-', '_')}"
    raise_it = f"begin raise exception 'no space left on device' using errcode = '{state}'; end"
    function = f"create function public.{name}() returns trigger language plpgsql as $${raise_it}$$"
    trigger = (
        f"create trigger {name} before insert on {table} for each row when (new.tenant = '{tenant}') "
        f"execute function public.{name}()"
    )
    async with owner.begin() as connection:
        await connection.execute(text(function))
        await connection.execute(text(trigger))
    try:
        yield
    finally:
        async with owner.begin() as connection:
            await connection.execute(text(f"drop function public.{name}() cascade"))


async def stocking(shop: Door) -> httpx.Response:
    """Receive what was announced."""
    receipt = {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, "quantity": 5}]}
    return await shop.post("/api/orders/inbound/PO-1/receipts", receipt)


@pytest.mark.parametrize("table", ["ledger.posting", "ledger.entry", "records.goods_receipt"])
@pytest.mark.parametrize("state", [FULL, "25006"])
async def test_what_can_not_be_written_is_503_and_nothing_is_half_done(
    shop: Door, owner: AsyncEngine, table: str, state: str
) -> None:
    lines = [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 5}]
    await shop.made("/api/orders/inbound", {"po_no": "PO-1", "site": "HAM", "supplier": "ACME", "lines": lines})
    before = await shop.counts()

    async with refusing(owner, shop.tenant, table, state):
        answer = await stocking(shop)

        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 5
        assert STATES[state] in answer.json()["detail"]
        assert await shop.counts() == before
    assert (await stocking(shop)).status_code == 201


@pytest.mark.parametrize("state", STATES)
async def test_each_reason_is_told_with_when_to_ask_again(shop: Door, owner: AsyncEngine, state: str) -> None:
    product = {"sku": "NEW", "description": "New", "base_uom": "EA", "packagings": [], "tracking": "none"}

    async with refusing(owner, shop.tenant, "records.product", state):
        answer = await shop.post("/api/products", product)

    assert (answer.status_code, code_of(answer)) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert STATES[state] in answer.json()["detail"]
    assert "no space left on device" not in answer.text


async def test_a_statement_that_takes_too_long_is_broken_off_and_told(
    shop: Door, owner: AsyncEngine, engine: AsyncEngine
) -> None:
    url = Patience(statement_s=10, lock_s=0.1, idle_s=10).on(engine.url)
    hasty = create_async_engine(url, pool_size=2)
    services = replace(shop.services, engine=hasty, ledger=LedgerWriter(hasty))
    transport = httpx.ASGITransport(create_app(services))
    lines = [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 5}]
    await shop.made("/api/orders/inbound", {"po_no": "PO-1", "site": "HAM", "supplier": "ACME", "lines": lines})
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http, owner.connect() as other:
        await other.execute(text("lock table ledger.posting in access exclusive mode"))
        async with asyncio.timeout(20):
            answer = await stocking(replace(shop, http=http))
        await other.rollback()

        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
        assert "took longer than it may" in answer.json()["detail"]
        assert (await stocking(replace(shop, http=http))).status_code == 201
    await hasty.dispose()


async def test_connections_begin_with_how_long_statements_may_take(engine: AsyncEngine) -> None:
    url = Patience(statement_s=1.5, lock_s=2, idle_s=3).on(engine.url.update_query_dict({"options": "-c work_mem=5MB"}))
    hasty = create_async_engine(url)
    async with hasty.connect() as connection:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "work_mem")
        said = [await connection.scalar(text(f"show {name}")) for name in names]
    await hasty.dispose()

    assert said == ["1500ms", "2s", "3s", "5MB"]


async def test_a_report_may_take_longer_and_the_connection_is_hasty_again_afterwards(
    shop: Door, engine: AsyncEngine
) -> None:
    hasty = create_async_engine(Patience(statement_s=0.2, lock_s=1, idle_s=1).on(engine.url), pool_size=1)
    services = replace(shop.services, engine=hasty, report_timeout_s=30)
    shown = text("show statement_timeout")
    async with services.reporting() as connection:
        assert await connection.scalar(shown) == "30s"
    async with services.reading() as connection:
        assert await connection.scalar(shown) == "200ms"
    with pytest.raises(ZeroDivisionError):
        async with services.reporting():
            _ = 1 / 0
    async with services.reading() as connection:
        assert await connection.scalar(shown) == "200ms"
    await hasty.dispose()


async def test_it_is_ready_only_while_it_can_write(shop: Door, owner: AsyncEngine) -> None:
    assert (await shop.get("/readyz")).status_code == 200
    shop.http._transport.app.state.writing._every_s = 0  # type: ignore[attr-defined]
    async with owner.begin() as connection:
        await connection.execute(text("revoke insert, update on records.write_probe from stockbridge_app"))
    try:
        answer = await shop.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]) == (503, {"database": False, "temporal": True})
    finally:
        async with owner.begin() as connection:
            await connection.execute(text("grant insert, update on records.write_probe to stockbridge_app"))
    assert (await shop.get("/readyz")).status_code == 200


async def test_whoever_asks_a_write_is_tried_once_in_a_while(engine: AsyncEngine, owner: AsyncEngine) -> None:
    written = text("select written_at from records.write_probe")
    seldom, often = WriteProbe(engine, every_s=3600), WriteProbe(engine, every_s=0)
    assert all(await asyncio.gather(*(seldom.works() for _ in range(50))))
    async with owner.connect() as connection:
        first = await connection.scalar(written)
        assert await seldom.works()
        assert await connection.scalar(written) == first
        assert await often.works()
        assert await connection.scalar(written) > first
        await connection.rollback()


async def test_the_write_takes_room_on_the_disk(owner: AsyncEngine) -> None:
    async with owner.connect() as connection:
        await connection.execute(text("set log_temp_files = 0"))
        await connection.execute(text("set temp_file_limit = 512"))
        with pytest.raises(Exception, match="temporary file size exceeds"):
            await connection.execute(text("select records.try_write()"))
        await connection.rollback()
