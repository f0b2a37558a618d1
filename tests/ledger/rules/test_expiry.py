"""What has expired by its site's day is promised to nobody who does not allow it, and holds in it give way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import Rejected
from domain.orders import OrderLine
from domain.stock import StockStatus
from ledger.days import Days
from ledger.outcomes import Outcome
from ledger.requests import AmendOrder, ExpireStock
from ledger.verifying.verification import verify
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import BIN, OTHER_BIN, SITE, STAGING, Warehouse

TODAY = datetime.now(UTC).date()
LATER = TODAY + timedelta(days=90)


@pytest.fixture(autouse=True)
def verified(database: BackingServices) -> Iterator[None]:
    """Leave no ledger behind that does not add up."""
    yield
    assert verify(database.database_url).findings == []


def allowing(order: AmendOrder) -> AmendOrder:
    """Ask for the same, of what has expired, too."""
    return replace(order, lines=tuple(replace(demand, allow_expired=True) for demand in order.lines))


def tomorrow(warehouse: Warehouse, days: int = 1) -> date:
    """Let days pass at all sites."""
    warehouse.writer.days.ahead += timedelta(days=days)
    return TODAY + warehouse.writer.days.ahead


async def sweep(warehouse: Warehouse, sku: str = "MUG") -> Outcome:
    """Have holds give way to the day that has begun."""
    day = TODAY + warehouse.writer.days.ahead
    key = f"expiry/{SITE}/{sku}/{day}"
    return await warehouse.post(
        ExpireStock(tenant=warehouse.tenant, key=key, actor="expires_on", site=SITE, sku=sku, day=day)
    )


async def reserved(warehouse: Warehouse) -> dict[str, int]:
    return {name: held for name, (_, held) in (await warehouse.state("MUG")).items() if held}


def numbers(line: OrderLine) -> tuple[int, int, int, int]:
    return line.reserved, line.backordered, line.picked, line.to_put_back


# -- never promised --------------------------------------------------------------------------------------------------


async def test_a_lot_is_used_through_its_last_day_and_not_after(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    assert await reserved(warehouse) == {"A-01/L1": 2}

    tomorrow(warehouse)
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2)))

    assert numbers(await warehouse.line("SO-2")) == (0, 2, 0, 0)
    assert await reserved(warehouse) == {"A-01/L1": 2}


async def test_the_day_is_that_of_the_site(engine: AsyncEngine, tenant: str) -> None:
    """In Kiritimati a day is over 26 hours before it is in Midway."""

    async def zones(_sites: object) -> dict[tuple[str, str], str]:
        return {(tenant, SITE): "Pacific/Kiritimati", (tenant, "MDY"): "Pacific/Midway"}

    warehouse = Warehouse(LedgerWriter(engine, days=Days(zones)), engine, tenant)
    now = datetime.now(UTC)
    in_midway = (now - timedelta(hours=11)).date()
    await warehouse.post(warehouse.receipt("MUG", 5, lot="L1", expires_on=in_midway))
    await warehouse.post(warehouse.receipt("MUG", 5, replace(BIN, site="MDY", location_id="M-01"), lot="L1"))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2), site="MDY"))

    assert await reserved(warehouse) == {"M-01/L1": 2}


async def test_who_allows_it_is_promised_what_has_expired_and_first(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 2, lot="OLD", expires_on=date(2020, 1, 1)))
    await warehouse.post(warehouse.receipt("MUG", 5, lot="GOOD", expires_on=LATER))

    await warehouse.post(allowing(warehouse.order("SO-1", (1, "MUG", 3))))

    assert await reserved(warehouse) == {"A-01/OLD": 2, "A-01/GOOD": 1}


async def test_what_arrives_expired_serves_nobody_in_the_queue_but_who_allows_it(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await warehouse.post(allowing(warehouse.order("SO-2", (1, "MUG", 2))))

    outcome = await warehouse.post(warehouse.receipt("MUG", 5, lot="OLD", expires_on=date(2020, 1, 1)))

    assert outcome.served == {"SO-2"}
    assert numbers(await warehouse.line("SO-1")) == (0, 2, 0, 0)


async def test_who_allows_it_no_longer_lets_go_of_it_in_one_posting(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="OLD", expires_on=date(2020, 1, 1)))
    await warehouse.post(allowing(warehouse.order("SO-1", (1, "MUG", 3))))
    await warehouse.post(warehouse.receipt("MUG", 4, OTHER_BIN, lot="GOOD", expires_on=LATER))

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))

    assert await reserved(warehouse) == {"A-02/GOOD": 3}


async def test_an_increase_takes_nothing_back_from_staging_that_has_expired(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    tomorrow(warehouse)
    await sweep(warehouse)

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))

    assert numbers(await warehouse.line("SO-1")) == (0, 3, 0, 4)


async def test_what_a_count_or_a_short_pick_took_is_not_made_up_for_by_what_has_expired(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L1", expires_on=LATER))
    await warehouse.post(warehouse.receipt("MUG", 9, OTHER_BIN, lot="OLD", expires_on=date(2020, 1, 1)))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))

    lost = warehouse.adjust("MUG", -1)
    await warehouse.post(replace(lost, stream=replace(lost.stream, lot="L1")))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 1, place=BIN, short=True))

    assert numbers(await warehouse.line("SO-1")) == (1, 3, 1, 0)


@pytest.mark.parametrize("named", [{"lot": "OLD"}, {"place": OTHER_BIN}, {"place": OTHER_BIN, "lot": "OLD"}])
async def test_a_pick_of_what_has_expired_is_refused_by_name(warehouse: Warehouse, named: dict) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, OTHER_BIN, lot="OLD", expires_on=TODAY))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    tomorrow(warehouse)

    with pytest.raises(Rejected, match=f"OLD of MUG at A-02 expired on {TODAY}") as refused:
        await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 1, **named))

    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [("/lines/0/quantity", "expired")]


async def test_a_picker_takes_no_expired_stock_elsewhere_and_finds_the_good_beside_it(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="GOOD", expires_on=LATER))
    await warehouse.post(warehouse.receipt("MUG", 4, OTHER_BIN, lot="OLD", expires_on=date(2020, 1, 1)))
    await warehouse.post(warehouse.receipt("MUG", 1, OTHER_BIN, lot="GOOD", expires_on=LATER))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))

    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 1, place=OTHER_BIN))
    with pytest.raises(Rejected) as refused:
        await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 1, place=OTHER_BIN))

    assert refused.value.code == "expired"
    assert await reserved(warehouse) == {"A-01/GOOD": 2, "STAGE/GOOD": 1}


# -- a day begins ----------------------------------------------------------------------------------------------------


async def test_holds_in_what_has_expired_go_elsewhere_or_back_to_the_queue_at_their_old_place(
    warehouse: Warehouse,
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 6, lot="L1", expires_on=TODAY))
    for number in (1, 2):
        await warehouse.post(warehouse.order(f"SO-{number}", (1, "MUG", 3)))
    await warehouse.post(warehouse.order("SO-3", (1, "MUG", 1)))
    await warehouse.post(warehouse.receipt("MUG", 1, OTHER_BIN, lot="L2", expires_on=LATER))
    await warehouse.post(warehouse.receipt("MUG", 4, OTHER_BIN, lot="L2", expires_on=LATER))
    assert numbers(await warehouse.line("SO-3")) == (1, 0, 0, 0)

    day = tomorrow(warehouse)
    outcome = await sweep(warehouse)

    assert (outcome.answer["day"], outcome.answer["displaced"]) == (day.isoformat(), ["SO-1", "SO-2"])
    assert numbers(await warehouse.line("SO-1")) == (3, 0, 0, 0)
    assert numbers(await warehouse.line("SO-2")) == (1, 2, 0, 0)
    await warehouse.post(warehouse.order("SO-4", (1, "MUG", 1), priority=-1))
    await warehouse.post(warehouse.receipt("MUG", 2, lot="L2"))
    assert numbers(await warehouse.line("SO-2")) == (3, 0, 0, 0)


async def test_what_is_picked_and_has_expired_is_to_be_put_back(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.receipt("MUG", 4, OTHER_BIN, lot="L2", expires_on=LATER))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 5)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 3, lot="L1"))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 1, lot="L2"))

    tomorrow(warehouse)
    outcome = await sweep(warehouse)

    assert numbers(await warehouse.line("SO-1")) == (4, 1, 1, 3)
    assert [(part.lot, part.quantity) for part in outcome.unpicked] == [("L1", 3)]
    tomorrow(warehouse)
    again = await sweep(warehouse)  # it still lies in staging: nothing gives way twice
    assert (again.posting_id, again.displaced) == (None, frozenset())
    await warehouse.post(warehouse.put_back("SO-1", 1, "MUG", 3, lot="L1"))
    assert (await warehouse.state("MUG"))["A-01/L1"] == (3, 0)


async def test_a_day_begins_once(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))
    tomorrow(warehouse)

    first = await sweep(warehouse)
    again = await sweep(warehouse)

    assert again.replayed
    assert again.answer == first.answer
    assert numbers(await warehouse.line("SO-1")) == (0, 3, 0, 0)


async def test_who_allows_it_keeps_what_expires(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 6, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))
    await warehouse.post(allowing(warehouse.order("SO-2", (1, "MUG", 2))))
    await warehouse.post(allowing(warehouse.order("SO-3", (1, "MUG", 3))))
    assert numbers(await warehouse.line("SO-3")) == (1, 2, 0, 0)

    tomorrow(warehouse)
    outcome = await sweep(warehouse)

    assert (outcome.displaced, outcome.served) == ({"SO-1"}, {"SO-3"})
    assert await reserved(warehouse) == {"A-01/L1": 5}
    picked = await warehouse.post(warehouse.pick("SO-2", 1, "MUG", 2, lot="L1"))
    assert picked.answer["lines"][0]["picked"] == 2


async def test_what_left_though_it_had_expired_is_booked_with_a_notice(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 2))
    await warehouse.post(allowing(warehouse.order("SO-2", (1, "MUG", 1))))
    tomorrow(warehouse)

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 3)))

    assert outcome.lines[0].shipped == 3
    assert sum(quantity for _, _, quantity in outcome.expired) == 3


async def test_goods_of_unknown_origin_are_taken_for_what_has_not_expired(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3, lot="OLD", expires_on=date(2020, 1, 1)))
    await warehouse.post(warehouse.receipt("MUG", 3, lot="GOOD", expires_on=LATER))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 3)))

    assert outcome.expired == ()
    assert (await warehouse.state("MUG"))["transit/SH-1/GOOD"] == (3, 0)


async def test_what_was_kept_in_memory_expires_over_midnight(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 1)))  # decided on what was kept of the pool

    tomorrow(warehouse)
    await warehouse.post(warehouse.order("SO-3", (1, "MUG", 1)))

    assert numbers(await warehouse.line("SO-3")) == (0, 1, 0, 0)


async def test_expired_stock_can_be_moved_and_written_off(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 3, lot="OLD", expires_on=date(2020, 1, 1)))

    await warehouse.post(warehouse.move("MUG", 3, BIN, OTHER_BIN, lot="OLD"))
    damaged = warehouse.restate("MUG", 3, StockStatus.DAMAGED, OTHER_BIN)
    await warehouse.post(replace(damaged, stream=replace(damaged.stream, lot="OLD")))

    assert (await warehouse.state("MUG"))["A-02/OLD/damaged"] == (3, 0)


async def _held_and_picked(warehouse: Warehouse) -> None:
    """Four are wanted and picked: two of a lot that has expired since, and two of one that keeps."""
    await warehouse.post(warehouse.receipt("MUG", 2, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.receipt("MUG", 2, OTHER_BIN, lot="L2", expires_on=LATER))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 4))
    tomorrow(warehouse)
    await sweep(warehouse)


async def test_what_is_given_up_before_the_sweep_is_what_has_expired(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 2, lot="L1", expires_on=TODAY))
    await warehouse.post(warehouse.receipt("MUG", 2, OTHER_BIN, lot="L2", expires_on=LATER))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2)))
    tomorrow(warehouse)

    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 2)))
    await sweep(warehouse)

    assert (await warehouse.line("SO-1")).reserved == 2
    assert (await warehouse.state("MUG"))["A-02/L2"] == (2, 2)


async def test_goods_that_are_damaged_in_staging_leave_what_is_to_be_put_back_to_be_put_back(
    warehouse: Warehouse,
) -> None:
    await _held_and_picked(warehouse)

    await warehouse.post(warehouse.restate("MUG", 2, StockStatus.DAMAGED, STAGING, lot="L2"))

    line = await warehouse.line("SO-1")
    assert (line.picked, line.to_put_back, line.backordered) == (0, 2, 4)


async def test_a_lot_that_is_wanted_may_be_put_back_and_the_other_stays_to_be(warehouse: Warehouse) -> None:
    await _held_and_picked(warehouse)

    await warehouse.post(warehouse.put_back("SO-1", 1, "MUG", 2, lot="L2"))

    line = await warehouse.line("SO-1")
    assert (line.reserved, line.picked, line.to_put_back) == (2, 0, 2)


async def test_what_leaves_unnamed_is_what_the_order_can_use(warehouse: Warehouse) -> None:
    await _held_and_picked(warehouse)

    outcome = await warehouse.post(warehouse.issue("SO-1", "SH-1", (1, "MUG", 2)))

    assert [part["lot"] for part in outcome.answer["left"][0]] == ["L2"]
    assert (await warehouse.line("SO-1")).to_put_back == 2
