"""What a caller should know of what was posted all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from postgres.statements import Query
from records.inventory.discrepancies import OVER_CAPACITY

_NOTED: Final = Query(
    """
    select p.answer, array(
      select distinct d.detail from records.discrepancy d
      where d.posting_id = p.posting_id and d.kind = %(kind)s order by d.detail
    )
    from ledger.posting p where p.tenant = %(tenant)s and p.idempotency_key = %(key)s
    """
)


class Notice(BaseModel):
    """`over_capacity`: a location holds more than it takes. `status_changed`: goods became what it is for."""

    code: str
    detail: str


async def notices_of(connection: AsyncConnection, tenant: str, key: str) -> list[Notice]:
    """Return what is to be known of a posting, if there is one under the key yet."""
    row = await _NOTED.row(connection, tenant=tenant, key=key, kind=OVER_CAPACITY)
    if row is None:
        return []
    answer, exceeded = row
    return [*_became(orjson.loads(answer)), *(Notice(code=OVER_CAPACITY, detail=detail) for detail in exceeded)]


def _became(answer: dict[str, Any]) -> Iterator[Notice]:
    for location_id, status in sorted(answer.get("became", {}).items()):
        yield Notice(code="status_changed", detail=f"What was put into {location_id} is {status} there")
