from __future__ import annotations

from tests.ledger.warehouse import Warehouse


async def _waiting(warehouse: Warehouse, *orders: str) -> list[int]:
    return [(await warehouse.line(order)).backordered for order in orders]


async def test_a_receipt_serves_the_queue_in_order_in_its_own_posting(warehouse: Warehouse) -> None:
    for number in (1, 2, 3):
        await warehouse.post(warehouse.order(f"SO-{number}", (1, "MUG", 4)))

    outcome = await warehouse.post(warehouse.receipt("MUG", 6))

    assert outcome.served == {"SO-1", "SO-2"}
    assert await _waiting(warehouse, "SO-1", "SO-2", "SO-3") == [0, 2, 4]
    assert {line.order_ref for line in outcome.lines} == {"SO-1", "SO-2"}


async def test_a_higher_priority_goes_first(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 4), priority=5))

    await warehouse.post(warehouse.receipt("MUG", 5))

    assert await _waiting(warehouse, "SO-1", "SO-2") == [3, 0]


async def test_who_waits_for_a_lot_does_not_hold_others_up(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 4, "B")))
    await warehouse.post(warehouse.order("SO-2", (1, "MILK", 4)))

    await warehouse.post(warehouse.receipt("MILK", 3, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 3, lot="B"))

    assert await _waiting(warehouse, "SO-1", "SO-2") == [1, 1]


async def test_a_new_order_does_not_overtake_who_waits(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 1)))

    assert await _waiting(warehouse, "SO-1", "SO-2") == [2, 1]


async def test_a_cancellation_serves_the_queue(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2)))

    outcome = await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", 1)))

    assert outcome.served == {"SO-2"}
    assert await _waiting(warehouse, "SO-2") == [1]


async def test_a_put_back_serves_the_queue(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 3))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2)))
    await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", 3)))
    assert await _waiting(warehouse, "SO-2") == [2]

    await warehouse.post(warehouse.put_back("SO-1", 1, "MUG", 3))

    assert await _waiting(warehouse, "SO-2") == [0]


async def test_a_decrease_keeps_its_place_and_serves_the_next(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 8)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))

    await warehouse.post(warehouse.receipt("MUG", 3))

    assert await _waiting(warehouse, "SO-1", "SO-2") == [0, 3]


async def test_an_increase_of_what_was_met_joins_at_its_own_time(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6)))

    await warehouse.post(warehouse.receipt("MUG", 4))

    assert await _waiting(warehouse, "SO-1", "SO-2") == [2, 0]


async def test_orders_that_were_served_can_be_picked(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.receipt("MUG", 4))

    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))

    assert (await warehouse.line("SO-1")).picked == 4


async def test_an_increase_of_what_waits_joins_at_its_own_time(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 3)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6)))

    served = []
    for _ in range(3):
        await warehouse.post(warehouse.receipt("MUG", 2))
        served.append(await _waiting(warehouse, "SO-1", "SO-2"))

    assert served == [[4, 3], [4, 1], [3, 0]]


async def test_what_is_wanted_less_is_the_latest_increase(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 3)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))

    await warehouse.post(warehouse.receipt("MUG", 5))

    assert await _waiting(warehouse, "SO-1", "SO-2") == [1, 0]


async def test_a_hold_that_a_fact_took_goes_back_to_the_place_of_its_demand(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 2))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 3)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.adjust("MUG", -2))

    await warehouse.post(warehouse.receipt("MUG", 4))

    assert await _waiting(warehouse, "SO-1", "SO-2") == [2, 1]
