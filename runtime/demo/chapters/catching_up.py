"""The ERP is away, and the warehouse does not wait for it; then it answers, but not always so that one hears it."""

from __future__ import annotations

from typing import Final

from runtime.demo.chapters.delivering import SHIPPED_NOW
from runtime.demo.checks import watch
from runtime.demo.hub import side_by_side
from runtime.demo.tale import Tale

_LEFT_FOR_LATER: Final = 2
"""So many orders are delivered while the ERP does its work, but its answers get lost."""
_A_MINUTE: Final = 60.0


async def the_erp_goes_down(tale: Tale) -> None:
    """Deliver most of what is left while the ERP is down. It hears of everything later, in order, once."""
    others = [order["order_no"] for order in tale.world.others[SHIPPED_NOW:]]
    cast = tale.world.cast
    played = [cast.amended, cast.strict, cast.holder, cast.early, cast.waiting, cast.last, cast.short, cast.missing]
    order_nos = [*(order["order_no"] for order in played), *others[:-_LEFT_FOR_LATER]]
    await watch(lambda: tale.behind(order_nos), lambda behind: not behind)
    async with tale.erp.misbehaving("down"):
        before = len(await tale.erp.documents())
        await side_by_side(tale.dispatch(order_no) for order_no in order_nos)
        arrived, seen = await tale.all_delivered(order_nos, _a_while(order_nos))
        missed = len(await tale.erp.documents()) == before
        tale.checks.that(
            arrived and missed,
            f"The ERP is down and hears of nothing; {len(order_nos)} orders are shipped and delivered meanwhile",
            seen,
        )
    await _check_caught_up(tale, order_nos)
    await _lose_answers(tale, others[-_LEFT_FOR_LATER:])


def _a_while(order_nos: list[str]) -> float:
    """Return how long it may take with so many orders, in seconds."""
    return _A_MINUTE + len(order_nos)


async def _check_caught_up(tale: Tale, order_nos: list[str]) -> None:
    held, behind, took_s = await watch(lambda: tale.behind(order_nos), lambda behind: not behind, _a_while(order_nos))
    messages = sum(len(feed) for feed, _ in (await tale.fed_and_booked(order_nos)).values())
    tale.checks.that(
        held,
        f"It is back, and catches up in {took_s:.0f} s: {messages} messages, a document for each, each order in order",
        f"fed and booked: {behind}",
    )


async def _lose_answers(tale: Tale, order_nos: list[str]) -> None:
    """Let the ERP do its work, and hang up before it has said so."""
    async with tale.erp.misbehaving("timeout_after", operation="ReportShipment", count=len(order_nos)):
        await side_by_side(tale.dispatch(order_no) for order_no in order_nos)
        arrived, seen = await tale.all_delivered(order_nos, _a_while(order_nos))
        held, behind, _ = await watch(lambda: tale.behind(order_nos), lambda behind: not behind, _a_while(order_nos))
    unheard = [
        item["data"]["attempts"]
        for order_no in order_nos
        for item in await tale.hub.timeline(order_no, "erp_message")
        if item["data"]["kind"] == "shipped"
    ]
    tale.checks.that(
        arrived and held and all(attempts > 1 for attempts in unheard),
        f"{len(order_nos)} times the ERP books a shipment and its answer is lost: it is asked before it is told again, "
        "and booked nothing twice",
        f"{seen}, {behind}, attempts {unheard}",
    )
