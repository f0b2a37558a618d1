"""Whatever fails at whatever point of a life, nothing is lost and nothing is done twice.

The worker is killed (-9) before and after every posting and every step outside; PostgreSQL hangs up on it at the same
points; the ERP and the carrier are down, do what they are asked and don't answer, or answer with garbage.

`make test` tries some of the points, `make prove` all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from tests.workflows.conftest import CrashingWorker
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners

from .whole_life import left_behind, live

POINTS = (
    "before submit is decided",
    "before reservation commits",
    "after submit is decided",
    "before the ERP is told accepted",
    "after the ERP was told reserved",
    "before amendment commits",
    "before the ERP is told amended",
    "after the ERP was told amended",
    "before confirm_pick is decided",
    "before pick commits",
    "after confirm_pick is decided",
    "before the ERP is told backordered",
    "after the ERP was told backordered",
    "before ship is decided",
    "after ship is decided",
    "before the carrier is asked",
    "after the carrier has booked",
    "after the label is kept",
    "before hand_over is decided",
    "before goods_issue commits",
    "after hand_over is decided",
    "before the ERP is told shipped",
    "after the ERP was told shipped",
    "before delivery commits",
    "after events are applied",
    "before the ERP is told delivered",
    "after the ERP was told delivered",
    "before return is decided",
    "before return commits",
    "after return is decided",
    "before the ERP is told returned",
    "after the ERP was told returned",
)
TRIED: Final = 6
"""How many points a usual run tries."""
ERP_OPERATIONS = (
    "AcknowledgeOrder",
    "ReportReservation",
    "ReportAmendment",
    "ReportShipment",
    "ReportDelivery",
    "ReportReturn",
    "FindDocuments",
)


@pytest.mark.parametrize("failing", ["worker", "postgresql"])
async def test_what_fails_at_any_point_leaves_what_the_undisturbed_run_leaves(
    hub: Hub,
    partners: Partners,
    crashing_worker: CrashingWorker,
    some_of: Callable[[Sequence[str], int], list[str]],
    failing: str,
) -> None:
    points = some_of(POINTS, TRIED)
    names = {point: (f"SO-{number}", f"SKU-{number}") for number, point in enumerate(points)}
    for point, (order_no, _) in names.items():
        crashing_worker.arm(point, order_no, failing)

    await asyncio.gather(
        live(hub, partners, "SO-calm", "SKU-calm"),
        *(live(hub, partners, order_no, sku) for order_no, sku in names.values()),
    )

    assert crashing_worker.armed() == [], "every point was come to"
    assert crashing_worker.killed >= (len(points) if failing == "worker" else 0)
    undisturbed = await left_behind(hub, partners, "SO-calm", "SKU-calm")
    for point, (order_no, sku) in names.items():
        assert await left_behind(hub, partners, order_no, sku) == undisturbed, point


@pytest.mark.usefixtures("worker", "well_behaved")
async def test_partners_that_fail_at_every_call_leave_what_good_ones_leave(hub: Hub, partners: Partners) -> None:
    await live(hub, partners, "SO-calm", "SKU-calm", readdressed=True)
    undisturbed = await left_behind(hub, partners, "SO-calm", "SKU-calm")

    for kind in ("down", "timeout_after", "garbage"):
        for operation in ERP_OPERATIONS:
            await partners.erp_fault(kind, operation=operation, count=1)
        for operation in ("book", "find_shipments", "void"):
            await partners.carrier_fault(kind, operation=operation, count=1)

        await live(hub, partners, f"SO-{kind}", f"SKU-{kind}", readdressed=True)

        assert await partners.faults() == [], f"{kind}: every call failed once"
        assert await left_behind(hub, partners, f"SO-{kind}", f"SKU-{kind}") == undisturbed, kind
