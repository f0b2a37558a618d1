"""`stockbridge replay`: histories as Temporal has them, replayed with the workflows of this build."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowReplayResult

from runtime.errors import StartupError
from runtime.processes import clients
from runtime.settings import Settings
from workflows.registered import WORKFLOWS

_OURS: Final = "WorkflowType in ({})".format(", ".join(f"'{workflow.__name__}'" for workflow in WORKFLOWS))
_MESSAGE: Final = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
"""Where the SDK's text of a failure has its words, in a print of all its fields."""
_ADVICE: Final = 'They could not go on with this build: give it no work (docs/deploying.md, "Change a workflow").'


def replay(settings: Settings, query: str, limit: int | None) -> None:
    """Replay what the query finds; exit code 1 if a workflow does not replay."""
    replayed, failures = asyncio.run(_replayed(settings, query, limit))
    console = Console(soft_wrap=True, highlight=False)
    for failure in failures:
        console.print(_told(failure), style="red", markup=False)
    if failures:
        console.print(f"Workflows replayed: {replayed}. They differ: {len(failures)}. {_ADVICE}", style="bold red")
        raise typer.Exit(1)
    console.print(f"Workflows replayed: {replayed}. None differs.", style="bold green" if replayed else "bold yellow")


async def _replayed(settings: Settings, query: str, limit: int | None) -> tuple[int, list[WorkflowReplayResult]]:
    """Return how many were replayed, and those that went another way than they had."""
    asked = f"{_OURS} and ({query})"
    replayed, failures = 0, []
    client = await _connected(settings)
    with _in_our_words(), _bar() as bar:
        found = (await client.count_workflows(asked)).count
        task = bar.add_task("replaying", total=min(found, limit or found))
        histories = client.list_workflows(asked, limit=limit).map_histories()
        async with _replayer(client.data_converter).workflow_replay_iterator(histories) as results:
            async for result in results:
                replayed += 1
                bar.advance(task)
                if result.replay_failure:
                    failures.append(result)
    return replayed, failures


def _replayer(converter: DataConverter) -> Replayer:
    """Make what replays as a worker does, and does not print beside us what we tell."""
    return Replayer(
        workflows=WORKFLOWS,
        data_converter=converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )


def _told(failure: WorkflowReplayResult) -> str:
    whole = str(failure.replay_failure)
    reason = _MESSAGE.search(whole)
    return f"{failure.history.workflow_id} (run {failure.history.run_id}): {reason[1] if reason else whole}"


async def _connected(settings: Settings) -> Client:
    try:
        return await clients.temporal_of(settings)
    except RuntimeError as error:  # what the SDK says when it can't connect
        raise StartupError(f"Temporal at {settings.temporal_address} does not answer: {error}") from error


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Say that Temporal does not understand the query, or that it is away."""
    try:
        yield
    except RPCError as error:
        if error.status == RPCStatusCode.INVALID_ARGUMENT:
            raise typer.BadParameter(f"Temporal takes no such query: {error.message}", param_hint="--query") from None
        raise StartupError(f"Temporal did not answer: {error.message}") from error


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
