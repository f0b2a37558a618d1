"""Many orders that are stuck for one reason are rescued by one command."""

from __future__ import annotations

import asyncio

import pytest

from relay.inbox import InboxReplay
from tests.workflows.partners import Partners
from tests.workflows.shop import Order, Shop

pytestmark = pytest.mark.usefixtures("worker", "well_behaved")

RESCUE = {
    "batch_no": "OPS-1",
    "verb": "retry_step",
    "by": "ida",
    "reason": "the period is open again",
    "where": {"step": "erp", "reason": "No open posting period"},
}


async def test_orders_that_the_erp_refused_are_looked_at_and_then_rescued_by_one_command(
    shop: Shop, partners: Partners
) -> None:
    orders = await stuck_orders(shop, partners)

    meant = await shop.made("operator-batches/preview", RESCUE)
    (cause,) = meant["causes"]  # found by what the ERP said, told in our words
    assert (cause["step"], cause["orders"], "posting period for this time isn't open" in cause["reason"]) == (
        *("erp", 4),
        True,
    )
    accepted = await shop.made("operator-batches", RESCUE)
    assert accepted["totals"]["pending"] == 4, "the relay has them decided, not the request"
    await lose_workflow(shop, orders[0])
    await partners.behave()
    await InboxReplay(shop.hub.engine, shop.hub.gateway, patience_s=0).round()

    views = await asyncio.gather(*(order.settle() for order in orders))
    assert [view["needs_attention"] for view in views] == [False] * 4
    assert all([await partners.documents(shop.hub.tenant, order.order_no) for order in orders])
    told = await shop.made("operator-batches", RESCUE)
    assert told["totals"] == {"orders": 4, "pending": 0, "done": 4, "refused": 0, "needing_attention": 0}
    for order in orders:
        timeline = (await shop.http.get(f"/api/orders/{order.order_no}/timeline")).json()["items"]
        (act,) = [item for item in timeline if item["kind"] == "operator"]
        assert act["summary"] == "ida: retry step (the period is open again) in batch OPS-1: done"


async def stuck_orders(shop: Shop, partners: Partners) -> list[Order]:
    """Push orders that the ERP refuses to hear of, and wait until each needs a person."""
    closed = {"code": "PERIOD_CLOSED", "message": "No open posting period."}
    await partners.erp_fault("fault", operation="AcknowledgeOrder", **closed)
    orders = [await shop.order() for _ in range(4)]
    await asyncio.gather(*(order.push() for order in orders))
    await asyncio.gather(*(shop.hub.until_attention(order.order_no) for order in orders))
    return orders


async def lose_workflow(shop: Shop, order: Order) -> None:
    """Let another workflow take an order up, which tries in vain what waits, and asks for a person again."""
    hub, flagged = shop.hub, await shop.hub.until_attention(order.order_no)
    await hub.workflow(order.order_no).terminate()
    await hub.gateway.start(hub.named(order.order_no))

    async def flagged_again() -> bool:
        return bool((await hub.until_attention(order.order_no))["since"] > flagged["since"])

    await hub.until(f"{order.order_no} is flagged again", flagged_again)
