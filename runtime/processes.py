"""The processes of the product: the API, a worker, the relay. Each runs until it is cancelled, and leaves in order."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from activities.carriers import CarrierActivities
from activities.erp import ErpActivities
from activities.ledger_checks import LedgerActivities
from activities.orders import OrderActivities
from adapters.carriers.port import CarrierPort
from adapters.erp.port import ErpPort
from postgres.statements import alone
from relay.expired_backorders import ExpiredBackorders
from relay.expired_stock import ExpiredStock
from relay.inbox import InboxReplay
from relay.known_elsewhere import KnownElsewhereSweep
from relay.loop import repeat
from relay.missing_workflows import MissingWorkflows
from relay.order_gateway import OrderGateway
from relay.outbox import OutboxDrain
from relay.silent_parcels import SilentParcels
from runtime import clients, logs
from runtime.deployment import deployment_of
from runtime.errors import StartupError
from runtime.readiness import announce_ready
from runtime.settings import Settings
from workflows import names, schedules
from workflows.registered import WORKFLOWS

log = structlog.get_logger(__name__)

ERP_THREADS: Final = 8
DRAIN: Final = timedelta(seconds=10)


async def serve_api(settings: Settings) -> None:
    """Serve the HTTP API."""
    from api.app import create_app
    from api.door.rates import Rates
    from api.door.services import ApiServices
    from runtime.connections import Connections
    from runtime.register_connections import make_known

    logs.configure(settings)
    engine = clients.engine_of(settings, settings.answering)
    carrier = clients.carrier_of(settings)
    client = await clients.temporal_of(settings, lazy=True)
    gateway = OrderGateway(client, engine)
    ledger = clients.ledger_of(engine)
    try:
        await make_known(engine, settings)
        app = create_app(
            ApiServices(
                engine=engine,
                ledger=ledger,
                orders=gateway,
                carriers={settings.need("carrier_connection"): carrier},
                temporal_health=gateway.healthy,
                body_limit_bytes=settings.body_limit_bytes,
                report_timeout_s=settings.report_timeout_s,
                window=settings.window,
                rates=Rates(
                    key_per_s=settings.key_requests_per_second,
                    address_per_s=settings.address_requests_per_second,
                    wrong_keys_per_minute=settings.wrong_keys_per_minute,
                ),
                lot_patterns={numbering.tenant: numbering.pattern for numbering in settings.lot_patterns},
                well_known_keys=settings.well_known_keys,
            )
        )
        gc.collect()
        gc.freeze()  # what is there for good need not be looked at whenever garbage is collected
        connections = Connections(settings.connection_limits, app.state.registry)
        async with connections.served(app, settings.api_host, settings.api_port) as server:
            await _serve(server)
    finally:
        await ledger.drain()
        await carrier.aclose()
        await engine.dispose()


async def _serve(server: Any) -> None:
    """Serve until cancelled, then let requests in flight finish."""
    server.capture_signals = nullcontext  # signals are the command line's business
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


async def run_worker(settings: Settings) -> None:
    """Run workflows and activities, and let what runs finish before leaving.

    `STOCKBRIDGE_WORKER_QUEUES` says which: calls to a slow ERP in a process of their own take no time from orders.
    """
    logs.configure(settings)
    async with _outside(settings, metrics=True) as (engine, client, carriers), AsyncExitStack() as stack:
        ledger = clients.ledger_of(engine)
        stack.push_async_callback(ledger.drain)
        house = _house_steps(OrderActivities(engine, ledger))
        makers: dict[str, Callable[[], Worker]] = {
            names.ORDERS_QUEUE: lambda: _orders_worker(client, house, settings),
            names.STOCK_QUEUE: lambda: _stock_worker(client, engine, house, settings),
            names.CARRIERS_QUEUE: lambda: _carriers_worker(client, engine, carriers, settings),
            names.ERP_QUEUE: lambda: _erp_worker(client, stack, settings),
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


def _carriers_worker(
    client: Client, engine: AsyncEngine, carriers: Mapping[str, CarrierPort], settings: Settings
) -> Worker:
    steps = CarrierActivities(engine, carriers)
    return Worker(
        client,
        task_queue=names.CARRIERS_QUEUE,
        activities=[steps.book_label, steps.void_label, steps.intercept_parcel],
        max_concurrent_activities=50,
        max_task_queue_activities_per_second=settings.carrier_calls_per_second,
        deployment_config=deployment_of(settings),
        graceful_shutdown_timeout=DRAIN,
    )


def _erp_worker(client: Client, stack: AsyncExitStack, settings: Settings) -> Worker:
    """Make the worker for the ERP, whose calls block: they have threads and connections of their own."""
    erp = clients.erp_of(settings)
    stack.callback(erp.close)
    engine = clients.thread_engine_of(settings, connections=ERP_THREADS)
    stack.callback(engine.dispose)
    threads = stack.enter_context(ThreadPoolExecutor(ERP_THREADS, thread_name_prefix="erp"))
    return Worker(
        client,
        task_queue=names.ERP_QUEUE,
        activities=[ErpActivities(engine, {settings.erp_source: erp}).tell_erp],
        activity_executor=threads,
        max_concurrent_activities=ERP_THREADS,
        max_task_queue_activities_per_second=settings.erp_calls_per_second,
        deployment_config=deployment_of(settings),
        graceful_shutdown_timeout=DRAIN,
    )


async def run_relay(settings: Settings) -> None:
    """Run the loops between tables and Temporal."""
    logs.configure(settings)
    async with _outside(settings) as (engine, client, carriers), AsyncExitStack() as stack:
        gateway = OrderGateway(client, engine)
        ledger = clients.ledger_of(engine)
        stack.push_async_callback(ledger.drain)
        stop = asyncio.Event()
        silent = {
            f"silent_parcels/{name}": SilentParcels(engine, name, port, settings.silent_parcel_s, settings.window)
            for name, port in carriers.items()
        }
        elsewhere = KnownElsewhereSweep(engine, gateway, carriers, _erps(settings, stack))
        # What these say to PostgreSQL stands alone, statement by statement; most rounds are one that finds nothing.
        by_itself = alone(engine)
        loops = (
            ("inbox", InboxReplay(by_itself, gateway).round, 0.5),
            ("outbox", OutboxDrain(by_itself, gateway).round, 0.1),
            ("missing_workflows", MissingWorkflows(by_itself, gateway).round, settings.missing_workflows_s),
            ("expired_backorders", ExpiredBackorders(by_itself).round, settings.expired_backorders_s),
            ("expired_stock", ExpiredStock(by_itself, ledger).round, settings.expired_stock_s),
            *((name, sweep.round, min(settings.silent_parcel_s / 2, 60.0)) for name, sweep in silent.items()),
            ("known_elsewhere", elsewhere.round, settings.missing_workflows_s),
        )
        async with asyncio.TaskGroup() as group:
            for name, work, pause_s in loops:
                group.create_task(repeat(name, work, pause_s, stop))
            announce_ready(settings)
            log.info("relay.ready")


def _erps(settings: Settings, stack: AsyncExitStack) -> dict[str, ErpPort]:
    """Make the ERP's adapter, by the source that orders name; a relay may have none."""
    if settings.erp_url is None:
        return {}
    erp = clients.erp_of(settings)
    stack.callback(erp.close)
    return {settings.erp_source: erp}


@asynccontextmanager
async def _outside(
    settings: Settings, *, metrics: bool = False
) -> AsyncIterator[tuple[AsyncEngine, Client, Mapping[str, CarrierPort]]]:
    """Connect to what a process works with; wait for Temporal if it is not there yet."""
    engine = clients.engine_of(settings, settings.working)
    carriers = clients.carriers_of(settings)
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(RuntimeError), wait=wait_exponential(0.2, 5), reraise=True
        ):
            with attempt:
                client = await clients.temporal_of(settings, metrics=metrics)
        yield engine, client, carriers
    finally:
        for carrier in carriers.values():
            await carrier.aclose()
        await engine.dispose()
