"""What others know, or stole, is replaced: a connection's public id, and the key that its secrets are sealed with."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.connections.context import By, Shown, shown
from commands.connections.opening import keep_secrets, open_secrets
from domain.connections import ConnectionRotation
from domain.errors import Conflict
from records.access import connections
from records.access.connections import Named
from records.access.sealing import SealingKeys


async def rotate(connection: AsyncConnection, named: Named, wanted: ConnectionRotation, by: By) -> Shown:
    """Give a connection another public id; under the old one it is reached until the grace is over.

    One that was replaced before is not replaced again. Raises `Conflict` where the id never was this connection's.
    """
    await connections.lock(connection, named.tenant)
    now = await connections.get(connection, named)
    if wanted.public_id != now.public_id:
        if wanted.public_id not in await connections.former_ids(connection, named):
            raise Conflict(f"The connection {named} has another public id.")
        return await shown(connection, named)
    moment = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    until = moment + timedelta(seconds=wanted.grace_s)
    await connections.rename_publicly(connection, now, connections.new_public_id(), until)
    told = {"old_works_until": until.isoformat()}
    await connections.note(connection, named, "rotated", by.actor, by.key, wanted.reason, **told)
    return await shown(connection, named, is_new=True)


async def reseal(connection: AsyncConnection, keys: SealingKeys, by: By, tenant: str | None = None) -> int:
    """Seal all secrets under the first key. Returns how many were not. Raises `Unavailable` where one does not open."""
    resealed = 0
    for row in await connections.every(connection, tenant):
        await connections.lock(connection, row.tenant)
        sealed = await connections.secrets_of(connection, row.key)
        older = {field: each for field, each in sealed.items() if each.key_id != keys.first}
        if older:
            await keep_secrets(connection, keys, row.key, open_secrets(keys, row.key, older))
            await connections.change(connection, row.key)
            told = {"secrets": sorted(older), "key_id": keys.first}
            await connections.note(connection, row.key, "resealed", by.actor, by.key, None, **told)
            resealed += len(older)
    return resealed
