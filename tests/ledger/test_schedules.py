"""What Temporal starts by the clock: checkpoints, and the check of the whole ledger."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import httpx
import psycopg
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError

from domain import messages as m
from ledger.proving.signing import key_text
from ledger.writing.writer import LedgerWriter
from runtime.embedded.ports import any_free
from runtime.embedded.servers import BackingServices, backing_services
from runtime.errors import StartupError
from runtime.polling import until
from runtime.processes import clients
from runtime.processes.worker import run_worker
from runtime.settings import Settings, sqlalchemy_url
from workflows import names, schedules

from .warehouse import Warehouse

R = TypeVar("R")
KEY = SecretStr(key_text(sha256(b"ours").digest()))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BackingServices]:
    """Servers of these tests' own: they damage the ledger."""
    async with backing_services(tmp_path_factory.mktemp("services")) as started:
        yield started


@pytest.fixture(scope="module")
def settings(services: BackingServices) -> Settings:
    return Settings(
        database_url=services.database_url,
        temporal_address=services.temporal_address,
        worker_queues=("orders", "stock"),
        worker_metrics_port=any_free(),
        checkpoint_key=KEY,
        checkpoint_interval_s=3600,
        log_level="error",
    )


@asynccontextmanager
async def worker(settings: Settings, folder: Path) -> AsyncIterator[None]:
    """Run a worker in this process until the block ends; the block begins when it is ready."""
    ready = folder / "ready"
    task = asyncio.ensure_future(run_worker(settings.model_copy(update={"ready_file": str(ready)})))
    try:
        async with asyncio.timeout(30):
            while not ready.exists() and not task.done():
                await asyncio.wait({task}, timeout=0.05)
        if task.done():
            await task
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def working(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    async with worker(settings, tmp_path_factory.mktemp("worker")):
        yield


@pytest_asyncio.fixture
async def temporal(settings: Settings) -> Client:
    return await clients.temporal_of(settings)


@pytest_asyncio.fixture
async def engine(services: BackingServices) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(services.database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def warehouse(engine: AsyncEngine, tenant: str) -> Warehouse:
    return Warehouse(LedgerWriter(engine), engine, tenant)


async def run_now(client: Client, schedule: str, result: type[R]) -> WorkflowHandle[object, R]:
    """Have a schedule start what it starts, and return that."""
    handle = client.get_schedule_handle(schedule)
    before = (await handle.describe()).info.num_actions
    await handle.trigger()

    async def started() -> bool:
        return (await handle.describe()).info.num_actions > before

    assert await until(started, limit_s=20)
    action = (await handle.describe()).info.recent_actions[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    return client.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id, result_type=result)


@pytest.mark.usefixtures("working")
async def test_a_worker_makes_both_schedules(temporal: Client) -> None:
    for name in (names.LEDGER_CHECKPOINT, names.LEDGER_CHECK):
        schedule = (await temporal.get_schedule_handle(name).describe()).schedule
        assert schedule.policy.overlap == ScheduleOverlapPolicy.SKIP
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        assert schedule.action.task_queue == names.ORDERS_QUEUE


@pytest.mark.usefixtures("working")
async def test_a_schedule_is_brought_up_to_date_and_one_that_is_paused_stays_so(temporal: Client) -> None:
    handle = temporal.get_schedule_handle(names.LEDGER_CHECKPOINT)
    await handle.pause(note="ida looks at it")

    await schedules.schedule_checkpoints(temporal, timedelta(seconds=77))

    there = (await handle.describe()).schedule
    assert [interval.every for interval in there.spec.intervals] == [timedelta(seconds=77)]
    assert (there.state.paused, there.state.note) == (True, "ida looks at it")
    await handle.unpause()
    await schedules.schedule_checkpoints(temporal, timedelta(hours=1))


async def test_a_time_that_temporal_does_not_understand_is_told_at_the_start(
    settings: Settings, tmp_path: Path
) -> None:
    given = settings.model_copy(update={"ledger_check_cron": "at night", "worker_metrics_port": None})

    with pytest.raises(StartupError, match="Temporal takes no such schedule"):
        async with worker(given, tmp_path):
            pass


async def test_without_a_key_no_checkpoint_is_scheduled(settings: Settings, temporal: Client, tmp_path: Path) -> None:
    handle = temporal.get_schedule_handle(names.LEDGER_CHECKPOINT)
    there = (await handle.describe()).schedule
    await handle.delete()

    async with worker(settings.model_copy(update={"checkpoint_key": None, "worker_metrics_port": None}), tmp_path):
        with pytest.raises(RPCError):
            await handle.describe()

    await temporal.create_schedule(names.LEDGER_CHECKPOINT, there)


@pytest.mark.usefixtures("working")
async def test_a_checkpoint_is_taken_and_the_next_one_follows_it(temporal: Client, warehouse: Warehouse) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5))
    first = await (await run_now(temporal, names.LEDGER_CHECKPOINT, m.CheckpointTaken)).result()
    again = await (await run_now(temporal, names.LEDGER_CHECKPOINT, m.CheckpointTaken)).result()
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 1)))
    second = await (await run_now(temporal, names.LEDGER_CHECKPOINT, m.CheckpointTaken)).result()

    assert first.newest is not None
    assert second.newest is not None
    assert (again.newest, second.newest.number) == (first.newest, first.newest.number + 1)
    assert re.fullmatch(r"checkpoint \d+, up to .*, signed with key \w{16}: 1 streams, 0 postings .*", second.words)
    assert again.words.startswith("nothing has changed since checkpoint")


