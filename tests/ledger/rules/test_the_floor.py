from __future__ import annotations

import pytest

from domain.errors import Kind, Rejected
from domain.stock import Place, StockStatus
from tests.ledger.warehouse import BIN, OTHER_BIN, STAGING, Warehouse


async def _ordered(warehouse: Warehouse, quantity: int = 6) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", quantity)))


async def test_picking_moves_stock_to_staging_and_its_reservation_with_it(warehouse: Warehouse) -> None:
    await _ordered(warehouse)

    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))

    assert await warehouse.state("MUG") == {"A-01": (6, 2), "STAGE": (4, 4), "supplier/HAM": (-10, 0)}
    line = await warehouse.line("SO-1")
    assert (line.reserved, line.picked) == (6, 4)


async def test_more_than_is_held_cannot_be_picked(warehouse: Warehouse) -> None:
    await _ordered(warehouse)

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 7))

    assert refusal.value.code == "more_than_held"
    assert refusal.value.faults[0].pointer == "/lines/0/quantity"


async def test_a_staging_place_is_used_again_after_it_was_empty(warehouse: Warehouse) -> None:
    await _ordered(warehouse)
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 2))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 2)))
    assert "STAGE" not in await warehouse.state("MUG")

    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 3))

    assert (await warehouse.state("MUG"))["STAGE"] == (3, 3)


async def test_a_picker_may_take_free_stock_elsewhere_and_the_hold_follows(warehouse: Warehouse) -> None:
    await _ordered(warehouse)
    await warehouse.post(warehouse.receipt("MUG", 5, OTHER_BIN))

    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4, place=OTHER_BIN))

    state = await warehouse.state("MUG")
    assert (state["A-01"], state["A-02"], state["STAGE"]) == ((10, 2), (1, 0), (4, 4))


async def test_a_picker_cannot_take_what_others_hold(warehouse: Warehouse) -> None:
    await _ordered(warehouse)
    await warehouse.post(warehouse.receipt("MUG", 5, OTHER_BIN))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 9)))

    with pytest.raises(Rejected, match="than are held or free there"):
        await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4, place=OTHER_BIN))


async def test_serial_numbers_go_from_bin_to_staging_to_the_customer(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 3, serials=("S1", "S2", "S3")))
    await warehouse.post(warehouse.order("SO-1", (1, "PHONE", 2)))

    await warehouse.post(warehouse.pick("SO-1", 1, "PHONE", 2, place=BIN, serials=("S2", "S3")))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 2)))
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "PHONE", 2)))

    state = await warehouse.state("PHONE")
    assert {name for name in state if "supplier" not in name} == {
        "A-01/S1",
        "customer/SO-1/S2",
        "customer/SO-1/S3",
    }


async def test_a_short_pick_puts_the_missing_aside_and_reserves_elsewhere(warehouse: Warehouse) -> None:
    await _ordered(warehouse)
    await warehouse.post(warehouse.receipt("MUG", 5, OTHER_BIN))

    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4, place=BIN, short=True))

    state = await warehouse.state("MUG")
    assert (state["A-01/inspection"], state["A-02"], state["STAGE"]) == ((2, 0), (5, 2), (4, 4))
    assert (await warehouse.line("SO-1")).reserved == 6


@pytest.mark.parametrize(
    ("policy", "backordered", "cancelled"), [("backorder", 2, 0), ("reject", 2, 0), ("partial", 0, 2)]
)
async def test_a_short_pick_that_cannot_be_made_up_for_waits_or_is_cancelled(
    warehouse: Warehouse, policy: str, backordered: int, cancelled: int
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 6))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 6), policy=policy))

    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4, short=True))

    line = await warehouse.line("SO-1")
    assert (line.reserved, line.backordered, line.cancelled) == (4, backordered, cancelled)


async def test_a_put_back_returns_to_a_bin_and_frees_in_one_posting(warehouse: Warehouse) -> None:
    await _ordered(warehouse)
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 6))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))

    await warehouse.post(warehouse.put_back("SO-1", 1, "MUG", 3, OTHER_BIN))

    state = await warehouse.state("MUG")
    assert (state["A-02"], state["STAGE"]) == ((3, 0), (3, 3))
    assert (await warehouse.line("SO-1")).to_put_back == 2


async def test_no_more_is_put_back_than_is_to_be(warehouse: Warehouse) -> None:
    await _ordered(warehouse)
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 6))

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.put_back("SO-1", 1, "MUG", 1))
    assert refusal.value.code == "more_than_to_put_back"


async def test_a_move_takes_free_units_first_and_then_reservations_along(warehouse: Warehouse) -> None:
    await _ordered(warehouse)

    await warehouse.post(warehouse.move("MUG", 4, BIN, OTHER_BIN))
    state = await warehouse.state("MUG")
    assert (state["A-01"], state["A-02"]) == ((6, 6), (4, 0))

    await warehouse.post(warehouse.move("MUG", 6, BIN, OTHER_BIN))
    state = await warehouse.state("MUG")
    assert "A-01" not in state
    assert state["A-02"] == (10, 6)
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 6))


async def test_more_than_is_on_hand_cannot_be_moved(warehouse: Warehouse) -> None:
    await _ordered(warehouse)

    with pytest.raises(Rejected, match="but 10 are on hand at A-01"):
        await warehouse.post(warehouse.move("MUG", 11, BIN, OTHER_BIN))


async def test_a_move_to_another_site_is_a_transfer(warehouse: Warehouse) -> None:
    await _ordered(warehouse)

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.move("MUG", 1, BIN, Place("B-01", "BER")))
    assert (refusal.value.code, refusal.value.kind) == ("other_site", Kind.CONFLICT)


async def test_what_is_promised_goes_to_staging_by_a_pick_only(warehouse: Warehouse) -> None:
    await _ordered(warehouse)

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.move("MUG", 5, BIN, STAGING))
    assert refusal.value.code == "held_stock"


async def test_what_is_outside_the_house_is_not_counted_moved_or_restated(warehouse: Warehouse) -> None:
    await _ordered(warehouse)
    outside = Place("supplier/HAM", "HAM", warehouse.stream("MUG", STAGING).place.kind.SUPPLIER)

    for request in (
        warehouse.adjust("MUG", 5, outside),
        warehouse.restate("MUG", 1, StockStatus.DAMAGED, outside),
        warehouse.move("MUG", 1, outside, BIN),
    ):
        with pytest.raises(Rejected) as refusal:
            await warehouse.post(request)
        assert refusal.value.code == "virtual_location"
