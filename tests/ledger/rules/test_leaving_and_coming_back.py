from __future__ import annotations

import pytest

from domain.errors import Rejected
from domain.stock import StockStatus
from tests.ledger.warehouse import BIN, Warehouse


async def _picked(warehouse: Warehouse, quantity: int = 4) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", quantity)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", quantity))


async def _shipped(warehouse: Warehouse) -> None:
    await _picked(warehouse)
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 4)))


async def test_goods_leave_staging_for_transit_and_their_hold_ends(warehouse: Warehouse) -> None:
    await _shipped(warehouse)

    assert await warehouse.state("MUG") == {"A-01": (6, 0), "transit/SH-1": (4, 0), "supplier/HAM": (-10, 0)}
    line = await warehouse.line("SO-1")
    assert (line.reserved, line.picked, line.shipped) == (0, 0, 4)


async def test_a_delivery_is_a_movement_to_the_customer(warehouse: Warehouse) -> None:
    await _shipped(warehouse)

    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 3)))

    state = await warehouse.state("MUG")
    assert (state["transit/SH-1"], state["customer/SO-1"]) == ((1, 0), (3, 0))
    assert (await warehouse.line("SO-1")).delivered == 3


async def test_no_more_is_delivered_than_is_underway(warehouse: Warehouse) -> None:
    await _shipped(warehouse)

    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 9)))

    assert (await warehouse.line("SO-1")).delivered == 4


async def test_what_is_not_picked_may_leave_too(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))

    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 4)))

    assert (await warehouse.state("MUG"))["A-01"] == (6, 0)
    assert (await warehouse.line("SO-1")).shipped == 4


async def test_goods_beyond_the_hold_come_from_free_stock(warehouse: Warehouse) -> None:
    await _picked(warehouse)

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 6)))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped) == (6, 6)
    assert (await warehouse.state("MUG"))["A-01"] == (4, 0)
    assert not outcome.unaccounted


async def test_goods_beyond_free_stock_displace_unpicked_holds_then_picked_ones(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 3)))
    await warehouse.post(warehouse.order("SO-3", (1, "MUG", 3)))
    await warehouse.post(warehouse.pick("SO-3", 1, "MUG", 3))

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 8)))

    assert outcome.displaced == {"SO-2", "SO-3"}
    assert (await warehouse.line("SO-2")).backordered == 3
    line = await warehouse.line("SO-3")
    assert (line.reserved, line.picked, line.backordered) == (2, 2, 1)


async def test_what_the_ledger_never_had_comes_from_the_adjustment_place(warehouse: Warehouse) -> None:
    await _picked(warehouse)

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 13)))

    assert outcome.unaccounted == (("MUG", "HAM", 3),)
    assert await warehouse.state("MUG") == {
        "transit/SH-1": (13, 0),
        "adjustment/HAM": (-3, 0),
        "supplier/HAM": (-10, 0),
    }


async def test_goods_that_left_though_they_waited_are_waited_for_no_more(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 2))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))

    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 5)))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped, line.backordered) == (5, 5, 0)


async def test_unwanted_goods_in_staging_may_leave_as_well(warehouse: Warehouse) -> None:
    await _picked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))

    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 4)))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped, line.to_put_back) == (4, 4, 0)


async def test_goods_come_back_from_the_customer_for_inspection(warehouse: Warehouse) -> None:
    await _shipped(warehouse)
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 4)))

    await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 3))

    state = await warehouse.state("MUG")
    assert (state["customer/SO-1"], state["RET/inspection"]) == ((1, 0), (3, 0))
    line = await warehouse.line("SO-1")
    assert (line.shipped, line.delivered, line.returned) == (4, 4, 3)


async def test_no_more_comes_back_than_was_delivered(warehouse: Warehouse) -> None:
    await _shipped(warehouse)
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 3)))
    await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 2))

    with pytest.raises(Rejected, match="only 1 can come back") as refusal:
        await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 2))
    assert refusal.value.code == "over_return"


async def test_goods_sent_back_undelivered_are_cancelled(warehouse: Warehouse) -> None:
    await _shipped(warehouse)

    await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 4, shipment_no="SH-1"))

    line = await warehouse.line("SO-1")
    assert (line.shipped, line.cancelled) == (0, 4)
    assert (await warehouse.state("MUG"))["RET/inspection"] == (4, 0)


async def test_goods_that_come_back_available_serve_who_waits(warehouse: Warehouse) -> None:
    await _shipped(warehouse)
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 8)))

    outcome = await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 2, condition=StockStatus.AVAILABLE, place=BIN))

    assert outcome.served == {"SO-2"}
    assert (await warehouse.line("SO-2")).reserved == 8


async def test_the_lots_that_left_are_the_lots_that_arrive(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 3, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 3, lot="B"))
    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 5)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MILK", 5))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MILK", 5)))
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MILK", 5)))

    state = await warehouse.state("MILK")
    assert (state["customer/SO-1/A"], state["customer/SO-1/B"]) == ((3, 0), (2, 0))


