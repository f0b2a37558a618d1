"""What can happen to an order at any point of its life: what a customer, a picker, an office or a carrier does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from commands.posting_effects import PostingEffects
from domain.carriers import TrackingStatus
from ledger.days import Days
from ledger.requests import ExpireStock
from ledger.writing.writer import LedgerWriter
from tests.workflows.hub import ADDRESS
from tests.workflows.partners import PIGEON
from tests.workflows.points import CUPS, MUGS
from tests.workflows.shop import LOTS, Body, Order

Change = Callable[[Order], Awaitable[httpx.Response]]


def amendment(lines: Callable[[Order], list[Body]] | None = None, **fields: object) -> Change:
    """Push the next revision: with these lines, or the same ones."""

    async def change(order: Order) -> httpx.Response:
        return await order.push(lines(order) if lines else None, **fields)

    return change


def mugs_and_cups(mugs: int, cups: int = 2, **of_line_2: object) -> Callable[[Order], list[Body]]:
    """Order so many of each."""
    return lambda order: [order.line(1, "MUG", mugs), order.line(2, "CUP", cups, **of_line_2)]


async def _lose_the_rest(order: Order) -> None:
    """Promise all mugs that are free to somebody else."""
    other = Order(order.shop, f"{order.order_no}-OTHER")
    await other.push([{"line_no": 1, "sku": order.sku("MUG"), "quantity": 15}], shortage_policy="partial")


async def _add_a_line_with_a_gift(order: Order) -> httpx.Response:
    gift = {"sku": order.sku("MUG"), "quantity": 1, "per": 2}
    await order.shop.made("products", {"sku": order.sku("JAR"), "base_uom": "EA", "weight_g": 300, "adds": [gift]})
    return await order.push([*order.lines(), order.line(3, "JAR", 3)])


async def _pick_short(order: Order) -> httpx.Response:
    return await order.pick(MUGS(1), pick_no="P-2", short=True)


async def _pick_short_of_the_last(order: Order) -> httpx.Response:
    await _lose_the_rest(order)
    return await order.pick(MUGS(1), pick_no="P-2", short=True)


def counted(found: Callable[[int], int]) -> Change:
    """Miss the last mugs, and let somebody count what was missing, if a pick could be: so many are found."""

    async def change(order: Order) -> httpx.Response:
        picked = await _pick_short_of_the_last(order)
        if not picked.is_success:
            return picked
        (task,) = [task for task in await order.shop.counts() if task["order_no"] == order.order_no]
        count = {"counted": found(task["missing"]), "by": "Ida"}
        return await order.shop.say(f"inventory/counts/{task['task_no']}", count)

    return change


async def _pick_the_rest(order: Order) -> httpx.Response:
    left = {line["line_no"]: line["reserved"] - line["picked"] for line in (await order.view())["lines"]}
    picked = [made(left[n]) for n, made in ((1, MUGS), (2, CUPS)) if left.get(n)]
    return await order.pick(*(picked or [MUGS(1)]), pick_no="P-2")


def pick(*lines: Body) -> Change:
    """Confirm a pick of these."""

    async def change(order: Order) -> httpx.Response:
        return await order.pick(*lines, pick_no="P-2")

    return change


def say(path: str, **body: object) -> Change:
    """Say something else to the order."""

    async def change(order: Order) -> httpx.Response:
        return await order.say(path, dict(body))

    return change


async def _ship_as_a_whole(order: Order) -> httpx.Response:
    await order.push(ship_complete=True)
    return await order.ship()


async def _ship_with_another_carrier(order: Order) -> httpx.Response:
    amended = await order.push(carrier=PIGEON)
    await order.ship()
    return amended


async def _amend_and_hand_over(order: Order) -> httpx.Response:
    amended = await order.push(ship_to={**ADDRESS, "street": ["Sandtorkai 1"]})
    await order.settle()
    await order.hand_over()
    return amended


async def _cancel_twice(order: Order) -> httpx.Response:
    body = {"cancel_no": "X-1", "reason": "customer"}
    await order.say("cancel", body)
    return await order.say("cancel", body)


async def _replace(order: Order) -> httpx.Response:
    """Send another order in its place, with one of the mugs."""
    other = Order(order.shop, f"{order.order_no}-OTHER")
    mug = {"line_no": 1, "sku": order.sku("MUG"), "quantity": 1}
    return await other.push([mug], replaces={"order_no": order.order_no})


async def _expire(order: Order) -> httpx.Response:
    """Let the cups' first lot expire: the day after its last one begins."""
    day = LOTS[0][1] + timedelta(days=1)
    days = Days()
    days.ahead = day - datetime.now(UTC).date()
    writer = LedgerWriter(order.shop.hub.engine, PostingEffects(), days=days)
    sku, tenant = order.sku("CUP"), order.shop.hub.tenant
    outcome = await writer.post(
        ExpireStock(tenant=tenant, key=f"expiry/HAM/{sku}/{day}", actor="expires_on", site="HAM", sku=sku, day=day)
    )
    return httpx.Response(200, json={"outcome": "displaced" if outcome.displaced else "unchanged"})


