"""What a workflow costs in Temporal, counted in its history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

BILLED: Final = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_TIMER_STARTED,
    }
)
"""Events that stand for one action each, as Temporal Cloud bills it (its documentation, "Actions").

A local activity is a marker; several that share a workflow task are billed as one, and counted here each."""


@dataclass(frozen=True)
class Cost:
    """Billable actions, and events in the history."""

    actions: int
    events: int


def cost_of(events: Iterable[HistoryEvent]) -> Cost:
    """Count what a workflow has cost. Each attempt of an activity is an action."""
    every = list(events)
    attempts = [event.activity_task_started_event_attributes.attempt for event in every]
    return Cost(sum(attempts) + sum(event.event_type in BILLED for event in every), len(every))
