"""Two builds of the worker on a real Temporal: orders go on under the build that is current, and back again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.embedded.servers import BackingServices, backing_services
from runtime.processes.deployment import DEPLOYMENT
from runtime.processes.worker import run_worker
from runtime.settings import Settings, sqlalchemy_url
from tests.workflows.conftest import process, settings_for
from tests.workflows.hub import Hub
from tests.workflows.partners import PIGEON, SANDBOX
from workflows import names

WORKED = {EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED}
WORKFLOWS, ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
POLLED = {("orders", WORKFLOWS), *((queue, ACTIVITIES) for queue in ("orders", "stock", "erp", "carriers"))}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BackingServices]:
    """Servers of this test's own: which build is current holds for all orders of a namespace."""
    async with backing_services(tmp_path_factory.mktemp("services")) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine(services: BackingServices) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(services.database_url))
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
def settings(services: BackingServices) -> Settings:
    return settings_for(services)


@asynccontextmanager
async def worker(hub: Hub, settings: Settings, build: str) -> AsyncIterator[None]:
    """Run a worker of a build; the block begins when Temporal knows it."""
    async with process(run_worker, settings.model_copy(update={"worker_build_id": build})):
        await hub.until(f"Temporal knows build {build}", lambda: knows(hub.client, build, hub.tenant))
        yield


async def make_current(client: Client, build: str) -> None:
    """Have new orders, and those that are open, go to a build, as `temporal worker deployment` does."""
    await client.workflow_service.set_worker_deployment_current_version(
        SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build, identity="test"
        )
    )


async def knows(client: Client, build: str, tenant: str) -> bool:
    """Say whether Temporal has seen workers of the build on all queues, of workflows and of activities."""
    version = WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build)
    asked = DescribeWorkerDeploymentVersionRequest(namespace=client.namespace, deployment_version=version)
    try:
        shown = await client.workflow_service.describe_worker_deployment_version(asked)
    except RPCError:
        return False
    of_connections = {
        (queue, ACTIVITIES)
        for queue in (
            names.erp_queue(tenant, "erp"),
            names.carrier_queue(tenant, SANDBOX),
            names.carrier_queue(tenant, PIGEON),
        )
    }
    polled = {(queue.name, queue.type) for queue in shown.worker_deployment_version_info.task_queue_infos}
    return polled == POLLED | of_connections


async def builds_of(hub: Hub, order_no: str) -> list[str]:
    """Return the builds that an order's workflow and its steps outside have run on, one after the other."""
    history = await hub.workflow(order_no).fetch_history()
    ran = [
        event.workflow_task_completed_event_attributes.worker_version.build_id
        or event.activity_task_started_event_attributes.worker_version.build_id
        for event in history.events
        if event.event_type in WORKED
    ]
    return [build for build, _ in groupby(build if build in {"a", "b"} else "unversioned" for build in ran)]


async def push(hub: Hub, order_no: str) -> None:
    await hub.push(order_no, {1: ("MUG", 10)})
    await hub.until_told(order_no, "accepted", "reserved")


async def test_open_and_new_orders_go_to_the_build_that_is_current_and_back_again(hub: Hub, settings: Settings) -> None:
    await hub.receive("MUG", 100)
    async with worker(hub, settings, "a"):
        async with process(run_worker, settings):
            await push(hub, "SO-1")
        await make_current(hub.client, "a")
        await hub.pick("SO-1", {1: ("MUG", 10)})
        await push(hub, "SO-2")
        async with worker(hub, settings, "b"):
            await make_current(hub.client, "b")
            await hub.pick("SO-2", {1: ("MUG", 10)})
            await hub.ship("SO-2")
            await hub.until_labeled("SO-2")
            await push(hub, "SO-3")
            await make_current(hub.client, "a")
        for order_no in ("SO-2", "SO-3"):
            await hub.cancel(order_no)
            await hub.until_told_all(order_no)
        await push(hub, "SO-4")

    assert await builds_of(hub, "SO-1") == ["unversioned", "a"]
    assert await builds_of(hub, "SO-2") == ["a", "b", "a"]
    assert await builds_of(hub, "SO-3") == ["b", "a"]
    assert await builds_of(hub, "SO-4") == ["a"]
