"""A worker: workflows and activities, by the queues that it is to serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.carriers import CarrierActivities
from activities.erp import ErpActivities
from activities.ledger_checks import LedgerActivities
from activities.orders import OrderActivities
from domain.connections import ConnectionKind, Flow
from records.access.connections import Connection
from runtime.errors import StartupError
from runtime.processes import clients, logs
from runtime.processes.deployment import deployment_of
from runtime.processes.live_connections import Attendance, LiveConnections
from runtime.processes.outside import outside
from runtime.processes.readiness import announce_ready
from runtime.settings import Settings
from workflows import names, schedules
from workflows.registered import WORKFLOWS

log = structlog.get_logger(__name__)

ERP_THREADS: Final = 8
CARRIER_CALLS: Final = 50
CALLS_PER_SECOND: Final = 50.0
"""For the queues of what a build scheduled that knew no connections."""
POLLERS: Final = 1
"""An idle connection costs one long poll."""
DRAIN: Final = timedelta(seconds=10)


async def run_worker(settings: Settings) -> None:
    """Run workflows and activities, and let what runs finish before leaving.

    `STOCKBRIDGE_WORKER_QUEUES` says which: calls to a slow ERP in a process of their own take no time from orders.
    """
    logs.configure(settings)
    async with outside(settings, metrics=True) as (engine, client, live), AsyncExitStack() as stack:
        ledger = clients.ledger_of(engine)
        stack.push_async_callback(ledger.drain)
        house = _house_steps(OrderActivities(engine, ledger))
        makers: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
            names.ORDERS_QUEUE: lambda: _orders_worker(client, house, settings),
            names.STOCK_QUEUE: lambda: _stock_worker(client, engine, house, settings),
            names.CARRIERS_QUEUE: lambda: _carrier_workers(client, engine, live, settings),
            names.ERP_QUEUE: lambda: _erp_workers(client, live, settings),
        }
        for queue in settings.worker_queues:
            await stack.enter_async_context(makers[queue]())
        if names.STOCK_QUEUE in settings.worker_queues:
            await _keep_schedules(client, settings)
        announce_ready(settings)
        log.info("worker.ready", queues=settings.worker_queues, build=settings.worker_build_id)
        await asyncio.Event().wait()


def _house_steps(house: OrderActivities) -> list[Callable[..., Any]]:
    return [
        house.load_order,
        house.decide_next,
        house.keep_act,
        house.apply_carrier_events,
        house.close_order,
        house.request_attention,
        house.cancel_from_temporal,
    ]


def _orders_worker(client: Client, steps: list[Callable[..., Any]], settings: Settings) -> Worker:
    return Worker(
        client,
        task_queue=names.ORDERS_QUEUE,
        workflows=WORKFLOWS,
        activities=steps,
        # The sandbox would take a quarter of this process's time. What it refuses, it refuses where lives are replayed.
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=2000,
        max_concurrent_workflow_tasks=100,
        max_concurrent_local_activities=200,
        deployment_config=deployment_of(settings),
        graceful_shutdown_timeout=DRAIN,
    )


def _stock_worker(client: Client, engine: AsyncEngine, steps: list[Callable[..., Any]], settings: Settings) -> Worker:
    ledger = LedgerActivities(
        engine, settings.need("database_url"), clients.signing_key_of(settings), clients.trusted_keys_of(settings)
    )
    return Worker(
        client,
        task_queue=names.STOCK_QUEUE,
        activities=[*steps, ledger.take_checkpoint, ledger.check_ledger],
        deployment_config=deployment_of(settings),
        graceful_shutdown_timeout=DRAIN,
    )


async def _keep_schedules(client: Client, settings: Settings) -> None:
    """Have Temporal start what is done by the clock.

    Without a key the schedule of the checkpoints stays as it is: a worker that was given none must not end what others
    do. It is deleted by hand.
    """
    try:
        await schedules.schedule_check(client, settings.ledger_check_cron)
        if settings.checkpoint_key:
            await schedules.schedule_checkpoints(client, timedelta(seconds=settings.checkpoint_interval_s))
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        raise StartupError(f"Temporal takes no such schedule: {error.message}") from error


# -- what leaves the house: a queue, and a worker of its own, for each connection --------------------------------------


@asynccontextmanager
async def _carrier_workers(
    client: Client, engine: AsyncEngine, live: LiveConnections, settings: Settings
) -> AsyncIterator[None]:
    """Serve the carriers' queues: one for each connection that something leaves by, and the one from before."""
    steps = CarrierActivities(engine, live.carriers)

    def worker(queue: str, at_once: int, calls_per_second: float) -> Worker:
        return Worker(
            client,
            task_queue=queue,
            activities=[steps.book_label, steps.void_label, steps.intercept_parcel],
            max_concurrent_activities=at_once,
            max_concurrent_activity_task_polls=POLLERS,
            max_task_queue_activities_per_second=calls_per_second,
            deployment_config=deployment_of(settings),
            graceful_shutdown_timeout=DRAIN,
        )

    @asynccontextmanager
    async def serving(row: Connection) -> AsyncIterator[None]:
        async with worker(names.carrier_queue(row.tenant, row.name), row.at_once, row.calls_per_second):
            yield

    async with (
        worker(names.CARRIERS_QUEUE, CARRIER_CALLS, CALLS_PER_SECOND),
        _attending(Attendance(live, ConnectionKind.CARRIER, serving, _limits, Flow.BOTH)),
    ):
        yield


@asynccontextmanager
async def _erp_workers(client: Client, live: LiveConnections, settings: Settings) -> AsyncIterator[None]:
    """Serve the ERPs' queues likewise. Their calls block: each connection has threads of its own."""
    engine = clients.thread_engine_of(settings, connections=ERP_THREADS)
    tell = ErpActivities(engine, live.erps).tell_erp

    @asynccontextmanager
    async def worker(queue: str, at_once: int, calls_per_second: float) -> AsyncIterator[None]:
        with ThreadPoolExecutor(at_once, thread_name_prefix=queue) as threads:
            async with Worker(
                client,
                task_queue=queue,
                activities=[tell],
                activity_executor=threads,
                max_concurrent_activities=at_once,
                max_concurrent_activity_task_polls=POLLERS,
                max_task_queue_activities_per_second=calls_per_second,
                deployment_config=deployment_of(settings),
                graceful_shutdown_timeout=DRAIN,
            ):
                yield

    def serving(row: Connection) -> AbstractAsyncContextManager[None]:
        return worker(names.erp_queue(row.tenant, row.name), row.at_once, row.calls_per_second)

    try:
        async with (
            worker(names.ERP_QUEUE, ERP_THREADS, CALLS_PER_SECOND),
            _attending(Attendance(live, ConnectionKind.ERP, serving, _limits, Flow.BOTH)),
        ):
            yield
    finally:
        engine.dispose()


def _limits(row: Connection) -> tuple[int, float]:
    return row.at_once, row.calls_per_second


@asynccontextmanager
async def _attending(attendance: Attendance) -> AsyncIterator[None]:
    task = asyncio.create_task(attendance.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
