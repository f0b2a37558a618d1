"""What a life commands, in its order: a short text of each recorded history, kept in `fingerprints.toml`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from difflib import ndiff
from pathlib import Path
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.client import WorkflowHistory

KEPT: Final = Path(__file__).with_name("fingerprints.toml")

COMMANDS: Final = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activity",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: "cancel activity",
    EventType.EVENT_TYPE_MARKER_RECORDED: "",
    EventType.EVENT_TYPE_TIMER_STARTED: "timer",
    EventType.EVENT_TYPE_TIMER_CANCELED: "cancel timer",
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "upsert",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: "accept",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: "answer",
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: "child workflow",
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: "signal",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "complete",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "fail",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "end cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continue as new",
}
"""The events that a workflow's own commands leave. All others are what came to it, and may come at another time."""
MARKERS: Final = {
    "core_local_activity": ("local activity", "data", "activity_type"),
    "core_patch": ("patch", "patch-data", "id"),
}
"""What the SDK's markers stand for, and where they name it."""

ADVICE: Final = """\
The order of the commands has changed: lines with - are the recorded life's, lines with + are this one's.
A workflow that began before this change can't go on after it. Docs: docs/deploying.md, "Change a workflow".
  - Where this order of commands was ever released: put the change behind workflow.patched("what-it-is"), and see that
    the histories of that release still replay. Then record.
  - Where it was not released, or the change is patched: STOCKBRIDGE_RECORD=1 pytest {where}"""


def workflow_of(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def fingerprint_of(history: WorkflowHistory) -> list[str]:
    """Name each command of a history, in order: what it does, and to what."""
    updates = {event.event_id: accepted_name(event) for event in history.events}
    return [
        " ".join(filter(None, (COMMANDS[event.event_type], target(event, updates))))
        for event in history.events
        if event.event_type in COMMANDS
    ]


def accepted_name(event: HistoryEvent) -> str:
    return event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name


def target(event: HistoryEvent, updates: dict[int, str]) -> str:
    match event.event_type:
        case EventType.EVENT_TYPE_MARKER_RECORDED:
            return marker(event.marker_recorded_event_attributes)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            return f"{scheduled.activity_type.name} on {_queue(scheduled.task_queue.name)}"
        case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
            upserted = event.upsert_workflow_search_attributes_event_attributes.search_attributes
            return " ".join(sorted(upserted.indexed_fields))
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            return updates[event.event_id]
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
            return updates[event.workflow_execution_update_completed_event_attributes.accepted_event_id]
        case _:
            return ""


def _queue(name: str) -> str:
    """Name a queue as it is in any tenant."""
    kind, *of = name.split("/")
    return "/".join([kind, "*", *of[1:]]) if of else kind


def marker(attributes: MarkerRecordedEventAttributes) -> str:
    kind, detail, field = MARKERS[attributes.marker_name]
    return f"{kind} {json.loads(attributes.details[detail].payloads[0].data)[field]}"


def kept() -> dict[str, dict[str, list[str]]]:
    """Return what is kept: for each workflow the commands of each of its lives."""
    return tomllib.loads(KEPT.read_text()) if KEPT.exists() else {}


def keep(life: str, history: WorkflowHistory) -> None:
    """Put a life's fingerprint in the place of the one before."""
    table = kept()
    table.setdefault(workflow_of(history), {})[life] = fingerprint_of(history)
    parts = ["# The commands of each recorded life, in order. test_replay.py beside this writes it, and says when."]
    for workflow, lives in sorted(table.items()):
        parts.append(f"\n[{workflow}]")
        for name, commands in sorted(lives.items()):
            parts.append("\n".join([f"{name} = [", *(f"  {json.dumps(command)}," for command in commands), "]"]))
    KEPT.write_text("\n".join(parts) + "\n")


def expect(life: str, told: Sequence[str], commanded: Sequence[str], where: str) -> None:
    """Fail where a life's commands are not those that are kept, and tell how they differ and what to do."""
    if list(told) != list(commanded):
        difference = "\n".join(line for line in ndiff(told, commanded) if not line.startswith("?"))
        raise AssertionError(f"{life}:\n{difference}\n\n{ADVICE.format(where=where)}")
