"""What is right by each rule alone is right where two of them meet: recalls and parcels, returns, far days, repeats."""

from __future__ import annotations

from typing import Any

from api.door import examples
from domain.carriers import TrackingEvent, TrackingStatus

from .doorway import Door, line, push

ORDER = "/api/orders/SO-1"
RECALL = {"recall_no": "RC-1", "sku": "WINE", "lot": "L-1", "reason": "glass"}


async def _bottle(shop: Door) -> None:
    """Let an order hold one bottle of the first lot, with a label on the parcel that it is to go in."""
    await shop.stock("WINE", 1, "PO-1", lot="L-1")
    await shop.made("/api/orders/outbound", push(lines=[line(sku="WINE", quantity=1, uom=None)]))
    parcels = [{"lines": [{"line_no": 1, "quantity": 1}]}]
    await shop.made(f"{ORDER}/shipments", {"shipment_no": "SH-1", "parcels": parcels})


async def _lots(shop: Door) -> list[str | None]:
    shipment = (await shop.get(f"{ORDER}/shipments/SH-1")).json()
    return [row["lot"] for parcel in shipment["parcels"] for row in parcel["lines"]]


async def test_a_parcel_follows_a_hold_that_gave_way_to_a_recall(shop: Door) -> None:
    await shop.stock("WINE", 1, "PO-2", lot="L-2")
    await _bottle(shop)
    named = await _lots(shop)
    other = "L-2" if named == ["L-1"] else "L-1"

    await shop.made("/api/inventory/recalls", {**RECALL, "lot": named[0]})

    assert await _lots(shop) == [other]
    await shop.made(f"{ORDER}/shipments/SH-1/handover", {"handover_no": "H-1"})
    left = (await shop.get("/api/inventory", sku="WINE", location="transit/SH-1")).json()["items"]
    assert [item["lot"] for item in left] == [other]


async def test_what_is_recalled_and_not_replaced_leaves_its_parcel_and_is_not_handed_over(shop: Door) -> None:
    await _bottle(shop)

    await shop.made("/api/inventory/recalls", RECALL)

    refused = await shop.post(f"{ORDER}/shipments/SH-1/handover", {"handover_no": "H-1"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/shipment-cancelled")


async def test_a_return_of_a_recalled_lot_says_that_it_is_quarantined(shop: Door) -> None:
    await _bottle(shop)
    await shop.made(f"{ORDER}/shipments/SH-1/handover", {"handover_no": "H-1"})
    await shop.gateway.hear(
        shop.tenant, "SO-1", TrackingEvent("E-1", "TN-SH-1", TrackingStatus.DELIVERED, "delivered", None)
    )
    await shop.made("/api/inventory/recalls", RECALL)

    lines = [{"line_no": 1, "quantity": 1, "condition": "available"}]
    returned = await shop.made(f"{ORDER}/returns", {"return_no": "R-1", "location_id": "HAM-A-1", "lines": lines})

    (there,) = (await shop.get("/api/inventory", sku="WINE", location="HAM-A-1")).json()["items"]
    assert [row["condition"] for row in returned["lines"]] == [there["stock_status"]] == ["quarantined"]


async def test_a_delivery_at_the_end_of_the_calendar_may_ask_for_a_shelf_life(shop: Door) -> None:
    await shop.stock()
    far = push(requested_delivery="9999-12-31", min_shelf_life_days=5)
    assert (await shop.post("/api/orders/outbound", far)).status_code == 201


async def test_the_note_of_a_loss_is_that_of_the_loss_which_was_accepted(shop: Door) -> None:
    await _bottle(shop)
    losses = f"{ORDER}/shipments/SH-1/losses"
    loss = {"loss_no": "L-1", "reason": "lost"}
    assert (await shop.post(losses, {**loss, "note": "wrong note"})).status_code == 409
    await shop.made(f"{ORDER}/shipments/SH-1/handover", {"handover_no": "H-1"})

    await shop.made(losses, {**loss, "note": "right note"})

    told = (await shop.get(f"{ORDER}/timeline", limit=200)).text
    assert "right note" in told
    assert "wrong note" not in told


async def test_an_address_is_not_used_for_a_step_that_does_not_wait(shop: Door) -> None:
    await shop.stock()
    await shop.made("/api/orders/outbound", push())
    kept = await shop.made(f"{ORDER}/addresses", {"address_no": "A-1", "ship_to": examples.ADDRESS})
    act: dict[str, Any] = {"act_no": "O-1", "verb": "use_address", "by": "ann", "reason": "moved"}

    refused = await shop.post(
        f"{ORDER}/operator-acts", {**act, "address_id": kept["address_id"], "target": "label/NOPE/1"}
    )

    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/unknown-step")


async def test_a_receipt_may_be_called_what_a_reversal_is(shop: Door) -> None:
    await shop.made("/api/locations", {**examples.SITE, "receipts_without_order": True})
    goods = [{"sku": "MUG-WHITE", "quantity": 3}]
    await shop.made("/api/inventory/receipts", {"receipt_no": "GR-1", "location_id": "HAM-A-1", "lines": goods})
    await shop.stock(po_no="GR-1", quantity=3)
    lines = [{"line_no": 1, "quantity": 1}]
    called = {"receipt_no": "reversal", "location_id": "HAM-A-1", "lines": lines, "allow_over": True}
    await shop.made("/api/orders/inbound/GR-1/receipts", called)

    reversal = {"reversal_no": "V-1", "reason": "typo"}
    assert (await shop.post("/api/inventory/receipts/GR-1/reversal", reversal)).status_code == 201
