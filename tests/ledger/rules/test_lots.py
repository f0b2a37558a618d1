"""Lots that are blocked, and where lots and serial numbers are and have been."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import Rejected
from domain.stock import Place, PlaceKind, StockStatus
from ledger.outcomes import Outcome
from ledger.reads import lots
from ledger.reads.lots import Traced, Whereabouts
from ledger.requests import AmendOrder, BlockLot, ReceiveStock, UnblockLot
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import BIN, OTHER_BIN, SITE, STAGING, Warehouse

FAR_OFF = date(2097, 6, 30)


@pytest.fixture(autouse=True)
def verified(database: BackingServices) -> Iterator[None]:
    """Leave no ledger behind that does not add up."""
    yield
    assert verify(database.database_url).findings == []


def block(warehouse: Warehouse, block_no: str = "RC-1", sites: tuple[str, ...] = (SITE,)) -> BlockLot:
    return BlockLot(**_of_lot(warehouse, f"recall/{block_no}", block_no), sites=sites)


def unblock(warehouse: Warehouse, block_no: str = "RC-1") -> UnblockLot:
    return UnblockLot(**_of_lot(warehouse, f"recall/{block_no}/lift", block_no), sites=(SITE,))


def _of_lot(warehouse: Warehouse, key: str, block_no: str) -> dict[str, Any]:
    said = {"sku": "MUG", "lot": "L1", "block_no": block_no, "cause": "glaze"}
    return {"tenant": warehouse.tenant, "key": key, "actor": "test", **said}


async def test_a_blocked_lot_is_quarantined_wherever_it_lies(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10, lot="L1"))
    await warehouse.post(warehouse.receipt("MUG", 5, OTHER_BIN, lot="L1"))
    await warehouse.post(warehouse.receipt("MUG", 7, lot="L2"))

    outcome = await warehouse.post(block(warehouse))

    assert outcome.answer["quarantined"] == 15
    assert await warehouse.state("MUG") == {
        "A-01/L1/quarantined": (10, 0),
        "A-02/L1/quarantined": (5, 0),
        "A-01/L2": (7, 0),
        "supplier/HAM/L1": (-15, 0),
        "supplier/HAM/L2": (-7, 0),
    }


async def test_who_was_promised_a_blocked_lot_gets_another_one_in_the_order_of_the_queue(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 6, lot="L1", expires_on=FAR_OFF))
    await warehouse.post(warehouse.receipt("MUG", 3, OTHER_BIN, lot="L1", expires_on=FAR_OFF))
    for number in (1, 2, 3):
        await warehouse.post(warehouse.order(f"SO-{number}", (1, "MUG", 3)))
    await warehouse.post(warehouse.pick("SO-2", 1, "MUG", 3))
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L2"))

    outcome = await warehouse.post(block(warehouse))

    assert outcome.displaced == {"SO-1", "SO-2", "SO-3"}
    assert outcome.answer["displaced"] == ["SO-1", "SO-2", "SO-3"]
    lines = [await warehouse.line(f"SO-{number}") for number in (1, 2, 3)]
    assert [(line.reserved, line.picked, line.backordered) for line in lines] == [(3, 0, 0), (1, 0, 2), (0, 0, 3)]
    state = await warehouse.state("MUG")
    assert state["A-01/L2"] == (4, 4)
    assert state["STAGE/L1/quarantined"] == (3, 0)


async def test_what_arrives_of_a_blocked_lot_is_quarantined_until_the_block_is_lifted(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L1"))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 2))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 2)))
    await warehouse.post(block(warehouse))

    await warehouse.post(warehouse.receipt("MUG", 10, OTHER_BIN, lot="L1"))
    await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 1, condition=StockStatus.AVAILABLE))
    found = warehouse.adjust("MUG", 3, OTHER_BIN)
    await warehouse.post(replace(found, stream=replace(found.stream, lot="L1")))
    state = await warehouse.state("MUG")
    assert (state["A-02/L1/quarantined"], state["RET/L1/quarantined"]) == ((13, 0), (1, 0))
    assert "A-02/L1" not in state

    await warehouse.post(unblock(warehouse))
    await warehouse.post(warehouse.receipt("MUG", 1, OTHER_BIN, lot="L1"))
    assert (await warehouse.state("MUG"))["A-02/L1"] == (1, 0)


async def test_quarantined_stock_of_a_blocked_lot_is_not_made_available(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L1"))
    await warehouse.post(block(warehouse))
    release = warehouse.restate("MUG", 4, StockStatus.AVAILABLE, was=StockStatus.QUARANTINED)
    release = replace(release, stream=replace(release.stream, lot="L1"))

    with pytest.raises(Rejected, match="blocked"):
        await warehouse.post(release)
    await warehouse.post(unblock(warehouse))
    await warehouse.post(release)

    assert (await warehouse.state("MUG"))["A-01/L1"] == (4, 0)


async def test_a_lot_is_blocked_once_and_lifted_once(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L1"))
    first = await warehouse.post(block(warehouse))

    again = await warehouse.post(replace(block(warehouse), sites=(SITE, "BER")))
    with pytest.raises(Rejected, match="blocked already"):
        await warehouse.post(block(warehouse, block_no="RC-2"))
    await warehouse.post(unblock(warehouse))
    with pytest.raises(Rejected, match="not blocked"):
        await warehouse.post(unblock(warehouse, block_no="RC-2"))

    assert again.replayed
    assert again.answer == first.answer


async def test_a_block_and_what_arrives_in_the_same_batch_agree(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))

    await asyncio.gather(
        warehouse.post(warehouse.receipt("MUG", 2, lot="L1")),
        warehouse.post(block(warehouse)),
        warehouse.post(warehouse.receipt("MUG", 3, OTHER_BIN, lot="L1")),
    )

    state = await warehouse.state("MUG")
    assert (state["A-01/L1/quarantined"], state["A-02/L1/quarantined"]) == ((3, 0), (3, 0))


async def test_nothing_of_a_lot_stays_on_sale_whoever_brings_it_while_it_is_blocked(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    dice = random.Random(5)
    writers = [LedgerWriter(engine) for _ in range(3)]
    sites = [f"S{number}" for number in range(12)]
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))

    async def bring(site: str) -> None:
        receipt = warehouse.receipt("MUG", 1, Place(f"{site}-BIN", site), lot="L1")
        await dice.choice(writers).post(receipt)

    async def recall() -> Outcome:
        while True:
            async with engine.connect() as connection:
                lot = await lots.find_lot(connection, warehouse.tenant, "MUG", "L1")
            assert lot is not None
            with suppress(Rejected):  # it has come to another site meanwhile
                return await writers[0].post(block(warehouse, sites=lot.sites))

    await asyncio.gather(*map(bring, sites[:6]), recall(), *map(bring, sites[6:]))

    state = await warehouse.state("MUG")
    assert {name.rpartition("/")[2] for name in state if not name.startswith("supplier")} == {"quarantined"}
    assert sum(on_hand for on_hand, _ in state.values()) == 0


@dataclass
class Gate:
    """Keeps a posting from being committed until it is opened."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(self, _connection: AsyncConnection, _outcome: Outcome) -> None:
        self.reached.set()
        await self.opened.wait()


