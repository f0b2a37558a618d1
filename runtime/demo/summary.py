"""The sum of the story: what there is of everything, and whether the ledger's own proof holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from ledger.verifying import verification
from records.inventory import discrepancies
from runtime.demo.hub import side_by_side
from runtime.demo.tale import Tale
from runtime.demo.world import Json
from runtime.embedded.stack import EmbeddedStack
from runtime.processes import clients

Rows = list[tuple[str, str, str]]


async def sum_up(tale: Tale, stack: EmbeddedStack) -> None:
    """Check the ledger's own proof, and print the table of what there is."""
    tale.checks.display.doing("Verifying the ledger")
    report = await asyncio.to_thread(verification.verify, stack.services.database_url)
    orders = await tale.hub.every("/api/orders")
    told = await side_by_side(tale.hub.every(f"/api/orders/{order['order_no']}/timeline") for order in orders)
    items = [item for story in told for item in story]
    rows = [
        *_rows("orders", Counter(order["status"] for order in orders)),
        *_rows("postings", {**_reasons(items), "total, with receipts": report.postings}),
        *_rows("ERP messages", Counter(_of(items, "erp_message", "kind"))),
        *_rows("callbacks", Counter(call["state"] for call in await tale.carrier.callbacks())),
        *_rows("carrier events", Counter(f"heard by {way}" for way in _of(items, "carrier_event", "heard_by"))),
        *_rows("discrepancies", await _discrepancies(stack) or {"none": 0}),
    ]
    tale.checks.display.table(rows)
    tale.checks.that(not report.findings, str(report), "; ".join(map(str, report.findings)))


def _rows(of: str, counted: Mapping[str, int]) -> Rows:
    return [(of, which.replace("_", " "), str(count)) for which, count in sorted(counted.items())]


def _of(items: list[Json], kind: str, name: str) -> Iterable[str]:
    return (item["data"][name] for item in items if item["kind"] == kind)


def _reasons(items: list[Json]) -> dict[str, int]:
    """Count the orders' postings by their reason; one that is in two orders' stories counts once."""
    reasons = {item["data"]["posting_id"]: item["data"]["reason"] for item in items if item["kind"] == "posting"}
    return dict(Counter(reasons.values()))


async def _discrepancies(stack: EmbeddedStack) -> dict[str, int]:
    engine = clients.engine_of(stack.settings, stack.settings.working)
    try:
        async with engine.connect() as connection:
            return await discrepancies.by_kind(connection, stack.tenant)
    finally:
        await engine.dispose()
