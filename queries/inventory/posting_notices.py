"""What a posting did that nobody asked for: goods became something else, a location holds more than it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from postgres.statements import Query
from records.inventory.discrepancies import OVER_CAPACITY


@dataclass(frozen=True)
class Became:
    """What was put into a location, and what it is there."""

    location_id: str
    stock_status: str


@dataclass(frozen=True)
class PostingNotices:
    """What became of goods where they were put, and in words which locations hold more than they take."""

    became: list[Became]
    over_capacity: list[str]


async def read_notices(connection: AsyncConnection, tenant: str, key: str) -> PostingNotices:
    """Return what is to be known of a posting, if there is one under the key yet."""
    row = await _NOTED.row(connection, tenant=tenant, key=key, kind=OVER_CAPACITY)
    if row is None:
        return PostingNotices([], [])
    answer, exceeded = row
    became = orjson.loads(answer).get("became", {})
    return PostingNotices([Became(*goods) for goods in sorted(became.items())], exceeded)


_NOTED: Final = Query(
    """
    select p.answer, array(
      select distinct d.detail from records.discrepancy d
      where d.posting_id = p.posting_id and d.kind = %(kind)s order by d.detail
    )
    from ledger.posting p where p.tenant = %(tenant)s and p.idempotency_key = %(key)s
    """
)
