"""How stored commands and signals reach an order's workflow, from the API and from the relay alike."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from stockbridge.activities.messages import Command, CommandAnswer, OrderId
from stockbridge.activities.standing import refuse_if_closed, standing_of
from stockbridge.domain.errors import Unavailable
from stockbridge.workflows import attributes, names
from stockbridge.workflows.order_lifecycle import OrderLifecycle
from stockbridge.workflows.return_lifecycle import ReturnLifecycle

log = structlog.get_logger(__name__)

GRACE_S: Final = 1.0
"""The server's own time limit comes first, so that its call is not left behind half-way."""
SIGNAL_TIMEOUT: Final = timedelta(seconds=5)


class StoredCommand(Protocol):
    """A command as the inbox has it."""

    @property
    def inbox_id(self) -> int: ...  # noqa: D102
    @property
    def tenant(self) -> str: ...  # noqa: D102
    @property
    def order_ref(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def payload(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def update_id(self) -> str: ...  # noqa: D102


class OrderGateway:
    """The way to orders' workflows. A missing workflow is started: PostgreSQL has all that it needs."""

    def __init__(self, client: Client, engine: AsyncEngine) -> None:
        self._client = client
        self._engine = engine

    async def deliver(self, row: StoredCommand, timeout_s: float) -> None:
        """Hand a stored command to its order's workflow, and wait until it is decided.

        Raises `TimeoutError` where there is no answer in time, `Unavailable` where Temporal can't be reached; the
        command is kept, and the relay sends it again.
        """
        command = Command(tenant=row.tenant, order_ref=row.order_ref, inbox_id=row.inbox_id, kind=row.kind, key=row.key)
        try:
            async with asyncio.timeout(timeout_s + GRACE_S):
                await self._update(row, command, timedelta(seconds=timeout_s))
        except (WorkflowUpdateRPCTimeoutOrCancelledError, RPCTimeoutOrCancelledError) as error:
            raise TimeoutError from error
        except WorkflowAlreadyStartedError:
            await refuse_if_closed(self._engine, OrderId(tenant=row.tenant, order_ref=row.order_ref), row.inbox_id)
        except WorkflowUpdateFailedError as error:
            log.warning("command.update_failed", key=row.key, error=str(error.cause))
            raise Unavailable("The order's workflow could not decide; the command is kept.") from error
        except RPCError as error:
            raise _translated(error) from error

    async def _update(self, row: StoredCommand, command: Command, limit: timedelta) -> None:
        await self._client.execute_update_with_start_workflow(
            row.kind,
            command,
            id=row.update_id,
            start_workflow_operation=await self._operation(row),
            result_type=CommandAnswer,
            rpc_timeout=limit,
        )

    async def _operation(self, row: StoredCommand) -> WithStartWorkflowOperation[Any, Any]:
        order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
        if row.kind == "return" and await standing_of(self._engine, order) == "closed":
            return WithStartWorkflowOperation(
                ReturnLifecycle.run,
                order,
                id=names.return_workflow(row.tenant, row.payload["return_no"]),
                static_summary=f"return {row.payload['return_no']} of order {row.order_ref}",
                **_start_options(order),
            )
        return WithStartWorkflowOperation(
            OrderLifecycle.run,
            order,
            id=names.order_workflow(row.tenant, row.order_ref),
            static_summary=_summary(row),
            **_start_options(order),
        )

    async def hear_carrier(self, tenant: str, order_ref: str) -> None:
        """Tell an order's workflow at once that a carrier said something. Best effort: the outbox makes sure."""
        try:
            handle = self._client.get_workflow_handle(names.order_workflow(tenant, order_ref))
            await handle.signal(OrderLifecycle.carrier_event, rpc_timeout=SIGNAL_TIMEOUT)
        except (RPCError, TimeoutError) as error:
            log.info("carrier_event.not_signaled", order_ref=order_ref, error=str(error))

    async def signal(self, tenant: str, order_ref: str, signal: str) -> None:
        """Deliver a signal of the outbox, starting the order's workflow where it is missing.

        Raises `Unavailable` where Temporal can't be reached. An order that is closed needs to hear nothing more.
        """
        await self._start(OrderId(tenant=tenant, order_ref=order_ref), start_signal=signal)

    async def start(self, order: OrderId) -> None:
        """Start the workflow of an open order where none is running."""
        await self._start(order)

    async def _start(self, order: OrderId, **options: Any) -> None:
        try:
            await self._client.start_workflow(
                OrderLifecycle.run,
                order,
                id=names.order_workflow(order.tenant, order.order_ref),
                static_summary=f"order {order.order_ref}",
                rpc_timeout=SIGNAL_TIMEOUT,
                **_start_options(order, conflict=bool(options)),
                **options,
            )
        except WorkflowAlreadyStartedError:
            return
        except RPCError as error:
            raise _translated(error) from error

    async def running(self) -> set[str]:
        """Return the ids of the orders' workflows that run."""
        query = "WorkflowType = 'OrderLifecycle' and ExecutionStatus = 'Running'"
        try:
            return {execution.id async for execution in self._client.list_workflows(query)}
        except RPCError as error:
            raise _translated(error) from error

    async def healthy(self) -> bool:
        """Say whether Temporal answers."""
        try:
            return await self._client.service_client.check_health(timeout=timedelta(seconds=2))
        except (RPCError, RuntimeError):
            return False


def _start_options(order: OrderId, *, conflict: bool = True) -> dict[str, Any]:
    return {
        "task_queue": names.ORDERS_QUEUE,
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        "id_conflict_policy": (
            WorkflowIDConflictPolicy.USE_EXISTING if conflict else WorkflowIDConflictPolicy.UNSPECIFIED
        ),
        "search_attributes": TypedSearchAttributes([SearchAttributePair(attributes.TENANT, order.tenant)]),
    }


def _summary(row: StoredCommand) -> str:
    lines = row.payload.get("resolved") or ()
    if row.kind != "submit":
        return f"order {row.order_ref}"
    return f"order {row.order_ref}: {len(lines)} lines from {row.payload.get('site')} by {row.payload.get('carrier')}"


def _translated(error: RPCError) -> Exception:
    if error.status is RPCStatusCode.DEADLINE_EXCEEDED:
        return TimeoutError(str(error))
    return Unavailable(f"Temporal can't be reached: {error.message}")
