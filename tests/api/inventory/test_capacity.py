"""What a location takes: counted in base units of all skus, with all below it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from commands.posting_effects import PostingEffects
from domain.errors import Rejected
from domain.stock import StreamKey
from ledger.requests import MoveStock, ReceivedLine, ReceiveStock, Request
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter, Outcome
from records.inventory import places
from runtime.embedded.servers import BackingServices
from runtime.settings import sqlalchemy_url
from tests.api.doorway import Door, examples, faults_of, line, place, push

RACK, BIN, OTHER = "HAM-R", "HAM-R-1", "HAM-R-2"
WRITERS = 16


def limited(location_id: str, kind: str, max_units: int | None, parent: str | None = None) -> dict[str, Any]:
    return {**place(location_id, kind, parent=parent), "capacity": {"max_units": max_units}}


@pytest.fixture
async def racks(shop: Door) -> Door:
    """A rack for 20 units with two bins, the first of which takes 12; and 100 mugs elsewhere."""
    await shop.made("/api/locations", limited(RACK, "rack", 20))
    await shop.made("/api/locations", limited(BIN, "bin", 12, RACK))
    await shop.made("/api/locations", place(OTHER, parent=RACK))
    await shop.stock()
    return shop


async def receive(door: Door, no: str, location: str, *goods: tuple[str, int]) -> Any:
    lines = [{"line_no": n, "sku": sku, "quantity": quantity} for n, (sku, quantity) in enumerate(goods, 1)]
    await door.made("/api/orders/inbound", {"po_no": f"PO-{no}", "site": "HAM", "supplier": "ACME", "lines": lines})
    arrived = [{"line_no": each["line_no"], "quantity": each["quantity"]} for each in lines]
    body = {"receipt_no": f"GR-{no}", "location_id": location, "lines": arrived}
    return await door.post(f"/api/orders/inbound/PO-{no}/receipts", body)


def move(to: str, quantity: int, no: str, source: str = "HAM-A-1") -> dict[str, Any]:
    goods = {"move_no": no, "sku": "MUG-WHITE", "quantity": quantity}
    return {**goods, "from": {"location_id": source}, "to": {"location_id": to}}


async def held(door: Door, location: str = RACK) -> int:
    return int((await door.get("/api/inventory", location=location)).json()["totals"]["on_hand"])


async def test_a_receipt_that_does_not_fit_is_refused_whatever_the_sku(racks: Door) -> None:
    assert (await receive(racks, "11", BIN, ("MUG-WHITE", 6), ("WINE", 5))).status_code == 201
    full = await receive(racks, "12", BIN, ("WINE", 2))
    assert (full.status_code, faults_of(full)) == (422, [("/location_id", "over_capacity")])
    assert full.json()["detail"] == "HAM-R-1 takes 12 units and holds 11: there is no room for 2 more."
    assert (await receive(racks, "13", BIN, ("WINE", 1))).status_code == 201
    assert await held(racks, BIN) == 12


async def test_what_lies_below_counts_too(racks: Door) -> None:
    await racks.made("/api/inventory/move", move(OTHER, 14, "M-1"))
    full = await racks.post("/api/inventory/move", move(BIN, 7, "M-2"))
    assert (full.status_code, faults_of(full)) == (422, [("/to/location_id", "over_capacity")])
    await racks.made("/api/inventory/move", move(BIN, 6, "M-2"))
    within = await racks.made("/api/inventory/move", move(BIN, 6, "M-3", OTHER))
    assert (within["quantity"], await held(racks)) == (6, 20)


async def test_the_same_again_is_answered_though_the_location_is_full(racks: Door) -> None:
    first = await racks.made("/api/inventory/move", move(BIN, 12, "M-1"))
    again = await racks.post("/api/inventory/move", move(BIN, 12, "M-1"))
    assert (again.status_code, again.json()) == (200, first)


async def test_what_is_moved_inside_an_overfull_location_brings_nothing(racks: Door) -> None:
    await racks.made("/api/inventory/move", move(OTHER, 15, "M-1"))
    await racks.made("/api/locations", limited(RACK, "rack", 10))
    await racks.made("/api/inventory/move", move(BIN, 5, "M-2", OTHER))
    assert faults_of(await racks.post("/api/inventory/move", move(OTHER, 1, "M-3"))) == [
        ("/to/location_id", "over_capacity")
    ]
    await racks.made("/api/locations", limited(RACK, "rack", None))
    await racks.made("/api/inventory/move", move(OTHER, 30, "M-3"))


async def test_a_site_takes_only_so_much_too(racks: Door) -> None:
    await racks.made("/api/locations", {**examples.SITE, "capacity": {"max_units": 101}})
    assert faults_of(await receive(racks, "11", "HAM-A-2", ("WINE", 2))) == [("/location_id", "over_capacity")]
    assert (await receive(racks, "12", "HAM-A-2", ("WINE", 1))).status_code == 201


async def test_what_arrives_from_another_site_must_fit(racks: Door) -> None:
    await racks.made("/api/locations", {**examples.SITE, "location_id": "CPH"})
    await racks.made("/api/locations", {**limited("CPH-B", "bin", 5), "site": "CPH"})
    sent = {"sku": "MUG-WHITE", "quantity": 8, "location_id": "HAM-A-1"}
    await racks.made("/api/inventory/transfers", {"transfer_no": "TR-1", "to_site": "CPH", "lines": [sent]})
    body = {"receipt_no": "TG-1", "location_id": "CPH-B", "lines": [{"sku": "MUG-WHITE", "quantity": 6}]}
    refused = await racks.post("/api/inventory/transfers/TR-1/receipts", body)
    assert faults_of(refused) == [("/location_id", "over_capacity")]
    await racks.made("/api/inventory/transfers/TR-1/receipts", {**body, "lines": [{"sku": "MUG-WHITE", "quantity": 5}]})


async def test_facts_may_be_too_much_and_say_so(racks: Door) -> None:
    counted = {"adjustment_no": "A-1", "location_id": BIN, "sku": "MUG-WHITE", "reason": "cycle_count"}
    fits = await racks.made("/api/inventory/adjustments", {**counted, "delta": 12})
    assert fits["notices"] == []
    body = {**counted, "adjustment_no": "A-2", "counted": 15}
    told = await racks.made("/api/inventory/adjustments", body)
    assert told["notices"] == [{"code": "over_capacity", "detail": "HAM-R-1 takes 12 units and holds 15"}]
    assert await racks.made("/api/inventory/adjustments", body) == told
    assert await racks.count("records.discrepancy") == 1
    less = await racks.made("/api/inventory/adjustments", {**counted, "adjustment_no": "A-3", "delta": -1})
    assert (less["on_hand"], less["notices"]) == (14, [])


async def test_a_put_back_may_be_too_much_and_says_so(racks: Door) -> None:
    await racks.made("/api/inventory/move", move(BIN, 12, "M-1"))
    await racks.made("/api/orders/outbound", push(lines=[line(quantity=6, uom="EA")]))
    picked = {"line_no": 1, "quantity": 6, "location_id": "HAM-A-1"}
    await racks.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    await racks.made("/api/orders/SO-1/cancel", {"cancel_no": "X-1", "reason": "customer"})
    back = {"put_back_no": "B-1", "lines": [{"line_no": 1, "quantity": 6, "location_id": BIN}]}
    told = await racks.made("/api/orders/SO-1/put-backs", back)
    assert told["notices"] == [{"code": "over_capacity", "detail": "HAM-R-1 takes 12 units and holds 18"}]
    assert (told["outcome"], told["lines"][0]["to_put_back"]) == ("done", 0)


@pytest.fixture
async def engines(database: BackingServices) -> AsyncIterator[list[AsyncEngine]]:
    """Four pools of connections, as four processes have them."""
    made = [create_async_engine(sqlalchemy_url(database.database_url), pool_size=8) for _ in range(4)]
    yield made
    for engine in made:
        await engine.dispose()


async def test_many_writers_never_fill_a_location_beyond_what_it_takes(
    racks: Door, engines: list[AsyncEngine], database: BackingServices
) -> None:
    await racks.made("/api/locations", limited(RACK, "rack", 90))
    await racks.made("/api/locations", limited(BIN, "bin", 60, RACK))
    async with racks.engine.connect() as connection:
        bins = [await places.place_of(connection, racks.tenant, name) for name in (BIN, OTHER)]
    writers = [LedgerWriter(engines[n % len(engines)], PostingEffects()) for n in range(WRITERS)]
    most: list[int] = []

    async def write(number: int) -> list[str]:
        """Bring units of a sku of its own into one bin or the other, and some of them from there to the other one."""
        said = []
        common: dict[str, Any] = {"tenant": racks.tenant, "actor": "test"}
        for turn in range(12):
            to, other = bins[turn % 2], bins[1 - turn % 2]
            received = (ReceivedLine(f"SKU-{number}", 1),)
            said.append(await posted(ReceiveStock(**common, key=f"r/{number}/{turn}", place=to, lines=received)))
            if turn % 3 == 2:
                stream = StreamKey(racks.tenant, f"SKU-{number}", to)
                request = MoveStock(**common, key=f"m/{number}/{turn}", stream=stream, to=other, quantity=1)
                said.append((await posted(request)).replace("done", "moved"))
            most.append(await units(racks, BIN, OTHER))
        return said

    async def posted(request: Request) -> str:
        try:
            await writers[int(request.key.split("/")[1])].post(request)
        except Rejected as refusal:
            return refusal.code
        return "done"

    told = Counter(code for said in await asyncio.gather(*map(write, range(WRITERS))) for code in said)

    assert told.keys() == {"done", "moved", "over_capacity"} | (told.keys() & {"insufficient_stock"})
    assert told["done"] == await units(racks, BIN, OTHER) == max(most) == 90
    assert await units(racks, BIN) <= 60
    assert verify(database.database_url).findings == []


async def test_who_comes_second_counts_what_came_first_though_it_is_not_committed_yet(
    racks: Door, engines: list[AsyncEngine]
) -> None:
    async with racks.engine.connect() as connection:
        bin_ = await places.place_of(connection, racks.tenant, BIN)
    reached, opened = asyncio.Event(), asyncio.Event()

    async def keep(_connection: AsyncConnection, _outcome: Outcome) -> None:
        reached.set()
        await opened.wait()

    def receipt(sku: str) -> ReceiveStock:
        lines = (ReceivedLine(sku, 7),)
        return ReceiveStock(tenant=racks.tenant, actor="test", key=sku, place=bin_, lines=lines)

    first, second = (LedgerWriter(engine, PostingEffects()) for engine in engines[:2])
    holding = asyncio.create_task(first.post(receipt("SKU-1"), keep))
    await reached.wait()
    coming = asyncio.create_task(second.post(receipt("SKU-2")))
    await _stands_in_line(racks.engine, coming)
    opened.set()
    await holding

    with pytest.raises(Rejected, match="holds 7: there is no room for 7 more"):
        await coming


async def _stands_in_line(engine: AsyncEngine, task: asyncio.Task[Outcome]) -> None:
    """Return when a posting waits for another one's lock, or has not waited at all."""
    waiting = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and state = 'active'")
    async with engine.connect() as connection:
        while not task.done() and not await connection.scalar(waiting):
            await connection.rollback()


