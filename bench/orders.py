"""Pushes through the API, whole lives, and what a life costs in Temporal; beside a bare Update-with-Start.

Everything is the real thing, each in a process of its own: API, worker, relay, sandbox, PostgreSQL, Temporal.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.bare import BARE_QUEUE, Bare
from bench.measuring import measure
from bench.report import Report
from stockbridge.runtime.settings import Settings
from stockbridge.runtime.stack import EmbeddedStack, Plan, embedded_stack
from stockbridge.workflows import names

PUSHES = {1: 200, 32: 400}
LIVES = {1: 8, 32: 32}
SKUS = 100
SHIP_TO = {"name": "Ida Holm", "street": ["Kehrwieder 2"], "postal_code": "20457", "city": "Hamburg", "country": "DE"}


async def run(report: Report) -> None:
    """Measure on a fresh stack, our push and the bare one in turn."""
    with tempfile.TemporaryDirectory(prefix="stockbridge-bench-") as folder:
        given = Settings(silent_parcel_s=0.5, log_level="warning")
        async with (
            embedded_stack(Plan(Path(folder), 8900, 8901, 8902, 0.05), settings=given) as stack,
            _hub(stack) as hub,
            _bare_worker(stack) as bare,
        ):
            await hub.open()
            await _warm_up(hub, bare)
            for clients, count in PUSHES.items():
                baseline = await measure(bare, clients=clients, count=count)
                ours = await measure(hub.push, clients=clients, count=count)
                report.add("push", ours, baseline, beside="bare Update-with-Start")
            for clients, count in LIVES.items():
                report.add("order_life", await measure(hub.live, clients=clients, count=count))
            await _budget(report, hub, stack)


async def _warm_up(hub: _Hub, bare: Callable[[], Awaitable[None]]) -> None:
    for once in (hub.push, bare):
        await measure(once, clients=4, count=40)


class _Hub:
    """The hub by its HTTP door, as an ERP, a scanner and a carrier see it."""

    def __init__(self, stack: EmbeddedStack, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._http = http
        self._run = uuid4().hex[:8]
        self._next = 0

    async def _say(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._http.post(f"{self._stack.api_url}/api/{path}", json=body)
        if answer.status_code not in {200, 201, 202}:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        return dict(answer.json())

    async def open(self) -> None:
        """Set up a site with stock of many skus."""
        site = {"location_id": "HAM", "site": "HAM", "type": "site", "time_zone": "Europe/Berlin", "address": SHIP_TO}
        await self._say("locations", site)
        for location_id, kind in (("HAM-A", "bin"), ("HAM-S", "staging")):
            await self._say("locations", {"location_id": location_id, "site": "HAM", "parent": "HAM", "type": kind})
        lines = []
        for n in range(SKUS):
            await self._say("products", {"sku": f"SKU-{n}", "description": "-", "base_uom": "EA", "weight_g": 100})
            lines.append({"line_no": n + 1, "sku": f"SKU-{n}", "quantity": 10_000_000})
        await self._say("orders/inbound", {"po_no": "PO-1", "site": "HAM", "supplier": "ACME", "lines": lines})
        received = [{"line_no": line["line_no"], "quantity": line["quantity"]} for line in lines]
        await self._say("orders/inbound/PO-1/receipts", {"receipt_no": "GR", "location_id": "HAM-A", "lines": received})

    def _name(self) -> tuple[str, str]:
        self._next += 1
        return f"B{self._run}-{self._next}", f"SKU-{self._next % SKUS}"

    async def push(self) -> str:
        """Push a new order of one line."""
        order_no, sku = self._name()
        await self._say(
            "orders/outbound",
            {
                "order_no": order_no,
                "revision": 1,
                "site": "HAM",
                "ordered_at": "2026-11-20T14:03:00+01:00",
                "carrier": "sandbox",
                "service_level": "ground",
                "ship_to": SHIP_TO,
                "lines": [{"line_no": 1, "sku": sku, "quantity": 2}],
            },
        )
        return order_no

    async def live(self) -> str:
        """Take an order from the push to the proof of delivery, and until the ERP has heard of it all."""
        order_no = await self.push()
        path = f"orders/{order_no}"
        await self._say(f"{path}/picks", {"pick_no": "P", "lines": [{"line_no": 1, "quantity": 2}]})
        await self._http.post(f"{self._stack.api_url}/api/{path}/shipments", json={"shipment_no": f"{order_no}-1"})
        shipment = await self._until(path, _labeled)
        await self._say(f"{path}/shipments/{order_no}-1/handover", {"handover_no": "H"})
        number = shipment["shipments"][0]["parcels"][0]["tracking_number"]
        await self._http.post(f"{self._stack.carrier_url}/admin/parcels/{number}/collect")
        await self._until(path, lambda view: view["status"] == "delivered")
        return order_no

    async def _until(self, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(120):
            while True:
                view = (await self._http.get(f"{self._stack.api_url}/api/{path}")).json()
                if holds(view):
                    return dict(view)
                await asyncio.sleep(0.02)


def _labeled(view: dict[str, Any]) -> bool:
    return bool(view["shipments"]) and view["shipments"][0]["parcels"][0]["tracking_number"] is not None


@asynccontextmanager
async def _hub(stack: EmbeddedStack) -> AsyncIterator[_Hub]:
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    limits = httpx.Limits(max_connections=300, max_keepalive_connections=300)
    async with httpx.AsyncClient(headers=headers, timeout=60, limits=limits) as http:
        yield _Hub(stack, http)


@asynccontextmanager
async def _bare_worker(stack: EmbeddedStack) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run the bare worker in a process of its own; yields one bare push."""
    address = stack.services.temporal_address
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bare", address, stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None or not await process.stdout.readline():
        raise RuntimeError("the bare worker did not start")
    client = await Client.connect(address, data_converter=pydantic_data_converter)

    async def push() -> None:
        name = uuid4().hex
        operation = WithStartWorkflowOperation(
            Bare.run, name, id=name, task_queue=BARE_QUEUE, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )
        await client.execute_update_with_start_workflow(Bare.submit, name, start_workflow_operation=operation)

    try:
        yield push
    finally:
        process.kill()
        await process.wait()


async def _budget(report: Report, hub: _Hub, stack: EmbeddedStack) -> None:
    """Count what one life costs: history events, and actions as Temporal Cloud bills them."""
    order_no = await hub.live()
    client = await Client.connect(stack.services.temporal_address, data_converter=pydantic_data_converter)
    handle = client.get_workflow_handle(names.order_workflow(stack.tenant, order_no))
    async with asyncio.timeout(60):
        await handle.result()
    events = [event async for event in handle.fetch_history_events()]
    report.add_record("order_budget", actions=sum(_is_action(event) for event in events), events=len(events))


_ACTIONS = frozenset(
    {
        "WORKFLOW_EXECUTION_STARTED",
        "ACTIVITY_TASK_SCHEDULED",
        "TIMER_STARTED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        "MARKER_RECORDED",
    }
)


def _is_action(event: Any) -> bool:
    from temporalio.api.enums.v1 import EventType

    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") in _ACTIONS
