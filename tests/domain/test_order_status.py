from __future__ import annotations

import pytest

from domain.orders import OrderLine, OrderStatus, status_of


def _line(line_no: int = 1, **quantities: int) -> OrderLine:
    return OrderLine("acme", "SO-1", line_no, "MUG", "HAM", "", "EA", 1, 0, "backorder", **quantities)


@pytest.mark.parametrize(
    ("line", "labeled", "status"),
    [
        (_line(ordered=4, reserved=4), 0, OrderStatus.RESERVED),
        (_line(ordered=4, reserved=3, backordered=1), 0, OrderStatus.BACKORDERED),
        (_line(ordered=4, reserved=4, picked=1), 0, OrderStatus.PICKING),
        (_line(ordered=4, reserved=4, picked=4), 0, OrderStatus.PICKED),
        (_line(ordered=4, reserved=4, picked=4), 3, OrderStatus.PICKED),
        (_line(ordered=4, reserved=4, picked=4), 4, OrderStatus.LABELED),
        (_line(ordered=4, shipped=4), 0, OrderStatus.SHIPPED),
        (_line(ordered=4, shipped=4, delivered=3), 0, OrderStatus.SHIPPED),
        (_line(ordered=4, shipped=4, delivered=4), 0, OrderStatus.DELIVERED),
        (_line(ordered=4, shipped=4, delivered=4, returned=1), 0, OrderStatus.DELIVERED),
        (_line(ordered=4, shipped=4, delivered=4, returned=4), 0, OrderStatus.RETURNED),
        (_line(ordered=4, shipped=3, delivered=3, cancelled=1), 0, OrderStatus.DELIVERED),
        (_line(ordered=4, cancelled=4), 0, OrderStatus.CANCELLED),
        (_line(ordered=0, to_put_back=2), 0, OrderStatus.CANCELLED),
    ],
)
def test_a_lines_status_is_that_of_its_least_advanced_unit(line: OrderLine, labeled: int, status: OrderStatus) -> None:
    assert status_of([line], {1: labeled}) is status


def test_an_orders_status_is_that_of_its_least_advanced_line() -> None:
    shipped, waiting = _line(1, ordered=4, shipped=4), _line(2, ordered=1, backordered=1)

    assert status_of([shipped, waiting], {}) is OrderStatus.BACKORDERED


def test_a_line_that_was_removed_does_not_count() -> None:
    assert status_of([_line(1), _line(2, ordered=2, shipped=2)], {}) is OrderStatus.SHIPPED


def test_an_order_without_lines_is_cancelled() -> None:
    assert status_of([], {}) is OrderStatus.CANCELLED


def test_a_line_shows_its_quantities_in_the_order_of_the_contract() -> None:
    line = _line(ordered=4, reserved=3, backordered=1, picked=2)

    assert list(line.quantities().items())[:4] == [("ordered", 4), ("reserved", 3), ("backordered", 1), ("picked", 2)]
    assert (line.unpicked, line.unshipped) == (1, 4)
