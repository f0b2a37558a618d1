from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import Rejected, Unavailable
from domain.messages import OrderId
from domain.stock import Place, StockStatus
from ledger import instants
from ledger.reads.balances import (
    BalancePage,
    BalanceQuery,
    Basis,
    balances,
    find_stream,
    on_hand_at,
    order_lines,
    order_postings,
    stock_levels,
    stream_entries,
)
from ledger.requests import Request
from tests.ledger.warehouse import BIN, OTHER_BIN, Warehouse


async def _read(warehouse: Warehouse, **query: object) -> BalancePage:
    async with warehouse.engine.connect() as connection:
        return await balances(connection, BalanceQuery(tenant=warehouse.tenant, **query))  # type: ignore[arg-type]


async def _now(warehouse: Warehouse) -> datetime:
    async with warehouse.engine.connect() as connection:
        return (await connection.execute(text("select clock_timestamp()"))).scalar_one()  # type: ignore[no-any-return]


def _short(page: BalancePage) -> list[tuple[str, int, int, int]]:
    return [(item.key.place.location_id, item.on_hand, item.reserved, item.available) for item in page.items]


async def test_balances_now_leave_the_world_outside_out(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.receipt("MUG", 3, OTHER_BIN, stock_status=StockStatus.QUARANTINED))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 1)))

    page = await _read(warehouse)

    assert _short(page) == [("A-01", 9, 3, 6), ("A-02", 3, 0, 0)]
    totals = page.totals
    assert (totals.on_hand, totals.reserved, totals.available) == (12, 3, 6)
    assert (totals.in_transit, totals.quarantined) == (1, 3)
    assert page.items[0].seq == 3


async def test_a_virtual_location_answers_where_it_is_named(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 3)))

    assert _short(await _read(warehouse, locations=("customer/SO-1",))) == [("customer/SO-1", 3, 0, 3)]
    underway = await _read(warehouse, locations=("transit/SH-1",))
    assert (underway.totals.on_hand, underway.totals.in_transit) == (1, 1)


async def test_balances_are_found_by_sku_site_location_lot_and_status(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 1, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 2, OTHER_BIN, lot="B"))
    await warehouse.post(warehouse.receipt("MUG", 4, Place("X-01", "BER")))
    await warehouse.post(warehouse.receipt("MUG", 8, stock_status=StockStatus.DAMAGED))

    async def total(**query: object) -> int:
        return (await _read(warehouse, **query)).totals.on_hand

    assert await total() == 15
    assert await total(sku="MILK") == 3
    assert await total(site="BER") == 4
    assert await total(sku="MUG", site="HAM") == 8
    assert await total(locations=("A-02", "X-01")) == 6
    assert await total(lot="A") == 1
    assert await total(stock_status=StockStatus.DAMAGED) == 8
    assert await total(sku="NONE") == 0


async def test_pages_follow_each_other_and_totals_are_over_all(warehouse: Warehouse) -> None:
    for number in range(7):
        await warehouse.post(warehouse.receipt(f"SKU-{number}", 1 + number))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await _read(warehouse, limit=3, cursor=cursor)
        seen += [item.key.sku for item in page.items]
        assert page.totals.on_hand == 28
        cursor = page.next
        if cursor is None:
            break

    assert seen == [f"SKU-{number}" for number in range(7)]


@pytest.mark.parametrize("cursor", ["nonsense", "00000000-0000-0000-0000-000000000000"])
async def test_a_cursor_that_was_not_given_out_is_refused(warehouse: Warehouse, cursor: str) -> None:
    with pytest.raises(Rejected) as refusal:
        await _read(warehouse, cursor=cursor)
    assert refusal.value.code == "bad_cursor"


async def test_balances_as_of_an_instant_are_those_of_then(warehouse: Warehouse) -> None:
    instants_seen = []
    expected = []
    for request in (
        warehouse.receipt("MUG", 10),
        warehouse.order("SO-1", (1, "MUG", 4)),
        warehouse.move("MUG", 3, BIN, OTHER_BIN),
        warehouse.issue("SO-1", "SH-1", (1, "MUG", 4)),
    ):
        await warehouse.post(request)
        instants_seen.append(await _now(warehouse))
        expected.append((await _read(warehouse)).totals)

    before = await _read(warehouse, as_of=instants_seen[0] - timedelta(hours=1))
    assert before.items == ()
    for instant, totals in zip(instants_seen, expected, strict=True):
        assert (await _read(warehouse, as_of=instant)).totals == totals
    assert expected[-1].in_transit == 4


async def test_balances_as_of_an_instant_find_what_is_empty_now(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    then = await _now(warehouse)
    await warehouse.post(warehouse.move("MUG", 10, BIN, OTHER_BIN))

    assert _short(await _read(warehouse, as_of=then)) == [("A-01", 10, 0, 10)]


async def test_by_occurrence_a_late_fact_changes_the_past(warehouse: Warehouse) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await warehouse.post(warehouse.receipt("MUG", 10, occurred_at=yesterday))

    then = yesterday + timedelta(hours=1)
    assert (await _read(warehouse, as_of=then, basis=Basis.OCCURRED)).totals.on_hand == 10
    assert (await _read(warehouse, as_of=then)).totals.on_hand == 0
    async with warehouse.engine.connect() as connection:
        assert await on_hand_at(connection, warehouse.stream("MUG"), then) == (10, 1)
        assert await on_hand_at(connection, warehouse.stream("MUG"), yesterday - timedelta(seconds=1)) == (0, 1)


async def test_what_is_told_ahead_happened_when_it_was_recorded(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10, occurred_at=datetime.now(UTC) + timedelta(minutes=10)))
    assert await _happened(warehouse) == [True]
    now = await _now(warehouse)
    assert (await _read(warehouse, as_of=now, basis=Basis.OCCURRED)).totals.on_hand == 10


