"""A connection with its secrets open, and the port that is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.egress import Egress
from adapters.erp.contracts.bundle import NotBundled, UnusableContract
from adapters.erp.mapping.file import BadMapping
from commands.connections.adapters import ADAPTERS, Adapter, Opened
from domain.connections import ConnectionKind, ErpMapping
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


def make_port(
    row: Connection, keys: SealingKeys, sealed: Mapping[str, Sealed], mapping: ErpMapping | None, egress: Egress
) -> Any:
    """Make the port of a connection. Raises `Unavailable` where it can't be: its secrets don't open, say."""
    adapter = adapter_of(row.kind, row.adapter)
    if adapter is None:
        raise Unavailable(f"The connection {row.key} has an adapter that this build has not: {row.adapter}.", ours=True)
    secrets = open_secrets(keys, row.key, sealed)
    try:
        needs = adapter.needs(mapping)
        needs.settings.model_validate(row.settings)
        if missing := sorted(needs.secrets - secrets.keys()):
            raise Unavailable(f"The connection {row.key} has no secret {', '.join(missing)}.", ours=True)
        return adapter.make(Opened(row.settings, secrets, row.timeout_s, row.at_once, egress, mapping))
    except (ValidationError, BadMapping, NotBundled, UnusableContract):
        detail = f"The connection {row.key} has settings, or a mapping, that this build can't read."
        raise Unavailable(detail, ours=True) from None


def adapter_of(kind: ConnectionKind, name: str | None) -> Adapter | None:
    """Return an adapter by its name, if this build has it."""
    return ADAPTERS.get((kind, name)) if name else None
