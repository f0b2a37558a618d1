"""Who may speak: API keys of ERPs, scanners and offices; connections of carriers."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.driver import Query
from stockbridge.records.tables import api_key, carrier_connection


@dataclass(frozen=True)
class ApiKey:
    """Whom a key speaks for. A scanner's or an office's key has no source."""

    tenant: str
    source: str | None
    is_default_source: bool

    def order_ref(self, order_no: str) -> str:
        """Name an order of the key's own source inside the tenant."""
        return order_no if self.is_default_source else f"{self.source}:{order_no}"


@dataclass(frozen=True)
class CarrierConnection:
    """An account at a carrier: whose it is. Its name is the callback's address."""

    connection: str
    carrier: str
    tenant: str


def hash_of(key: str) -> bytes:
    """Return what is kept of a key. Keys are long and random, so a plain hash is enough."""
    return sha256(key.encode(errors="surrogateescape")).digest()


async def find_key(connection: AsyncConnection, key_hash: bytes) -> ApiKey | None:
    """Return whom the key with this hash speaks for."""
    query = select(api_key.c.tenant, api_key.c.source, api_key.c.is_default_source).where(
        api_key.c.key_hash == key_hash
    )
    row = (await connection.execute(query)).one_or_none()
    return ApiKey(*row) if row else None


async def register_key(connection: AsyncConnection, *, tenant: str, source: str | None, key: str) -> ApiKey:
    """Make a key known. The first source of a tenant is its default one, for ever.

    A key that is known already stays what it is.
    """
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"api_key/{tenant}"))))
    default = await default_source(connection, tenant)
    is_default = source is not None and source == (default or source)
    statement = insert(api_key).values(
        key_hash=hash_of(key), tenant=tenant, source=source, is_default_source=is_default
    )
    await connection.execute(statement.on_conflict_do_nothing())
    return await find_key(connection, hash_of(key)) or ApiKey(tenant, source, is_default)


async def default_source(connection: AsyncConnection, tenant: str) -> str | None:
    """Return the source whose orders are named by their order number alone."""
    query = select(api_key.c.source).where(api_key.c.tenant == tenant, api_key.c.is_default_source).limit(1)
    return (await connection.execute(query)).scalar_one_or_none()


async def names_of(connection: AsyncConnection, tenant: str, order_no: str) -> dict[str, str]:
    """Return every name that an order with this number could have in a tenant, and the source that it would be of."""
    query = select(api_key.c.source, api_key.c.is_default_source).where(
        api_key.c.tenant == tenant, api_key.c.source.is_not(None)
    )
    found = (await connection.execute(query.distinct())).all()
    return {ApiKey(tenant, source, default).order_ref(order_no): source for source, default in found}


async def register_connection(connection: AsyncConnection, *, name: str, carrier: str, tenant: str) -> None:
    """Make an account at a carrier known. One that is known already stays what it is."""
    statement = insert(carrier_connection).values(connection=name, carrier=carrier, tenant=tenant)
    await connection.execute(statement.on_conflict_do_nothing())


async def find_connection(connection: AsyncConnection, name: str) -> CarrierConnection | None:
    """Return whose account a connection is."""
    row = await _CONNECTION.row(connection, name=name)
    return CarrierConnection(*row) if row else None


_CONNECTION: Final = Query.of(select(carrier_connection).where(carrier_connection.c.connection == bindparam("name")))
