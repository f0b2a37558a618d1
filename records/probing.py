"""Whether there is room to write: found out by writing."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_TRY_WRITE = text("select records.try_write()")


async def try_write(connection: AsyncConnection) -> None:
    """Write a row, and a megabyte that does not stay. Raises what PostgreSQL says where it can't."""
    await connection.execute(_TRY_WRITE)