async def _stands_in_line(engine: AsyncEngine, task: asyncio.Task[Outcome]) -> None:
    """Return when a posting waits for another one's lock, or has not waited at all."""
    waiting = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and state = 'active'")
    async with engine.connect() as connection:
        while not task.done() and not await connection.scalar(waiting):
            await connection.rollback()


async def test_what_arrives_while_a_lot_is_being_blocked_is_quarantined(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))
    gate = Gate()
    blocking = asyncio.create_task(warehouse.writer.post(block(warehouse), gate.keep))
    await gate.reached.wait()

    elsewhere = warehouse.receipt("MUG", 2, Place("BER-BIN", "BER"), lot="L1")
    arriving = asyncio.create_task(LedgerWriter(engine).post(elsewhere))
    await _stands_in_line(engine, arriving)
    gate.opened.set()
    await asyncio.gather(blocking, arriving)

    assert (await warehouse.state("MUG"))["BER-BIN/L1/quarantined"] == (2, 0)


async def test_a_block_waits_for_what_is_just_arriving_elsewhere_and_is_refused_then(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))
    gate = Gate()
    elsewhere = warehouse.receipt("MUG", 2, Place("BER-BIN", "BER"), lot="L1")
    arriving = asyncio.create_task(LedgerWriter(engine).post(elsewhere, gate.keep))
    await gate.reached.wait()

    blocking = asyncio.create_task(warehouse.post(block(warehouse)))
    await _stands_in_line(engine, blocking)
    gate.opened.set()
    await arriving

    with pytest.raises(Rejected, match="another site"):
        await blocking


