"""A connection is tried: one cheap look, which changes nothing on the other side."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.egress import Egress
from commands.connections.context import By
from commands.connections.opening import make_port
from domain.connections import ConnectionKind
from domain.errors import Kind, OutcomeUnknown, Rejected, Unavailable
from records.access import connections
from records.access.connections import Connection, Named
from records.access.sealing import SealingKeys

NEVER_USED: Final = "stockbridge/connection-test"
"""A reference that nothing has."""


@dataclass(frozen=True)
class Looked:
    """What came of a look: `reason` is why it did not work, in our words."""

    works: bool
    reason: str | None
    took_ms: int


async def look(engine: AsyncEngine, keys: SealingKeys, named: Named, by: By, egress: Egress) -> Looked:
    """Ask the other side for something that it has not. Whatever flow the connection has: it is only a look."""
    async with engine.connect() as connection:
        row = await connections.get(connection, named)
        if row.adapter is None:
            raise Rejected("not_added", f"The connection {named} is an older build's: add it.", kind=Kind.CONFLICT)
        sealed = await connections.secrets_of(connection, named)
        mapping = await connections.mapping_of(connection, named.tenant, row.mapping)
    began = time.monotonic()
    try:
        await _ask(row, make_port(row, keys, sealed, mapping, egress))
        reason = None
    except (Rejected, Unavailable, OutcomeUnknown) as error:
        reason = str(error)
    found = Looked(reason is None, reason, round((time.monotonic() - began) * 1000))
    async with engine.begin() as connection:
        told = {"works": found.works, "why_not": found.reason}
        await connections.note(connection, named, "tested", by.actor, by.key, None, **told)
    return found


async def _ask(row: Connection, port: Any) -> None:
    if row.kind is ConnectionKind.CARRIER:
        try:
            await port.find(NEVER_USED)
        finally:
            await port.aclose()
        return
    try:
        await asyncio.to_thread(port.find, NEVER_USED)
    finally:
        port.close()
