"""A bare push: an Update-with-Start answered by one empty step, on a worker of its own, with the SDK as it comes.

That is, in its workflow sandbox; ours runs outside (docs/decisions/0012), which is worth some 3 ms a push.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
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


async def work(address: str) -> None:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    runner = SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("bench", "pydantic", "pydantic_core")
    )
    worker = Worker(client, task_queue=BARE_QUEUE, workflows=[Bare], activities=[nothing], workflow_runner=runner)
    async with worker:
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
