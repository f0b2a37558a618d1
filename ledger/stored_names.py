"""Names of lots and serial numbers that were stored before names had one form: they are still taken as they are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from postgres.statements import Query

# Each by an index of the few names that are not of visible ASCII characters alone.
_STORED: Final = Query(
    """
    select lot from ledger.stream
    where tenant = %(tenant)s and lot = any(%(names)s) and lot ~ '[^!-~]'
    union
    select serial_number from ledger.stream
    where tenant = %(tenant)s and serial_number = any(%(names)s) and serial_number ~ '[^!-~]'
    union
    select lot from ledger.order_line
    where tenant = %(tenant)s and lot = any(%(names)s) and lot ~ '[^!-~]'
    """
)


async def stored_names(connection: AsyncConnection, tenant: str, names: Collection[str]) -> frozenset[str]:
    """Return those of the names that a lot or serial number has, or an order asks for, just so."""
    rows = await _STORED.rows(connection, tenant=tenant, names=sorted(names))
    return frozenset(name for (name,) in rows)