async def test_a_block_that_missed_a_site_is_refused(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))
    await warehouse.post(warehouse.receipt("MUG", 2, Place("BER-BIN", "BER"), lot="L1"))

    with pytest.raises(Rejected) as refused:
        await warehouse.post(block(warehouse))

    assert refused.value.code == "lot_moved"
    assert (await warehouse.state("MUG"))["A-01/L1"] == (1, 0)


# -- when it expires -------------------------------------------------------------------------------------------------

SOON, BER = date(2097, 1, 31), Place("BER-BIN", "BER")


def telling(warehouse: Warehouse, expires_on: date, *sites: str) -> ReceiveStock:
    """Receive one of a lot, and tell when it expires, where these sites have it, too."""
    receipt = warehouse.receipt("MUG", 1, lot="L1", expires_on=expires_on)
    return replace(receipt, lines=tuple(replace(line, sites=sites) for line in receipt.lines))


async def known(warehouse: Warehouse) -> date | None:
    async with warehouse.engine.connect() as connection:
        lot = await lots.find_lot(connection, warehouse.tenant, "MUG", "L1")
    return lot.expires_on if lot else None


async def test_of_two_who_tell_otherwise_at_once_one_is_refused(engine: AsyncEngine, warehouse: Warehouse) -> None:
    here = warehouse.post(warehouse.receipt("MUG", 1, lot="L1", expires_on=SOON))
    there = LedgerWriter(engine).post(warehouse.receipt("MUG", 1, BER, lot="L1", expires_on=FAR_OFF))

    told = await asyncio.gather(here, there, return_exceptions=True)

    (refused,) = (each for each in told if isinstance(each, Rejected))
    assert refused.code == "expiry_contradicts"
    assert await known(warehouse) in {SOON, FAR_OFF}


async def test_holds_at_every_site_give_way_to_a_new_date(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5, lot="L1"))
    await warehouse.post(warehouse.receipt("MUG", 5, BER, lot="L1"))
    await warehouse.post(_keeping(warehouse.order("SO-1", (1, "MUG", 2), site="BER")))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2), site="BER"))

    outcome = await warehouse.post(telling(warehouse, SOON, SITE, "BER"))

    assert outcome.displaced == {"SO-1"}
    assert [(await warehouse.line(f"SO-{number}")).reserved for number in (1, 2)] == [0, 2]


async def test_who_has_kept_a_pool_in_memory_hears_of_a_new_date_though_nothing_moved_there(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    other = LedgerWriter(engine)
    await other.post(warehouse.receipt("MUG", 5, BER, lot="L1"))
    for number in (1, 2):
        await other.post(warehouse.order(f"SO-{number}", (1, "MUG", 1), site="BER"))

    await warehouse.post(telling(warehouse, SOON, "BER"))
    await other.post(_keeping(warehouse.order("SO-3", (1, "MUG", 2), site="BER")))

    assert (await warehouse.line("SO-3")).reserved == 0


def _keeping(order: AmendOrder) -> AmendOrder:
    """Ask for the same, of what keeps for long."""
    return replace(order, lines=tuple(replace(demand, least_expiry=FAR_OFF) for demand in order.lines))


async def test_a_date_that_is_told_for_too_few_sites_is_refused(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))
    await warehouse.post(warehouse.receipt("MUG", 1, BER, lot="L1"))

    with pytest.raises(Rejected) as refused:
        await warehouse.post(telling(warehouse, SOON, SITE))

    assert (refused.value.code, await known(warehouse)) == ("lot_moved", None)


async def test_what_arrives_while_a_date_is_being_told_has_it(engine: AsyncEngine, warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))
    waiting = warehouse.order("SO-1", (1, "MUG", 1), site="BER")
    await warehouse.post(_keeping(waiting))
    gate = Gate()
    dating = asyncio.create_task(warehouse.writer.post(telling(warehouse, SOON, SITE), gate.keep))
    await gate.reached.wait()

    arriving = asyncio.create_task(LedgerWriter(engine).post(warehouse.receipt("MUG", 2, BER, lot="L1")))
    await _stands_in_line(engine, arriving)
    gate.opened.set()
    await asyncio.gather(dating, arriving)

    assert (await warehouse.line("SO-1")).reserved == 0


