"""What was missing at a pick is nowhere else either: not in a parcel that was packed on paper before."""

from __future__ import annotations

import pytest

from tests.workflows.points import MUGS
from tests.workflows.shop import Order, Shop

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_parcel_loses_what_a_short_pick_cancelled(shop: Shop) -> None:
    order = await shop.order()
    await order.push(shortage_policy="partial")
    other = Order(shop, f"{order.order_no}-OTHER")
    await other.push([{"line_no": 1, "sku": order.sku("MUG"), "quantity": 15}], shortage_policy="partial")
    packed = [{"line_no": 1, "quantity": 4}, {"line_no": 2, "quantity": 2}]
    await order.say("shipments", {"shipment_no": f"{order.order_no}-1", "parcels": [{"lines": packed}]})

    await order.pick(MUGS(1), short=True)

    view = await order.settle()
    (parcel,) = view["shipments"][0]["parcels"]
    assert {line["line_no"]: line["quantity"] for line in parcel["lines"]} == {1: 1, 2: 2}
    assert view["lines"][0]["cancelled"] == 3