async def test_what_is_told_ahead_by_an_older_build_is_as_old_as_its_record(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(Request, "happened_at", lambda request, recorded_at: request.occurred_at or recorded_at)
        await warehouse.post(warehouse.receipt("MUG", 10, occurred_at=datetime(2190, 1, 1, tzinfo=UTC)))
    assert await _happened(warehouse) == [False]
    now = await _now(warehouse)
    assert (await _read(warehouse, as_of=now, basis=Basis.OCCURRED)).totals.on_hand == 10
    async with warehouse.engine.connect() as connection:
        assert await on_hand_at(connection, warehouse.stream("MUG"), now) == (10, 1)
        assert await on_hand_at(connection, warehouse.stream("MUG"), None) == (10, 1)


async def _happened(warehouse: Warehouse) -> list[bool]:
    """Say of each posting whether it happened no later than it was recorded."""
    query = text("select occurred_at <= recorded_at from ledger.posting where tenant = :tenant")
    async with warehouse.engine.connect() as connection:
        return list((await connection.execute(query, {"tenant": warehouse.tenant})).scalars())


@pytest.mark.parametrize("basis", list(Basis))
async def test_what_will_be_is_not_known_yet(warehouse: Warehouse, basis: Basis) -> None:
    with pytest.raises(Rejected) as refusal:
        await _read(warehouse, as_of=datetime.now(UTC) + timedelta(minutes=1), basis=basis)
    assert refusal.value.code == "as_of_in_future"


async def test_an_instant_is_read_only_when_every_writer_of_then_has_ended(
    warehouse: Warehouse, engine: AsyncEngine
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    async with engine.connect() as writer:
        await writer.execute(text("select from ledger.pool where tenant = :t for update"), {"t": warehouse.tenant})
        then = await _now(warehouse)
        reading = asyncio.create_task(_read(warehouse, as_of=then))
        done, _ = await asyncio.wait({reading}, timeout=0.2)
        assert not done
        await writer.commit()
    assert (await reading).totals.on_hand == 10


async def test_a_writer_that_does_not_end_makes_the_instant_unavailable(
    warehouse: Warehouse, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instants, "PATIENCE_S", 0.05)
    await warehouse.post(warehouse.receipt("MUG", 10))
    async with engine.connect() as writer:
        await writer.execute(text("select from ledger.pool where tenant = :t for update"), {"t": warehouse.tenant})
        with pytest.raises(Unavailable):
            await _read(warehouse, as_of=await _now(warehouse))
        assert (await _read(warehouse)).totals.on_hand == 10


async def test_an_instant_reads_the_same_for_ever_though_writers_are_at_work(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 500))
    orders = [warehouse.post(warehouse.order(f"SO-{n}", (1, "MUG", 1))) for n in range(200)]
    writing = asyncio.gather(*orders)
    read = []
    while not writing.done():
        instant = await _now(warehouse)
        read.append((instant, (await _read(warehouse, as_of=instant)).totals))
    await writing

    assert [(await _read(warehouse, as_of=instant)).totals for instant, _ in read] == [totals for _, totals in read]


async def test_the_entries_of_a_stream_show_their_chain(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))
    key = warehouse.stream("MUG")

    async with warehouse.engine.connect() as connection:
        first = await stream_entries(connection, warehouse.tenant, key.stream_id, 0, 2)
        assert first is not None
        assert first.next == 2
        rest = await stream_entries(connection, warehouse.tenant, key.stream_id, 2, 2)
        assert rest is not None
        assert rest.next is None
        assert await stream_entries(connection, "another", key.stream_id) is None
        assert await find_stream(connection, warehouse.tenant, key.stream_id) == key

    entries = (*first.items, *rest.items)
    assert [entry.reason for entry in entries] == ["goods_receipt", "reservation", "amendment"]
    assert [(entry.order_ref, entry.line_no) for entry in entries] == [(None, None), ("SO-1", 1), ("SO-1", 1)]
    assert entries[0].previous_hash == key.identity_hash
    assert [entry.previous_hash for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]


async def test_the_postings_of_an_order_show_its_own_entries_and_nobodys(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 4)))
    await warehouse.post(warehouse.receipt("MUG", 6))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 2))

    async with warehouse.engine.connect() as connection:
        postings = await order_postings(connection, OrderId(tenant=warehouse.tenant, order_ref="SO-1"))

    assert [posting.reason for posting in postings] == ["goods_receipt", "pick"]
    assert {entry.order_ref for entry in postings[0].entries} == {None, "SO-1"}


async def test_stock_levels_sum_up_a_site(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.receipt("MUG", 2, stock_status=StockStatus.QUARANTINED))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "CUP", 3)))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 1)))

    today = datetime.now(UTC).date()
    async with warehouse.engine.connect() as connection:
        cup, mug = await stock_levels(connection, warehouse.tenant, "HAM", today)
        assert await stock_levels(connection, warehouse.tenant, "HAM", today, after_sku="CUP") == [mug]

    assert (cup.sku, cup.on_hand, cup.backordered) == ("CUP", 0, 3)
    assert (mug.on_hand, mug.reserved, mug.available, mug.in_transit, mug.quarantined) == (11, 3, 6, 1, 2)


async def test_the_lines_of_several_orders_are_read_at_once(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-2", (2, "MUG", 1), (1, "CUP", 1)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))

    async with warehouse.engine.connect() as connection:
        lines = await order_lines(connection, warehouse.tenant, ["SO-1", "SO-2", "SO-3"])

    assert {order: [line.sku for line in found] for order, found in lines.items()} == {
        "SO-1": ["MUG"],
        "SO-2": ["CUP", "MUG"],
    }
