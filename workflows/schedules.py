"""What Temporal starts by the clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from workflows import names
from workflows.ledger_check import LedgerCheck
from workflows.ledger_checkpoint import LedgerCheckpoint

_CATCH_UP: Final = timedelta(hours=1)
"""What was missed while Temporal was away is made up for so long, in one run; after that the next is soon enough."""


async def schedule_checkpoints(client: Client, every: timedelta) -> None:
    """Have a checkpoint taken again and again; as often as is said here, also where it was another time before."""
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every)])
    summary = "sign what the ledger has recorded"
    await _keep(
        client, names.LEDGER_CHECKPOINT, _schedule(LedgerCheckpoint.run, names.LEDGER_CHECKPOINT, summary, spec)
    )


async def schedule_check(client: Client, cron: str) -> None:
    """Have the whole ledger checked, when the cron expression says so (UTC)."""
    spec = ScheduleSpec(cron_expressions=[cron])
    summary = "check the whole ledger"
    await _keep(client, names.LEDGER_CHECK, _schedule(LedgerCheck.run, names.LEDGER_CHECK, summary, spec))


def _schedule(run: Callable[..., Awaitable[Any]], name: str, summary: str, spec: ScheduleSpec) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(run, id=name, task_queue=names.ORDERS_QUEUE, static_summary=summary),
        spec=spec,
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )


async def _keep(client: Client, name: str, wanted: Schedule) -> None:
    """Make a schedule, or bring it up to date; one that a person has paused stays so."""
    try:
        await client.create_schedule(name, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(lambda there: _updated(there, wanted))


def _updated(there: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    wanted.state = there.description.schedule.state
    return ScheduleUpdate(wanted)
