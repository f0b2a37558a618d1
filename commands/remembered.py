"""What a workflow remembers, against what PostgreSQL has: after a restore from a backup PostgreSQL may have less.

Nobody need have said that it was restored (`stockbridge restored`). So before something is sent, what is remembered is
looked at: what names a row or a restore that PostgreSQL does not have proves it, and stops whatever leaves the house.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from domain import messages as m
from domain.errors import Kind, Rejected, Unavailable
from domain.payloads import Kept
from postgres.statements import alone
from records import restorations
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.restorations import Memory, words_of


@dataclass(frozen=True)
class Recalling:
    """Looks at what workflows remember."""

    engine: AsyncEngine

    async def before_sending(self, step: m.CarrierStep) -> Memory:
        """Return what is to be minded before a carrier is asked. Raises `Unavailable` where nothing may be sent."""
        async with alone(self.engine).connect() as connection:
            memory = await restorations.memory(connection)
        if memory.stopped is None and step.epoch > memory.epoch:
            await self._miss(step.order, f"the restore of epoch {step.epoch}")
        if memory.stopped is not None:
            raise Unavailable(words_of(memory.stopped))
        return memory

    async def is_gone(self, step: m.CarrierStep, memory: Memory) -> None:
        """Take note that there is no such step. It may be remembered from before a restore that was told of."""
        if step.epoch >= memory.epoch:
            await self._miss(step.order, f"the step {step.step_id} of order {step.order_ref}")

    async def next_up(self, command: m.Command) -> InboxRow[Kept]:
        """Return the order's first undecided command up to this one; without one, this one.

        Raises `Rejected` where this one is gone: its key may be another row by now, or its row another command's.
        """
        after = command.after
        async with alone(self.engine).connect() as connection:
            found = await inbox.next_up(connection, command.order, command.inbox_id, after.inbox_id if after else None)
            gone = found.row is None or _is_another(found.row, command)
            forgets = gone or (after is not None and found.after_received_at != after.received_at)
            memory = await restorations.memory(connection) if forgets else None
        if memory is not None and memory.epoch <= command.epoch:
            await self._note(command.order, f"a command that order {command.order_ref} has decided")
        if found.row is None or gone:
            raise Rejected("forgotten", f"{command.key} is not known any more: say it again.", kind=Kind.CONFLICT)
        return found.row

    async def _miss(self, order: m.OrderId, what: str) -> None:
        await self._note(order, what)
        raise Unavailable(words_of(what))

    async def _note(self, order: m.OrderId, what: str) -> None:
        async with self.engine.begin() as connection:
            await restorations.note_missing(connection, order, what)


def _is_another(row: InboxRow[Kept], command: m.Command) -> bool:
    """Say whether a row has the number of a command, and is another one."""
    if row.inbox_id != command.inbox_id:
        return False
    came = command.received_at
    return row.key != command.key or (came is not None and row.received_at != came)
