"""The points of an order's life at which it can rest: one for each status, and one between two shipments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from domain.orders import OrderStatus

from .shop import Order, Shop

NOWHERE: Final = frozenset({OrderStatus.RECEIVED, OrderStatus.REFUSED})
"""No order rests there: a first push that waits for its answer, and one that was refused after all."""


async def _reserved(shop: Shop, *, mugs: bool = True) -> Order:
    order = await shop.order(mugs=mugs)
    answer = await order.push()
    assert answer.status_code == 201, answer.text
    return order


async def _backordered(shop: Shop) -> Order:
    return await _reserved(shop, mugs=False)


async def _picking(shop: Shop) -> Order:
    order = await _reserved(shop)
    await order.pick(MUGS(2), CUPS(2))
    return order


async def _picked(shop: Shop) -> Order:
    order = await _reserved(shop)
    await order.pick(MUGS(4), CUPS(2))
    return order


async def _labeled(shop: Shop) -> Order:
    order = await _picked(shop)
    await order.ship()
    return order


async def _shipped(shop: Shop) -> Order:
    order = await _labeled(shop)
    await order.hand_over()
    return order


async def _shipped_in_part(shop: Shop) -> Order:
    order = await _reserved(shop)
    await order.pick(MUGS(2))
    await order.ship()
    await order.hand_over()
    return order


async def _delivered(shop: Shop) -> Order:
    order = await _shipped(shop)
    await order.scan("delivered")
    await order.until_closed()
    return order


async def _returned(shop: Shop) -> Order:
    order = await _delivered(shop)
    await order.take_back({"line_no": 1, "quantity": 4}, {"line_no": 2, "quantity": 2, "lot": "L-1"})
    return order


async def _cancelled(shop: Shop) -> Order:
    order = await _reserved(shop)
    await order.say("cancel", {"cancel_no": "X-0", "reason": "customer"})
    await order.until_closed()
    return order


def MUGS(quantity: int, **fields: object) -> dict[str, object]:  # noqa: N802 - reads as what it is
    """Write what a picker took of the mugs."""
    return {"line_no": 1, "quantity": quantity, "location_id": "HAM-A", **fields}


def CUPS(quantity: int, **fields: object) -> dict[str, object]:  # noqa: N802 - likewise
    """Write what a picker took of the cups."""
    return {"line_no": 2, "quantity": quantity, "location_id": "HAM-A", "lot": "L-1", **fields}


@dataclass(frozen=True)
class Point:
    """A point of life: the order's status there, and how it comes there."""

    status: OrderStatus
    reach: Callable[[Shop], Awaitable[Order]]


POINTS: Final[dict[str, Point]] = {
    "backordered": Point(OrderStatus.BACKORDERED, _backordered),
    "reserved": Point(OrderStatus.RESERVED, _reserved),
    "picking": Point(OrderStatus.PICKING, _picking),
    "picked": Point(OrderStatus.PICKED, _picked),
    "labeled": Point(OrderStatus.LABELED, _labeled),
    "shipped_in_part": Point(OrderStatus.RESERVED, _shipped_in_part),
    "shipped": Point(OrderStatus.SHIPPED, _shipped),
    "delivered": Point(OrderStatus.DELIVERED, _delivered),
    "returned": Point(OrderStatus.RETURNED, _returned),
    "cancelled": Point(OrderStatus.CANCELLED, _cancelled),
}