async def test_a_date_waits_for_what_is_just_arriving_elsewhere_and_is_refused_then(
    engine: AsyncEngine, warehouse: Warehouse
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L1"))
    gate = Gate()
    arriving = asyncio.create_task(LedgerWriter(engine).post(warehouse.receipt("MUG", 2, BER, lot="L1"), gate.keep))
    await gate.reached.wait()

    dating = asyncio.create_task(warehouse.post(telling(warehouse, SOON, SITE)))
    await _stands_in_line(engine, dating)
    gate.opened.set()
    await arriving

    with pytest.raises(Rejected, match="another site"):
        await dating


# -- where it is -----------------------------------------------------------------------------------------------------


async def _told(warehouse: Warehouse) -> None:
    """Tell a story of two lots: received, moved, sold, partly come back, one unit lost, one found."""
    await warehouse.post(warehouse.receipt("MUG", 20, lot="L1"))
    await warehouse.post(warehouse.receipt("MUG", 9, lot="L2"))
    await warehouse.post(warehouse.move("MUG", 5, BIN, OTHER_BIN, lot="L1"))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 8, "L1")))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 6, lot="L1"))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 6), lot="L1"))
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.give_back("SO-1", 1, "MUG", 1))
    found = warehouse.adjust("MUG", -2)
    await warehouse.post(replace(found, stream=replace(found.stream, lot="L1")))


async def _trace(warehouse: Warehouse, **traced: str) -> list[Whereabouts]:
    async with warehouse.engine.connect() as connection:
        return await lots.whereabouts(connection, Traced(warehouse.tenant, **traced))


async def test_a_lot_is_found_to_the_unit_wherever_it_went(warehouse: Warehouse) -> None:
    await _told(warehouse)

    found = await _trace(warehouse, sku="MUG", lot="L1")

    assert sum(item.on_hand for item in found) == 0
    places = {item.key.place.kind: 0 for item in found}
    for item in found:
        places[item.key.place.kind] += item.on_hand
    assert places == {
        PlaceKind.STORAGE: 13,
        PlaceKind.TRANSIT: 2,
        PlaceKind.CUSTOMER: 3,
        PlaceKind.SUPPLIER: -20,
        PlaceKind.ADJUSTMENT: 2,
    }
    outside = [item for item in found if item.key.place.kind in {PlaceKind.TRANSIT, PlaceKind.CUSTOMER}]
    assert {item.order_ref for item in outside} == {"SO-1"}


async def test_a_serial_number_tells_its_whole_history(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("PHONE", 2, serials=("S1", "S2")))
    await warehouse.post(warehouse.order("SO-1", (1, "PHONE", 1)))
    await warehouse.post(warehouse.pick("SO-1", 1, "PHONE", 1, serials=("S2",), place=BIN))
    await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "PHONE", 1)))
    await warehouse.post(warehouse.deliver("SO-1", "SH-1", (1, "PHONE", 1)))
    await warehouse.post(warehouse.give_back("SO-1", 1, "PHONE", 1))
    traced = Traced(warehouse.tenant, "PHONE", serial_number="S2")

    async with warehouse.engine.connect() as connection:
        movements = await lots.history(connection, traced, 100)
        first = await lots.history(connection, traced, 3)
        rest = await lots.history(connection, traced, 100, first[-1].position)

    came = [(m.reason, m.key.place.location_id) for m in movements if m.quantity > 0]
    assert came == [
        ("goods_receipt", "A-01"),
        ("pick", STAGING.location_id),
        ("goods_issue", "transit/SH-1"),
        ("delivery", "customer/SO-1"),
        ("return", "RET"),
    ]
    assert [*first, *rest] == movements
    assert sum(m.quantity for m in movements) == 0


async def test_a_lot_that_was_found_is_known_wherever_it_is_received(warehouse: Warehouse) -> None:
    found = replace(warehouse.adjust("MUG", 3), stream=warehouse.stream("MUG", lot="LX"))
    await warehouse.post(found)

    async with warehouse.engine.connect() as connection:
        lot = await lots.find_lot(connection, warehouse.tenant, "MUG", "LX")

    assert lot is not None
    assert (lot.expires_on, lot.sites) == (None, (SITE,))
