"""Recorded lives replay: a change of the workflow that an order in the middle of its life would not survive fails.

Each recorded life has a fingerprint, its commands in order, in `fingerprints.toml`: the same life lived now must have
it, too. To record again, after a change that is patched, or of what was never released:
STOCKBRIDGE_RECORD=1 pytest tests/workflows/builds/test_replay.py -k as_it_went

`histories/<version>/` has the lives as a release recorded them. They are never recorded again.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio import workflow
from temporalio.client import WorkflowFailureError, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from domain import messages as m
from ledger.proving.signing import key_text
from runtime.processes import clients
from runtime.processes.worker import run_worker
from runtime.settings import Settings
from tests.workflows.conftest import process
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners
from workflows import names
from workflows.order_lifecycle import OrderLifecycle
from workflows.registered import WORKFLOWS

from .fingerprints import expect, fingerprint_of, keep, kept, workflow_of
from .lives import LIVES

HISTORIES = Path(__file__).with_name("histories")
AGAIN = "tests/workflows/builds/test_replay.py -k as_it_went"
LATEST = sorted(HISTORIES.glob("*.json"))
KEY = SecretStr(key_text(sha256(b"ours").digest()))

# All that the stories stand on, but not their own files: there, a clock, a random number or a file is refused.
PASSED_THROUGH = ("activities", "domain", "pydantic", "pydantic_core", "annotated_types")


def replayer() -> Replayer:
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
    )


def history_in(recorded: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"recorded/{recorded.stem}", recorded.read_text())


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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(settings: Settings, relay: None) -> AsyncIterator[None]:  # noqa: ARG001 - runs beside it
    """A worker that signs checkpoints, though none is due."""
    signing = settings.model_copy(update={"checkpoint_key": KEY, "checkpoint_interval_s": 86_400})
    async with process(run_worker, signing):
        yield
    await (await clients.temporal_of(settings)).get_schedule_handle(names.LEDGER_CHECKPOINT).delete()


@pytest.mark.parametrize("recorded", sorted(HISTORIES.rglob("*.json")), ids=lambda path: path.stem)
async def test_a_recorded_life_replays(recorded: Path) -> None:
    await replayer().replay_workflow(history_in(recorded))


@pytest.mark.parametrize("recorded", LATEST, ids=lambda path: path.stem)
def test_a_recorded_life_has_its_fingerprint(recorded: Path) -> None:
    history = history_in(recorded)
    expect(recorded.stem, kept()[workflow_of(history)][recorded.stem], fingerprint_of(history), AGAIN)


def test_every_life_and_every_workflow_is_recorded() -> None:
    assert {path.stem for path in LATEST} == set(LIVES)
    assert set(kept()) == {workflow.__name__ for workflow in WORKFLOWS}


@pytest.mark.usefixtures("worker", "well_behaved")
@pytest.mark.parametrize("name", LIVES)
async def test_a_life_replays_as_it_went(hub: Hub, partners: Partners, name: str) -> None:
    await hub.receive("MUG", 50)
    lived = await LIVES[name](hub, partners)
    with suppress(WorkflowFailureError):
        await lived.result()

    history = await lived.fetch_history()

    await replayer().replay_workflow(history)
    if os.environ.get("STOCKBRIDGE_RECORD"):
        record(name, history)
        keep(name, history)
    expect(name, kept()[workflow_of(history)][name], fingerprint_of(history), AGAIN)


@workflow.defn(name="OrderLifecycle")
class CarriersFirst(OrderLifecycle):
    """An order that tells the ERP only once its labels are bought and voided: two commands have changed places."""

    carriers_first = True

    @workflow.init
    def __init__(self, order: m.OrderId) -> None:
        super().__init__(order)

    @workflow.run
    async def run(self, order: m.OrderId) -> str:
        return await super().run(order)

    def _untold(self) -> m.ErpStep | None:
        return None if self.carriers_first and self._unasked() else super()._untold()


@workflow.defn(name="OrderLifecycle")
class CarriersFirstPatched(CarriersFirst):
    """The same change, for orders that begin after it only."""

    @workflow.init
    def __init__(self, order: m.OrderId) -> None:
        super().__init__(order)

    @workflow.run
    async def run(self, order: m.OrderId) -> str:
        self.carriers_first = workflow.patched("carriers-first")
        return await super().run(order)


def changed(order: type[OrderLifecycle]) -> Replayer:
    return Replayer(
        workflows=[order], data_converter=pydantic_data_converter, workflow_runner=UnsandboxedWorkflowRunner()
    )


async def test_an_order_does_not_replay_where_two_commands_have_changed_places() -> None:
    with pytest.raises(workflow.NondeterminismError, match=r"tell_erp|void_label"):
        await changed(CarriersFirst).replay_workflow(history_in(HISTORIES / "cancelled.json"))


async def test_an_order_replays_where_they_have_changed_places_by_a_patch() -> None:
    await changed(CarriersFirstPatched).replay_workflow(history_in(HISTORIES / "cancelled.json"))


def test_commands_that_have_changed_places_are_told_line_by_line_with_what_to_do() -> None:
    told = kept()["OrderLifecycle"]["cancelled"]
    first = told.index(void := "activity void_label on carriers/*/sandbox")
    changed = [*told[: first - 1], told[first], told[first - 1], *told[first + 1 :]]

    with pytest.raises(AssertionError) as failure:
        expect("cancelled", told, changed, AGAIN)

    words = str(failure.value)
    assert f"\n+ {void}\n  activity tell_erp on erp/*/erp\n- {void}\n" in words
    assert "workflow.patched(" in words
    assert f"STOCKBRIDGE_RECORD=1 pytest {AGAIN}" in words
