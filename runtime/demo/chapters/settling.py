"""The end of the day: everything is where it should be, and everybody knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from runtime.demo.checks import watch
from runtime.demo.hub import side_by_side
from runtime.demo.tale import Tale
from runtime.demo.world import SITE, Json

_CALM = {"delivered", "cancelled"}


async def everything_settles(tale: Tale) -> None:
    """Check every order, every message and every piece."""
    orders = await _check_orders(tale)
    await _check_messages(tale, orders)
    await _check_pieces(tale, orders)


async def _check_orders(tale: Tale) -> list[Json]:
    def settled(orders: list[Json]) -> bool:
        return all(order["closed_at"] is not None for order in orders if order["status"] in _CALM)

    _, orders, _ = await watch(lambda: tale.hub.every("/api/orders"), settled)
    found = {order["order_no"]: _standing(order) for order in orders}
    wrong = {
        order_no: found.get(order_no)
        for order_no, standing in _expected(tale).items()
        if found.get(order_no) != standing
    }
    counted = Counter(order["status"] for order in orders)
    words = ", ".join(f"{count} {status}" for status, count in sorted(counted.items()))
    tale.checks.that(
        not wrong and len(found) == len(_expected(tale)),
        f"All {len(orders)} orders stand as they should, and none needs a person: {words}",
        wrong or sorted(found),
    )
    return orders


def _expected(tale: Tale) -> dict[str, str]:
    expected = {order["order_no"]: "delivered, closed" for order in tale.world.orders}
    return {**expected, tale.world.cast.regretted["order_no"]: "cancelled, closed", "SO-RIVAL-0": "backordered, open"}


def _standing(order: Json) -> str:
    attention = f", needs a person: {order['attention']['reason']}" if order["needs_attention"] else ""
    return f"{order['status']}, {'open' if order['closed_at'] is None else 'closed'}{attention}"


async def _check_messages(tale: Tale, orders: list[Json]) -> None:
    """Compare the ERP's whole book with all feeds."""
    order_nos = [order["order_no"] for order in orders]

    held, behind, _ = await watch(lambda: tale.behind(order_nos), lambda behind: not behind)
    documents = len(await tale.erp.documents())
    messages = sum(len(feed) for feed, _ in (await tale.fed_and_booked(order_nos)).values())
    tale.checks.that(
        held and messages == documents,
        f"The ERP has heard of everything: {messages} messages, a document for each, none doubled",
        f"{messages} messages, {documents} documents, {behind}",
    )


@dataclass(frozen=True)
class _Whereabouts:
    """Where all the pieces are that were ever received. What was found has a count below zero at `adjusted`."""

    received: int
    on_hand: int
    in_transit: int
    with_customers: int
    adjusted: int

    @property
    def balance(self) -> bool:
        return self.received == self.on_hand + self.in_transit + self.with_customers + self.adjusted


async def _check_pieces(tale: Tale, orders: list[Json]) -> None:
    levels = await tale.hub.every("/api/reports/stock-levels", site=SITE)
    at_customers = await side_by_side(_lying(tale, f"customer/{order['order_no']}") for order in orders)
    whereabouts = _Whereabouts(
        received=-await _lying(tale, f"supplier/{SITE}"),
        on_hand=sum(level["on_hand"] for level in levels),
        in_transit=sum(level["in_transit"] for level in levels),
        with_customers=sum(at_customers),
        adjusted=await _lying(tale, f"adjustment/{SITE}"),
    )
    tale.checks.that(
        whereabouts.balance and whereabouts.with_customers > 0,
        f"Every piece is accounted for: {whereabouts.received} received = {whereabouts.on_hand} on hand "
        f"+ {whereabouts.in_transit} in transit + {whereabouts.with_customers} with customers "
        f"+ {whereabouts.adjusted} adjusted",
        whereabouts,
    )


async def _lying(tale: Tale, location_id: str) -> int:
    return sum(row["on_hand"] for row in await tale.hub.every("/api/inventory", location=location_id))
