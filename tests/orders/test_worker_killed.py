"""A worker killed with -9 anywhere loses nothing and does nothing twice."""

from __future__ import annotations

import asyncio
import re

from .conftest import CrashingWorker
from .hub import Hub
from .partners import Partners

POINTS = (
    "before submit is decided",
    "before reservation commits",
    "after submit is decided",
    "before the ERP is told accepted",
    "after the ERP was told reserved",
    "before amendment commits",
    "before pick commits",
    "after confirm_pick is decided",
    "after ship is decided",
    "before the carrier is asked",
    "after the carrier has booked",
    "after the label is kept",
    "before goods_issue commits",
    "after hand_over is decided",
    "after the ERP was told shipped",
    "before delivery commits",
    "after events are applied",
    "before the ERP is told delivered",
)


async def live(hub: Hub, partners: Partners, order_no: str, sku: str) -> None:
    """Take an order from the push to the proof of delivery."""
    await hub.receive(sku, 100)
    await hub.push(order_no, {1: (sku, 10), 2: (sku, 5)})
    await hub.push(order_no, {1: (sku, 12), 2: (sku, 3)}, revision=2)
    await hub.pick(order_no, {1: (sku, 12), 2: (sku, 3)})
    await hub.ship(order_no)
    numbers = await hub.until_labeled(order_no)
    await hub.hand_over(order_no)
    await partners.collect(numbers)
    await hub.until_closed(order_no, 150)


async def left_behind(hub: Hub, partners: Partners, order_no: str, sku: str) -> list[str]:
    """Tell what an order left in the ledger, at the ERP and at the carrier, without names, numbers and times."""
    entries = await hub.rows(
        "select p.reason, p.evidence, s.location_id, s.stock_status, e.order_ref, e.line_no, e.seq, e.on_hand_delta,"
        " e.reserved_delta, e.on_hand, e.reserved"
        " from ledger.entry e join ledger.stream s using (stream_id) join ledger.posting p using (posting_id)"
        " where s.tenant = :tenant and s.sku = :sku order by s.location_id, e.seq",
        sku=sku,
    )
    documents = [
        (document["kind"], document["revision"], document["payload"].get("lines"))
        for document in await partners.documents(hub.tenant, order_no)
    ]
    bookings = [(b["status"], len(b["parcels"])) for b in await partners.bookings(hub.tenant, order_no)]
    return [re.sub(rf"{order_no}|{sku}", "*", repr(what)) for what in (*entries, *documents, *bookings)]


async def test_a_worker_killed_at_any_point_leaves_what_the_undisturbed_run_leaves(
    hub: Hub, partners: Partners, crashing_worker: CrashingWorker
) -> None:
    names = {point: (f"SO-{number}", f"SKU-{number}") for number, point in enumerate(POINTS)}
    for point, (order_no, _) in names.items():
        crashing_worker.arm(point, order_no)

    await asyncio.gather(
        live(hub, partners, "SO-calm", "SKU-calm"),
        *(live(hub, partners, order_no, sku) for order_no, sku in names.values()),
    )

    assert crashing_worker.armed() == [], "every point was come to"
    assert crashing_worker.killed >= len(POINTS)
    undisturbed = await left_behind(hub, partners, "SO-calm", "SKU-calm")
    for point, (order_no, sku) in names.items():
        assert await left_behind(hub, partners, order_no, sku) == undisturbed, point