@pytest.mark.usefixtures("working")
async def test_a_check_that_finds_nothing_ends_well_and_says_what_it_read(
    temporal: Client, warehouse: Warehouse, settings: Settings
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5))

    checked = await (await run_now(temporal, names.LEDGER_CHECK, m.LedgerChecked)).result()

    assert checked.found == 0
    assert checked.words.startswith("ledger verified: ")
    assert await _found(settings) == 0


@pytest.mark.usefixtures("working")
async def test_a_check_that_finds_something_fails_and_names_stream_and_entry(
    temporal: Client, warehouse: Warehouse, services: BackingServices, settings: Settings
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5))
    stream_id = warehouse.stream("MUG").stream_id
    change = "update ledger.entry set on_hand = on_hand {} 1 where stream_id = %s and seq = 1"
    _damage(services, change.format("+"), stream_id)

    handle = await run_now(temporal, names.LEDGER_CHECK, m.LedgerChecked)
    with pytest.raises(WorkflowFailureError) as failing:
        await handle.result()

    _damage(services, change.format("-"), stream_id)
    cause = failing.value.cause
    assert isinstance(cause, ApplicationError)
    assert f"stream {stream_id}, entry 1" in str(cause)
    assert (await handle.describe()).status == WorkflowExecutionStatus.FAILED
    assert await _found(settings) > 0


@pytest.mark.usefixtures("working")
async def test_checkpoints_that_are_gone_without_a_trace_are_missed_by_temporal(
    temporal: Client, warehouse: Warehouse, services: BackingServices
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 5))
    taken = await (await run_now(temporal, names.LEDGER_CHECKPOINT, m.CheckpointTaken)).result()
    await (await run_now(temporal, names.LEDGER_CHECK, m.LedgerChecked)).result()
    assert taken.newest is not None
    for table in ("checkpoint_tail", "checkpoint_posting", "checkpoint"):
        _damage(services, f"delete from ledger.{table} where number = %s", taken.newest.number)

    with pytest.raises(WorkflowFailureError) as next_one:
        await (await run_now(temporal, names.LEDGER_CHECKPOINT, m.CheckpointTaken)).result()
    with pytest.raises(WorkflowFailureError) as check:
        await (await run_now(temporal, names.LEDGER_CHECK, m.LedgerChecked)).result()

    assert isinstance(next_one.value.cause, ActivityError)
    assert f"Checkpoint {taken.newest.number} with hash" in str(next_one.value.cause.cause)
    assert f"checkpoint {taken.newest.number} with hash" in str(check.value.cause)


def _damage(services: BackingServices, statement: str, *values: object) -> None:
    with psycopg.connect(services.database_admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(statement, values)  # type: ignore[call-overload]


async def _found(settings: Settings) -> int:
    """Return what the worker's Prometheus page says of the last check."""
    async with httpx.AsyncClient(trust_env=False) as client:
        page = (await client.get(f"http://127.0.0.1:{settings.worker_metrics_port}/metrics")).text
    (found,) = re.findall(r"^stockbridge_ledger_findings(?:{.*})? (\d+)$", page, re.MULTILINE)
    return int(found)
