"""Which stock an order gets: by the policy of its product or its own, and no shorter-lived than the customer takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from domain.allocation import AllocationPolicy
from domain.errors import Rejected
from domain.stock import Place
from ledger.requests import AmendOrder
from ledger.verifying.verification import verify
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import BIN, OTHER_BIN, SITE, Warehouse

SOON, LATER = date(2097, 1, 31), date(2097, 6, 30)


@pytest.fixture(autouse=True)
def verified(database: BackingServices) -> Iterator[None]:
    """Leave no ledger behind that does not add up."""
    yield
    assert verify(database.database_url).findings == []


def wanting(order: AmendOrder, **terms: object) -> AmendOrder:
    """Ask for the same on other terms."""
    return replace(order, lines=tuple(replace(demand, **terms) for demand in order.lines))  # type: ignore[arg-type]


async def reserved(warehouse: Warehouse) -> dict[str, int]:
    return {name: held for name, (_, held) in (await warehouse.state("MUG")).items() if held}


async def test_what_came_first_goes_first_where_the_policy_says_so(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5, lot="OLD", expires_on=LATER))
    await warehouse.post(warehouse.receipt("MUG", 5, lot="NEW", expires_on=SOON))
    order = warehouse.order("SO-1", (1, "MUG", 3))

    await warehouse.post(wanting(order, allocation_policy=AllocationPolicy.FIRST_IN_FIRST_OUT.value))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2)))

    assert await reserved(warehouse) == {"A-01/OLD": 3, "A-01/NEW": 2}


async def test_an_order_comes_from_as_few_locations_as_can_be(warehouse: Warehouse) -> None:
    for bin_name, quantity in (("A-01", 2), ("A-02", 9), ("A-03", 5)):
        await warehouse.post(warehouse.receipt("MUG", quantity, Place(bin_name, SITE)))
    order = warehouse.order("SO-1", (1, "MUG", 5))

    await warehouse.post(wanting(order, allocation_policy=AllocationPolicy.FEWEST_LOCATIONS.value))

    assert await reserved(warehouse) == {"A-03": 5}


async def test_stock_that_expires_too_soon_is_left_for_others(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5, lot="L1", expires_on=SOON))
    await warehouse.post(warehouse.receipt("MUG", 2, lot="L2", expires_on=LATER))
    order = warehouse.order("SO-1", (1, "MUG", 4))

    first = await warehouse.post(wanting(order, least_expiry=LATER))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 5)))

    assert (first.lines[0].reserved, first.lines[0].backordered) == (2, 2)
    assert await reserved(warehouse) == {"A-01/L2": 2, "A-01/L1": 5}


async def test_who_waits_for_what_keeps_longer_does_not_hold_up_the_queue(warehouse: Warehouse) -> None:
    order = warehouse.order("SO-1", (1, "MUG", 2))
    await warehouse.post(wanting(order, least_expiry=LATER))
    await warehouse.post(warehouse.order("SO-2", (1, "MUG", 2)))

    await warehouse.post(warehouse.receipt("MUG", 3, lot="L1", expires_on=SOON))
    assert (await warehouse.line("SO-1")).reserved == 0
    assert (await warehouse.line("SO-2")).reserved == 2
    await warehouse.post(warehouse.receipt("MUG", 3, lot="L2", expires_on=LATER))

    assert (await warehouse.line("SO-1")).reserved == 2


async def test_a_customer_who_wants_it_to_keep_longer_changes_the_hold_in_one_posting(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L1", expires_on=SOON))
    await warehouse.post(warehouse.receipt("MUG", 4, OTHER_BIN, lot="L2", expires_on=LATER))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 3)))
    assert await reserved(warehouse) == {"A-01/L1": 3}

    amended = await warehouse.post(wanting(warehouse.order("SO-1", (1, "MUG", 3)), least_expiry=LATER))

    assert amended.lines[0].reserved == 3
    assert await reserved(warehouse) == {"A-02/L2": 3}


async def test_a_picker_cannot_take_what_expires_too_soon(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 4, lot="L1", expires_on=SOON))
    await warehouse.post(warehouse.receipt("MUG", 4, OTHER_BIN, lot="L2", expires_on=LATER))
    await warehouse.post(wanting(warehouse.order("SO-1", (1, "MUG", 3)), least_expiry=LATER))

    with pytest.raises(Rejected, match="more were picked"):
        await warehouse.post(warehouse.pick("SO-1", 1, "MUG", 1, place=BIN, lot="L1"))


async def test_a_displaced_hold_goes_to_what_keeps_long_enough(warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 2, lot="L1", expires_on=LATER))
    await warehouse.post(warehouse.receipt("MUG", 9, lot="L2", expires_on=SOON))
    await warehouse.post(warehouse.receipt("MUG", 1, lot="L3", expires_on=LATER))
    await warehouse.post(wanting(warehouse.order("SO-1", (1, "MUG", 2)), least_expiry=LATER))
    lost = warehouse.adjust("MUG", -2)

    await warehouse.post(replace(lost, stream=replace(lost.stream, lot="L1")))

    line = await warehouse.line("SO-1")
    assert (line.reserved, line.backordered) == (1, 1)
    assert await reserved(warehouse) == {"A-01/L3": 1}
