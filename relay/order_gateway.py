"""How stored commands and signals reach an order's workflow, from the API and from the relay alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
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
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from commands.orders.answer_late import answer_if_closed
from domain.errors import Unavailable
from domain.messages import CommandAnswer, OrderId
from domain.order_commands import MAY_BE_FIRST
from domain.payloads import Kept, KeptReturn
from queries.orders.order_standing import is_undecided, standing_of
from records.orders.inbox import InboxRow
from workflows import attributes, names
from workflows.markdown import escaped
from workflows.order_lifecycle import OrderLifecycle
from workflows.return_lifecycle import ReturnLifecycle

log = structlog.get_logger(__name__)

GRACE_S: Final = 1.0
"""The server's own time limit comes first, so that its call is not left behind half-way."""
SIGNAL_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Update:
    """A stored command on its way to its order's workflow, as this update, and how long it may take."""

    row: InboxRow[Kept]
    update_id: str
    limit: timedelta


@dataclass(frozen=True)
class KnownOrder:
    """An order that Temporal knows of, by the name of its workflow, and whether that runs."""

    order: OrderId
    workflow_id: str
    ended: str


class OrderGateway:
    """The way to orders' workflows. A missing workflow is started: PostgreSQL has all that it needs."""

    def __init__(self, client: Client, engine: AsyncEngine) -> None:
        self._client = client
        self._engine = engine

    async def deliver(self, row: InboxRow[Kept], timeout_s: float) -> CommandAnswer | None:
        """Hand a stored command to its order's workflow, and wait until it is decided.

        Returns the decision; None where the order closed before it, and the row has its answer, if it has one.
        Raises `TimeoutError` where there is no answer in time, `Unavailable` where Temporal can't be reached; the
        command is kept, and the relay sends it again.
        """
        answer = await self._deliver(row, row.update_id, timeout_s)
        if row.is_new or not await is_undecided(self._engine, row.inbox_id):
            return answer
        # Temporal remembers an answer that PostgreSQL does not have (any more): it is decided afresh.
        log.warning("command.answered_undecided", key=row.key, attempt=row.attempt)
        answer = await self._deliver(row, f"{row.update_id}/{uuid4()}", timeout_s)
        if await is_undecided(self._engine, row.inbox_id):
            raise Unavailable("The order's workflow answered without a decision; the command is kept.")
        return answer

    async def _deliver(self, row: InboxRow[Kept], update_id: str, timeout_s: float) -> CommandAnswer | None:
        update = Update(row, update_id, timedelta(seconds=timeout_s))
        try:
            with _in_our_words():
                async with asyncio.timeout(timeout_s + GRACE_S):
                    return await self._update(update)
        except WorkflowUpdateFailedError as error:
            log.warning("command.update_failed", key=row.key, error=str(error.cause))
            raise Unavailable("The order's workflow could not decide; the command is kept.") from error

    async def _update(self, update: Update) -> CommandAnswer | None:
        """Update the order's workflow; where it may be missing, start it with that."""
        if update.row.kind not in MAY_BE_FIRST:
            with suppress(_NotRunningError):
                return await self._update_running(update)
        try:
            return await self._update_with_start(update)
        except WorkflowAlreadyStartedError:
            return await self._update_ended(update)

    async def _update_ended(self, update: Update) -> CommandAnswer | None:
        """Answer where the order closed. Where PostgreSQL says otherwise, its workflow began in another life: anew."""
        row = update.row
        order = row.order
        if row.kind != "return" and await standing_of(self._engine, order) == "closed":
            await answer_if_closed(self._engine, order, row.inbox_id)
            return None
        return await self._update_with_start(update, id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE)

    async def _update_running(self, update: Update) -> CommandAnswer:
        """Update a workflow that runs already: nearly all do, and the server is asked for half as much."""
        row = update.row
        handle = self._client.get_workflow_handle(names.order_workflow(row.order))
        with _if_running():
            answer: CommandAnswer = await handle.execute_update(
                row.kind, update.row.command, id=update.update_id, result_type=CommandAnswer, rpc_timeout=update.limit
            )
            return answer

    async def _update_with_start(self, update: Update, **options: Any) -> CommandAnswer:
        operation = await self._operation(update.row, options)
        started = asyncio.create_task(operation.workflow_handle())
        try:
            answer: CommandAnswer = await self._client.execute_update_with_start_workflow(
                update.row.kind,
                update.row.command,
                id=update.update_id,
                start_workflow_operation=operation,
                result_type=CommandAnswer,
                rpc_timeout=update.limit,
            )
            return answer
        finally:
            started.cancel()
            await asyncio.gather(started, return_exceptions=True)  # its error came by the update already

    async def _operation(self, row: InboxRow[Kept], options: dict[str, Any]) -> WithStartWorkflowOperation[Any, Any]:
        order = row.order
        options = {**_start_options(order), **options}
        if row.kind == "return" and await standing_of(self._engine, order) == "closed":
            return_no = cast("KeptReturn", row.payload).return_no
            return WithStartWorkflowOperation(
                ReturnLifecycle.run,
                order,
                id=names.return_workflow(row.tenant, return_no),
                static_summary=f"return {escaped(return_no)} of order {escaped(row.order_ref)}",
                # Its row is decided once; one that was refused may be said again, and better.
                **{**options, "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE},
            )
        return WithStartWorkflowOperation(
            OrderLifecycle.run,
            order,
            id=names.order_workflow(row.order),
            static_summary=_summary(row),
            **options,
        )

    async def signal(self, order: OrderId, signal: str) -> None:
        """Deliver a signal of the outbox, starting the order's workflow where it is missing.

        Raises `Unavailable` where Temporal can't be reached. An order that is closed needs to hear nothing more.
        """
        handle = self._client.get_workflow_handle(names.order_workflow(order))
        try:
            with _in_our_words(), _if_running():
                await handle.signal(signal, rpc_timeout=SIGNAL_TIMEOUT)
        except _NotRunningError:
            await self._start(order, start_signal=signal)

    async def start(self, order: OrderId) -> None:
        """Start the workflow of an open order where none is running, whatever Temporal says of an earlier one."""
        await self._start(order, id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE)

    async def _start(self, order: OrderId, **options: Any) -> None:
        with suppress(WorkflowAlreadyStartedError), _in_our_words():
            await self._client.start_workflow(
                OrderLifecycle.run,
                order,
                id=names.order_workflow(order),
                static_summary=f"order {escaped(order.order_ref)}",
                rpc_timeout=SIGNAL_TIMEOUT,
                **{**_start_options(order), **options},
            )

    async def running(self) -> set[str]:
        """Return the ids of the orders' workflows that run.

        Asked of the service itself: the client would decode the search attributes of every one of them.
        """
        query = "WorkflowType = 'OrderLifecycle' and ExecutionStatus = 'Running'"
        request = ListWorkflowExecutionsRequest(namespace=self._client.namespace, query=query)
        found: set[str] = set()
        with _in_our_words():
            while True:
                page = await self._client.workflow_service.list_workflow_executions(request, retry=True)
                found.update(each.execution.workflow_id for each in page.executions)
                if not page.next_page_token:
                    return found
                request.next_page_token = page.next_page_token

    async def since(self, at: datetime) -> AsyncIterator[KnownOrder]:
        """Yield the orders whose workflow runs, or ended since then, each once."""
        query = "WorkflowType = 'OrderLifecycle' and (ExecutionStatus = 'Running' or CloseTime >= '{}')"
        seen: set[str] = set()
        with _in_our_words():
            async for execution in self._client.list_workflows(query.format(at.astimezone(UTC).isoformat())):
                order = names.order_of(execution.id)
                if order is None or execution.id in seen:
                    continue
                seen.add(execution.id)
                ended = "runs" if execution.close_time is None else f"ended at {execution.close_time.isoformat()}"
                yield KnownOrder(order, execution.id, ended)

    async def wake(self, workflow_id: str) -> None:
        """Have a workflow look anew at its order, if it runs."""
        with suppress(_NotRunningError), _in_our_words(), _if_running():
            handle = self._client.get_workflow_handle(workflow_id)
            await handle.signal("stock_allocated", rpc_timeout=SIGNAL_TIMEOUT)

    async def healthy(self) -> bool:
        """Say whether Temporal answers."""
        try:
            return await self._client.service_client.check_health(timeout=timedelta(seconds=2))
        except (RPCError, RuntimeError):
            return False


def _start_options(order: OrderId) -> dict[str, Any]:
    return {
        "task_queue": names.ORDERS_QUEUE,
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "search_attributes": TypedSearchAttributes([SearchAttributePair(attributes.TENANT, order.tenant)]),
    }


def _summary(row: InboxRow[Kept]) -> str:
    """Say what an order is; also of a push that this build can't read, for its workflow is where that shows."""
    order = f"order {escaped(row.order_ref)}"
    if row.kind != "submit":
        return order
    lines = row.document.get("resolved") or ()
    count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    site, carrier = (escaped(str(row.document.get(name))) for name in ("site", "carrier"))
    return f"{order}: {count} from {site} by {carrier}"


_ENDED_WITH_IT: Final = "AcceptedUpdateCompletedWorkflow"
"""What the server says of an update that was accepted, but not answered when its workflow was terminated."""


class _NotRunningError(Exception):
    """No workflow of the order runs."""


@contextmanager
def _if_running() -> Iterator[None]:
    """Raise `_NotRunningError` where the workflow that is spoken to is missing, or has ended."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise _NotRunningError from error
    except WorkflowUpdateFailedError as error:
        if not isinstance(error.cause, ApplicationError) or error.cause.type != _ENDED_WITH_IT:
            raise
        raise _NotRunningError from error


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Raise `TimeoutError` where Temporal did not answer in time, `Unavailable` where it can't, or has too much."""
    try:
        yield
    except (WorkflowUpdateRPCTimeoutOrCancelledError, RPCTimeoutOrCancelledError) as error:
        raise TimeoutError("Temporal did not answer in time.") from error
    except RPCError as error:
        if error.status is RPCStatusCode.DEADLINE_EXCEEDED:
            raise TimeoutError("Temporal did not answer in time.") from error
        if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
            raise Unavailable(f"Too much is asked of the order at once: {error.message}") from error
        raise Unavailable(f"Temporal can't be reached: {error.message}") from error
    except RuntimeError as error:  # what the SDK says when a lazy client can't connect
        raise Unavailable(f"Temporal can't be reached: {error}") from error
