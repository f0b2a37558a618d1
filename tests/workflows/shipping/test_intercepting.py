"""Parcels that are wanted back while the carrier has them: it stops them, or says that it can't."""

from __future__ import annotations

import httpx
import pytest

from api.shipping import intercepts
from tests.workflows.agreement import disagreements
from tests.workflows.partners import Partners
from tests.workflows.points import POINTS
from tests.workflows.shop import Body, Order, Shop

pytestmark = pytest.mark.usefixtures("worker", "well_behaved")


async def shipped(shop: Shop) -> tuple[Order, str]:
    """Bring an order on its way in one parcel, and return the parcel's number, too."""
    order = await POINTS["shipped"].reach(shop)
    await order.settle()
    assert order.tracking_number is not None
    return order, order.tracking_number


async def shipped_in_two(shop: Shop) -> tuple[Order, str, str]:
    """Bring an order on its way with its mugs in one parcel and its cups in another; return their numbers, too."""
    order = await POINTS["picked"].reach(shop)
    boxes = [{"lines": [{"line_no": 1, "quantity": 4}]}, {"lines": [{"line_no": 2, "quantity": 2, "lot": "L-1"}]}]
    shipment = await order.say("shipments", {"shipment_no": f"{order.order_no}-1", "parcels": boxes})
    await order.hand_over()
    mugs, cups = (parcel["tracking_number"] for parcel in shipment.json()["parcels"])
    return order, mugs, cups


def answers(answer: httpx.Response) -> list[tuple[str | None, str | None]]:
    return [(parcel["intercept"], parcel["refusal"]) for parcel in answer.json()["parcels"]]


async def said_of(order: Order) -> list[str]:
    """What the timeline tells of intercepts, in the carrier's name."""
    items = (await order.shop.http.get(f"/api/orders/{order.order_no}/timeline")).json()["items"]
    return [item["summary"] for item in items if item["kind"] == "carrier_event" and "intercept" in item["data"]]


async def until_sent_back(order: Order) -> Body:
    """Wait until the carrier's own scan has been heard of."""

    async def sent_back() -> bool:
        return bool((await order.view())["needs_attention"])

    await order.shop.hub.until(f"{order.order_no} is sent back", sent_back)
    return await order.view()


async def test_what_the_carrier_stops_comes_back_and_is_taken_in_as_a_return(shop: Shop, partners: Partners) -> None:
    order, mugs, cups = await shipped_in_two(shop)

    answer = await order.intercept(parcel_no=2)
    other_content = await order.intercept(parcel_no=1)
    nowhere = await order.intercept("I-2", parcel_no=3)
    nobody = await order.say(f"shipments/{order.order_no}-1/intercept", {"intercept_no": "I-2", "reason": "no"})
    await order.scan("delivered", mugs)
    await partners.collect([cups])

    assert (answer.status_code, answer.json()["outcome"], answers(answer)) == (201, "done", [("accepted", None)])
    assert other_content.json()["type"] == "/problems/conflict"
    assert nowhere.status_code == 404
    assert [fault["pointer"] for fault in nobody.json()["errors"]] == ["/by"]
    view = await until_sent_back(order)
    arrived, parcel = view["shipments"][0]["parcels"]
    assert (arrived["tracking_status"], arrived["intercepted_at"]) == ("delivered", None)
    assert (parcel["tracking_status"], parcel["intercepted_at"] is not None) == ("return_to_sender", True)
    assert "take it in as a return when it is here" in view["attention"]["reason"]
    assert (await order.intercept("I-2", parcel_no=1)).json()["type"] == "/problems/already-delivered"
    assert (await order.intercept("I-3")).json()["outcome"] == "unchanged"
    assert (await order.take_back({"line_no": 2, "quantity": 2, "lot": "L-1"})).status_code == 201
    await order.until_closed()
    view = await order.view()
    assert view["needs_attention"] is False
    assert [(line["delivered"], line["cancelled"]) for line in view["lines"]] == [(4, 0), (0, 2)]
    assert await disagreements(order, view, partners) == []
    assert await said_of(order) == [f"sandbox is asked to send {cups} back: accepted"]


async def test_a_carrier_that_can_stop_it_no_more_says_so_and_nobody_is_needed(shop: Shop, partners: Partners) -> None:
    order, number = await shipped(shop)
    await partners.scan(number, "out_for_delivery")

    late = await order.intercept()
    again = await order.intercept()
    await partners.scan(number, "delivery_failed")
    another = await order.intercept("I-2")

    words = f"Parcel {number} can't be stopped any more: out_for_delivery."
    assert (late.status_code, late.json()["outcome"], answers(late)) == (201, "done", [("refused", words)])
    assert (again.status_code, answers(again)) == (200, answers(late))
    assert (another.status_code, answers(another)) == (201, [("accepted", None)])
    told = f"sandbox is asked to send {number} back: "
    assert await said_of(order) == [f"{told}refused, {words}", f"{told}accepted"]
    view = await order.view()
    assert (view["status"], view["needs_attention"]) == ("shipped", False)


async def test_a_carrier_that_is_away_is_asked_when_it_is_back(
    shop: Shop, partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intercepts, "WAIT_S", 0.5)
    order, _ = await shipped(shop)
    await partners.carrier_fault("down", operation="intercept")
    await partners.carrier_fault("down", operation="find_intercepts")

    waits = await order.intercept()
    another = await order.intercept("I-2")
    await partners.behave()
    await order.settle()

    assert (waits.status_code, answers(waits)) == (202, [("asked", None)])
    assert (another.status_code, another.json()["outcome"]) == (202, "unchanged")
    told = await order.intercept()
    assert (told.status_code, answers(told)) == (200, [("accepted", None)])
    assert not (await order.view())["needs_attention"]


async def test_a_carrier_that_does_not_understand_us_has_not_said_no_and_a_person_is_asked(
    shop: Shop, partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intercepts, "WAIT_S", 0.5)
    order, number = await shipped(shop)
    await partners.carrier_fault("fault", operation="intercept", code="malformed", message="reference is too odd")

    asked = await order.intercept()
    attention = await shop.hub.until_attention(order.order_no)
    await partners.behave()
    await shop.hub.operate(order.order_no, "retry_step")
    await order.settle()

    assert (asked.status_code, answers(asked)) == (202, [("asked", None)])
    assert attention["step"].startswith("intercept/")
    assert "breaks its contract" in attention["reason"]
    assert attention["actions"] == ["retry_step", "skip_step"], "it has left: no cancel or other address reaches it"
    assert not (await order.view())["needs_attention"]
    assert await said_of(order) == [f"sandbox is asked to send {number} back: accepted"]
