"""What commands about connections work with: who asks, the keys that seal, and how a connection is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from records.access import connections
from records.access.connections import Act, Connection, Named


@dataclass(frozen=True)
class By:
    """Who does something: as the sender says, and the name of the key that it is said with, if it is one."""

    actor: str
    key: str | None = None


@dataclass(frozen=True)
class SecretShown:
    """A secret, as it is shown: that it is there, sealed by which key."""

    field: str
    key_id: str


@dataclass(frozen=True)
class Shown:
    """A connection as its administrators see it: no secret."""

    row: Connection
    secrets: tuple[SecretShown, ...]
    former_ids: dict[str, datetime]
    acts: tuple[Act, ...] = ()
    is_new: bool = False


async def shown(connection: AsyncConnection, named: Named, *, is_new: bool = False, most_acts: int = 20) -> Shown:
    """Return a connection as it is shown. Raises `Rejected` with code `not_found`."""
    row = await connections.get(connection, named)
    sealed = await connections.secrets_of(connection, named)
    return Shown(
        row=row,
        secrets=tuple(SecretShown(field, each.key_id) for field, each in sorted(sealed.items())),
        former_ids=await connections.former_ids(connection, named),
        acts=tuple(await connections.acts(connection, named, most_acts)),
        is_new=is_new,
    )
