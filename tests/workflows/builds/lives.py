"""The lives that are recorded. Steps wait until nothing is under way for the workflow, so each goes the same again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from temporalio.client import WorkflowHandle

from tests.workflows.hub import Hub
from tests.workflows.partners import Partners
from workflows import names
from workflows.ledger_check import LedgerCheck
from workflows.ledger_checkpoint import LedgerCheckpoint

Handle = WorkflowHandle[Any, Any]
Life = Callable[[Hub, Partners], Awaitable[Handle]]


async def delivered(hub: Hub, _: Partners) -> Handle:
    await hub.push("SO-delivered", {1: ("MUG", 10)})
    await quiet(hub, "SO-delivered")
    await hub.push("SO-delivered", {1: ("MUG", 12)}, revision=2)
    await quiet(hub, "SO-delivered")
    await hub.pick("SO-delivered", {1: ("MUG", 12)})
    await hub.ship("SO-delivered")
    await quiet(hub, "SO-delivered")
    await hub.hand_over("SO-delivered")
    await quiet(hub, "SO-delivered")
    (number,) = await hub.tracking_numbers("SO-delivered")
    await hub.hear(number, "delivered")
    return hub.workflow("SO-delivered")


async def cancelled(hub: Hub, partners: Partners) -> Handle:
    await partners.erp_fault("fault", operation="ReportReservation")
    await hub.push("SO-cancelled", {1: ("MUG", 10)})
    await hub.until_attention("SO-cancelled")
    await quiet(hub, "SO-cancelled")
    await partners.behave()
    await hub.operate("SO-cancelled", "retry_step")
    await quiet(hub, "SO-cancelled")
    await hub.pick("SO-cancelled", {1: ("MUG", 10)})
    await hub.ship("SO-cancelled")
    await quiet(hub, "SO-cancelled")
    await hub.workflow("SO-cancelled").cancel()
    await hub.until_status("SO-cancelled", "cancelled")
    await quiet(hub, "SO-cancelled")
    await hub.put_back("SO-cancelled", {1: ("MUG", 10)})
    return hub.workflow("SO-cancelled")


async def refused(hub: Hub, _: Partners) -> Handle:
    await hub.push("SO-refused", {1: ("MUG", 10_000)}, shortage_policy="reject")
    return hub.workflow("SO-refused")


async def taken_up(hub: Hub, _: Partners) -> Handle:
    """A life that Temporal lost half-way: a second workflow goes on from what PostgreSQL has."""
    await hub.push("SO-taken-up", {1: ("MUG", 10)})
    await quiet(hub, "SO-taken-up")
    lost = (await hub.workflow("SO-taken-up").describe()).run_id
    await hub.workflow("SO-taken-up").terminate()

    async def started_anew() -> bool:
        return (await hub.workflow("SO-taken-up").describe()).run_id != lost

    await hub.until("the order has a workflow again", started_anew)
    await quiet(hub, "SO-taken-up")
    await hub.cancel("SO-taken-up")
    return hub.workflow("SO-taken-up")


async def returned(hub: Hub, _: Partners) -> Handle:
    """A return that comes after its order was closed."""
    await hub.push("SO-returned", {1: ("MUG", 10)})
    await hub.pick("SO-returned", {1: ("MUG", 10)})
    await hub.ship("SO-returned", handed_over=True)
    (number,) = await hub.until_labeled("SO-returned")
    await hub.hear(number, "delivered")
    await hub.until_closed("SO-returned")
    await hub.workflow("SO-returned").result()
    row = await hub.take_back("SO-returned", {1: ("MUG", 3)})
    return hub.client.get_workflow_handle(names.return_workflow(hub.tenant, row.payload.return_no))


async def checkpoint(hub: Hub, _: Partners) -> Handle:
    return await by_the_clock(hub, LedgerCheckpoint.run, names.LEDGER_CHECKPOINT)


async def check(hub: Hub, _: Partners) -> Handle:
    return await by_the_clock(hub, LedgerCheck.run, names.LEDGER_CHECK)


async def by_the_clock(hub: Hub, run: Any, schedule: str) -> Handle:
    """Start what a schedule starts, as it does."""
    return await hub.client.start_workflow(run, id=f"{schedule}-{hub.tenant}", task_queue=names.ORDERS_QUEUE)


async def quiet(hub: Hub, order_no: str) -> None:
    """Wait until neither a task nor an activity of the order's workflow is under way."""

    async def nothing_under_way() -> bool:
        shown = (await hub.workflow(order_no).describe()).raw_description
        return not shown.pending_activities and not shown.HasField("pending_workflow_task")

    await hub.until(f"nothing is under way for {order_no}", nothing_under_way)


LIVES: Final[dict[str, Life]] = {
    life.__name__: life for life in (delivered, cancelled, refused, taken_up, returned, checkpoint, check)
}
