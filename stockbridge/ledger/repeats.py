"""What was posted before: a repeat gets that answer, though the world moved on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.errors import Conflict
from stockbridge.driver import Query

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
    replayed: bool = True


async def find_repeated(connection: AsyncConnection, tenant: str, key: str, digest: bytes) -> Repeated | None:
    """Return what was posted under a key. Raises `Conflict` where that was asked for in other words."""
    found = await _FIND.row(connection, tenant=tenant, key=key)
    if found is None:
        return None
    posting_id, recorded_at, answer, first = found
    if bytes(first) != digest:
        raise Conflict(f"{key} was posted before with other content.")
    return Repeated(posting_id, recorded_at, json.loads(answer))