def losing(reason: str, *, resend: bool = False) -> Change:
    """Give the parcels up."""

    async def change(order: Order) -> httpx.Response:
        return await order.lose(reason=reason, resend=resend)

    return change


async def _find_what_was_lost(order: Order) -> httpx.Response:
    await order.lose()
    await order.settle()
    return await order.scan("delivered")


async def _buy_another_label(order: Order) -> httpx.Response:
    await order.scan("cancelled")
    await order.settle()
    return await operator("retry_step")(order)


async def _return_to_sender(order: Order) -> httpx.Response:
    await order.scan("return_to_sender")
    await order.settle()
    return await order.take_back({"line_no": 1, "quantity": 4}, {"line_no": 2, "quantity": 2, "lot": "L-1"})


async def _put_back_of_two_lots(order: Order) -> httpx.Response:
    """Pick one of each lot, if a pick can be, and put one back without saying which.

    What is labeled is packed anew by both pushes; the second waits until the label of the first is bought.
    """
    await order.push([order.line(1, "MUG", 4), order.line(2, "CUP", 7)])
    await order.pick(CUPS(1), CUPS(1, lot="L-2"), pick_no="P-2")
    await order.settle()
    await order.push([order.line(1, "MUG", 4), order.line(2, "CUP", 1)])
    return await order.say("put-backs", {"put_back_no": "B-1", "lines": [_cup_in_its_bin()]})


def _cup_in_its_bin(**fields: object) -> Body:
    return {"line_no": 2, "quantity": 1, "location_id": "HAM-A", **fields}


def packing(**cup: object) -> Change:
    """Book a parcel of a cup, under a number of its own."""

    async def change(order: Order) -> httpx.Response:
        box = {"lines": [{"line_no": 2, "quantity": 1, **cup}]}
        answer = await order.say("shipments", {"shipment_no": f"{order.order_no}-2", "parcels": [box]})
        await order.settle()
        return answer

    return change


def losing_a_cup(**cup: object) -> Change:
    """Give a cup up that was in a parcel, and no more of it."""

    async def change(order: Order) -> httpx.Response:
        return await order.lose(reason="damaged", lines=[{"line_no": 2, "quantity": 1, **cup}])

    return change


async def _order_drills(order: Order, quantity: int) -> httpx.Response:
    """Order so many of two drills as well, which have serial numbers."""
    drill = {"sku": order.sku("DRILL"), "base_uom": "EA", "weight_g": 300, "tracking": "serial"}
    await order.shop.made("products", drill)
    await order.shop.receive_serials(order, "DRILL", "S-1", "S-2")
    return await order.push([*order.lines(), order.line(3, "DRILL", quantity)])


def _drill(*serials: str) -> Body:
    return {"line_no": 3, "quantity": len(serials) or 1, "serial_numbers": list(serials)}


def picking_a_drill(serial: str) -> Change:
    """Order one of two drills as well, and pick it by its serial number alone."""

    async def change(order: Order) -> httpx.Response:
        pushed = await _order_drills(order, 1)
        if not pushed.is_success:
            return pushed
        return await order.pick(_drill(serial), pick_no="P-2")

    return change


def with_both_drills_picked(then: Change) -> Change:
    """Order two drills as well and pick them, if they can be had, and go on from there."""

    async def change(order: Order) -> httpx.Response:
        pushed = await _order_drills(order, 2)
        if not pushed.is_success:
            return pushed
        await order.pick(_drill("S-1", "S-2"), pick_no="P-2")
        return await then(order)

    return change


def putting_a_drill_back(*serials: str) -> Change:
    """Want one of two drills less, and put one back."""

    async def change(order: Order) -> httpx.Response:
        await order.push([*order.lines(), order.line(3, "DRILL", 1)])
        return await order.say(
            "put-backs", {"put_back_no": "B-1", "lines": [{**_drill(*serials), "location_id": "HAM-A"}]}
        )

    return with_both_drills_picked(change)


def _drills_away(then: Change, *, arrived: bool = False) -> Change:
    """Ship both drills in a parcel of their own, and go on once it is on its way, or has arrived."""

    async def change(order: Order) -> httpx.Response:
        shipment_no = f"{order.order_no}-DRILLS"
        shipped = await order.say(
            "shipments", {"shipment_no": shipment_no, "parcels": [{"lines": [_drill("S-1", "S-2")]}]}
        )
        await order.say(f"shipments/{shipment_no}/handover", {"handover_no": "H-DRILLS"})
        if arrived:
            await order.scan("delivered", shipped.json()["parcels"][0]["tracking_number"])
            await order.settle()
        return await then(order)

    return with_both_drills_picked(change)


