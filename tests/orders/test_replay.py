"""Recorded lives replay: a change of the workflow that an order in the middle of its life would not survive fails.

To record again, after a change that is meant and patched: STOCKBRIDGE_RECORD=1 pytest tests/orders/test_replay.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from stockbridge.workflows.order_lifecycle import OrderLifecycle
from stockbridge.workflows.return_lifecycle import ReturnLifecycle

from .hub import Hub
from .partners import Partners

HISTORIES = Path(__file__).with_name("histories")

# All that the stories stand on, but not their own files: there, a clock, a random number or a file is refused.
PASSED_THROUGH = ("stockbridge.activities", "stockbridge.domain", "pydantic", "pydantic_core", "annotated_types")


def replayer() -> Replayer:
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return Replayer(
        workflows=[OrderLifecycle, ReturnLifecycle],
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
    )


def history_in(recorded: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"order/recorded/{recorded.stem}", recorded.read_text())


def record(name: str, history: WorkflowHistory) -> None:
    HISTORIES.mkdir(exist_ok=True)
    told = json.dumps(without_the_machine(json.loads(history.to_json())), indent=2)
    (HISTORIES / f"{name}.json").write_text(told + "\n")


def without_the_machine(told: Any) -> Any:
    """Leave out where it was recorded: a replay does not look at it."""
    if isinstance(told, list):
        return [without_the_machine(part) for part in told]
    if not isinstance(told, dict):
        return told
    blank = {"stackTrace": "", "identity": "recorded"}
    return {name: blank.get(name, without_the_machine(part)) for name, part in told.items()}


@pytest.mark.parametrize("recorded", sorted(HISTORIES.glob("*.json")), ids=lambda path: path.stem)
async def test_a_recorded_life_replays(recorded: Path) -> None:
    await replayer().replay_workflow(history_in(recorded))


async def delivered(hub: Hub, partners: Partners) -> None:
    await hub.push("SO-delivered", {1: ("MUG", 10)})
    await hub.push("SO-delivered", {1: ("MUG", 12)}, revision=2)
    await hub.pick("SO-delivered", {1: ("MUG", 12)})
    await hub.ship("SO-delivered")
    numbers = await hub.until_labeled("SO-delivered")
    await hub.hand_over("SO-delivered")
    await partners.collect(numbers)


async def cancelled(hub: Hub, partners: Partners) -> None:
    await partners.erp_fault("fault", operation="ReportReservation")
    await hub.push("SO-cancelled", {1: ("MUG", 10)})
    await hub.until_attention("SO-cancelled")
    await partners.behave()
    await hub.operate("SO-cancelled", "retry_step")
    await hub.pick("SO-cancelled", {1: ("MUG", 10)})
    await hub.ship("SO-cancelled")
    await hub.until_labeled("SO-cancelled")
    await hub.workflow("SO-cancelled").cancel()
    await hub.until_status("SO-cancelled", "cancelled")
    await hub.put_back("SO-cancelled", {1: ("MUG", 10)})


@pytest.mark.usefixtures("worker", "well_behaved")
@pytest.mark.parametrize("life", [delivered, cancelled], ids=lambda life: str(life.__name__))
async def test_a_life_replays_as_it_went(
    hub: Hub, partners: Partners, life: Callable[[Hub, Partners], Awaitable[None]]
) -> None:
    await hub.receive("MUG", 50)
    await life(hub, partners)
    name = life.__name__
    order_no = f"SO-{name}"
    await hub.until_closed(order_no)
    await hub.workflow(order_no).result()

    history = await hub.workflow(order_no).fetch_history()

    await replayer().replay_workflow(history)
    if os.environ.get("STOCKBRIDGE_RECORD"):
        record(name, history)
