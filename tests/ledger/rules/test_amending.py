from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import Kind, Rejected
from domain.linked_lines import LinkedLine, Proportion
from domain.stock import StockStatus
from ledger.requests import AmendOrder
from tests.ledger.warehouse import OTHER_BIN, SITE, Warehouse


async def _stocked(warehouse: Warehouse, mugs: int = 10) -> None:
    await warehouse.post(warehouse.receipt("MUG", mugs))


async def _postings(warehouse: Warehouse) -> int:
    return await warehouse.count("posting")


async def test_an_amendment_that_changes_no_quantity_writes_nothing(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    before = await _postings(warehouse)

    outcome = await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))

    assert outcome.posting_id is None
    assert await _postings(warehouse) == before


async def test_more_is_reserved_by_the_difference_alone(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))

    outcome = await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6)))

    assert len(outcome.answer["entries"]) == 1
    assert (await warehouse.state("MUG"))["A-01"] == (10, 6)


async def test_an_increase_that_cannot_be_met_leaves_the_hold_as_it_was(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 8), policy="reject"))
    before = await _postings(warehouse)

    with pytest.raises(Rejected, match="more are wanted than are available"):
        await warehouse.post(warehouse.order("SO-1", (1, "MUG", 11), policy="reject"))

    assert (await warehouse.line("SO-1")).ordered == 8
    assert (await warehouse.state("MUG"))["A-01"] == (10, 8)
    assert await _postings(warehouse) == before


async def test_an_increase_first_takes_back_what_was_to_be_put_back(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 6))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    assert (await warehouse.line("SO-1")).to_put_back == 4

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 7)))

    line = await warehouse.line("SO-1")
    assert (line.reserved, line.picked, line.to_put_back) == (7, 6, 0)
    assert await warehouse.state("MUG") == {"A-01": (4, 1), "STAGE": (6, 6), "supplier/HAM": (-10, 0)}


async def test_a_decrease_takes_what_is_cancelled_then_what_waits_then_unpicked_then_picked(
    warehouse: Warehouse,
) -> None:
    await _stocked(warehouse, 6)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 10)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 3))
    await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", 2)))
    seen = []
    for ordered in (9, 8, 7, 6, 5, 4, 3, 2):
        await warehouse.post(warehouse.order("SO-1", (1, "MUG", ordered)))
        line = await warehouse.line("SO-1")
        seen.append((line.cancelled, line.backordered, line.unpicked, line.picked, line.to_put_back))

    assert seen == [
        (1, 2, 3, 3, 0),
        (0, 2, 3, 3, 0),
        (0, 1, 3, 3, 0),
        (0, 0, 3, 3, 0),
        (0, 0, 2, 3, 0),
        (0, 0, 1, 3, 0),
        (0, 0, 0, 3, 0),
        (0, 0, 0, 2, 1),
    ]


async def test_the_same_number_revives_nothing_that_was_cancelled(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 6)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 8), policy="partial"))
    await warehouse.post(warehouse.receipt("MUG", 10))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 8), policy="partial"))

    line = await warehouse.line("SO-1")
    assert (line.reserved, line.cancelled) == (6, 2)


async def test_quantity_that_moves_between_lines_stays_with_the_order(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 10)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 10)))

    outcome = await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "MUG", 6)))

    assert [(await warehouse.line("SO-1", n)).reserved for n in (1, 2)] == [4, 6]
    assert not outcome.served
    assert (await warehouse.line("SO-2")).backordered == 10


async def test_what_a_line_lets_go_of_goes_to_another_of_its_order_that_waits_for_it(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 8)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 5), priority=9))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "MUG", 7)))

    outcome = await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2), (2, "MUG", 7)))

    assert [(await warehouse.line("SO-1", n)).reserved for n in (1, 2)] == [2, 6]
    assert (await warehouse.line("SO-1", 2)).backordered == 1
    assert len(outcome.answer["entries"]) == 2
    assert (await warehouse.line("SO-2")).reserved == 0


async def test_what_an_order_lets_go_of_beyond_what_its_lines_wait_for_goes_to_the_queue(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 8)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6), (2, "MUG", 2)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 5)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6), (2, "MUG", 3)))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3), (2, "MUG", 3)))

    assert [(await warehouse.line("SO-1", n)).reserved for n in (1, 2)] == [3, 3]
    assert (await warehouse.line("SO-2")).reserved == 2


async def test_a_cancelled_line_leaves_its_stock_to_another_of_its_order(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 8)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 5), priority=9))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "MUG", 7)))

    await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", None)))

    assert [(await warehouse.line("SO-1", n)).reserved for n in (1, 2)] == [0, 7]
    assert (await warehouse.line("SO-2")).reserved == 1


