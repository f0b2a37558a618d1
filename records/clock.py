"""PostgreSQL's clock: the one that times from outside are compared with, whichever machine asks."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvariantViolated
from postgres.statements import Query

_NOW: Final = Query("select clock_timestamp()")


async def now(connection: AsyncConnection) -> datetime:
    """Return what time it is."""
    row = await _NOW.row(connection)
    if row is None:
        raise InvariantViolated("PostgreSQL did not say what time it is")
    at: datetime = row[0]
    return at
