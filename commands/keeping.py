"""How a command of an order is kept: the inbox row comes first, whoever brings it and whoever waits for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict, Kind, Rejected
from domain.messages import OrderId
from domain.order_commands import CommandKind
from domain.payloads import Kept
from records.orders import inbox, order_reads
from records.orders.inbox import InboxRow
from records.orders.order_reads import KnownOfKey

MOST_WAITING: Final = 10
"""As many commands of an order may wait at once as its workflow takes updates."""


@dataclass(frozen=True)
class Command:
    """A command as it is kept. `digest` is of what was asked."""

    order: OrderId
    kind: CommandKind
    key: str
    digest: bytes
    actor: str

    async def known(self, connection: AsyncConnection) -> KnownOfKey:
        """Look into the inbox before the command is put there."""
        return await order_reads.known_of_key(connection, self.order, self.key)

    async def came_before(self, connection: AsyncConnection, known: KnownOfKey) -> InboxRow[Kept] | None:
        """Return the command's row if it waits or was accepted. Raises `Conflict` where it has other content.

        Its checks aren't made again: the catalog may have moved on, its answer has not.
        """
        if known.inbox_id is None or known.digest is None or known.state == "refused":
            return None
        return await self.repeated(connection, known.inbox_id, known.digest)

    async def repeated(self, connection: AsyncConnection, inbox_id: int, digest: bytes) -> InboxRow[Kept]:
        """Return the row of a command that came before. Raises `Conflict` where it has other content."""
        if digest != self.digest:
            raise Conflict(f"{self.key} came before with other content.")
        return await inbox.get(connection, inbox_id)

    async def keep(self, connection: AsyncConnection, payload: Mapping[str, Any], known: KnownOfKey) -> InboxRow[Kept]:
        """Put the command into the inbox. Raises `Rejected` with code `too_many_commands`."""
        self.check_queue(known.undecided)
        return await self.put(connection, payload)

    def check_queue(self, waiting: int) -> None:
        """Raise `Rejected` with code `too_many_commands` where as many commands of the order wait as may."""
        if waiting >= MOST_WAITING:
            detail = f"{waiting} commands of the order wait for a decision. Try again."
            raise Rejected("too_many_commands", detail, kind=Kind.TOO_MANY)

    async def put(self, connection: AsyncConnection, payload: Mapping[str, Any]) -> InboxRow[Kept]:
        """Put the command into the inbox, however many wait there."""
        row, _new = await inbox.put(
            connection,
            self.order,
            kind=self.kind,
            key=self.key,
            digest=self.digest,
            payload=payload,
            actor=self.actor,
        )
        return row