def packing_a_drill(serial: str) -> Change:
    """Book a parcel of a drill, under a number of its own."""

    async def change(order: Order) -> httpx.Response:
        shipment = {"shipment_no": f"{order.order_no}-DRILLS", "parcels": [{"lines": [_drill(serial)]}]}
        answer = await order.say("shipments", shipment)
        await order.settle()
        return answer

    return with_both_drills_picked(change)


def losing_a_drill(*serials: str) -> Change:
    """Give one of two drills up that are on their way."""

    async def change(order: Order) -> httpx.Response:
        loss = {"loss_no": "L-1", "reason": "damaged", "lines": [_drill(*serials)]}
        return await order.say(f"shipments/{order.order_no}-DRILLS/losses", loss)

    return _drills_away(change)


def taking_a_drill_back(*serials: str) -> Change:
    """Take one of two drills back that the customer has."""

    async def change(order: Order) -> httpx.Response:
        return await order.take_back(_drill(*serials), return_no="R-2")

    return _drills_away(change, arrived=True)


def taking_a_cup_back(**cup: object) -> Change:
    """Take a cup back."""

    async def change(order: Order) -> httpx.Response:
        return await order.take_back({"line_no": 2, "quantity": 1, **cup}, return_no="R-2")

    return change


def returning(mugs: int) -> Change:
    """Take mugs back."""

    async def change(order: Order) -> httpx.Response:
        return await order.take_back({"line_no": 1, "quantity": mugs}, return_no="R-2")

    return change


def operator(verb: str, **fields: object) -> Change:
    """Do what only a person decides."""
    return say("operator-acts", act_no="O-1", verb=verb, by="Ida", reason="asked to", **fields)


async def _use_another_address(order: Order) -> httpx.Response:
    ship_to = {**ADDRESS, "street": ["Sandtorkai 1"]}
    stored = await order.say("addresses", {"address_no": "A-1", "ship_to": ship_to})
    return await operator("use_address", address_id=stored.json()["address_id"])(order)


TO_COME: Final = "2199-01-01T00:00:00+00:00"


async def _picked_to_come(order: Order) -> httpx.Response:
    return await order.pick(MUGS(1), pick_no="P-2", occurred_at=TO_COME)


async def _handed_over_to_come(order: Order) -> httpx.Response:
    return await order.hand_over(handover_no="H-2", occurred_at=TO_COME)


async def _returned_to_come(order: Order) -> httpx.Response:
    return await order.take_back({"line_no": 1, "quantity": 1}, return_no="R-2", occurred_at=TO_COME)


def scan(status: str, **fields: object) -> Change:
    """Hear from the carrier."""

    async def change(order: Order) -> httpx.Response:
        return await order.scan(status, **fields)

    return change


def scan_of_a_replaced_label(change: Change) -> Change:
    """Have the label replaced, if there is one, and hear of a scan of the old one."""

    async def scanned(order: Order) -> httpx.Response:
        order.former_number = order.tracking_number
        await change(order)
        view = await order.settle()
        numbers = [parcel["tracking_number"] for one in view["shipments"] for parcel in one["parcels"]]
        order.tracking_number = numbers[0] if numbers else None
        return await order.scan("in_transit", order.former_number)

    return scanned


