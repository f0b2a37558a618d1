"""A checkpoint of the ledger, started by a schedule every few minutes."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.ledger_checks import LedgerActivities
    from domain import messages as m
    from workflows import names, profiles


@workflow.defn(name="LedgerCheckpoint")
class LedgerCheckpoint:
    """One checkpoint."""

    @workflow.run
    async def run(self) -> m.CheckpointTaken:
        """Take a checkpoint. The one of the run before, which Temporal remembers, must still be in the database."""
        before: m.CheckpointTaken | None = workflow.get_last_completion_result(m.CheckpointTaken)
        taken = await workflow.execute_activity_method(
            LedgerActivities.take_checkpoint,
            m.LedgerCheck(known=before.newest if before else None),
            task_queue=names.STOCK_QUEUE,
            summary="sign what was recorded since the last one",
            **profiles.CHECKPOINT,
        )
        workflow.set_current_details(taken.words)
        return taken
