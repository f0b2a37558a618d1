"""What was posted before: a repeat gets that answer, though the world moved on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from postgres.statements import Query

_FIND: Final = Query(
    "select posting_id, recorded_at, answer, request_digest from ledger.posting "
    "where tenant = %(tenant)s and idempotency_key = %(key)s"
)


@dataclass(frozen=True)
class Repeated:
    """What became of a request the first time."""

    posting_id: UUID
    recorded_at: datetime
    answer: dict[str, Any]
    request_digest: bytes
    replayed: bool = True


async def find_posted(connection: AsyncConnection, tenant: str, key: str) -> Repeated | None:
    """Return what was posted under a key, with the digest of the words in which it was asked for."""
    found = await _FIND.row(connection, tenant=tenant, key=key)
    if found is None:
        return None
    posting_id, recorded_at, answer, digest = found
    return Repeated(posting_id, recorded_at, json.loads(answer), bytes(digest))
