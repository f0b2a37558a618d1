from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.errors import Rejected
from domain.stock import StockStatus
from tests.ledger.warehouse import BIN, OTHER_BIN, STAGING, Warehouse


async def _three_orders(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    for number in (1, 2, 3):
        await warehouse.post(warehouse.order(f"SO-{number}", (1, "MUG", 3)))


async def _reserved(warehouse: Warehouse) -> list[tuple[int, int]]:
    lines = [await warehouse.line(f"SO-{number}") for number in (1, 2, 3)]
    return [(line.reserved, line.backordered) for line in lines]


async def test_damage_takes_free_units_first(warehouse: Warehouse) -> None:
    await _three_orders(warehouse)

    outcome = await warehouse.post(warehouse.restate("MUG", 1, StockStatus.DAMAGED))

    assert not outcome.displaced
    assert await _reserved(warehouse) == [(3, 0), (3, 0), (3, 0)]


async def test_damage_of_promised_stock_displaces_the_latest_promise_first(warehouse: Warehouse) -> None:
    await _three_orders(warehouse)

    outcome = await warehouse.post(warehouse.restate("MUG", 5, StockStatus.DAMAGED))

    assert outcome.displaced == {"SO-2", "SO-3"}
    assert await _reserved(warehouse) == [(3, 0), (2, 1), (0, 3)]
    assert await warehouse.state("MUG") == {"A-01": (5, 5), "A-01/damaged": (5, 0), "supplier/HAM": (-10, 0)}


async def test_a_displaced_hold_is_reserved_elsewhere_where_it_can_be(warehouse: Warehouse) -> None:
    await _three_orders(warehouse)
    await warehouse.post(warehouse.receipt("MUG", 2, OTHER_BIN))

    outcome = await warehouse.post(warehouse.restate("MUG", 4, StockStatus.QUARANTINED))

    assert outcome.displaced == {"SO-3"}
    assert await _reserved(warehouse) == [(3, 0), (3, 0), (2, 1)]


async def test_a_displaced_hold_waits_at_its_old_place(warehouse: Warehouse) -> None:
    await _three_orders(warehouse)
    await warehouse.post(warehouse.order("SO-4", (1, "MUG", 9)))  # one reserved, the rest waits
    await warehouse.post(warehouse.restate("MUG", 2, StockStatus.DAMAGED))
    assert await _reserved(warehouse) == [(3, 0), (3, 0), (2, 1)]

    outcome = await warehouse.post(warehouse.receipt("MUG", 1))

    assert outcome.served == {"SO-3"}
    assert await _reserved(warehouse) == [(3, 0), (3, 0), (3, 0)]


async def test_stock_that_becomes_available_again_serves_who_waits(warehouse: Warehouse) -> None:
    await _three_orders(warehouse)
    await warehouse.post(warehouse.restate("MUG", 5, StockStatus.QUARANTINED))

    outcome = await warehouse.post(warehouse.restate("MUG", 5, StockStatus.AVAILABLE, was=StockStatus.QUARANTINED))

    assert outcome.served == {"SO-2", "SO-3"}
    assert await _reserved(warehouse) == [(3, 0), (3, 0), (3, 0)]


async def test_a_status_that_was_empty_before_takes_stock_again(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    for _ in range(2):
        await warehouse.post(warehouse.restate("MUG", 5, StockStatus.QUARANTINED))
        await warehouse.post(warehouse.restate("MUG", 5, StockStatus.AVAILABLE, was=StockStatus.QUARANTINED))
    assert (await warehouse.state("MUG"))["A-01"] == (10, 0)


async def test_no_more_changes_its_status_than_is_there(warehouse: Warehouse) -> None:
    await _three_orders(warehouse)

    with pytest.raises(Rejected):
        await warehouse.post(warehouse.restate("MUG", 11, StockStatus.DAMAGED))


async def test_a_count_above_the_ledger_comes_from_the_adjustment_place_and_serves_who_waits(
    warehouse: Warehouse,
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 2))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))

    outcome = await warehouse.post(warehouse.adjust("MUG", 4))

    assert outcome.served == {"SO-1"}
    assert await warehouse.state("MUG") == {"A-01": (6, 5), "adjustment/HAM": (-4, 0), "supplier/HAM": (-2, 0)}


async def test_a_count_below_what_is_promised_displaces(warehouse: Warehouse) -> None:
    await _three_orders(warehouse)

    outcome = await warehouse.post(warehouse.adjust("MUG", -8))

    assert outcome.displaced == {"SO-1", "SO-2", "SO-3"}
    assert await _reserved(warehouse) == [(2, 1), (0, 3), (0, 3)]
    assert (await warehouse.state("MUG"))["adjustment/HAM"] == (8, 0)


async def test_several_counts_of_one_site_go_to_the_same_adjustment_place(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    for delta in (-1, 2, -3):
        await warehouse.post(warehouse.adjust("MUG", delta))

    assert (await warehouse.state("MUG"))["adjustment/HAM"] == (2, 0)


async def test_a_count_of_less_than_nothing_is_refused(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 2))

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.adjust("MUG", -3))
    assert refusal.value.code == "count_outdated"


async def test_a_serial_number_is_lost_and_found_but_never_found_twice(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 1, serials=("S1",)))
    await warehouse.post(warehouse.adjust("PHONE", -1, serial="S1"))
    await warehouse.post(warehouse.adjust("PHONE", 1, OTHER_BIN, serial="S1"))

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.adjust("PHONE", 1, BIN, serial="S1"))
    assert refusal.value.code == "serial_not_missing"


async def test_displaced_staging_gives_up_what_is_no_longer_wanted_first(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 6))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))

    await warehouse.post(warehouse.restate("MUG", 3, StockStatus.DAMAGED, STAGING))

    line = await warehouse.line("SO-1")
    assert (line.to_put_back, line.picked, line.reserved, line.backordered) == (0, 3, 4, 0)


async def test_a_count_that_agreed_is_not_compared_again(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5))
    count = replace(warehouse.adjust("MUG", 0), key="adjustment/A-1", asked="counted 5")
    first = await warehouse.post(count)
    await warehouse.post(warehouse.receipt("MUG", 3))

    again = await warehouse.post(replace(count, delta=-3))

    assert (again.replayed, again.posting_id) == (True, first.posting_id)
    assert (await warehouse.state("MUG"))["A-01"] == (8, 0)


async def test_of_two_counts_in_one_batch_the_second_is_compared_again(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    counts = [replace(warehouse.adjust("MUG", -2), compared_seq=1) for _ in range(2)]

    first, second = await asyncio.gather(*map(warehouse.post, counts), return_exceptions=True)

    assert not isinstance(first, BaseException)
    assert isinstance(second, Rejected)
    assert second.code == "count_overtaken"
    assert (await warehouse.state("MUG"))["A-01"] == (8, 0)
