"""What is named is what is moved. Where tracked goods leave a choice, a request must name them; a fact is a guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from domain.errors import Rejected
from domain.stock import Place, StockStatus
from ledger.requests import ArrivedLine, LineQuantity, ReceiveTransfer, Request, SendTransfer, SentLine
from ledger.verifying.verification import verify
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import BIN, OTHER_BIN, SITE, Warehouse


@pytest.fixture(autouse=True)
def verified(database: BackingServices) -> Iterator[None]:
    """Leave no ledger behind that does not add up."""
    yield
    assert verify(database.database_url).findings == []


async def _phones(warehouse: Warehouse, held: int, *picked: str, place: Place = BIN) -> None:
    """Receive three phones, and let an order hold some and pick some."""
    await warehouse.post(warehouse.receipt("PHONE", 3, place, serials=("A", "B", "C")))
    await warehouse.post(warehouse.order("SO-1", (1, "PHONE", held)))
    if picked:
        await warehouse.post(warehouse.pick("SO-1", 1, "PHONE", len(picked), serials=picked))


async def _wine(warehouse: Warehouse) -> None:
    """Let an order pick 4 of one lot and 3 of another."""
    await warehouse.post(warehouse.receipt("WINE", 4, lot="L-1"))
    await warehouse.post(warehouse.receipt("WINE", 3, lot="L-2"))
    await warehouse.post(warehouse.order("SO-1", (1, "WINE", 7)))
    await warehouse.post(warehouse.pick("SO-1", 1, "WINE", 7))


async def _refused(warehouse: Warehouse, request: Request) -> list[tuple[str, str]]:
    before = await warehouse.count("posting")
    with pytest.raises(Rejected) as refusal:
        await warehouse.post(request)
    assert await warehouse.count("posting") == before
    return [(fault.pointer, fault.code) for fault in refusal.value.faults]


async def _evidence(warehouse: Warehouse) -> str:
    """Tell how the latest posting is known."""
    async with warehouse.engine.connect() as connection:
        query = text("select evidence from ledger.posting where tenant = :tenant order by recorded_at desc limit 1")
        return str((await connection.execute(query, {"tenant": warehouse.tenant})).scalar_one())


def _at(state: dict[str, tuple[int, int]], place: str) -> set[str]:
    return {name.removeprefix(f"{place}/") for name in state if name.startswith(place)}


# -- goods leave ------------------------------------------------------------------------------------------------------


async def test_the_serial_number_that_is_named_leaves_though_another_one_is_picked(warehouse: Warehouse) -> None:
    await _phones(warehouse, 2, "B")

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1), serials=("A",)))

    state = await warehouse.state("PHONE")
    assert (_at(state, "transit/SH-1"), _at(state, "STAGE")) == ({"A"}, {"B"})
    assert outcome.answer["left"] == [[{"lot": "", "serial_number": "A", "quantity": 1}]]
    assert not outcome.guessed
    line = await warehouse.line("SO-1")
    assert (line.shipped, line.reserved, line.picked) == (1, 1, 1)


async def test_a_serial_number_that_others_hold_leaves_if_it_is_named(warehouse: Warehouse) -> None:
    await _phones(warehouse, 1)
    await warehouse.post(warehouse.order("SO-2", (1, "PHONE", 1)))

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1), serials=("B",)))

    state = await warehouse.state("PHONE")
    assert (_at(state, "transit/SH-1"), outcome.displaced) == ({"B"}, {"SO-2"})
    assert ((await warehouse.line("SO-1")).reserved, (await warehouse.line("SO-2")).reserved) == (0, 1)


async def test_a_serial_number_that_is_damaged_leaves_if_it_is_named(warehouse: Warehouse) -> None:
    await _phones(warehouse, 1, "A")
    stream = warehouse.stream("PHONE", serial="B")
    await warehouse.post(replace(warehouse.restate("PHONE", 1, StockStatus.DAMAGED), stream=stream))

    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1), serials=("B",)))

    assert _at(await warehouse.state("PHONE"), "transit/SH-1") == {"B"}
    line = await warehouse.line("SO-1")
    assert (line.ordered, line.shipped, line.picked, line.to_put_back) == (1, 1, 0, 1)


async def test_more_of_a_lot_than_there_is_leaves_as_that_lot_and_is_a_discrepancy(warehouse: Warehouse) -> None:
    await _wine(warehouse)

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "WINE", 5), lot="L-2"))

    state = await warehouse.state("WINE")
    assert (state["transit/SH-1/L-2"], state["adjustment/HAM/L-2"]) == ((5, 0), (-2, 0))
    assert outcome.unaccounted == (("WINE", "HAM", 2),)


async def test_a_serial_number_that_is_nowhere_is_replaced_by_a_guess(warehouse: Warehouse) -> None:
    await _phones(warehouse, 1, "B")

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1), serials=("NEVER",)))

    assert _at(await warehouse.state("PHONE"), "transit/SH-1") == {"B"}
    assert (outcome.guessed, await _evidence(warehouse)) == ((("PHONE", "HAM", 1),), "inferred")


async def test_which_of_several_units_left_is_a_guess_in_a_fixed_order(warehouse: Warehouse) -> None:
    await _phones(warehouse, 3, "B", "C")

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1)))

    assert _at(await warehouse.state("PHONE"), "transit/SH-1") == {"B"}
    assert (outcome.guessed, await _evidence(warehouse)) == ((("PHONE", "HAM", 1),), "inferred")


async def test_all_that_is_picked_leaves_without_a_guess(warehouse: Warehouse) -> None:
    await _phones(warehouse, 3, "B", "C")

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 2)))

    assert _at(await warehouse.state("PHONE"), "transit/SH-1") == {"B", "C"}
    assert (outcome.guessed, await _evidence(warehouse)) == ((), "confirmed")


async def test_what_another_parcel_names_is_kept_for_it(warehouse: Warehouse) -> None:
    await _phones(warehouse, 2, "A", "B")
    kept = (LineQuantity(1, "PHONE", SITE, 1, "", ("A",)),)

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1), kept=kept))

    assert _at(await warehouse.state("PHONE"), "transit/SH-1") == {"B"}
    assert not outcome.guessed


async def test_the_serial_number_that_is_named_arrives(warehouse: Warehouse) -> None:
    await _phones(warehouse, 2, "A", "B")
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 2)))

    outcome = await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "PHONE", 1), serials=("B",)))

    state = await warehouse.state("PHONE")
    assert (_at(state, "customer/SO-1"), _at(state, "transit/SH-1")) == ({"B"}, {"A"})
    assert outcome.answer["arrived"] == [[{"lot": "", "serial_number": "B", "quantity": 1}]]


async def test_which_of_several_units_arrived_is_a_guess_in_a_fixed_order(warehouse: Warehouse) -> None:
    await _wine(warehouse)
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "WINE", 7)))

    outcome = await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "WINE", 5)))

    state = await warehouse.state("WINE")
    assert (state["customer/SO-1/L-1"], state["customer/SO-1/L-2"]) == ((4, 0), (1, 0))
    assert (outcome.guessed, await _evidence(warehouse)) == ((("WINE", "HAM", 5),), "inferred")


# -- goods that are lost, or come back --------------------------------------------------------------------------------


async def _with_the_customer(warehouse: Warehouse) -> None:
    await _phones(warehouse, 2, "A", "B")
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 2)))
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "PHONE", 2)))


async def test_the_serial_number_that_is_named_is_lost(warehouse: Warehouse) -> None:
    await _phones(warehouse, 2, "A", "B")
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 2)))
    some = warehouse.lose("SO-1", "SH-1", (1, "PHONE", 1))
    assert await _refused(warehouse, some) == [("/lines/0/serial_numbers", "serials_required")]

    await warehouse.post(warehouse.lose("SO-1", "SH-1", (1, "PHONE", 1), serials=("B",)))

    state = await warehouse.state("PHONE")
    assert (_at(state, "adjustment/HAM"), _at(state, "transit/SH-1")) == ({"B"}, {"A"})


@pytest.mark.parametrize("serial", ["C", "NEVER"])
async def test_a_serial_number_that_the_customer_does_not_have_can_t_come_back(
    warehouse: Warehouse, serial: str
) -> None:
    await _with_the_customer(warehouse)

    request = warehouse.give_back("SO-1", 1, "PHONE", 1, serials=(serial,))

    assert await _refused(warehouse, request) == [("/lines/0/serial_numbers", "not_there")]


async def test_the_serial_number_that_is_named_comes_back(warehouse: Warehouse) -> None:
    await _with_the_customer(warehouse)

    outcome = await warehouse.post(warehouse.give_back("SO-1", 1, "PHONE", 1, serials=("B",)))

    state = await warehouse.state("PHONE")
    assert (_at(state, "RET"), _at(state, "customer/SO-1")) == ({"B/inspection"}, {"A"})
    there = {"lot": "", "serial_number": "B", "quantity": 1, "stock_status": "inspection"}
    assert outcome.answer["back"] == [[there]]


async def test_a_return_names_its_units_unless_all_of_them_come_back(warehouse: Warehouse) -> None:
    await _with_the_customer(warehouse)
    some = warehouse.give_back("SO-1", 1, "PHONE", 1)
    assert await _refused(warehouse, some) == [("/lines/0/serial_numbers", "serials_required")]

    await warehouse.post(warehouse.give_back("SO-1", 1, "PHONE", 2))

    assert _at(await warehouse.state("PHONE"), "RET") == {"A/inspection", "B/inspection"}


async def test_a_return_names_its_lots_unless_all_of_them_come_back(warehouse: Warehouse) -> None:
    await _wine(warehouse)
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "WINE", 7)))
    some = warehouse.give_back("SO-1", 1, "WINE", 5, shipment_no="SH-1")
    assert await _refused(warehouse, some) == [("/lines/0/lot", "lot_required")]
    more = warehouse.give_back("SO-1", 1, "WINE", 4, shipment_no="SH-1", lot="L-2")
    assert await _refused(warehouse, more) == [("/lines/0/quantity", "over_return")]

    await warehouse.post(warehouse.give_back("SO-1", 1, "WINE", 3, shipment_no="SH-1", lot="L-2"))
    await warehouse.post(warehouse.give_back("SO-1", 1, "WINE", 2, shipment_no="SH-1"))

    state = await warehouse.state("WINE")
    assert (state["RET/L-2/inspection"], state["RET/L-1/inspection"]) == ((3, 0), (2, 0))


# -- the floor --------------------------------------------------------------------------------------------------------


async def test_the_serial_number_that_is_named_is_put_back(warehouse: Warehouse) -> None:
    await _phones(warehouse, 2, "A", "B")
    await warehouse.post(warehouse.order("SO-1", (1, "PHONE", 1)))
    some = warehouse.put_back("SO-1", 1, "PHONE", 1)
    assert await _refused(warehouse, some) == [("/lines/0/serial_numbers", "serials_required")]
    other = warehouse.put_back("SO-1", 1, "PHONE", 1, serials=("C",))
    assert await _refused(warehouse, other) == [("/lines/0/serial_numbers", "not_there")]

    await warehouse.post(warehouse.put_back("SO-1", 1, "PHONE", 1, serials=("A",)))

    state = await warehouse.state("PHONE")
    assert (_at(state, "STAGE"), _at(state, "A-01")) == ({"B"}, {"A", "C"})


async def test_the_lot_that_is_named_is_put_back(warehouse: Warehouse) -> None:
    await _wine(warehouse)
    await warehouse.post(warehouse.order("SO-1", (1, "WINE", 4)))
    some = warehouse.put_back("SO-1", 1, "WINE", 3)
    assert await _refused(warehouse, some) == [("/lines/0/lot", "lot_required")]

    await warehouse.post(warehouse.put_back("SO-1", 1, "WINE", 3, lot="L-1"))

    state = await warehouse.state("WINE")
    assert (state["STAGE/L-1"], state["STAGE/L-2"], state["A-01/L-1"]) == ((1, 1), (3, 3), (3, 0))


async def test_all_that_lies_in_staging_is_put_back_without_names(warehouse: Warehouse) -> None:
    await _phones(warehouse, 2, "A", "B")
    await warehouse.post(warehouse.cancel("SO-1", (1, "PHONE", None)))

    await warehouse.post(warehouse.put_back("SO-1", 1, "PHONE", 2))

    assert _at(await warehouse.state("PHONE"), "A-01") == {"A", "B", "C"}


async def test_a_serial_number_says_where_it_lies(warehouse: Warehouse) -> None:
    """Held or free, in whatever bin; another one than the held changes places with it in the same posting."""
    await _phones(warehouse, 2)
    await warehouse.post(warehouse.receipt("PHONE", 1, OTHER_BIN, serials=("D",)))
    before = await warehouse.count("posting")

    await warehouse.post(warehouse.pick("SO-1", 1, "PHONE", 2, serials=("D", "B")))

    state = await warehouse.state("PHONE")
    assert {name: of for name, of in state.items() if "supplier" not in name} == {
        "A-01/A": (1, 0),
        "A-01/C": (1, 0),
        "STAGE/B": (1, 1),
        "STAGE/D": (1, 1),
    }
    assert await warehouse.count("posting") == before + 1


async def test_a_serial_number_that_others_hold_is_not_picked(warehouse: Warehouse) -> None:
    await _phones(warehouse, 1)
    await warehouse.post(warehouse.order("SO-2", (1, "PHONE", 1)))

    request = warehouse.pick("SO-1", 1, "PHONE", 1, serials=("B",))

    assert await _refused(warehouse, request) == [("/lines/0/serial_numbers", "more_than_held")]


# -- from site to site ------------------------------------------------------------------------------------------------


async def test_what_arrives_of_a_transfer_is_named_unless_it_is_all(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 2, serials=("A", "B")))
    common = {"tenant": warehouse.tenant, "actor": "test", "transfer_no": "TR-1", "site": SITE}
    sent = SendTransfer(**common, key="t", to_site="CPH", lines=(SentLine("PHONE", BIN, 2, "", ("A", "B")),))
    await warehouse.post(sent)

    def arrived(key: str, quantity: int, *serials: str) -> ReceiveTransfer:
        line = ArrivedLine("PHONE", quantity, "", serials)
        return ReceiveTransfer(**common, key=key, sent=("PHONE",), place=Place("C-01", "CPH"), lines=(line,))

    assert await _refused(warehouse, arrived("r1", 1)) == [("/lines/0/serial_numbers", "serials_required")]
    await warehouse.post(arrived("r2", 1, "B"))
    await warehouse.post(arrived("r3", 1))

    assert _at(await warehouse.state("PHONE"), "C-01") == {"A", "B"}


async def test_all_that_is_not_named_is_told_at_once(warehouse: Warehouse) -> None:
    await _with_the_customer(warehouse)
    both = [warehouse.give_back("SO-1", 1, "PHONE", 1, serials=(serial,)) for serial in ("C", "NEVER")]

    request = replace(both[0], lines=tuple(each.lines[0] for each in both))

    assert await _refused(warehouse, request) == [(f"/lines/{index}/serial_numbers", "not_there") for index in (0, 1)]
