"""A connection with its secrets open, and the port that is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.connections.adapters import ADAPTERS, Adapter, Opened
from domain.connections import ConnectionKind
from domain.errors import Unavailable
from records.access import connections
from records.access.connections import Connection, Named
from records.access.sealing import Place, Sealed, SealingKeys


def place_of(named: Named, field: str) -> Place:
    """Say where a secret of a connection belongs."""
    return Place(named.tenant, named.kind.value, named.name, field)


def open_secrets(keys: SealingKeys, named: Named, sealed: Mapping[str, Sealed]) -> dict[str, SecretStr]:
    """Open a connection's secrets. Raises `Unavailable`."""
    return {field: keys.open(place_of(named, field), each) for field, each in sealed.items()}


async def keep_secrets(
    connection: AsyncConnection, keys: SealingKeys, named: Named, secrets: Mapping[str, SecretStr]
) -> None:
    """Seal secrets for a connection, and keep them. Raises `Unavailable` where there is no key."""
    for field, secret in secrets.items():
        await connections.keep_secret(connection, named, field, keys.seal(place_of(named, field), secret))


def make_port(row: Connection, keys: SealingKeys, sealed: Mapping[str, Sealed], mapping: str | None = None) -> Any:
    """Make the port of a connection. Raises `Unavailable` where it can't be: its secrets don't open, say."""
    adapter = adapter_of(row.kind, row.adapter)
    if adapter is None:
        raise Unavailable(f"The connection {row.key} has an adapter that this build has not: {row.adapter}.", ours=True)
    secrets = open_secrets(keys, row.key, sealed)
    missing = sorted(adapter.secrets - secrets.keys())
    if missing:
        raise Unavailable(f"The connection {row.key} has no secret {', '.join(missing)}.", ours=True)
    try:
        settings = adapter.settings.model_validate(row.settings)
    except ValidationError:
        raise Unavailable(f"The connection {row.key} has settings that this build can't read.", ours=True) from None
    return adapter.make(Opened(settings, secrets, row.timeout_s, mapping))


def adapter_of(kind: ConnectionKind, name: str | None) -> Adapter | None:
    """Return an adapter by its name, if this build has it."""
    return ADAPTERS.get((kind, name)) if name else None
