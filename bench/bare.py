"""Bare workflows: a push, and a life with as many steps of each kind as an order's, all of them empty.

On a worker of its own, with the SDK as it comes; that is, in its workflow sandbox. Ours runs outside
(docs/decisions/0012), which is worth some 3 ms a push.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

BARE_QUEUE = "bench-bare"


@activity.defn
async def nothing(name: str) -> str:
    return name


@workflow.defn(name="Bare")
class Bare:
    @workflow.init
    def __init__(self, name: str) -> None:
        self._name = name
        self._answered = False

    @workflow.run
    async def run(self, _name: str) -> None:
        await workflow.wait_condition(lambda: self._answered and workflow.all_handlers_finished())
        # An order lives on after its push is answered; so does this.
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def submit(self, name: str) -> str:
        answer = await workflow.execute_local_activity(nothing, name, start_to_close_timeout=timedelta(seconds=5))
        self._answered = True
        return answer


STATUS = SearchAttributeKey.for_keyword("OrderStatus")


@workflow.defn(name="BareLife")
class BareLife:
    """Pushed, picked, shipped, labeled, delivered, with the ERP told three times."""

    @workflow.init
    def __init__(self, name: str) -> None:
        self._name = name
        self._reached: set[str] = set()

    @workflow.run
    async def run(self, _name: str) -> None:
        await self._until("submit")
        await self._outside()
        await self._until("ship")
        await self._outside()
        self._show("shipped")
        await self._outside()
        await self._until("deliver")
        await self._inside()
        self._show("delivered")
        await self._outside()

    async def _until(self, point: str) -> None:
        await workflow.wait_condition(lambda: point in self._reached and workflow.all_handlers_finished())

    async def _inside(self) -> str:
        return await workflow.execute_local_activity(nothing, self._name, start_to_close_timeout=timedelta(seconds=5))

    async def _outside(self) -> str:
        return await workflow.execute_activity(nothing, self._name, start_to_close_timeout=timedelta(seconds=5))

    def _show(self, status: str) -> None:
        workflow.upsert_search_attributes([STATUS.value_set(status)])

    @workflow.update
    async def submit(self, _name: str) -> str:
        answer = await self._inside()
        self._show("reserved")
        self._reached.add("submit")
        return answer

    @workflow.update
    async def pick(self, _name: str) -> str:
        return await self._inside()

    @workflow.update
    async def ship(self, _name: str) -> str:
        answer = await self._inside()
        self._reached.add("ship")
        return answer

    @workflow.signal
    def deliver(self) -> None:
        self._reached.add("deliver")


async def work(address: str) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    runner = SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("bench", "pydantic", "pydantic_core")
    )
    worker = Worker(
        client, task_queue=BARE_QUEUE, workflows=[Bare, BareLife], activities=[nothing], workflow_runner=runner
    )
    async with worker:
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
