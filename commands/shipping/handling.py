"""What a pick and a put-back share: the goods that were handled, and what follows for parcels that hold them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.shipping import repack
from domain.payloads import HandledLine, Kept, KeptPick, KeptPutBack
from ledger.requests import PickedLine
from ledger.writing.writer import Attachment, Outcome
from records.inventory import places
from records.orders import inbox
from records.orders.inbox import InboxRow


def accept_handled(row: InboxRow[Kept]) -> Attachment:
    """Return what accepts a command, once what live parcels are known to hold is in step with what is held now."""

    async def attach(connection: AsyncConnection, _outcome: Outcome) -> None:
        await repack.name_again(connection, row.order)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    return attach


async def picked_lines(connection: AsyncConnection, row: InboxRow[KeptPick | KeptPutBack]) -> tuple[PickedLine, ...]:
    """Return the goods that a command names, with the places that they came from or go to."""
    return tuple([await _picked_line(connection, row.tenant, line) for line in row.payload.resolved])


async def _picked_line(connection: AsyncConnection, tenant: str, line: HandledLine) -> PickedLine:
    place = await places.place_of(connection, tenant, line.location_id) if line.location_id else None
    return PickedLine.of(line, place=place)
