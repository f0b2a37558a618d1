"""A full life of an order, with an amendment, a short pick and a return; and what it leaves behind everywhere."""

from __future__ import annotations

import re

from tests.workflows.hub import ADDRESS, Hub
from tests.workflows.partners import Partners


async def live(hub: Hub, partners: Partners, order_no: str, sku: str, *, readdressed: bool = False) -> None:
    """Take an order from the push to the proof of delivery, and some of it back.

    Where it is `readdressed`, its label is voided and bought again.
    """
    await hub.receive(sku, 100)
    await hub.push(order_no, {1: (sku, 10), 2: (sku, 5)})
    await hub.push(order_no, {1: (sku, 12), 2: (sku, 3)}, revision=2)
    await hub.pick(order_no, {1: (sku, 8)}, short=True)
    await hub.receive(sku, 10, "GR-2")  # makes up for what was not found
    await hub.pick(order_no, {1: (sku, 4), 2: (sku, 3)}, pick_no="P-2")
    await hub.ship(order_no)
    numbers = await hub.until_labeled(order_no)
    if readdressed:
        elsewhere = {**ADDRESS, "street": ["Sandtorkai 1"]}
        await hub.push(order_no, {1: (sku, 12), 2: (sku, 3)}, revision=3, ship_to=elsewhere)
        numbers = await hub.until_labeled(order_no, but=numbers[0])
    await hub.hand_over(order_no)
    await partners.collect(numbers)
    await hub.until_closed(order_no, 150)
    await hub.take_back(order_no, {1: (sku, 2)})
    await hub.until_told_all(order_no, 150)


async def left_behind(hub: Hub, partners: Partners, order_no: str, sku: str) -> list[str]:
    """Tell what an order left in the ledger, at the ERP and at the carrier, without names, numbers and times."""
    entries = await hub.rows(
        "select p.reason, p.evidence, s.location_id, s.stock_status, e.order_ref, e.line_no, e.seq, e.on_hand_delta,"
        " e.reserved_delta, e.on_hand, e.reserved"
        " from ledger.entry e join ledger.stream s using (stream_id) join ledger.posting p using (posting_id)"
        " where s.tenant = :tenant and s.sku = :sku order by s.location_id, s.stock_status, e.seq",
        sku=sku,
    )
    documents = [
        (document["kind"], document["revision"], document["payload"].get("lines"))
        for document in await partners.documents(hub.tenant, order_no)
    ]
    bookings = [(b["status"], len(b["parcels"])) for b in await partners.bookings(hub.tenant, order_no)]
    query = "select status, needs_attention from records.orders where tenant = :tenant and order_ref = :order_ref"
    view = await hub.rows(query, order_ref=order_no)
    return [re.sub(rf"{order_no}|{sku}", "*", repr(what)) for what in (*entries, *documents, *bookings, *view)]
