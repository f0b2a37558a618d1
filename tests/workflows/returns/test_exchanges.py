"""What was delivered comes back, as the office lets it; and another order goes out in its place: both say so."""

from __future__ import annotations

import asyncio

import pytest

from tests.workflows.agreement import disagreements
from tests.workflows.partners import Partners
from tests.workflows.points import MUGS, POINTS
from tests.workflows.shop import Body, Order, Shop
from tests.workflows.telling import said

pytestmark = pytest.mark.usefixtures("worker")


async def pushes(order: Order) -> list[str]:
    timeline = await order.shop.http.get(f"/api/orders/{order.order_no}/timeline")
    return [item["summary"] for item in timeline.json()["items"] if item["kind"] == "push"]


async def deliver(order: Order) -> Body:
    """Bring an order of four mugs that are held to its end."""
    await order.pick(MUGS(4))
    await order.ship()
    await order.hand_over()
    await order.scan("delivered")
    await order.until_closed()
    return await order.settle()


async def test_goods_come_back_and_a_replacement_goes_out(shop: Shop, partners: Partners) -> None:
    order = await POINTS["delivered"].reach(shop)
    replacement = Order(shop, f"{order.order_no}-X")
    return_no = f"R-1-{order.order_no}"
    mugs = [{"line_no": 1, "sku": order.sku("MUG"), "quantity": 4}]
    link = {"order_no": order.order_no, "return_no": return_no}

    too_early = await replacement.push(mugs, replaces=link)
    back = await order.take_back({"line_no": 1, "quantity": 4})
    too_much = await order.take_back({"line_no": 1, "quantity": 1}, return_no="R-2")
    replacement.revision = 0
    accepted = await replacement.push(mugs, replaces=link)
    replacement.revision = 0
    again = await replacement.push(mugs, replaces=link)
    new, old = await deliver(replacement), await order.settle()

    assert [x.status_code for x in (too_early, back, too_much, accepted, again)] == [422, 201, 422, 201, 200]
    assert too_early.json()["errors"][0]["pointer"] == "/replaces/return_no"
    assert (new["status"], new["replaces"], old["replaced_by"]) == ("delivered", link, [replacement.order_no])
    shown = await shop.http.get(f"/api/orders/{order.order_no}/returns/{return_no}")
    assert shown.json()["replaced_by"] == [replacement.order_no]
    assert [(x["delivered"], x["returned"]) for x in (old["lines"][0], new["lines"][0])] == [(4, 4), (4, 0)]
    assert (await pushes(order))[-1] == f"{replacement.order_no} is sent in its place, for return {return_no}"
    pushed = f"Revision 1 pushed in place of {order.order_no}, for return {return_no}"
    refused = f"{pushed}: refused, {too_early.json()['detail']}"
    assert await pushes(replacement) == [refused, f"{pushed}: accepted"]
    documents = await partners.documents(shop.hub.tenant, replacement.order_no)
    assert [d["payload"].get("replaces_order_no") for d in documents if d["kind"] == "accepted"] == [order.order_no]
    assert await disagreements(order, old, partners) == []
    assert await disagreements(replacement, new, partners) == []


async def test_of_two_returns_at_once_by_one_authorization_no_more_comes_back_than_it_lets(
    shop: Shop, partners: Partners
) -> None:
    order = await POINTS["delivered"].reach(shop)
    await order.until_closed()
    two = {"line_no": 1, "quantity": 2}
    authorized = await order.authorize_return({"line_no": 1, "quantity": 3})

    at_once = [order.take_back(two, return_no=return_no, authorization_no="RMA-1") for return_no in ("R-1", "R-2")]
    came = sorted(map(said, await asyncio.gather(*at_once)))
    rest = await order.take_back({"line_no": 1, "quantity": 1}, return_no="R-3", authorization_no="RMA-1")

    only = f"Line 1: 2 of {order.sku('MUG')} came back, but only 1 is open of return authorization RMA-1."
    assert (authorized.status_code, came) == (201, [f"422 over-authorized: {only}", "done"])
    assert rest.status_code == 201
    shown = await shop.http.get(f"/api/orders/{order.order_no}/return-authorizations/RMA-1")
    assert [(line["received"], line["open"]) for line in shown.json()["lines"]] == [(3, 0)]
    view = await order.settle()
    assert view["lines"][0]["returned"] == 3
    assert await disagreements(order, view, partners) == []