async def test_a_line_that_waits_takes_over_what_is_picked_for_another_and_not_wanted_there(
    warehouse: Warehouse,
) -> None:
    await _stocked(warehouse, 8)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "MUG", 7)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1), (2, "MUG", 6)))

    first, second = [await warehouse.line("SO-1", n) for n in (1, 2)]
    assert (first.reserved, first.picked, first.to_put_back) == (1, 1, 1)
    assert (second.reserved, second.picked, second.backordered) == (6, 2, 0)


async def test_an_increase_takes_what_is_to_be_put_back_for_another_line_of_its_order(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 4)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1), (2, "MUG", 3), policy="reject"))

    assert (await warehouse.line("SO-1", 2)).picked == 3
    assert (await warehouse.line("SO-1", 1)).to_put_back == 0


async def test_a_line_takes_its_own_back_before_another_line_takes_it_over(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 4)
    await warehouse.post(warehouse.receipt("CUP", 4))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1), (2, "MUG", 1)))
    await warehouse.post(warehouse.pick("SO-1", 2, "MUG", 1))
    await warehouse.post(warehouse.order("SO-1", (1, "CUP", 1), (2, "CUP", 1)))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2), (2, "MUG", 1)))

    first, second = [await warehouse.line("SO-1", n, "MUG") for n in (1, 2)]
    assert (first.reserved, first.picked) == (2, 0)
    assert (second.reserved, second.picked, second.to_put_back) == (1, 1, 0)


async def test_a_line_that_named_another_lot_does_not_get_what_its_order_lets_go_of(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 4, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 2, lot="B"))
    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 4, "A"), (2, "MILK", 5, "B"), (3, "MILK", 1)))
    await warehouse.post(warehouse.order("SO-2", (1, "MILK", 5)))

    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 1, "A"), (2, "MILK", 5, "B"), (3, "MILK", 1)))

    assert [(await warehouse.line("SO-1", n)).reserved for n in (1, 2, 3)] == [1, 2, 1]
    assert (await warehouse.line("SO-2")).reserved == 2


async def test_another_sku_is_reserved_and_the_old_one_released_in_one_posting(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.receipt("CUP", 5))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    before = await _postings(warehouse)

    await warehouse.post(warehouse.order("SO-1", (1, "CUP", 4)))

    assert await _postings(warehouse) == before + 1
    assert (await warehouse.state("MUG"))["A-01"] == (10, 0)
    assert (await warehouse.state("CUP"))["A-01"] == (5, 4)
    assert (await warehouse.line("SO-1", sku="MUG")).ordered == 0


async def test_another_sku_that_is_not_there_leaves_the_old_hold(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), policy="reject"))

    with pytest.raises(Rejected):
        await warehouse.post(warehouse.order("SO-1", (1, "CUP", 4), policy="reject"))

    assert (await warehouse.state("MUG"))["A-01"] == (10, 4)


async def test_a_line_that_changed_its_sku_can_still_be_cancelled(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.receipt("CUP", 5))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))
    await warehouse.post(warehouse.order("SO-1", (1, "CUP", 4)))

    await warehouse.post(warehouse.cancel("SO-1", (1, "CUP", None)))

    assert (await warehouse.line("SO-1", sku="CUP")).cancelled == 4
    assert (await warehouse.line("SO-1", sku="MUG")).to_put_back == 4


async def test_a_named_lot_replaces_what_is_held_of_others(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 5, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 5, lot="B"))
    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 7)))

    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 4, "B")))

    state = await warehouse.state("MILK")
    assert (state["A-01/A"], state["A-01/B"]) == ((5, 0), (5, 4))


async def test_a_lot_that_no_longer_matters_lets_what_waited_take_any(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 5, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 2, lot="B"))
    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 6, "B")))
    assert (await warehouse.line("SO-1")).backordered == 4

    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 6)))

    assert (await warehouse.line("SO-1")).reserved == 6


async def test_two_lines_that_swap_their_lots_both_get_them(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 5, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 5, lot="B"))
    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 5, "A"), (2, "MILK", 5, "B"), policy="reject"))

    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 5, "B"), (2, "MILK", 5, "A"), policy="reject"))

    assert [(await warehouse.line("SO-1", n)).reserved for n in (1, 2)] == [5, 5]


async def test_the_least_that_can_be_ordered_is_what_has_left(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 4)))

    with pytest.raises(Rejected, match="4 of 6 have left already; the least is 4") as refusal:
        await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))
    assert (refusal.value.code, refusal.value.kind) == ("already_shipped", Kind.CONFLICT)

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    assert (await warehouse.line("SO-1")).unshipped == 0


