from __future__ import annotations

from datetime import date

import pytest

from domain.errors import Rejected
from domain.stock import StockStatus
from tests.ledger.warehouse import BIN, OTHER_BIN, Warehouse


async def test_a_receipt_moves_stock_from_the_supplier_to_its_bin(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))

    assert await warehouse.state("MUG") == {"A-01": (10, 0), "supplier/HAM": (-10, 0)}


async def test_serial_numbers_are_received_one_by_one(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 2, serials=("S1", "S2")))

    state = await warehouse.state("PHONE")
    assert state["A-01/S1"] == (1, 0)
    assert state["supplier/HAM/S2"] == (-1, 0)


async def test_a_serial_number_is_received_once(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 1, serials=("S1",)))

    with pytest.raises(Rejected, match="was received before") as refusal:
        await warehouse.post(warehouse.receipt("PHONE", 1, OTHER_BIN, serials=("S1",)))
    assert refusal.value.code == "serial_known"


async def test_a_receipt_brings_as_many_serial_numbers_as_units(warehouse: Warehouse) -> None:
    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.receipt("PHONE", 3, serials=("S1", "S2")))
    assert refusal.value.code == "serials_do_not_match"


async def test_reserving_moves_nothing_and_promises_what_is_there(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))

    outcome = await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))

    assert outcome.answer["lines"][0]["reserved"] == 4
    assert await warehouse.state("MUG") == {"A-01": (10, 4), "supplier/HAM": (-10, 0)}


async def test_what_expires_first_is_promised_first_and_what_never_expires_last(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 5, lot="KEEPS"))
    await warehouse.post(warehouse.receipt("MILK", 5, lot="LATE", expires_on=date(2097, 6, 1)))
    await warehouse.post(warehouse.receipt("MILK", 5, lot="SOON", expires_on=date(2097, 1, 1)))

    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 12)))

    state = await warehouse.state("MILK")
    assert (state["A-01/SOON"], state["A-01/LATE"], state["A-01/KEEPS"]) == ((5, 5), (5, 5), (5, 2))


async def test_a_demand_for_a_lot_gets_no_other(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MILK", 5, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 5, lot="B"))

    await warehouse.post(warehouse.order("SO-1", (1, "MILK", 7, "B")))

    line = await warehouse.line("SO-1")
    assert (line.reserved, line.backordered) == (5, 2)
    assert (await warehouse.state("MILK"))["A-01/A"] == (5, 0)


@pytest.mark.parametrize("status", [StockStatus.QUARANTINED, StockStatus.DAMAGED, StockStatus.INSPECTION])
async def test_only_available_stock_is_promised(warehouse: Warehouse, status: StockStatus) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5, stock_status=status))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))

    assert (await warehouse.line("SO-1")).backordered == 5


async def test_an_order_that_must_be_met_in_full_is_refused_with_each_short_line(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3))
    await warehouse.post(warehouse.receipt("CUP", 9))
    before = await warehouse.count("posting")

    with pytest.raises(Rejected) as refusal:
        await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4), (2, "CUP", 9), (3, "PLATE", 1), policy="reject"))

    assert refusal.value.code == "insufficient_stock"
    assert [fault.pointer for fault in refusal.value.faults] == ["/lines/0/quantity", "/lines/2/quantity"]
    assert await warehouse.count("posting") == before
    assert await warehouse.count("order_line") == 0
    assert (await warehouse.state("CUP"))["A-01"] == (9, 0)


async def test_a_partial_order_takes_what_there_is_and_the_rest_is_cancelled(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5), policy="partial"))

    line = await warehouse.line("SO-1")
    assert (line.ordered, line.reserved, line.backordered, line.cancelled) == (5, 3, 0, 2)


async def test_an_order_that_only_waits_is_a_posting_without_entries(warehouse: Warehouse) -> None:
    outcome = await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))

    assert outcome.posting_id is not None
    assert await warehouse.count("entry") == 0
    assert (await warehouse.line("SO-1")).backordered == 5


async def test_stock_in_several_bins_is_promised_together(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3, BIN))
    await warehouse.post(warehouse.receipt("MUG", 3, OTHER_BIN))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))

    state = await warehouse.state("MUG")
    assert (state["A-01"], state["A-02"]) == ((3, 3), (3, 2))
