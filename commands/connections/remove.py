"""A connection is removed, once nothing is open on it; else it may be switched off."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.connections.context import By
from domain.errors import Kind, Rejected
from records.access import connections
from records.access.connections import Named


async def remove(connection: AsyncConnection, named: Named, by: By, reason: str | None = None) -> None:
    """Remove a connection with its secrets; its history stays. Raises `Rejected` where something is open on it."""
    await connections.lock(connection, named.tenant)
    await connections.get(connection, named)
    open_on = await connections.open_on(connection, named)
    if open_on:
        what = ", ".join(f"{number} {words}" for words, number in open_on.items())
        raise Rejected(
            "connection_in_use",
            f"The connection {named} has {what}. It may be switched off, and removed once they are done.",
            kind=Kind.CONFLICT,
        )
    await connections.remove(connection, named)
    await connections.note(connection, named, "removed", by.actor, by.key, reason)
