from __future__ import annotations

from collections import Counter

import pytest

from runtime.demo.world import FEWEST_ORDERS, make_world, revised, with_lines, without_line

SEED = 7


def test_the_same_seed_makes_the_same_world() -> None:
    assert make_world(SEED, 25) == make_world(SEED, 25)
    assert make_world(SEED, 25) != make_world(SEED + 1, 25)


@pytest.mark.parametrize("orders", [FEWEST_ORDERS, 25, 500])
def test_there_are_as_many_orders_as_wanted_over_forty_skus(orders: int) -> None:
    world = make_world(SEED, orders)

    assert len({order["order_no"] for order in world.orders}) == orders
    assert len({item.sku for item in world.items}) == 40
    assert {line["uom"] for order in world.orders for line in order["lines"]} == {"EA", "CASE"}


@pytest.mark.parametrize("orders", [FEWEST_ORDERS, 25, 500, 2000])
@pytest.mark.parametrize("seed", range(5))
def test_there_is_enough_of_everything_but_of_what_the_story_needs_to_be_short(seed: int, orders: int) -> None:
    world = make_world(seed, orders)
    wanted: Counter[str] = Counter()
    for order in world.orders:
        wanted.update({line["sku"]: world.pieces(line) for line in order["lines"]})
    there: Counter[str] = Counter()
    for stock in world.stocks:
        there[stock.item.sku] += stock.pieces

    assert all(there[item.sku] >= 2 * wanted[item.sku] for item in world.plenty)
    assert there[world.scarce.sku] == wanted[world.scarce.sku]
    assert there[world.awaited.sku] < wanted[world.awaited.sku]
    assert there[world.rare.sku] == wanted[world.rare.sku]


def test_lots_have_expiry_dates_where_they_are_traced() -> None:
    for stock in make_world(SEED, 25).stocks:
        assert (stock.lot is not None) == stock.item.traced == (stock.expires_on is not None)


def test_a_revision_is_the_whole_order_as_it_should_be_now() -> None:
    order = make_world(SEED, 25).cast.amended
    first = {**order["lines"][0], "quantity": 9}

    assert revised(order, note="x") == {**order, "revision": 2, "note": "x"}
    assert with_lines(order, first)["lines"] == [first, *order["lines"][1:]]
    assert [line["line_no"] for line in without_line(order, 2)["lines"]] == [1, 3]
    assert order["revision"] == 1
