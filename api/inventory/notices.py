"""What a caller should know of what was posted all the same."""

from __future__ import annotations

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from queries.inventory.posting_notices import Became, read_notices
from records.inventory.discrepancies import OVER_CAPACITY


class Notice(BaseModel):
    """`over_capacity`: a location holds more than it takes. `status_changed`: goods became what it is for."""

    code: str
    detail: str


async def notices_of(connection: AsyncConnection, tenant: str, key: str) -> list[Notice]:
    """Tell what is to be known of a posting, if there is one under the key yet."""
    noted = await read_notices(connection, tenant, key)
    exceeded = (Notice(code=OVER_CAPACITY, detail=detail) for detail in noted.over_capacity)
    return [*map(_became, noted.became), *exceeded]


def _became(goods: Became) -> Notice:
    detail = f"What was put into {goods.location_id} is {goods.stock_status} there"
    return Notice(code="status_changed", detail=detail)
