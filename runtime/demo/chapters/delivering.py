"""Goods leave and arrive, and the carrier calls back: twice, backwards, never, or not the carrier at all."""

from __future__ import annotations

import json
from typing import Final

from runtime.demo.checks import watch
from runtime.demo.hub import side_by_side
from runtime.demo.tale import Tale
from runtime.demo.world import Json

JOURNEY: Final = ["picked_up", "in_transit", "out_for_delivery", "delivered"]
"""The scans of a parcel that nobody interferes with."""

TOLD_TWICE: Final = slice(0, 3)
BACKWARDS, LOST, NOT_HANDED_OVER = 3, 4, 5
"""Which of the other orders the carrier fails at, in this chapter; the rest leave in a later one."""
SHIPPED_NOW: Final = 6

_HALF_A_MINUTE: Final = 30.0
_TOO_OLD_S: Final = 3600
_UNAUTHORIZED: Final = 401


async def parcels_leave_and_arrive(tale: Tale) -> None:
    """Ship six orders. The carrier fails at each of them in its own way; all of them arrive."""
    order_nos = [order["order_no"] for order in tale.world.others[:SHIPPED_NOW]]
    await _lose_a_callback(tale, order_nos[LOST])
    await _call_back_twice(tale, order_nos[TOLD_TWICE])
    await _call_back_backwards(tale, order_nos[BACKWARDS])
    await _forget_the_hand_over(tale, order_nos[NOT_HANDED_OVER])
    await _forge_callbacks(tale, order_nos[BACKWARDS])
    await _find_what_was_lost(tale, order_nos[LOST])


async def _call_back_twice(tale: Tale, order_nos: list[str]) -> None:
    tracking_numbers = await side_by_side(tale.send_off(order_no) for order_no in order_nos)
    async with tale.carrier.misbehaving("duplicate_callback"):
        for tracking_number in tracking_numbers:
            await tale.carrier.collect(tracking_number)
        arrived, seen = await tale.all_delivered(order_nos, _HALF_A_MINUTE)
    calls = sum([len(await tale.carrier.callbacks(number)) for number in tracking_numbers])
    events = [await _events(tale, order_no) for order_no in order_nos]
    tale.checks.that(
        arrived and calls == 2 * len(JOURNEY) * len(order_nos) and all(len(told) == len(JOURNEY) for told in events),
        f"{len(order_nos)} parcels are picked, labeled, handed over and delivered; {calls} callbacks, each sent twice, "
        "count once",
        f"{seen}, {calls} callbacks, {[len(told) for told in events]} events",
    )
    proof = (await tale.hub.order(order_nos[0]))["shipments"][0]["proof_of_delivery"]
    tale.checks.that(
        bool(proof and proof["signed_by"]),
        f"{order_nos[0]} has a proof of delivery, signed by {(proof or {}).get('signed_by')}",
        proof,
    )


async def _events(tale: Tale, order_no: str) -> list[Json]:
    return [item["data"] for item in await tale.hub.timeline(order_no, "carrier_event")]


async def _call_back_backwards(tale: Tale, order_no: str) -> None:
    tracking_number = await tale.send_off(order_no)
    async with tale.carrier.misbehaving("out_of_order", count=len(JOURNEY)):
        await tale.carrier.collect(tracking_number)
        arrived, seen = await tale.all_delivered([order_no], _HALF_A_MINUTE)
    await watch(lambda: _events(tale, order_no), lambda told: len(told) == len(JOURNEY))
    told = [event["status"] for event in await _events(tale, order_no)]
    shipment = (await tale.hub.order(order_no))["shipments"][0]
    deliveries = await _postings(tale, order_no, "delivery")
    tale.checks.that(
        arrived and told == JOURNEY[::-1] and shipment["tracking_status"] == "delivered" and len(deliveries) == 1,
        f"{order_no}: the callbacks come backwards, {told[0]} first; it is delivered once, and stays so",
        f"{seen}, {told}, {shipment['tracking_status']}, {len(deliveries)} deliveries",
    )


async def _postings(tale: Tale, order_no: str, reason: str) -> list[Json]:
    return [item for item in await tale.hub.timeline(order_no, "posting") if item["data"]["reason"] == reason]


async def _forget_the_hand_over(tale: Tale, order_no: str) -> None:
    """Nobody tells of the hand-over; the carrier's first scan proves it. Then somebody does tell."""
    await tale.pick(order_no)
    await tale.carrier.collect(await tale.label(order_no))
    arrived, seen = await tale.all_delivered([order_no], _HALF_A_MINUTE)
    await tale.hand_over(order_no)
    evidence = [item["evidence"] for item in await _postings(tale, order_no, "goods_issue")]
    tale.checks.that(
        arrived and evidence == ["inferred"],
        f"{order_no}: the floor forgets the hand-over; the carrier's scan proves it, and telling late changes nothing",
        f"{seen}, evidence {evidence}",
    )


async def _lose_a_callback(tale: Tale, order_no: str) -> None:
    """Send a parcel whose delivery the carrier never tells of; it is found while the story goes on."""
    tracking_number = await tale.send_off(order_no)
    async with tale.carrier.misbehaving("drop_callback", operation="delivered", count=1):
        await tale.carrier.collect(tracking_number)
        await watch(
            lambda: tale.carrier.callbacks(tracking_number),
            lambda calls: any(call["state"] == "dropped" for call in calls),
        )


async def _find_what_was_lost(tale: Tale, order_no: str) -> None:
    arrived, seen = await tale.all_delivered([order_no], _HALF_A_MINUTE)
    heard = {event["status"]: event["heard_by"] for event in await _events(tale, order_no)}
    tale.checks.that(
        arrived and heard.get("delivered") == "poll",
        f"{order_no}: the carrier never tells of the delivery; the sweep over silent parcels asks, and finds it",
        f"{seen}, {heard}",
    )


async def _forge_callbacks(tale: Tale, order_no: str) -> None:
    before = await _events(tale, order_no)
    event = {
        "event_id": "forged-1",
        "tracking_number": before[0]["tracking_number"],
        "status": "return_to_sender",
        "occurred_at": "2026-11-20T18:00:00+01:00",
        "location": None,
        "signed_by": None,
    }
    body = json.dumps(event).encode()
    signatures = (
        tale.carrier.signature(body, secret="a guess"),  # noqa: S106 - not the secret is the point
        tale.carrier.signature(body, age_s=_TOO_OLD_S),
        tale.carrier.signature(b"another body"),
    )
    path = tale.carrier.callback_path
    answers = [await tale.hub.knock(path, body, X_Sandbox_Signature=signature) for signature in signatures]
    tale.checks.that(
        set(answers) == {_UNAUTHORIZED} and await _events(tale, order_no) == before,
        "Callbacks with a wrong, a stale and a borrowed signature are refused with 401, and nothing is kept of them",
        answers,
    )