CHANGES: Final[dict[str, Change]] = {
    # What a customer changes their mind about.
    "more": amendment(mugs_and_cups(6)),
    "more than there is, to wait for": amendment(mugs_and_cups(40)),
    "more than there is, or not at all": amendment(mugs_and_cups(40), shortage_policy="reject"),
    "more than there is, or what there is": amendment(mugs_and_cups(40), shortage_policy="partial"),
    "less": amendment(mugs_and_cups(3)),
    "much less": amendment(mugs_and_cups(1)),
    "a line added": amendment(lambda order: [*order.lines(), order.line(3, "JAR", 2)]),
    "a line added that brings another along": _add_a_line_with_a_gift,
    "a line removed": amendment(lambda order: order.lines()[:1]),
    "another sku": amendment(lambda order: [order.lines()[0], order.line(2, "JAR", 2)]),
    "another site": amendment(lambda order: [order.line(1, "MUG", 4, site="CPH"), order.lines()[1]]),
    "another lot": amendment(mugs_and_cups(4, lot="L-2")),
    "another priority": amendment(priority=5),
    "another price": amendment(mugs_and_cups(4, unit_price={"amount": "4.25", "currency": "EUR"})),
    "another note": amendment(note="ring twice"),
    "another date": amendment(requested_delivery="2026-12-24"),
    "another address": amendment(ship_to={**ADDRESS, "street": ["Sandtorkai 1"]}),
    "another carrier, and what is picked shipped": _ship_with_another_carrier,
    "another service level": amendment(service_level="express"),
    "several at once": amendment(
        lambda order: [order.line(1, "MUG", 6), order.line(3, "JAR", 2)],
        priority=5,
        ship_to={**ADDRESS, "street": ["Sandtorkai 1"]},
    ),
    "all lines but for nothing": amendment(lambda order: [order.line(3, "JAR", 2)]),
    # What a picker finds.
    "the rest picked": _pick_the_rest,
    "a short pick, with more elsewhere": _pick_short,
    "a short pick of the last": _pick_short_of_the_last,
    "the missing counted: all found": counted(lambda missing: missing),
    "the missing counted: all lost": counted(lambda _missing: 0),
    "more picked than held": pick(MUGS(9)),
    "another lot picked": pick(CUPS(1, lot="L-2")),
    "picked where there is none": pick(CUPS(1, location_id="HAM-B")),
    "a serial number picked by itself": picking_a_drill("S-2"),
    "a serial number picked that is not there": picking_a_drill("S-9"),
    "a serial number put back": putting_a_drill_back("S-2"),
    "another serial number put back": putting_a_drill_back("S-9"),
    "whatever serial number put back": putting_a_drill_back(),
    "another lot put back": say("put-backs", put_back_no="B-1", lines=[_cup_in_its_bin(lot="L-2")]),
    "put back, of two lots": _put_back_of_two_lots,
    "put back": say("put-backs", put_back_no="B-1", lines=[{"line_no": 1, "quantity": 1, "location_id": "HAM-A"}]),
    # What the office and the packers do.
    "shipped": Order.ship,
    "shipped, though it is to ship complete": _ship_as_a_whole,
    "a parcel of the lot that is held": packing(lot="L-1"),
    "a parcel of another lot": packing(lot="L-2"),
    "a parcel of a serial number that is held": packing_a_drill("S-2"),
    "a parcel of another serial number": packing_a_drill("S-9"),
    "handed over": Order.hand_over,
    "cancelled": say("cancel", cancel_no="X-1", reason="customer"),
    "cancelled twice": _cancel_twice,
    "a line cancelled": say("cancel", cancel_no="X-1", reason="customer", lines=[{"line_no": 2}]),
    "part of a line cancelled": say("cancel", cancel_no="X-1", reason="no", lines=[{"line_no": 1, "quantity": 1}]),
    "intercepted": Order.intercept,
    "returned in part": returning(1),
    "returned, of a lot": taking_a_cup_back(lot="L-1"),
    "returned, of another lot": taking_a_cup_back(lot="L-2"),
    "returned, of whatever lot": taking_a_cup_back(),
    "returned, of a serial number": taking_a_drill_back("S-2"),
    "returned, of another serial number": taking_a_drill_back("S-9"),
    "returned, of whatever serial number": taking_a_drill_back(),
    "replaced by another order": _replace,
    "more returned than went out": returning(9),
    "back undelivered": _return_to_sender,
    "lost": losing("lost"),
    "lost, to be sent again": losing("lost", resend=True),
    "damaged": losing("damaged"),
    "damaged in part": losing_a_cup(),
    "damaged in part, of another lot": losing_a_cup(lot="L-2"),
    "damaged in part, of a serial number": losing_a_drill("S-2"),
    "damaged in part, of another serial number": losing_a_drill("S-9"),
    "damaged in part, of whatever serial number": losing_a_drill(),
    "lost, and delivered after all": _find_what_was_lost,
    # What time does.
    "its lot expires": _expire,
    # What an operator decides.
    "retry_step": operator("retry_step"),
    "skip_step": operator("skip_step"),
    "accept_short": operator("accept_short"),
    "release_hold": operator("release_hold"),
    "cancel_order": operator("cancel_order"),
    "use_address": _use_another_address,
    "retry_step, of a label that the carrier cancelled": _buy_another_label,
    "resend_to_erp": operator("resend_to_erp"),
    # What a clock says that can't be right.
    "picked, at a time to come": _picked_to_come,
    "handed over, at a time to come": _handed_over_to_come,
    "returned in part, at a time to come": _returned_to_come,
    "delivered, at a time to come": scan("delivered", occurred_at=TO_COME),
    # What a carrier says.
    **{f"the carrier says {status}": scan(status) for status in TrackingStatus},
    "the carrier scans a label that was replaced": scan_of_a_replaced_label(
        amendment(ship_to={**ADDRESS, "street": ["Sandtorkai 1"]})
    ),
    "the carrier scans a label that was replaced by that of another content": scan_of_a_replaced_label(
        amendment(mugs_and_cups(3))
    ),
    "the carrier scans a label that was replaced, and the new one was handed over": scan_of_a_replaced_label(
        _amend_and_hand_over
    ),
}
