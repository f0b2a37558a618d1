"""The life of one order, from the ERP's push to the proof of delivery.

PostgreSQL is the authority: each step answers with the order as it is there, and a workflow that starts anew (after a
termination, a reset, the loss of Temporal's own data) goes on from that. What is remembered here decides nothing; it
is only what is to be done next, and what waits for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.carriers import CarrierActivities
    from activities.erp import ErpActivities
    from activities.orders import OrderActivities
    from domain import messages as m
    from domain.order_commands import UNBLOCKING
    from workflows import attributes, names, profiles
    from workflows.markdown import escaped

CARRIER_ACTIONS = ("retry_step", "skip_step", "cancel_order", "use_address")
INTERCEPT_ACTIONS = ("retry_step", "skip_step")
ERP_ACTIONS = ("retry_step", "skip_step", "resend_to_erp")
CARRIER_VERBS: Mapping[str, Callable[..., Awaitable[m.OrderWork]]] = {
    "label": CarrierActivities.book_label,
    "void": CarrierActivities.void_label,
    "intercept": CarrierActivities.intercept_parcel,
}
OWN_STEP = "house"
OWN_ACTIONS = ("retry_step",)


@workflow.defn(name="OrderLifecycle")
class OrderLifecycle:
    """One order."""

    @workflow.init
    def __init__(self, order: m.OrderId) -> None:
        self._order = order
        self._work: m.OrderWork | None = None
        self._refused: dict[str, Any] | None = None
        self._turn = asyncio.Lock()
        self._cancelled = False
        self._heard = False
        self._told = 0
        self._after: m.Decided | None = None
        self._blocked: set[str] = set()
        self._slow: set[str] = set()
        self._unflagged: list[m.Attention] = []
        self._outside = 0
        self._shows = 0
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._shown: tuple[Any, ...] = ()

    @workflow.run
    async def run(self, order: m.OrderId) -> str:  # noqa: ARG002 - `__init__` has it
        """See to the order until it is closed; never fail once it is accepted: a hold must have an owner."""
        outside = [asyncio.create_task(self._tell_the_erp()), asyncio.create_task(self._ask_the_carriers())]
        while not self._is_over():
            try:
                await self._see_to_the_house()
            except (asyncio.CancelledError, FailureError) as error:
                self._note(error)
        await asyncio.gather(*outside)
        if not self._now.exists:
            # A refused first push leaves no order; failed, so that its id may be used again.
            detail = self._refused["detail"] if self._refused else "There is no such order."
            raise ApplicationError(detail, type="Refused", non_retryable=True)
        return self._now.status

    @property
    def _now(self) -> m.OrderWork:
        return self._work or m.OrderWork()

    def _is_over(self) -> bool:
        """Say whether the order is closed, or there is none; a command in flight may still change that."""
        known = self._work is not None and workflow.all_handlers_finished()
        return known and (self._now.closed or not self._now.exists)

    # -- the house ---------------------------------------------------------------------------------------------------

    async def _see_to_the_house(self) -> None:
        """Wait for something to be seen to in the house, and do it."""
        await workflow.wait_condition(lambda: self._is_over() or self._next_step() is not None)
        step = self._next_step()
        if step is not None and not self._is_over():
            await step()

    def _next_step(self) -> Callable[[], Awaitable[None]] | None:
        """Name what is to be done in the house, the most urgent first."""
        quiet = workflow.all_handlers_finished()
        settled = quiet and not self._outside
        steps = (
            (bool(self._unflagged), self._flag),
            (OWN_STEP in self._blocked, None),
            # A command that came with the start answers with the order, too.
            (self._work is None, self._load if quiet else None),
            (self._cancelled, self._cancel),
            (self._heard or self._now.events_waiting, self._listen),
            (settled and self._is_done(), self._close),
            (settled and self._is_long(), self._continue_as_new),
        )
        return next((step for due, step in steps if due), None)

    def _is_done(self) -> bool:
        """Say whether nothing is left to do for the order, in the house or outside."""
        return self._now.over and not self._erp_steps() and not self._now.carrier_steps

    async def _load(self) -> None:
        await self._in_turn(OrderActivities.load_order, self._order)

    async def _cancel(self) -> None:
        """Cancel the order: its workflow was cancelled, in the Temporal UI or by whoever may."""
        self._cancelled = False
        await self._in_turn(OrderActivities.cancel_from_temporal, self._order)
        self._blocked.clear()

    async def _listen(self) -> None:
        """Apply what carriers said, and read what others' postings changed."""
        self._heard = False
        await self._in_turn(OrderActivities.apply_carrier_events, self._order)

    async def _close(self) -> None:
        await self._in_turn(OrderActivities.close_order, self._order)

    async def _continue_as_new(self) -> None:
        workflow.continue_as_new(self._order)

    def _is_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    def _note(self, error: BaseException) -> None:
        """Take note of a cancellation, or of a step in the house that failed for good: then a person is needed."""
        if is_cancelled_exception(error):
            self._cancelled = True
        elif OWN_STEP not in self._blocked:
            self._ask_for_a_person(OWN_STEP, "A step in the house failed", error, OWN_ACTIONS)

    def _ask_for_a_person(self, step: str, who: str, error: BaseException, actions: tuple[str, ...]) -> None:
        """Leave a step until a person has decided; the order is flagged in its turn."""
        self._blocked.add(step)
        reason = f"{who} (`{step}`): {error.__cause__ or error}"
        self._unflagged.append(m.Attention(reason=reason, actions=actions, step=step, said_id=_said_id(error)))

    async def _flag(self) -> None:
        stuck = m.Stuck(order=self._order, attention=self._unflagged.pop(0))
        await self._in_turn(OrderActivities.request_attention, stuck)

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

    @workflow.update
    async def intercept(self, command: m.Command) -> m.CommandAnswer:
        """Have the carrier asked to send parcels back."""
        return await self._decide(command)

    @workflow.update
    async def lose(self, command: m.Command) -> m.CommandAnswer:
        """Take the word that parcels will never arrive."""
        return await self._decide(command)

    @workflow.update(name="return")
    async def come_back(self, command: m.Command) -> m.CommandAnswer:
        """Take goods back."""
        return await self._decide(command)

    @workflow.update
    async def operate(self, command: m.Command) -> m.CommandAnswer:
        """Do what a person has decided, by the verb that they chose."""
        return await self._decide(command)

    # -- what an operator sends from the Temporal UI: each becomes a row in the inbox, too ---------------------------

    @workflow.update
    async def retry_step(self, act: m.OperatorAct) -> m.CommandAnswer:
        """Try again all that waits for a person: the cause is gone."""
        return await self._operate("retry_step", act)

    @workflow.update
    async def skip_step(self, act: m.OperatorAct) -> m.CommandAnswer:
        """Never do a step: a person has dealt with it."""
        return await self._operate("skip_step", act)

    @workflow.update
    async def accept_short(self, act: m.OperatorAct) -> m.CommandAnswer:
        """Cancel what waits for stock."""
        return await self._operate("accept_short", act)

    @workflow.update
    async def release_hold(self, act: m.OperatorAct) -> m.CommandAnswer:
        """Cancel all that is not shipped, and free it."""
        return await self._operate("release_hold", act)

    @workflow.update
    async def resend_to_erp(self, act: m.OperatorAct) -> m.CommandAnswer:
        """Tell the ERP a message again."""
        return await self._operate("resend_to_erp", act)

    @workflow.update
    async def cancel_order(self, act: m.OperatorAct) -> m.CommandAnswer:
        """Cancel all of the order that has not left."""
        return await self._operate("cancel_order", act)

    @workflow.update
    async def use_address(self, act: m.OperatorAct) -> m.CommandAnswer:
        """Send the order to an address that was stored for it, until a revision changes the ERP's."""
        return await self._operate("use_address", act)

    @retry_step.validator
    def _check_retry(self, act: m.OperatorAct) -> None:
        _check_act(act)

    @skip_step.validator
    def _check_skip(self, act: m.OperatorAct) -> None:
        _check_act(act)

    @accept_short.validator
    def _check_accept(self, act: m.OperatorAct) -> None:
        _check_act(act)

    @release_hold.validator
    def _check_release(self, act: m.OperatorAct) -> None:
        _check_act(act)

    @resend_to_erp.validator
    def _check_resend(self, act: m.OperatorAct) -> None:
        _check_act(act)

    @cancel_order.validator
    def _check_cancel(self, act: m.OperatorAct) -> None:
        _check_act(act)

    @use_address.validator
    def _check_address(self, act: m.OperatorAct) -> None:
        _check_act(act)
        if not act.address_id:
            raise ValueError("Name the address as address_id: POST /api/orders/{order_no}/addresses stores it")

    async def _operate(self, verb: str, said: m.OperatorAct) -> m.CommandAnswer:
        update = workflow.current_update_info()
        act_no = update.id if update else str(workflow.uuid4())
        act = m.Act(order=self._order, verb=verb, act_no=act_no, said=said)
        return await self._decide(await self._house(OrderActivities.keep_act, act))

    async def _decide(self, command: m.Command) -> m.CommandAnswer:
        """Have the command decided, and first all that came before it: in the order of their rows, one at a time."""
        while True:
            async with self._turn:
                decision: m.Decision = await self._house(OrderActivities.decide_next, self._remembering(command))
                self._took(decision)
            if decision.inbox_id == command.inbox_id:
                return m.CommandAnswer(
                    accepted=decision.accepted,
                    outcome=decision.outcome,
                    status=decision.work.status,
                    problem=decision.problem,
                )

    def _remembering(self, command: m.Command) -> m.Command:
        """Say what is remembered here, beside a command: PostgreSQL may have been restored to before that."""
        return command.model_copy(update={"after": self._after, "epoch": self._now.epoch})

    def _took(self, decision: m.Decision) -> None:
        """Keep what a decision says of the order. What waited for a person is tried again where it may help."""
        if decision.received_at is not None:
            self._after = m.Decided(inbox_id=decision.inbox_id, received_at=decision.received_at)
        self._refused = None if decision.accepted else decision.problem
        if decision.accepted and decision.kind in UNBLOCKING:
            self._blocked.clear()
            self._unflagged.clear()
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

    # -- outside the house -------------------------------------------------------------------------------------------

    async def _tell_the_erp(self) -> None:
        """Send the order's feed to the ERP in its order, for as long as it takes; the warehouse does not wait."""
        while await self._until_wanted(lambda: self._untold() is not None):
            step = self._untold()
            if step is None:
                continue
            before = self._shows
            try:
                queue = names.erp_queue(step.tenant, step.source)
                told = await self._beyond(ErpActivities.tell_erp, step, queue, self._feed(), profiles.ERP)
                self._heard_from_the_erp(told, before)
            except ActivityError as error:
                self._ask_for_a_person(_erp_step(step), "The ERP refused", error, ERP_ACTIONS)
            self._tell_operators()

    def _heard_from_the_erp(self, told: m.Told, before: int) -> None:
        if told.work is not None:
            self._take_up(told.work, before)
            return
        self._told = max(self._told, told.number)
        if told.closed:
            self._work = self._now.model_copy(update={"closed": True})

    async def _ask_the_carriers(self) -> None:
        """Buy and void labels, and have parcels sent back, as they were intended, one after the other.

        A step that waits for a person does not hold the others up, nor does a carrier that is away hold up another.
        """
        while await self._until_wanted(lambda: not self._heard and self._unasked() is not None):
            step = self._unasked()
            if step is not None:
                self._asking[step.carrier] = asyncio.create_task(self._ask(step))
        await asyncio.gather(*self._asking.values())

    async def _ask(self, step: m.CarrierStep) -> None:
        verb = CARRIER_VERBS[step.kind]
        profile = profiles.CARRIER_AT_ONCE if self._comes_at_once(step) else profiles.CARRIER
        summary, before = f"{step.kind} {escaped(step.shipment_no)}", self._shows
        try:
            queue = names.carrier_queue(step.tenant, step.carrier if step.connected else "")
            work = await self._beyond(verb, step, queue, summary, profile)
            self._take_up(work, before)
        except ActivityError as error:
            if self._comes_at_once(step) and not _is_final(error):
                self._slow.add(step.step_id)
            else:
                actions = INTERCEPT_ACTIONS if step.kind == "intercept" else CARRIER_ACTIONS
                self._ask_for_a_person(step.step_id, "The carrier refused", error, actions)
            self._mark_milestone()

    def _comes_at_once(self, step: m.CarrierStep) -> bool:
        """Say whether a label may yet come at the first try, so that what it brings is waited for."""
        return step.kind == "label" and step.step_id not in self._slow | self._blocked

    async def _until_wanted(self, wanted: Callable[[], bool]) -> bool:
        """Wait until there is something to do outside. Returns False once the order is over."""
        await workflow.wait_condition(lambda: self._is_over() or (wanted() and not self._is_long()))
        return not self._is_over()

    async def _beyond(self, verb: Any, step: Any, queue: str, summary: str, profile: profiles.Remote) -> Any:
        """Run a step that leaves the house."""
        self._outside += 1
        try:
            return await workflow.execute_activity_method(verb, step, task_queue=queue, summary=summary, **profile)
        finally:
            self._outside -= 1

    def _erp_steps(self) -> list[m.ErpStep]:
        """Return what the ERP has not been told; what is known of the feed may be older than the last answer."""
        return [step for step in self._now.erp_steps if step.number > self._told]

    def _untold(self) -> m.ErpStep | None:
        """Return the feed's next message, unless it waits for its label, or for a person."""
        step = next(iter(self._erp_steps()), None)
        waits = step is None or step.waits_for_label or _erp_step(step) in self._blocked
        return None if waits else step

    def _feed(self) -> str:
        return "tell the ERP: " + ", ".join(f"{step.number} {step.kind}" for step in self._erp_steps()[:5])

    def _unasked(self) -> m.CarrierStep | None:
        """Return the next step that waits for no person, of a carrier that is not being asked something else."""
        busy = {carrier for carrier, asking in self._asking.items() if not asking.done()}
        wanted = (step for step in self._now.carrier_steps if step.step_id not in self._blocked)
        return next((step for step in wanted if step.carrier not in busy), None)

    def _take_up(self, work: m.OrderWork, before: int) -> None:
        """Take up the order as a step outside read it, unless a step in the house may have read it later."""
        if self._turn.locked() or self._shows != before:
            self._heard = True
        else:
            self._show(work)

    # -- the platform ----------------------------------------------------------------------------------------------

    async def _in_turn(self, verb: Any, argument: Any) -> None:
        """Run a step of the house that answers with the order, one at a time with the commands."""
        async with self._turn:
            self._show(await self._house(verb, argument))

    async def _house(self, verb: Any, argument: Any) -> Any:
        """Run a short step in the worker's own process; if the ledger stays away, wait for it as a normal activity."""
        try:
            return await workflow.execute_local_activity_method(verb, argument, **profiles.LEDGER_STEP)
        except FailureError as error:  # the SDK raises a local activity's own failure, not an `ActivityError`
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
        if work.epoch != self._now.epoch:
            self._forget()
        self._work = work
        self._shows += 1
        if not work.exists:
            return
        self._mark_milestone()
        self._tell_operators()

    def _forget(self) -> None:
        """Forget what was remembered beside the order: PostgreSQL was restored from a backup, and begins anew there."""
        self._told, self._after = 0, None
        self._blocked.clear()
        self._slow.clear()
        self._unflagged.clear()

    def _mark_milestone(self) -> None:
        """Bring the search attributes up to date; where a label may come at once, with its tracking numbers."""
        milestone = attributes.milestone_of(self._now)
        waits = any(self._comes_at_once(step) for step in self._now.carrier_steps) and not self._now.needs_attention
        if milestone != self._shown and not waits:
            self._shown = milestone
            workflow.upsert_search_attributes(attributes.attributes_of(self._order.tenant, self._now))

    def _tell_operators(self) -> None:
        open_steps = {OWN_STEP, *(s.step_id for s in self._now.carrier_steps), *map(_erp_step, self._erp_steps())}
        workflow.set_current_details(attributes.details_of(self._now, self._erp_steps(), self._blocked & open_steps))


def _check_act(act: m.OperatorAct) -> None:
    if not act.by.strip() or not act.reason.strip():
        raise ValueError('Say who and why: {"by": "ida", "reason": "the ERP\'s period is open again"}')


def _erp_step(step: m.ErpStep) -> str:
    """Name a message as operators do."""
    return f"erp/{step.number}"


def _said_id(error: BaseException) -> str | None:
    """Return the id of what a partner said, where a step failed since it did not do what was asked."""
    details = error.__cause__.details if isinstance(error.__cause__, ApplicationError) else ()
    return details[0].get("said_id") if details and isinstance(details[0], dict) else None


def _is_final(error: FailureError) -> bool:
    cause = error.cause if isinstance(error, ActivityError) else error
    return isinstance(cause, ApplicationError) and cause.non_retryable
