"""A connection is added; or completed, where an older build had all but its name in its environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.connections.checking import Wanted, check
from commands.connections.context import By, Shown, shown
from commands.connections.mappings import meant
from commands.connections.opening import keep_secrets, open_secrets
from domain.connections import NewConnection
from domain.errors import Conflict
from records.access import connections
from records.access.connections import Connection, Named
from records.access.sealing import SealingKeys


async def add(
    connection: AsyncConnection,
    keys: SealingKeys,
    tenant: str,
    wanted: NewConnection,
    by: By,
    *,
    public_id: str | None = None,
) -> Shown:
    """Add a connection. One that was added alike is returned as it is.

    Its public id is drawn, unless the other side was told one already. Raises `Conflict` where it was added otherwise,
    `Rejected` where it is not whole, `Unavailable` where there is no key to seal its secrets with.
    """
    named = Named(tenant, wanted.kind, wanted.name)
    await connections.lock(connection, tenant)
    known = await connections.find(connection, named)
    if known is not None and known.adapter is not None:
        await _insist_on_the_same(connection, keys, known, wanted)
        return await shown(connection, named)
    mapping = None if wanted.mapping is None else meant(wanted.mapping, wanted.contracts)
    asked = Wanted(wanted.kind, wanted.adapter, wanted.settings, mapping)
    whole = await asyncio.to_thread(check, asked, wanted.secrets)  # a contract may take seconds to read
    columns = {
        "adapter": whole.adapter.name,
        "settings": wanted.settings,
        "mapping": await connections.keep_mapping(connection, tenant, mapping) if mapping else None,
        "flow": wanted.begins.value,
        "start_at": wanted.start_at,
        **wanted.limits,
    }
    if known is None:
        drawn = public_id or connections.new_public_id()
        if await connections.find_by_public_id(connection, drawn) is not None:
            raise Conflict("The public id is another connection's.")
        await connections.add(connection, named, **columns, public_id=drawn)
    else:
        await connections.change(connection, named, **columns, off_reason=None, before_off=None)
    await keep_secrets(connection, keys, named, wanted.secrets)
    await connections.note(
        connection, named, "added", by.actor, by.key, wanted.reason, **_told(columns), secrets=sorted(wanted.secrets)
    )
    return await shown(connection, named, is_new=True)


def _told(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Write columns for the history: nothing in them is secret."""
    mapping, start_at = columns["mapping"], columns["start_at"]
    return {
        **columns,
        "mapping": mapping.hex() if mapping else None,
        "start_at": start_at.isoformat() if start_at else None,
    }


async def _insist_on_the_same(
    connection: AsyncConnection, keys: SealingKeys, known: Connection, wanted: NewConnection
) -> None:
    """Compare with what was added, and has become of it since; but for its flow, which is switched."""
    digest = None if wanted.mapping is None else meant(wanted.mapping, wanted.contracts).digest
    asked = (wanted.adapter, wanted.settings, digest, wanted.start_at, wanted.limits)
    limits = {name: getattr(known, name) for name in wanted.limits}
    if asked != (known.adapter, known.settings, known.mapping, known.start_at, limits):
        raise Conflict(f"The connection {known.key} is there, otherwise than it is asked for: change it.")
    sealed = await connections.secrets_of(connection, known.key)
    if not _same_secrets(open_secrets(keys, known.key, sealed), wanted.secrets):
        raise Conflict(f"The connection {known.key} is there, with other secrets: set them, if these are right.")


def _same_secrets(known: Mapping[str, SecretStr], given: Mapping[str, SecretStr]) -> bool:
    return dict(known) == dict(given)
