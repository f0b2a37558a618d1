"""Orders are amended and cancelled when their labels are bought already; and goods come back."""

from __future__ import annotations

from typing import Final

from runtime.demo.checks import watch
from runtime.demo.hub import Answer
from runtime.demo.tale import Tale
from runtime.demo.world import BINS, NEW_HOME, RETURNS, Json, with_lines

_FEWER: Final = 2


async def minds_change_late(tale: Tale) -> None:
    """Change and cancel orders whose goods are packed, and whose labels are bought."""
    await _move_house(tale)
    await _cancel(tale)


async def _move_house(tale: Tale) -> None:
    """Amend a labeled order to less, and to another address: another label, and the rest goes back to its bin."""
    order = tale.world.cast.early
    order_no, (line,) = order["order_no"], order["lines"]
    await tale.pick(order_no)
    old = await tale.label(order_no)
    less = {**line, "quantity": line["quantity"] - _FEWER}
    await tale.erp.push_one({**with_lines(order, less), "ship_to": NEW_HOME})
    view = await tale.hub.order(order_no)
    await _put_back(tale, order_no, view)
    new = await tale.label(order_no)
    standing = [await _label_status(tale, number) for number in (old, new)]
    tale.checks.that(
        view["lines"][0]["to_put_back"] == _FEWER and standing == ["voided", "booked"],
        f"{order_no} is labeled, then moves house and wants {_FEWER} less: label {old} is voided, {new} bought instead",
        f"{view['lines']}, {old} and {new} are {standing}",
    )


async def _label_status(tale: Tale, tracking_number: str) -> str:
    """Return what the carrier thinks of a label."""
    bookings = await tale.carrier.shipments()
    return next(
        (
            str(booking["status"])
            for booking in bookings
            if any(parcel["tracking_number"] == tracking_number for parcel in booking["parcels"])
        ),
        "unknown",
    )


async def _cancel(tale: Tale) -> None:
    """Cancel a labeled order: the label is voided, and its goods go back to a bin and are anybody's again."""
    order = tale.world.cast.regretted
    order_no = order["order_no"]
    before = await _available(tale, order)
    await tale.pick(order_no)
    tracking_number = await tale.label(order_no)
    view = (await tale.hub.tell_order(order_no, "cancel", {"cancel_no": "X-1", "reason": "customer"})).accepted
    await _check_void(tale, order_no, tracking_number)
    await _check_held(tale, order, view, before)
    await _put_back(tale, order_no, view)
    await _check_closed(tale, order, before)


async def _available(tale: Tale, order: Json) -> dict[str, int]:
    return {line["sku"]: (await tale.level(line["sku"]))["available"] for line in order["lines"]}


async def _check_void(tale: Tale, order_no: str, tracking_number: str) -> None:
    await tale.checks.soon(
        f"{order_no} is cancelled after its label {tracking_number} was bought: the carrier voids it",
        lambda: _label_status(tale, tracking_number),
        lambda status: status == "voided",
    )


async def _check_held(tale: Tale, order: Json, view: Json, before: dict[str, int]) -> None:
    lying = {line["line_no"]: line["to_put_back"] for line in view["lines"]}
    wanted = {line["line_no"]: tale.world.pieces(line) for line in order["lines"]}
    tale.checks.that(
        lying == wanted and await _available(tale, order) == before,
        "What lies in staging is to be put back, and stays out of reach until somebody does",
        lying,
    )


async def _put_back(tale: Tale, order_no: str, view: Json) -> None:
    lines = [
        {"line_no": line["line_no"], "quantity": line["to_put_back"], "location_id": BINS[-1]} for line in view["lines"]
    ]
    (await tale.hub.tell_order(order_no, "put-backs", {"put_back_no": f"B-{order_no}", "lines": lines})).accepted  # noqa: B018


async def _check_closed(tale: Tale, order: Json, before: dict[str, int]) -> None:
    freed: dict[str, int] = dict(before)
    for line in order["lines"]:
        freed[line["sku"]] += tale.world.pieces(line)
    held, view, _ = await watch(lambda: tale.hub.order(order["order_no"]), lambda view: view["closed_at"] is not None)
    available = await _available(tale, order)
    tale.checks.that(
        held and view["status"] == "cancelled" and available == freed,
        f"Put back into {BINS[-1]}, it is available again; the order is cancelled and closed",
        f"{view['status']}, closed {view['closed_at']}, {available}",
    )


async def goods_come_back(tale: Tale) -> None:
    """Take back a part of what was delivered; more than that can't come back."""
    order_no = tale.world.others[0]["order_no"]
    line = (await tale.hub.order(order_no))["lines"][0]
    answer = await _return(tale, order_no, line, "R-1", 1)
    returned = (await tale.hub.order(order_no))["lines"][0]["returned"]
    rows = await tale.hub.every("/api/inventory", sku=line["sku"], location=RETURNS)
    lying = sum(row["on_hand"] for row in rows if row["stock_status"] == "inspection")
    tale.checks.that(
        (answer.status, returned, lying) == (201, 1, 1),
        f"One of {line['delivered']} {line['sku']} of {order_no} comes back: it lies at {RETURNS}, to be inspected",
        f"{answer}, {returned} returned, {lying} there",
    )
    answer = await _return(tale, order_no, line, "R-2", line["delivered"])
    tale.checks.that(
        "over_return" in {answer.code, *answer.codes},
        f"{line['delivered']} more of it can't come back: only {line['delivered'] - 1} are still with the customer",
        answer,
    )


async def _return(tale: Tale, order_no: str, line: Json, return_no: str, quantity: int) -> Answer:
    lines = [{"line_no": line["line_no"], "quantity": quantity, "condition": "inspection"}]
    body = {"return_no": return_no, "location_id": RETURNS, "lines": lines}
    return await tale.hub.tell_order(order_no, "returns", body)
