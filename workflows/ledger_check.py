"""The nightly check of the ledger, started by a schedule."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.ledger_checks import LedgerActivities
    from domain import messages as m
    from workflows import names, profiles


@workflow.defn(name="LedgerCheck")
class LedgerCheck:
    """One check of the whole ledger."""

    @workflow.run
    async def run(self) -> m.LedgerChecked:
        """Check the ledger, and fail where a rule does not hold: nothing is held here, so a failure harms nobody.

        The newest checkpoint of the last check that went well, which Temporal remembers, must still be there.
        """
        before: m.LedgerChecked | None = workflow.get_last_completion_result(m.LedgerChecked)
        checked = await workflow.execute_activity_method(
            LedgerActivities.check_ledger,
            m.LedgerCheck(known=before.newest if before else None),
            task_queue=names.STOCK_QUEUE,
            summary="check every rule, every hash and every checkpoint",
            **profiles.LEDGER_CHECK,
        )
        workflow.set_current_details("\n\n".join([checked.words, *(f"- {finding}" for finding in checked.findings)]))
        if checked.found:
            raise ApplicationError(
                "\n".join([checked.words, *checked.findings]), checked, type="InvariantViolated", non_retryable=True
            )
        return checked