async def test_goods_sent_back_undelivered_may_be_wanted_again_and_are_reserved_at_once(warehouse: Warehouse) -> None:
    await _shipped(warehouse)

    await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 4, shipment_no="SH-1", resend=True))

    line = await warehouse.line("SO-1")
    assert (line.shipped, line.cancelled, line.reserved) == (0, 0, 4)
    assert await warehouse.state("MUG") == {"A-01": (6, 4), "RET/inspection": (4, 0), "supplier/HAM": (-10, 0)}


async def test_what_is_lost_on_the_way_is_written_off_and_cancelled(warehouse: Warehouse) -> None:
    await _shipped(warehouse)

    outcome = await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "MUG", 4)))

    assert await warehouse.state("MUG") == {"A-01": (6, 0), "adjustment/HAM": (4, 0), "supplier/HAM": (-10, 0)}
    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped, line.cancelled) == (4, 0, 4)
    assert outcome.answer["lost"] == [[{"lot": "", "serial_number": "", "quantity": 4}]]


async def test_no_more_is_lost_than_is_underway(warehouse: Warehouse) -> None:
    await _shipped(warehouse)
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 3)))

    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "MUG", 4)))

    line = await warehouse.line("SO-1")
    assert (line.shipped, line.delivered, line.cancelled) == (3, 3, 1)


async def test_what_is_lost_and_sent_again_is_reserved_in_the_same_posting(warehouse: Warehouse) -> None:
    await _shipped(warehouse)

    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "MUG", 4), resend=True))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped, line.cancelled, line.reserved) == (4, 0, 0, 4)
    assert (await warehouse.state("MUG"))["A-01"] == (6, 4)


async def test_what_is_sent_again_and_not_there_waits_where_it_stood_in_the_queue(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 3)))

    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "MUG", 4), resend=True))
    assert (await warehouse.line("SO-1")).backordered == 4
    await warehouse.post(warehouse.receipt("MUG", 5))

    assert ((await warehouse.line("SO-1")).reserved, (await warehouse.line("SO-2")).reserved) == (4, 1)


async def test_the_lot_and_the_serial_number_that_left_are_those_that_are_lost(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 2, lot="A", serials=("S-1", "S-2")))
    await warehouse.post(warehouse.order("SO-1", (1, "PHONE", 1)))
    await warehouse.post(warehouse.pick("SO-1", 1, "PHONE", 1, place=BIN, serials=("S-2",)))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1)))

    outcome = await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "PHONE", 1)))

    assert (await warehouse.state("PHONE"))["adjustment/HAM/A/S-2"] == (1, 0)
    assert outcome.answer["lost"] == [[{"lot": "A", "serial_number": "S-2", "quantity": 1}]]
    await warehouse.post(warehouse.find("SO-1", "SH-1", (1, "PHONE", 1), lot="A", serials=("S-2",)))
    state = await warehouse.state("PHONE")
    assert (state["customer/SO-1/A/S-2"], "adjustment/HAM/A/S-2" in state) == ((1, 0), False)


async def test_a_serial_number_that_turned_up_elsewhere_did_not_arrive(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 1, serials=("S-1",)))
    await warehouse.post(warehouse.order("SO-1", (1, "PHONE", 1)))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1)))
    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "PHONE", 1)))
    await warehouse.post(warehouse.adjust("PHONE", 1, serial="S-1"))

    with pytest.raises(Rejected, match="found elsewhere") as refusal:
        await warehouse.post(warehouse.find("SO-1", "SH-1", (1, "PHONE", 1), serials=("S-1",)))
    assert refusal.value.code == "serial_elsewhere"


async def test_what_was_lost_and_arrives_after_all_is_cancelled_no_more(warehouse: Warehouse) -> None:
    await _shipped(warehouse)
    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "MUG", 4)))

    await warehouse.post(warehouse.find("SO-1", "SH-1", (1, "MUG", 4)))

    assert await warehouse.state("MUG") == {"A-01": (6, 0), "customer/SO-1": (4, 0), "supplier/HAM": (-10, 0)}
    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped, line.delivered, line.cancelled) == (4, 4, 4, 0)


async def test_what_was_lost_and_arrives_after_all_is_waited_for_no_more(warehouse: Warehouse) -> None:
    await _shipped(warehouse)
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 9)))
    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "MUG", 4), resend=True))
    await warehouse.post(warehouse.receipt("MUG", 2))

    outcome = await warehouse.post(warehouse.find("SO-1", "SH-1", (1, "MUG", 4), sent_again=True))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.delivered, line.reserved, line.backordered) == (4, 4, 0, 0)
    assert (outcome.served, (await warehouse.line("SO-2")).reserved) == ({"SO-2"}, 8)


async def test_what_arrives_after_all_beside_what_was_sent_again_is_more_than_was_ordered(warehouse: Warehouse) -> None:
    await _shipped(warehouse)
    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "MUG", 4), resend=True))
    await warehouse.post(warehouse.issue("SO-1", "SH-2", (1, "MUG", 4)))

    await warehouse.post(warehouse.find("SO-1", "SH-1", (1, "MUG", 4), sent_again=True))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped, line.delivered) == (8, 8, 4)
