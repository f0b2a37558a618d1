"""Pushes and whole lives through the API, and what a life costs; beside bare workflows of the same shape.

Everything is the real thing, each in a process of its own: API, worker, relay, sandbox, PostgreSQL, Temporal.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.bare import BARE_QUEUE, Bare, BareLife
from bench.budget import cost_of
from bench.measuring import mean, measure
from bench.report import Load, Report, console
from bench.spending import processor_seconds
from domain.messages import OrderId
from runtime.embedded.stack import EmbeddedStack, Plan, embedded_stack
from runtime.settings import Settings
from workflows import names

PUSHES = {1: 200, 32: 400}
LIVES = {1: 20, 8: 80, 32: 320}
SLICES = 4
SKUS = 100
SHIP_TO = {"name": "Ida Holm", "street": ["Kehrwieder 2"], "postal_code": "20457", "city": "Hamburg", "country": "DE"}


async def run(report: Report) -> None:
    """Measure on a fresh stack, our push and the bare one in turn."""
    with tempfile.TemporaryDirectory(prefix="stockbridge-bench-") as folder:
        given = Settings(log_level="warning")
        async with (
            embedded_stack(Plan(Path(folder), 8900, 8901, 8902, 0.05), settings=given) as stack,
            _hub(stack) as hub,
            _bare_worker(stack) as bare,
        ):
            await hub.open()
            for once in (hub.push, bare.push, hub.live, bare.live):
                await measure(once, clients=4, count=20)
            for clients, count in PUSHES.items():
                await _pushes(report, hub, bare, clients, count)
            for clients, count in LIVES.items():
                await _lives(report, hub, bare, stack, clients, count)
            cost = cost_of(await hub.history(await hub.live()))
            report.add_record("order_budget", actions=cost.actions, events=cost.events)
            console.print(f"order_budget: {cost.actions} actions, {cost.events} events")


async def _pushes(report: Report, hub: _Hub, bare: _Bare, clients: int, count: int) -> None:
    """Push so many orders, ours and bare ones in turn."""
    loads: dict[str, list[Load]] = {"bare": [], "ours": []}
    for _ in range(SLICES):
        loads["bare"].append(await measure(bare.push, clients=clients, count=count // SLICES))
        loads["ours"].append(await measure(hub.push, clients=clients, count=count // SLICES))
    report.add("push", mean(loads["ours"]), mean(loads["bare"]), beside="bare Update-with-Start")


async def _lives(report: Report, hub: _Hub, bare: _Bare, stack: EmbeddedStack, clients: int, count: int) -> None:
    """Let so many orders live, ours and bare ones in turn; tell how soon each was reserved, and where the time went."""
    loads: dict[str, list[Load]] = {"bare": [], "ours": []}
    spent: Counter[str] = Counter()
    hub.pushes_took.clear()
    for _ in range(SLICES):
        loads["bare"].append(await measure(bare.live, clients=clients, count=count // SLICES))
        before = processor_seconds(stack)
        loads["ours"].append(await measure(hub.live, clients=clients, count=count // SLICES))
        spent += processor_seconds(stack) - before
    took = sorted(hub.pushes_took)
    report.add(
        "order_life",
        mean(loads["ours"]),
        mean(loads["bare"]),
        beside="bare workflow of the same shape",
        push_p50_ms=round(took[len(took) // 2] * 1000, 1),
        push_p99_ms=round(took[int(len(took) * 0.99)] * 1000, 1),
        **{f"{part}_ms": round(seconds / count * 1000, 1) for part, seconds in spent.most_common()},
    )
    record = report.records[-1]
    told = ", ".join(f"{part} {record[f'{part}_ms']} ms" for part, _ in spent.most_common())
    console.print(f"  reserved after {record['push_p50_ms']} ms, p99 {record['push_p99_ms']} ms; a life takes {told}")


class _Hub:
    """The hub by its HTTP door, as an ERP, a scanner and a carrier see it."""

    def __init__(self, stack: EmbeddedStack, http: httpx.AsyncClient, temporal: Client) -> None:
        self._stack = stack
        self._http = http
        self._temporal = temporal
        self.pushes_took: list[float] = []
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
        began = time.perf_counter()
        order_no = await self.push()
        self.pushes_took.append(time.perf_counter() - began)
        path = f"orders/{order_no}"
        await self._say(f"{path}/picks", {"pick_no": "P", "lines": [{"line_no": 1, "quantity": 2}]})
        shipment = {"shipment_no": f"{order_no}-1", "handed_over": True}
        (parcel,) = (await self._say(f"{path}/shipments", shipment))["parcels"]
        scan = f"{self._stack.carrier_url}/admin/parcels/{parcel['tracking_number']}/scan"
        (await self._http.post(scan, json={"status": "delivered"})).raise_for_status()
        await self._workflow(order_no).result()
        return order_no

    async def history(self, order_no: str) -> list[HistoryEvent]:
        """Return what Temporal has of an order that is closed."""
        return [event async for event in self._workflow(order_no).fetch_history_events()]

    def _workflow(self, order_no: str) -> WorkflowHandle[Any, Any]:
        return self._temporal.get_workflow_handle(
            names.order_workflow(OrderId(tenant=self._stack.tenant, order_ref=order_no))
        )


@asynccontextmanager
async def _hub(stack: EmbeddedStack) -> AsyncIterator[_Hub]:
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    limits = httpx.Limits(max_connections=300, max_keepalive_connections=300, keepalive_expiry=2)
    async with httpx.AsyncClient(headers=headers, timeout=60, limits=limits) as http:
        yield _Hub(stack, http, await _temporal(stack))


async def _temporal(stack: EmbeddedStack) -> Client:
    return await Client.connect(stack.services.temporal_address, data_converter=pydantic_data_converter)


@dataclass(frozen=True)
class _Bare:
    """Bare workflows, on a worker of their own."""

    client: Client

    def _operation(self, workflow: Any, name: str) -> WithStartWorkflowOperation[Any, Any]:
        return WithStartWorkflowOperation(
            workflow, name, id=name, task_queue=BARE_QUEUE, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
        )

    async def push(self) -> None:
        name = uuid4().hex
        operation = self._operation(Bare.run, name)
        await self.client.execute_update_with_start_workflow(Bare.submit, name, start_workflow_operation=operation)

    async def live(self) -> None:
        name = uuid4().hex
        operation = self._operation(BareLife.run, name)
        await self.client.execute_update_with_start_workflow(BareLife.submit, name, start_workflow_operation=operation)
        handle = self.client.get_workflow_handle(name)
        await handle.execute_update(BareLife.pick, name)
        await handle.execute_update(BareLife.ship, name)
        await handle.signal(BareLife.deliver)
        await handle.result()


@asynccontextmanager
async def _bare_worker(stack: EmbeddedStack) -> AsyncIterator[_Bare]:
    """Run the bare worker in a process of its own."""
    address = stack.services.temporal_address
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bare", address, stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None or not await process.stdout.readline():
        raise RuntimeError("the bare worker did not start")
    try:
        yield _Bare(await _temporal(stack))
    finally:
        process.kill()
        await process.wait()