async def test_writers_at_two_locations_do_not_wait_for_each_other_in_a_circle(
    racks: Door, engines: list[AsyncEngine]
) -> None:
    for name, kind, parent in ((RACK, "rack", None), (BIN, "bin", RACK), (OTHER, "bin", RACK)):
        await racks.made("/api/locations", limited(name, kind, 1000, parent))
    async with racks.engine.connect() as connection:
        bins = [await places.place_of(connection, racks.tenant, name) for name in (BIN, OTHER)]
    writers = [LedgerWriter(engine, PostingEffects()) for engine in engines]

    def receipt(number: int, turn: int) -> ReceiveStock:
        """Name the bins by turns, each writer the other one first."""
        lines = (ReceivedLine(f"SKU-{number}-{turn % 4}", 1),)
        place = bins[(number + turn) % 2]
        return ReceiveStock(tenant=racks.tenant, actor="test", key=f"{number}/{turn}", place=place, lines=lines)

    posts = [writer.post(receipt(n, turn)) for turn in range(60) for n, writer in enumerate(writers)]
    outcomes = await asyncio.wait_for(asyncio.gather(*posts), timeout=60)

    assert len(outcomes) == await units(racks, BIN, OTHER) == 240


_UNITS = text(
    """
    select sum(t.on_hand) from ledger.stream s cross join lateral (
      select on_hand from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
    ) t where s.tenant = :tenant and s.location_id = any(:location_ids)
    """
)


async def units(door: Door, *location_ids: str) -> int:
    """Count what is there, of skus that no catalog has."""
    async with door.engine.connect() as connection:
        found = await connection.execute(_UNITS, {"tenant": door.tenant, "location_ids": list(location_ids)})
        return int(found.scalar_one() or 0)
