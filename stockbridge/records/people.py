"""People's data and free notes, each under an id: whatever else is kept or sent carries the id only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.records.tables import address


def note_id(tenant: str, posting_key: str) -> UUID:
    """Name the free note that came with a posting, so that it can be found by the posting's key."""
    return UUID(bytes=sha256(f"note\n{tenant}\n{posting_key}".encode()).digest()[:16])


async def keep(connection: AsyncConnection, address_id: UUID, tenant: str, data: Mapping[str, Any]) -> None:
    """Keep data under an id that is ours. What is kept already stays."""
    statement = insert(address).values(address_id=address_id, tenant=tenant, data=dict(data))
    await connection.execute(statement.on_conflict_do_nothing())


async def read(connection: AsyncConnection, tenant: str, address_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return what is kept under these ids; nothing for what was erased."""
    query = select(address.c.address_id, address.c.data).where(
        address.c.tenant == tenant, address.c.address_id.in_(list(address_ids)), address.c.data.is_not(None)
    )
    return {row.address_id: dict(row.data) for row in await connection.execute(query)}
