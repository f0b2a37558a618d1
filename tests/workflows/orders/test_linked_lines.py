"""What comes along with a line goes with it all the way: through Temporal, to the carrier, to the ERP, and back."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.verifying.verification import verify
from runtime.embedded.servers import BackingServices
from tests.workflows.agreement import disagreements
from tests.workflows.partners import Partners
from tests.workflows.shop import Order, Shop

pytestmark = pytest.mark.usefixtures("worker")

JARS = 1_000_001
"""The line of jars that the mugs of line 1 bring along."""


async def with_a_gift(shop: Shop) -> Order:
    """Make an order to be, of whose mugs each pair brings a jar along."""
    order = await shop.order()
    rule = {"sku": order.sku("JAR"), "quantity": 1, "per": 2}
    await shop.made("products", {"sku": order.sku("MUG"), "base_uom": "EA", "weight_g": 300, "adds": [rule]})
    return order


def mugs(order: Order, quantity: int) -> list[dict[str, Any]]:
    return [order.line(1, "MUG", quantity)]


def from_shelf(line_no: int, quantity: int) -> dict[str, Any]:
    return {"line_no": line_no, "quantity": quantity, "location_id": "HAM-A"}


async def test_a_gift_lives_the_life_of_its_line_and_the_erp_hears_whose_it_is(shop: Shop, partners: Partners) -> None:
    order = await with_a_gift(shop)
    await order.push(mugs(order, 2))
    await order.push(mugs(order, 4))
    await order.pick(from_shelf(1, 4), from_shelf(JARS, 2))
    shipped = await order.ship()
    contents = {line["line_no"]: line["quantity"] for line in shipped.json()["parcels"][0]["lines"]}
    assert contents == {1: 4, JARS: 2}
    await order.hand_over()
    await order.scan("delivered")
    await order.until_closed()
    await order.take_back({"line_no": JARS, "quantity": 1})
    too_many = await order.take_back({"line_no": JARS, "quantity": 2}, return_no="R-2")

    view = await order.settle()
    assert too_many.status_code == 422
    assert [(x["main_line_no"], x["delivered"], x["returned"]) for x in view["lines"]] == [(None, 4, 0), (1, 2, 1)]
    documents = await partners.documents(shop.hub.tenant, order.order_no)
    told = {
        document["kind"]: {x["line_no"]: (x.get("main_line_no"), x["quantity"]) for x in document["payload"]["lines"]}
        for document in documents
    }
    assert told == {
        "accepted": {1: (None, 2), JARS: (1, 1)},
        "reserved": {1: (None, 2), JARS: (1, 1)},
        "amended": {1: (None, 4), JARS: (1, 2)},
        "shipped": {1: (None, 4), JARS: (1, 2)},
        "delivered": {1: (None, 4), JARS: (1, 2)},
        "returned": {JARS: (1, 1)},
    }
    assert await disagreements(order, view, partners) == []


async def test_more_of_a_labeled_line_brings_more_into_its_parcel(shop: Shop, partners: Partners) -> None:
    order = await with_a_gift(shop)
    await order.push(mugs(order, 2))
    await order.pick(from_shelf(1, 2), from_shelf(JARS, 1))
    await order.ship()
    await order.push(mugs(order, 6))

    view = await order.settle()
    (box,) = view["shipments"][0]["parcels"]
    assert {line["line_no"]: line["quantity"] for line in box["lines"]} == {1: 6, JARS: 3}
    assert await order.labels() == "1 bought, 1 voided"
    assert await disagreements(order, view, partners) == []


async def test_a_cancelled_line_takes_its_gift_out_of_the_parcel(shop: Shop, partners: Partners) -> None:
    order = await with_a_gift(shop)
    await order.push([*mugs(order, 2), order.line(2, "CUP", 1)])
    await order.pick(from_shelf(1, 2), from_shelf(JARS, 1), {**from_shelf(2, 1), "lot": "L-1"})
    await order.ship()
    await order.say("cancel", {"cancel_no": "X-1", "reason": "customer", "lines": [{"line_no": 1}]})

    view = await order.settle()
    (box,) = view["shipments"][0]["parcels"]
    assert [line["line_no"] for line in box["lines"]] == [2]
    documents = await partners.documents(shop.hub.tenant, order.order_no)
    cancelled = next(d["payload"]["lines"] for d in documents if d["kind"] == "cancelled")
    assert {x["line_no"]: x["quantity"] for x in cancelled} == {1: 2, JARS: 1}
    assert await disagreements(order, view, partners) == []


async def test_a_kit_is_delivered_when_all_of_it_is_and_the_erp_hears_of_its_components(
    shop: Shop, partners: Partners
) -> None:
    order = await shop.order()
    components = [{"sku": order.sku("MUG"), "quantity": 2}, {"sku": order.sku("JAR"), "quantity": 1}]
    await shop.made("products", {"sku": order.sku("SET"), "base_uom": "EA", "kit": True, "adds": components})
    mugs_of_it, jars_of_it = 1_000_001, 2_000_001
    await order.push([order.line(1, "SET", 3)])
    await order.push([order.line(1, "SET", 2)])
    await order.pick(from_shelf(mugs_of_it, 4), from_shelf(jars_of_it, 2))
    await order.ship()
    await order.hand_over()
    await order.scan("delivered")
    await order.until_closed()
    await order.take_back({"line_no": mugs_of_it, "quantity": 3}, {"line_no": jars_of_it, "quantity": 2})

    view = await order.settle()
    shown = {x["line_no"]: (x["main_line_no"], x["delivered"], x["returned"]) for x in view["lines"]}
    assert shown == {1: (None, 2, 1), mugs_of_it: (1, 4, 3), jars_of_it: (1, 2, 2)}
    documents = await partners.documents(shop.hub.tenant, order.order_no)
    told = [
        (d["kind"], x["line_no"], x["main_line_no"], x["quantity"]) for d in documents for x in d["payload"]["lines"]
    ]
    assert [x for x in told if x[0] in {"amended", "delivered"}] == [
        ("amended", mugs_of_it, 1, 4),
        ("amended", jars_of_it, 1, 2),
        ("delivered", mugs_of_it, 1, 4),
        ("delivered", jars_of_it, 1, 2),
    ]


async def test_the_ledger_of_these_lives_is_sound(shop: Shop, services: BackingServices) -> None:
    del shop
    assert not verify(services.database_url).findings
