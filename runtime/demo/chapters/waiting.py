"""What there is too little of: orders that wait are served in their order, and short picks are made up for."""

from __future__ import annotations

from typing import Final

from runtime.demo.tale import Tale
from runtime.demo.world import BINS, SITE, Item, Json

_AWAITED_BIN: Final = BINS[1]
_RARE_BIN: Final = BINS[4]


async def stock_arrives_for_those_who_wait(tale: Tale) -> None:
    """Receive what two orders wait for, first enough for one of them, then for the other."""
    first, second = tale.world.cast.waiting, tale.world.cast.last
    await _check(tale, "Two orders wait for {sku}", first=("backordered", 0), second=("backordered", 0))
    await _arrive(tale, tale.world.awaited, first["lines"][0]["quantity"], "GR-LATE-1")
    await _check(
        tale, "A receipt serves the one that waits longest, at once", first=("reserved", 8), second=("backordered", 0)
    )
    await _arrive(tale, tale.world.awaited, second["lines"][0]["quantity"], "GR-LATE-2")
    await _check(tale, "The next receipt serves the other one", first=("reserved", 8), second=("reserved", 5))
    await tale.checks.soon(
        "The ERP is told of each without anybody asking",
        lambda: _told(tale, second),
        lambda kinds: kinds == ["accepted", "backordered", "reserved"],
    )


async def _check(tale: Tale, promise: str, *, first: tuple[str, int], second: tuple[str, int]) -> None:
    orders = [await tale.hub.order(order["order_no"]) for order in (tale.world.cast.waiting, tale.world.cast.last)]
    found = [(order["status"], order["lines"][0]["reserved"]) for order in orders]
    tale.checks.that(found == [first, second], promise.format(sku=tale.world.awaited.sku), found)


async def _told(tale: Tale, order: Json) -> list[str]:
    return [document["kind"] for document in await tale.erp.documents(order_no=order["order_no"])]


async def _arrive(tale: Tale, item: Item, pieces: int, receipt_no: str) -> None:
    """Announce and receive a delivery of an item."""
    po_no = f"PO-{receipt_no}"
    line = {"line_no": 1, "sku": item.sku, "quantity": pieces, "uom": "EA"}
    announced = {"po_no": po_no, "site": SITE, "supplier": "ACME", "lines": [line]}
    received = {"line_no": 1, "quantity": pieces, "uom": "EA"}
    receipt = {"receipt_no": receipt_no, "location_id": _AWAITED_BIN, "lines": [received]}
    for path, body in (("", announced), (f"/{po_no}/receipts", receipt)):
        (await tale.hub.post(f"/api/orders/inbound{path}", body)).accepted  # noqa: B018 - raises what was refused


async def a_picker_finds_too_little(tale: Tale) -> None:
    """Pick short twice: once there is more elsewhere, once there is not."""
    await _made_up_elsewhere(tale)
    await _made_up_later(tale)


async def _made_up_elsewhere(tale: Tale) -> None:
    order_no, sku = tale.world.cast.short["order_no"], tale.world.scattered.sku
    bin_id = await tale.bin_of(order_no, 1)
    line = await _pick_short(tale, order_no, bin_id, found=5)
    aside = await _set_aside(tale, sku, bin_id)
    tale.checks.that(
        (line["reserved"], line["picked"], line["backordered"], aside) == (8, 5, 0, 3),
        f"{order_no} needs 8 of {sku}, {bin_id} has 5: the other 3 are put aside as inspection, and held elsewhere",
        f"{line}, {aside} put aside",
    )


async def _made_up_later(tale: Tale) -> None:
    order_no, sku = tale.world.cast.missing["order_no"], tale.world.rare.sku
    line = await _pick_short(tale, order_no, _RARE_BIN, found=4)
    tale.checks.that(
        (line["reserved"], line["picked"], line["backordered"]) == (4, 4, 2),
        f"{order_no} needs 6 of {sku}, and 4 are all that is found: 2 wait",
        line,
    )
    (aside,) = await tale.hub.every("/api/inventory", sku=sku, location=_RARE_BIN, stock_status="inspection")
    change = {"change_no": "FOUND-1", "to": "available", "quantity": 2, "reason": "it lay behind the shelf"}
    (await tale.hub.put(f"/api/inventory/{aside['stream_id']}/status", change)).accepted  # noqa: B018 - raises
    await tale.checks.soon(
        "They turn up behind the shelf: the order has them at once",
        lambda: tale.hub.order(order_no),
        lambda order: (order["lines"][0]["reserved"], order["lines"][0]["backordered"]) == (6, 0),
    )


async def _pick_short(tale: Tale, order_no: str, bin_id: str, *, found: int) -> Json:
    line = {"line_no": 1, "quantity": found, "uom": "EA", "location_id": bin_id}
    pick = {"pick_no": f"P-{order_no}-short", "lines": [line], "short": True, "device": "scanner-7"}
    picked: Json = (await tale.hub.tell_order(order_no, "picks", pick)).accepted["lines"][0]
    return picked


async def _set_aside(tale: Tale, sku: str, bin_id: str) -> int:
    rows = await tale.hub.every("/api/inventory", sku=sku, location=bin_id, stock_status="inspection")
    return sum(row["on_hand"] for row in rows)
