"""The life of one order, from the ERP's push to the proof of delivery.

PostgreSQL is the authority: each step answers with the order as it is there, and a workflow that starts anew (after a
termination, a reset, the loss of Temporal's own data) goes on from that. What is remembered here decides nothing; it
is only what is to be done next, and what waits for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from stockbridge.activities import messages as m
    from stockbridge.activities.carriers import CarrierActivities
    from stockbridge.activities.erp import ErpActivities
    from stockbridge.activities.orders import OrderActivities
    from stockbridge.workflows import attributes, names, profiles

CARRIER_ACTIONS = ("retry_step", "skip_step", "cancel", "amend the address")
OWN_STEP = "house"
ERP_ACTIONS = ("retry_step", "skip_step", "resend_to_erp")


@workflow.defn(name="OrderLifecycle")
class OrderLifecycle:
    """One order."""

    @workflow.init
    def __init__(self, order: m.OrderId) -> None:
        self._order = order
        self._work: m.OrderWork | None = None
        self._turn = asyncio.Lock()
        self._heard = False
        self._refused: dict[str, Any] | None = None
        self._blocked: set[str] = set()
        self._shown: tuple[Any, ...] = ()

    @workflow.run
    async def run(self, order: m.OrderId) -> str:
        """Take the order up, and see to all that it needs until it is closed."""
        await self._in_turn(lambda: self._house(OrderActivities.load_order, order))
        outside = [asyncio.create_task(self._tell_the_erp()), asyncio.create_task(self._ask_the_carriers())]
        while not self._is_over():
            try:
                await self._see_to_the_order()
            except (asyncio.CancelledError, ActivityError) as error:
                await self._recover(error)
        for task in outside:
            task.cancel()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._refused is not None:
            # A refused first push leaves no order; failed, so that its id may be used again.
            raise ApplicationError(self._refused["detail"], type="Refused", non_retryable=True)
        return self._now.status

    @property
    def _now(self) -> m.OrderWork:
        return self._work or m.OrderWork()

    def _is_over(self) -> bool:
        return self._now.closed or (self._refused is not None and not self._now.exists)

    async def _see_to_the_order(self) -> None:
        """Wait for something to be seen to in the house, and do it."""
        await workflow.wait_condition(
            lambda: self._is_over() or self._heard or self._now.events_waiting or self._may_close() or self._is_long()
        )
        if self._is_over():
            return
        if self._heard or self._now.events_waiting:
            self._heard = False
            await self._in_turn(lambda: self._house(OrderActivities.apply_carrier_events, self._order))
        elif self._may_close():
            await self._in_turn(lambda: self._house(OrderActivities.close_order, self._order))
        else:
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(self._order)

    async def _recover(self, error: BaseException) -> None:
        """Cancel the order where its workflow was cancelled; else wait for a person: a hold must have an owner."""
        if is_cancelled_exception(error):
            await self._in_turn(lambda: self._house(OrderActivities.cancel_from_temporal, self._order))
        elif isinstance(error, ActivityError):
            await self._ask_for_a_person(OWN_STEP, "A step in the house failed", error, ("retry_step",))
            await workflow.wait_condition(lambda: OWN_STEP not in self._blocked)

    def _may_close(self) -> bool:
        return self._now.closable and not self._now.closed and workflow.all_handlers_finished()

    def _is_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    # -- commands: each is a row in the inbox already --------------------------------------------------------------

    @workflow.update
    async def submit(self, command: m.Command) -> m.CommandAnswer:
        """Take the ERP's push, or a later revision of it."""
        return await self._decide(command)

    @workflow.update
    async def cancel(self, command: m.Command) -> m.CommandAnswer:
        """Cancel the order, or lines of it."""
        return await self._decide(command)

    @workflow.update
    async def confirm_pick(self, command: m.Command) -> m.CommandAnswer:
        """Take a picker's word for what went to staging."""
        return await self._decide(command)

    @workflow.update
    async def put_back(self, command: m.Command) -> m.CommandAnswer:
        """Take the word that what is no longer wanted lies in its bin again."""
        return await self._decide(command)

    @workflow.update
    async def ship(self, command: m.Command) -> m.CommandAnswer:
        """Make a shipment; its label follows."""
        return await self._decide(command)

    @workflow.update
    async def hand_over(self, command: m.Command) -> m.CommandAnswer:
        """Take the word that the parcels have left."""
        return await self._decide(command)

    @workflow.update(name="return")
    async def come_back(self, command: m.Command) -> m.CommandAnswer:
        """Take goods back."""
        return await self._decide(command)

    @workflow.update
    async def operate(self, command: m.Command) -> m.CommandAnswer:
        """Do what a person has decided: retry_step, skip_step, accept_short, release_hold, resend_to_erp."""
        return await self._decide(command)

    async def _decide(self, command: m.Command) -> m.CommandAnswer:
        """Have the command decided, and first all that came before it: in the order of their rows, one at a time."""
        await workflow.wait_condition(lambda: self._work is not None)
        while True:
            async with self._turn:
                decision = await self._house(OrderActivities.decide_next, command)
                self._took(decision)
            if decision.inbox_id == command.inbox_id:
                return m.CommandAnswer(
                    accepted=decision.accepted,
                    outcome=decision.outcome,
                    status=decision.work.status,
                    problem=decision.problem,
                )

    def _took(self, decision: m.Decision) -> None:
        if decision.work.exists:
            self._refused = None
        elif not decision.accepted:
            self._refused = decision.problem
        if decision.accepted and decision.verb == "retry_step":
            self._blocked.clear()
        elif decision.accepted and decision.kind == "submit":
            self._blocked = {step for step in self._blocked if step.startswith("erp/")}
        self._show(decision.work)

    # -- signals: something changed in PostgreSQL; go and see --------------------------------------------------------

    @workflow.signal
    def carrier_event(self) -> None:
        """Hear that a carrier said something of a parcel."""
        self._heard = True

    @workflow.signal
    def stock_allocated(self) -> None:
        """Hear that the order was served from the backorder queue."""
        self._heard = True

    @workflow.signal
    def hold_displaced(self) -> None:
        """Hear that a fact took stock that the order held."""
        self._heard = True

    # -- outside the house ---------------------------------------------------------------------------------------------

    async def _tell_the_erp(self) -> None:
        """Send the order's feed to the ERP in its order, for as long as it takes; the warehouse does not wait."""
        while True:
            await workflow.wait_condition(lambda: bool(self._now.erp_steps) and not self._erp_blocked())
            step = self._now.erp_steps[0]
            try:
                await workflow.execute_activity_method(
                    ErpActivities.tell_erp,
                    step,
                    task_queue=names.ERP_QUEUE,
                    summary=f"tell the ERP: {step.number} {step.kind}",
                    **profiles.ERP,
                )
                await self._in_turn(lambda: self._house(OrderActivities.load_order, self._order))
            except ActivityError as error:
                await self._ask_for_a_person(f"erp/{step.number}", "The ERP refused", error, ERP_ACTIONS)

    def _erp_blocked(self) -> bool:
        return f"erp/{self._now.erp_steps[0].number}" in self._blocked

    async def _ask_the_carriers(self) -> None:
        """Buy and void labels, as they were intended; a step that waits for a person does not hold the others up."""
        while True:
            await workflow.wait_condition(lambda: self._next_carrier_step() is not None)
            step = self._next_carrier_step()
            if step is None:
                continue
            verb: Any = CarrierActivities.void_label if step.kind == "void" else CarrierActivities.book_label
            try:
                work = await workflow.execute_activity_method(
                    verb,
                    step,
                    task_queue=names.CARRIERS_QUEUE,
                    summary=f"{step.kind} {step.shipment_no}",
                    **profiles.CARRIER,
                )
                self._show(work)
                await self._in_turn(lambda: self._house(OrderActivities.load_order, self._order))
            except ActivityError as error:
                await self._ask_for_a_person(step.step_id, "The carrier refused", error, CARRIER_ACTIONS)

    def _next_carrier_step(self) -> m.CarrierStep | None:
        return next((step for step in self._now.carrier_steps if step.step_id not in self._blocked), None)

    async def _ask_for_a_person(self, step: str, who: str, error: ActivityError, actions: tuple[str, ...]) -> None:
        """Flag the order, and leave the step until a person has decided. The workflow never fails over it."""
        if is_cancelled_exception(error):
            raise error
        self._blocked.add(step)
        reason = f"{who} ({step}): {error.cause or error}"
        stuck = m.Stuck(order=self._order, attention=m.Attention(reason=reason, actions=actions, step=step))
        await self._in_turn(lambda: self._house(OrderActivities.request_attention, stuck))

    # -- the platform ----------------------------------------------------------------------------------------------------

    async def _in_turn(self, step: Callable[[], Any]) -> None:
        """Run a step of the house that answers with the order, one at a time with the commands."""
        async with self._turn:
            self._show(await step())

    async def _house(self, verb: Any, argument: Any) -> Any:
        """Run a short step in the worker's own process; if the ledger stays away, wait for it as a normal activity."""
        try:
            return await workflow.execute_local_activity_method(verb, argument, **profiles.LEDGER_STEP)
        except ActivityError as error:
            if is_cancelled_exception(error) or _is_final(error):
                raise
            return await workflow.execute_activity_method(
                verb,
                argument,
                task_queue=names.STOCK_QUEUE,
                summary="waits for the ledger",
                **profiles.LEDGER_AWAY,
            )

    def _show(self, work: m.OrderWork) -> None:
        """Keep the order as it is now, and show an operator what changed."""
        self._work = work
        if not work.exists:
            return
        milestone = (work.status, work.needs_attention, work.tracking_numbers, work.carrier, len(work.lines))
        if milestone != self._shown:
            self._shown = milestone
            workflow.upsert_search_attributes(attributes.attributes_of(self._order.tenant, work))
        workflow.set_current_details(attributes.details_of(work, self._blocked))


def _is_final(error: ActivityError) -> bool:
    cause = error.cause
    return isinstance(cause, ApplicationError) and cause.non_retryable
