"""`stockbridge replay` finds what is open in Temporal and could not go on with this build."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain.messages import OrderId
from ledger.proving.signing import key_text
from runtime.embedded.servers import BackingServices
from runtime.processes.worker import run_worker
from runtime.settings import Settings
from tests.workflows.conftest import process, settings_for
from tests.workflows.hub import Hub
from workflows import attributes, names

OTHER_KEY = key_text(b"1" * 32)


@pytest.fixture(scope="module")
def settings(services: BackingServices) -> Settings:
    """Encrypt what Temporal keeps."""
    return settings_for(services).model_copy(update={"payload_key": SecretStr(key_text(b"0" * 32))})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(settings: Settings) -> AsyncIterator[None]:
    async with process(run_worker, settings):
        yield


@pytest_asyncio.fixture
async def open_orders(hub: Hub, worker: None) -> None:  # noqa: ARG001 - works on them
    """Two orders that wait to be picked."""
    await hub.receive("MUG", 20)
    for order_no in ("SO-1", "SO-2"):
        await hub.push(order_no, {1: ("MUG", 10)})
        await hub.until_told(order_no, "accepted", "reserved")


async def replayed(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "runtime.cli", "replay", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **settings.environment()},
        timeout=120,
        check=False,
    )


def of_tenant(hub: Hub) -> tuple[str, str]:
    return "--query", f"ExecutionStatus = 'Running' and Tenant = '{hub.tenant}'"


@pytest.mark.usefixtures("open_orders")
async def test_open_orders_that_replay_are_counted(hub: Hub, settings: Settings) -> None:
    every = await replayed(settings, *of_tenant(hub))
    assert (every.returncode, every.stdout) == (0, "Workflows replayed: 2. None differs.\n")

    latest = await replayed(settings, *of_tenant(hub), "--limit", "1")
    assert (latest.returncode, latest.stdout) == (0, "Workflows replayed: 1. None differs.\n")


@pytest.mark.usefixtures("open_orders")
async def test_an_order_that_would_not_go_on_is_named_and_the_others_are_tried_all_the_same(
    hub: Hub, settings: Settings
) -> None:
    async with older_return(hub) as older:
        answer = await replayed(settings, *of_tenant(hub))

    assert answer.returncode == 1
    named, counted = answer.stdout.splitlines()
    assert named.startswith(f"{older.id} (run ")
    assert "Nondeterminism" in named
    assert counted.startswith("Workflows replayed: 3. They differ: 1. They could not go on with this build")


@pytest.mark.usefixtures("open_orders")
async def test_with_another_key_than_the_workers_nothing_replays(hub: Hub, settings: Settings) -> None:
    answer = await replayed(settings.model_copy(update={"payload_key": SecretStr(OTHER_KEY)}), *of_tenant(hub))
    assert answer.returncode == 1
    assert "Workflows replayed: 2. They differ: 2." in answer.stdout


async def test_a_query_that_temporal_does_not_understand_is_an_error_of_use(settings: Settings) -> None:
    answer = await replayed(settings, "--query", "Carier = 'dhl'")
    assert answer.returncode == 2
    assert "--query" in answer.stderr
    assert "Carier" in answer.stderr


async def test_a_temporal_that_does_not_answer_is_told_in_words(settings: Settings) -> None:
    answer = await replayed(settings.model_copy(update={"temporal_address": "127.0.0.1:9"}))
    assert answer.returncode == 1
    assert answer.stderr.startswith("stockbridge: Temporal at 127.0.0.1:9 does not answer")


@workflow.defn(name="ReturnLifecycle")
class OlderReturn:
    """A return as an older build might have seen to it: it waited a while."""

    @workflow.run
    async def run(self, _: OrderId) -> None:
        await workflow.sleep(3600)


@asynccontextmanager
async def older_return(hub: Hub) -> AsyncIterator[WorkflowHandle[OlderReturn, None]]:
    """Have a return open that an older build began."""
    queue = f"older-{hub.tenant}"
    async with Worker(
        hub.client, task_queue=queue, workflows=[OlderReturn], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        older = await hub.client.start_workflow(
            OlderReturn.run,
            OrderId(tenant=hub.tenant, order_ref="SO-0"),
            id=names.return_workflow(hub.tenant, "R-0"),
            task_queue=queue,
            search_attributes=TypedSearchAttributes([SearchAttributePair(attributes.TENANT, hub.tenant)]),
        )

        async def waits() -> bool:
            events = (await older.fetch_history()).events
            return any(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in events)

        await hub.until("it waits", waits)
        yield older
    await older.terminate()