async def test_of_a_line_that_has_left_no_more_is_ordered_but_of_one_that_has_left_in_part(
    warehouse: Warehouse,
) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2), (2, "MUG", 4)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 2))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 2), (2, "MUG", 3)))

    with pytest.raises(Rejected, match="Line 1: all 2 of MUG have left already") as refusal:
        await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3), (2, "MUG", 5)))
    assert [fault.pointer for fault in refusal.value.faults] == ["/lines/0/quantity"]

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2), (2, "MUG", 5)))
    line = await warehouse.line("SO-1", 2)
    assert (line.ordered, line.shipped, line.reserved) == (5, 3, 2)


async def test_what_has_left_is_not_of_another_lot(warehouse: Warehouse) -> None:
    for lot in ("A", "B"):
        await warehouse.post(warehouse.receipt("MILK", 5, lot=lot))
    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 2, "A")))
    await warehouse.post(warehouse.pick("SO-1", 1, "MILK", 2))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MILK", 2)))

    with pytest.raises(Rejected, match="have left already"):
        await warehouse.post(warehouse.order("SO-1", (1, "MILK", 2, "B")))


async def test_a_line_of_which_nothing_is_left_is_not_cancelled(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 2)))

    with pytest.raises(Rejected, match="nothing of MUG is left to cancel"):
        await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", None)))


async def test_a_line_that_is_left_out_is_given_up(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "MUG", 3)))

    await warehouse.post(warehouse.order("SO-1", (2, "MUG", 3)))

    assert (await warehouse.line("SO-1", 1)).ordered == 0
    assert (await warehouse.state("MUG"))["A-01"] == (10, 3)


async def test_a_cancellation_gives_up_what_is_not_shipped(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 5)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 8)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 2))

    await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", None)))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.cancelled, line.reserved, line.to_put_back) == (8, 8, 0, 2)
    assert await warehouse.state("MUG") == {"A-01": (3, 0), "STAGE": (2, 2), "supplier/HAM": (-5, 0)}


async def test_a_cancellation_of_more_than_is_left_names_the_line(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (7, "MUG", 2)))

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", 4), (7, "MUG", 3)))

    assert refusal.value.faults[0].pointer == "/lines/1/quantity"
    assert (await warehouse.line("SO-1")).reserved == 4


async def test_accepting_short_gives_up_only_what_waits(warehouse: Warehouse) -> None:
    await _stocked(warehouse, 5)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 8)))

    await warehouse.post(warehouse.cancel("SO-1", (1, "MUG", None), only_backordered=True))

    line = await warehouse.line("SO-1")
    assert (line.reserved, line.backordered, line.cancelled) == (5, 0, 3)


async def test_an_amendment_that_forgets_what_was_accepted_before_is_our_own_fault(warehouse: Warehouse) -> None:
    await _stocked(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    warehouse.former["SO-1"].clear()

    from domain.errors import InvariantViolated

    with pytest.raises(InvariantViolated, match=r"less than its line says|does not name"):
        await warehouse.post(warehouse.order("SO-1", (1, "CUP", 4)))
    assert (await warehouse.line("SO-1")).reserved == 4


def _allowing_expired(order: AmendOrder) -> AmendOrder:
    return replace(order, lines=tuple(replace(line, allow_expired=True) for line in order.lines))


async def test_other_terms_leave_what_waits_at_its_places(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 5)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))

    await warehouse.post(_allowing_expired(warehouse.order("SO-1", (1, "MUG", 5))))

    await warehouse.post(warehouse.receipt("MUG", 5))
    assert [(await warehouse.line(order)).reserved for order in ("SO-1", "SO-2")] == [1, 4]


@pytest.mark.parametrize("policy", ["reject", "partial"])
async def test_other_terms_ask_for_nothing_more_of_what_was_displaced(warehouse: Warehouse, policy: str) -> None:
    await _stocked(warehouse, 2)
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2), policy=policy))
    await warehouse.post(warehouse.restate("MUG", 2, StockStatus.DAMAGED))

    await warehouse.post(_allowing_expired(warehouse.order("SO-1", (1, "MUG", 2), policy=policy)))

    line = await warehouse.line("SO-1")
    assert (line.backordered, line.cancelled) == (2, 0)


async def test_what_a_linked_line_takes_for_nothing_is_what_it_gives_up(warehouse: Warehouse) -> None:
    links = (LinkedLine(1_000_001, "GIFT", SITE, 1, Proportion(1)),)

    async def order(quantity: int) -> None:
        lines = ((1, "MUG", quantity), (1_000_001, "GIFT", quantity))
        await warehouse.post(replace(warehouse.order("SO-1", *lines, policy="partial"), linked=links))

    await _stocked(warehouse, 2)
    await warehouse.post(warehouse.receipt("GIFT", 2, OTHER_BIN))
    await order(2)
    await warehouse.post(warehouse.receipt("GIFT", 5))

    await order(5)

    assert (await warehouse.state("GIFT"))["A-02"] == (2, 2)
    assert (await warehouse.line("SO-1", 1_000_001)).reserved == 2
