"""What comes along with a line follows it."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.linked_lines import (
    LAST_LINKED,
    LAST_OF_AN_ERP,
    MOST_RULES,
    Addition,
    Proportion,
    beyond,
    brought_along,
    keep_numbers,
    kit_quantities,
    linked_line_no,
    main_line_of,
)
from domain.orders import OrderLine

DAY = date(2026, 11, 20)
PROPORTIONS = st.builds(Proportion, st.integers(1, 100), st.integers(1, 100))
ADDITIONS = st.lists(
    st.builds(Addition, st.sampled_from(["STRAW", "SAUCER", "SPOON"]), PROPORTIONS), max_size=MOST_RULES
)
LINE_NUMBERS = st.integers(1, LAST_OF_AN_ERP)
UNITS = st.integers(0, 10_000)


def line(line_no: int, ordered: int, *, cancelled: int = 0, shipped: int = 0, sku: str = "MUG") -> OrderLine:
    held = ordered - cancelled - shipped
    return OrderLine(
        *("acme", "SO-1", line_no, sku, "HAM", "", "EA", 1, 0, "backorder"),
        ordered=ordered,
        reserved=held,
        shipped=shipped,
        cancelled=cancelled,
    )


@pytest.mark.parametrize(("units", "quantity"), [(0, 0), (2, 0), (3, 2), (5, 2), (6, 4)])
def test_so_many_go_with_each_whole_measure_of_units(units: int, quantity: int) -> None:
    assert Proportion(2, per=3).of(units) == quantity


@given(PROPORTIONS, UNITS, UNITS)
def test_more_units_never_bring_less(proportion: Proportion, units: int, more: int) -> None:
    assert 0 <= proportion.of(units) <= proportion.of(units + more)


@given(LINE_NUMBERS, st.integers(1, MOST_RULES))
def test_a_linked_line_is_told_from_an_erps_own_and_leads_to_its_main_line(line_no: int, position: int) -> None:
    assert main_line_of(line_no) is None
    assert main_line_of(linked_line_no(line_no, position)) == line_no
    assert LAST_OF_AN_ERP < linked_line_no(line_no, position) <= LAST_LINKED


@given(st.dictionaries(LINE_NUMBERS, UNITS, max_size=20), ADDITIONS, st.randoms())
def test_what_comes_along_with_an_order_does_not_depend_on_the_order_of_its_lines(
    lines: dict[int, int], additions: list[Addition], random: Random
) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)
    found = [brought for n in shuffled for brought in brought_along(n, lines[n], additions, DAY)]
    assert {b.line_no: b for b in found} == {
        b.line_no: b for n in sorted(lines) for b in brought_along(n, lines[n], additions, DAY)
    }
    assert len({b.line_no for b in found}) == len(found)
    assert all(b.ordered > 0 for b in found)


@given(ADDITIONS, st.lists(ADDITIONS, min_size=1, max_size=4), st.data())
def test_whatever_the_rules_become_what_has_left_keeps_its_number_and_each_line_has_one(
    first: list[Addition], later: list[list[Addition]], data: st.DataObject
) -> None:
    known: list[OrderLine] = []
    for additions in [first, *later]:
        before = {x.line_no: x.sku for x in known if x.ordered}
        brought = keep_numbers(7, "HAM", brought_along(7, 300, additions, DAY), known)
        now = {b.line_no: b.sku for b in brought}
        assert sorted(b.sku for b in brought) == sorted(b.sku for b in brought_along(7, 300, additions, DAY))
        assert {main_line_of(number) for number in now} <= {7}
        assert all(now.get(x.line_no, x.sku) == x.sku for x in known if x.shipped)
        for sku in {x.sku for x in known if x.shipped} & set(now.values()):
            assert any(now[number] == sku == before.get(number) for number in now)
        assert keep_numbers(7, "HAM", brought, [line(n, 300, sku=sku) for n, sku in now.items()]) == brought
        left = [x for x in known if x.shipped and x.line_no not in now]
        known = left + [line(n, 300, shipped=data.draw(st.sampled_from([0, 1])), sku=sku) for n, sku in now.items()]


@pytest.mark.parametrize(("days", "holds"), [(-1, False), (0, True), (2, True), (3, False)])
def test_a_rule_is_for_orders_of_its_days_and_of_both_ends(days: int, holds: bool) -> None:
    rule = Addition("STRAW", Proportion(1), DAY, DAY + timedelta(days=2))
    assert bool(list(brought_along(1, 1, [rule], DAY + timedelta(days=days)))) is holds


def test_a_rule_without_days_always_holds() -> None:
    assert Addition("STRAW", Proportion(1)).holds_on(date.min)
    assert Addition("STRAW", Proportion(1)).holds_on(date.max)


def test_a_line_that_is_not_brought_leaves_the_numbers_of_the_others() -> None:
    over = Addition("STRAW", Proportion(1), last_day=DAY - timedelta(days=1))
    assert [b.line_no for b in brought_along(7, 1, [over, Addition("SAUCER", Proportion(1))], DAY)] == [2_000_007]


@given(UNITS, st.data(), PROPORTIONS)
def test_what_is_beyond_a_main_line_is_given_up_and_never_more_than_is_left(
    ordered: int, data: st.DataObject, proportion: Proportion
) -> None:
    main = line(1, ordered, cancelled=data.draw(st.integers(0, ordered)))
    brought = proportion.of(ordered)
    shipped = data.draw(st.integers(0, brought))
    cancelled = data.draw(st.integers(0, brought - shipped))
    linked = line(1_000_001, brought, cancelled=cancelled, shipped=shipped)

    quantity = beyond(linked, main.ordered - main.cancelled, proportion)

    assert 0 <= quantity <= linked.unshipped
    left = brought - cancelled - quantity
    assert left <= max(proportion.of(ordered - main.cancelled), shipped)
    if main.cancelled == ordered:
        assert left == shipped
    if not main.cancelled:
        assert quantity == 0


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(1, 5), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
)
def test_a_kits_line_is_the_sum_of_its_parts_and_no_further_than_any_component(
    ordered: int, parts: list[tuple[int, float, float, float]]
) -> None:
    components = []
    for position, (each, lost, gone, held) in enumerate(parts, 1):
        kept = round(ordered * each * (1 - lost))
        component = line(linked_line_no(1, position), ordered * each, cancelled=ordered * each - kept)
        component.shipped = round(kept * gone)
        component.delivered = round(component.shipped * held)
        component.reserved = round((kept - component.shipped) * held)
        component.backordered = kept - component.shipped - component.reserved
        components.append((component, Proportion(each)))

    kit = kit_quantities(ordered, components)

    assert kit["ordered"] == kit["reserved"] + kit["backordered"] + kit["shipped"] + kit["cancelled"] == ordered
    assert all(quantity >= 0 for quantity in kit.values())
    assert kit["returned"] <= kit["delivered"] <= kit["shipped"]
    assert kit["picked"] <= kit["reserved"]
    for component, proportion in components:
        assert kit["shipped"] * proportion.quantity <= component.shipped
        assert (kit["shipped"] + kit["reserved"]) * proportion.quantity <= component.shipped + component.reserved


def test_a_kit_that_was_lost_sent_again_and_found_is_more_than_was_asked_for() -> None:
    glass = line(1_000_001, 8, shipped=4)
    shown = kit_quantities(4, [(glass, Proportion(1))])
    assert shown["ordered"] == shown["reserved"] + shown["backordered"] + shown["shipped"] + shown["cancelled"] == 8
