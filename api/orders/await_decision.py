"""How a command of an order that is kept is decided and answered: its row is there already, now comes Temporal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

import structlog

from api.door.created import created
from api.door.services import ApiServices
from domain.errors import OutcomeUnknown, Rejected, Unavailable
from domain.messages import CommandAnswer
from domain.payloads import Kept
from records.orders import inbox, order_reads
from records.orders.inbox import InboxRow

WAIT_S: Final = 5.0
"""How long a caller waits for a decision; after it, the answer is 202."""

_GRACE_S: Final = 1.0
_PAUSES_S: Final = (0.04, 0.3)
"""How soon a caller looks again: at first, and at last."""

log = structlog.get_logger(__name__)


class Patience:
    """How long a caller waits for what others are doing. It looks again after longer and longer pauses."""

    def __init__(self, limit_s: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + limit_s
        self._pause_s, self._longest_s = _PAUSES_S

    @property
    def is_over(self) -> bool:
        """Say whether another look would come too late."""
        return asyncio.get_running_loop().time() + self._pause_s > self._deadline

    async def pause(self) -> None:
        """Wait until it is time for another look."""
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, self._longest_s)


async def have_decided(services: ApiServices, row: InboxRow[Kept]) -> InboxRow[Kept]:
    """Have a kept command decided, for as long as its caller waits. Raises the refusal where it is refused.

    A row that comes back undecided is marked: its sender hears 202, so what becomes of it must stay readable.
    """
    if row.state == "queued":
        answer = await _deliver(services, row)
        row = _decided(row, answer) if answer else await _read_or_mark(services, row.inbox_id)
    if row.state == "refused":
        raise Rejected.from_json(row.answer or {})
    return row


async def _deliver(services: ApiServices, row: InboxRow[Kept]) -> CommandAnswer | None:
    try:
        async with asyncio.timeout(WAIT_S + _GRACE_S):
            return await services.orders.deliver(row, WAIT_S)
    except (Unavailable, OutcomeUnknown, TimeoutError) as error:
        log.warning("command.kept", key=row.key, attempt=row.attempt, reason=str(error) or type(error).__name__)
        return None


def _decided(row: InboxRow[Kept], answer: CommandAnswer) -> InboxRow[Kept]:
    """Return the row as the decision left it."""
    if answer.accepted:
        return replace(row, state="accepted", answer={"outcome": answer.outcome})
    return replace(row, state="refused", answer=answer.problem)


async def _read_or_mark(services: ApiServices, inbox_id: int) -> InboxRow[Kept]:
    async with services.reading() as connection:
        row = await inbox.get(connection, inbox_id)
        if row.state != "queued" or await order_reads.mark_answered_202(connection, inbox_id):
            return row
        return await inbox.get(connection, inbox_id)


@dataclass(frozen=True)
class Decided:
    """A command after its caller has waited.

    `repeated` says that it was accepted before, `is_new` that this caller's own request put it into the inbox.
    """

    row: InboxRow[Kept]
    repeated: bool = False
    is_new: bool = False

    @property
    def outcome(self) -> str:
        """What became of it, in a word of the contract."""
        return str((self.row.answer or {}).get("outcome", "done")) if self.row.state == "accepted" else "queued"

    def status_of_change(self) -> int:
        """Return the status where the command changes something: 202 while it waits."""
        return 202 if self.row.state == "queued" else 200

    def status_of_creation(self) -> int:
        """Return the status where the command makes something: 202 while it waits."""
        return 202 if self.row.state == "queued" else created(is_new=self.is_new)


async def decide(services: ApiServices, row: InboxRow[Kept]) -> Decided:
    """Have a kept command decided."""
    return Decided(await have_decided(services, row), repeated=row.state == "accepted", is_new=row.is_new)
