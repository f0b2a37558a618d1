"""The keys of those who speak to the API: what each may, and how long it lives."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from psycopg.sql import SQL
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_keys import Scope, numbered
from postgres.statements import Query, composed
from records.tables import api_key, api_key_act

ENVIRONMENT: Final = "environment"
"""What keys are called that the environment names: the first one of a tenant; the next ones have a number."""


ENDS_AT: Final = SQL("""least(k.expires_at, (
  select min(a.ends_at) from records.api_key_act a where a.tenant = k.tenant and a.name = k.name
))""")


SCOPE: Final = SQL("coalesce(k.scope, case when k.source is null then 'office' else 'source' end)")


@dataclass(frozen=True)
class ApiKey:
    """Whom a key speaks for. Only an ERP's key has a source."""

    tenant: str
    source: str | None
    is_default_source: bool
    name: str
    scope: Scope

    def order_ref(self, order_no: str) -> str:
        """Name an order of the key's own source inside the tenant."""
        return _order_ref(self.source, order_no, is_default=self.is_default_source)


def _order_ref(source: str | None, order_no: str, *, is_default: bool) -> str:
    return order_no if is_default else f"{source}:{order_no}"


@dataclass(frozen=True)
class Found:
    """A key that is known, and how long it still lives, if it is to end."""

    key: ApiKey
    lives_s: float | None

    @property
    def has_ended(self) -> bool:
        """Say whether it may not be used any more."""
        return self.lives_s is not None and self.lives_s <= 0


def actor_of(caller: ApiKey, said: str | None) -> str:
    """Name who did it: as the sender says, else the system, or the part of the house, that sent it."""
    return said or caller.source or caller.scope.value


def hash_of(key: str) -> bytes:
    """Return what is kept of a key. Keys are long and random, so a plain hash is enough."""
    return sha256(key.encode(errors="surrogateescape")).digest()


async def find_key(connection: AsyncConnection, key_hash: bytes) -> Found | None:
    """Return whom the key with this hash speaks for, and how long it lives, by PostgreSQL's clock."""
    row = await _KEY.row(connection, key_hash=key_hash)
    if row is None:
        return None
    tenant, source, is_default, name, scope, lives_s = row
    return Found(ApiKey(tenant, source, is_default, name, Scope(scope)), lives_s)


_KEY: Final = Query(
    composed(
        """
        select k.tenant, k.source, k.is_default_source, k.name, {scope},
          extract(epoch from {ends_at} - clock_timestamp())::float8
        from records.api_key k where k.key_hash = %(key_hash)s
        """,
        scope=SCOPE,
        ends_at=ENDS_AT,
    )
)


async def note_use(connection: AsyncConnection, key_hash: bytes, every_s: float) -> None:
    """Note that a key was used, unless that was noted a short time ago."""
    await _USED.run(connection, key_hash=key_hash, every_s=every_s)


_USED: Final = Query(
    """
    update records.api_key set last_used_at = clock_timestamp()
    where key_hash = %(key_hash)s
      and (last_used_at is null or last_used_at < clock_timestamp() - %(every_s)s * interval '1 second')
    """
)


async def register_key(connection: AsyncConnection, *, tenant: str, source: str | None, key: str) -> Found:
    """Make a key known that was made elsewhere. The first source of a tenant is its default one, for ever.

    A key that is known already stays what it is, also where that is something else, or where it has ended.
    """
    await lock(connection, tenant)
    known = await find_key(connection, hash_of(key))
    if known is not None:
        return known
    taken = await names_taken(connection, tenant)
    name = numbered(ENVIRONMENT, taken) if ENVIRONMENT in taken else ENVIRONMENT
    scope = Scope.SOURCE if source else Scope.OFFICE
    added = await add(connection, hash_of(key), tenant=tenant, source=source, scope=scope, name=name)
    found = await find_key(connection, hash_of(key)) or Found(added, None)
    if found.key == added:
        await note_act(connection, tenant, name, "made", ENVIRONMENT)
    return found


async def lock(connection: AsyncConnection, tenant: str) -> None:
    """Let nobody else change which keys a tenant has, until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"api_key/{tenant}"))))


async def names_taken(connection: AsyncConnection, tenant: str) -> set[str]:
    """Return the names of all keys that a tenant ever had."""
    return set((await connection.execute(select(api_key.c.name).where(api_key.c.tenant == tenant))).scalars())


async def add(
    connection: AsyncConnection,
    key_hash: bytes,
    *,
    tenant: str,
    source: str | None,
    scope: Scope,
    name: str,
    **more: Any,
) -> ApiKey:
    """Add a key of a tenant that is locked. One with the same hash stays what it is."""
    default = await default_source(connection, tenant)
    is_default = source is not None and source == (default or source)
    added = ApiKey(tenant, source, is_default, name, scope)
    statement = insert(api_key).values(key_hash=key_hash, **vars(added), **more)
    await connection.execute(statement.on_conflict_do_nothing(index_elements=[api_key.c.key_hash]))
    return added


async def note_act(connection: AsyncConnection, tenant: str, name: str, act: str, actor: str, **more: Any) -> None:
    """Keep what was done to a key, and by whom."""
    row = {"tenant": tenant, "name": name, "act": act, "actor": actor, **more}
    await connection.execute(insert(api_key_act).values(row))


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
    return {_order_ref(source, order_no, is_default=default): source for source, default in found}
