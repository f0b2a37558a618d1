"""The ERP pushes its orders, some of them more than once."""

from __future__ import annotations

from typing import Any, Final

from runtime.demo.hub import Answer, side_by_side
from runtime.demo.tale import Tale
from runtime.demo.world import SITE, Json, line_of

_REPEATED: Final = 6
_TIMES: Final = 2
_LANES: Final = 4


async def the_erp_pushes(tale: Tale) -> None:
    """Push every order. An outbound job that stutters does no harm."""
    orders = tale.world.orders
    await _push_each_once(tale, orders)
    await _push_again(tale, tale.world.others[:_REPEATED])
    await _check_promised(tale, orders)
    await _push_nonsense(tale)


async def _push_each_once(tale: Tale, orders: list[Json]) -> None:
    """Push in lanes, as an ERP with several outbound jobs does; who waits for the same stock is pushed in order."""
    cast, others = list(tale.world.cast), list(tale.world.others)
    lanes = [cast, *(others[lane :: _LANES - 1] for lane in range(_LANES - 1))]
    stuttered = others[0]
    twin = tale.erp.push_one(stuttered)
    answers = await side_by_side([*(tale.erp.push(*lane) for lane in lanes), _listed(twin)], at_once=_LANES + 1)
    statuses = sorted({answer.status for lane in answers for answer in lane})
    tale.checks.that(
        set(statuses) <= {200, 201},
        f"{len(orders)} orders are pushed, {stuttered['order_no']} by two jobs at once: all are accepted",
        f"answers {statuses}",
    )


async def _listed(answer: Any) -> list[Answer]:
    return [await answer]


async def _push_again(tale: Tale, orders: tuple[Json, ...]) -> None:
    before = [await tale.hub.order(order["order_no"]) for order in orders]
    answers = await tale.erp.push(*orders, times=_TIMES)
    after = [await tale.hub.order(order["order_no"]) for order in orders]
    outcomes = {answer.body.get("outcome") for answer in answers}
    tale.checks.that(
        outcomes == {"unchanged"} and [view["lines"] for view in before] == [view["lines"] for view in after],
        f"{len(orders)} of them are pushed {_TIMES} times more: the same answer, and not a piece more is held",
        outcomes,
    )


async def _check_promised(tale: Tale, orders: list[Json]) -> None:
    ordered = sum(tale.world.pieces(line) for order in orders for line in order["lines"])
    levels = await tale.hub.every("/api/reports/stock-levels", site=SITE)
    reserved, waiting = (sum(level[name] for level in levels) for name in ("reserved", "backordered"))
    tale.checks.that(
        reserved + waiting == ordered,
        f"{ordered} pieces are ordered: {reserved} are held, each once, and {waiting} wait",
        f"{reserved} held, {waiting} wait",
    )


async def _push_nonsense(tale: Tale) -> None:
    """Push what can't be an order, with all its faults at once."""
    item = tale.world.plenty[0]
    lines = [
        line_of(1, item, 1) | {"sku": "UNICORN"},
        line_of(2, item, 1, "BARREL"),
        line_of(3, item, 0),
        line_of(3, item, 1),
    ]
    answer = await tale.erp.push_one({**tale.world.others[0], "order_no": "SO-NONSENSE", "lines": lines})
    expected = {"unknown_sku", "unknown_uom", "quantity_not_positive", "duplicate_line"}
    unknown = (await tale.hub.get("/api/orders/SO-NONSENSE")).status
    tale.checks.that(
        answer.codes == expected and unknown == 404,  # noqa: PLR2004 - HTTP's own number
        f"A push with four faults is refused, and all are named ({', '.join(sorted(expected))}); nothing is kept",
        f"{answer} {sorted(answer.codes)}, then {unknown}",
    )
