"""Accounts at carriers: the name of each is its callback's address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from postgres.statements import Query
from records.tables import carrier_connection


@dataclass(frozen=True)
class CarrierConnection:
    """An account at a carrier: whose it is. Its name is the callback's address."""

    connection: str
    carrier: str
    tenant: str


async def register_connection(connection: AsyncConnection, *, name: str, carrier: str, tenant: str) -> None:
    """Make an account at a carrier known. One that is known already stays what it is."""
    statement = insert(carrier_connection).values(connection=name, carrier=carrier, tenant=tenant)
    await connection.execute(statement.on_conflict_do_nothing())


async def find_connection(connection: AsyncConnection, name: str) -> CarrierConnection | None:
    """Return whose account a connection is."""
    row = await _CONNECTION.row(connection, name=name)
    return CarrierConnection(*row) if row else None


_CONNECTION: Final = Query.of(select(carrier_connection).where(carrier_connection.c.connection == bindparam("name")))
