"""A return that comes after its order was closed: post it, tell the ERP, done."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.erp import ErpActivities
    from activities.orders import OrderActivities
    from domain import messages as m
    from workflows import names, profiles


@workflow.defn(name="ReturnLifecycle")
class ReturnLifecycle:
    """One return."""

    @workflow.init
    def __init__(self, order: m.OrderId) -> None:
        self._order = order
        self._decided: m.Decision | None = None

    @workflow.run
    async def run(self, order: m.OrderId) -> str:  # noqa: ARG002 - the decision has it
        """Wait for the return to be decided, then tell the ERP all that it has not heard of the order."""
        await workflow.wait_condition(lambda: self._decided is not None and workflow.all_handlers_finished())
        told = m.Told(number=0)
        for step in self._decided.work.erp_steps if self._decided else ():
            if step.number > told.number:
                told = await workflow.execute_activity_method(
                    ErpActivities.tell_erp,
                    step,
                    task_queue=names.erp_queue(step.tenant, step.source),
                    summary=f"tell the ERP: {step.number} {step.kind}",
                    **profiles.ERP,
                )
        return "returned" if self._decided and self._decided.accepted else "refused"

    @workflow.update(name="return")
    async def come_back(self, command: m.Command) -> m.CommandAnswer:
        """Take goods back, once what else came back of the order before them is decided."""
        while True:
            decision: Any = await workflow.execute_activity_method(
                OrderActivities.decide_next, command, task_queue=names.STOCK_QUEUE, **profiles.LEDGER_AWAY
            )
            if decision.inbox_id == command.inbox_id:
                break
        self._decided = decision
        return m.CommandAnswer(
            accepted=decision.accepted,
            outcome=decision.outcome,
            status=decision.work.status,
            problem=decision.problem,
        )
