"""The keys of a tenant: made, listed, followed by others, revoked. Who did it is kept, and nothing is ever deleted.

A key's row says as what it was made; each act is a row of its own, and what ends a key is such an act.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from psycopg.sql import SQL
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_keys import SECRET_BYTES, KeyRevocation, KeyRotation, NewKey, Scope, numbered, written
from domain.errors import Conflict, Fault, Kind, Rejected
from postgres.statements import Query, composed
from records.access import api_keys


class KeyStatus(StrEnum):
    """How a key is: one that was followed by another works until its grace is over."""

    ACTIVE = "active"
    RETIRING = "retiring"
    ENDED = "ended"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Held:
    """A key as its tenant's list has it. When it ends is as told, by PostgreSQL's clock."""

    tenant: str
    name: str
    scope: Scope
    source: str | None
    is_default_source: bool
    owner: str | None
    status: KeyStatus
    created_at: datetime | None
    created_by: str | None
    expires_at: datetime | None
    ends_at: datetime | None
    last_used_at: datetime | None
    replaces: str | None
    replaced_by: str | None
    replaced_at: datetime | None
    retires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    revoked_for: str | None


@dataclass(frozen=True)
class Made:
    """A key, and what it is sent as: told once, to whom made it. None says that it was made before."""

    held: Held
    secret: str | None

    def __repr__(self) -> str:
        """Show no key, whoever prints this."""
        return f"Made({self.held.tenant}/{self.held.name})"


@dataclass(frozen=True)
class By:
    """Who does something to a key: as the sender says, and the name of the key that it is said with, if it is one."""

    actor: str
    key: str | None = None


async def make(connection: AsyncConnection, tenant: str, wanted: NewKey, by: By) -> Made:
    """Make a key. One of that name that was made alike is returned without what it is sent as.

    Raises `Conflict` where it was made otherwise, `Rejected` where it would have ended already.
    """
    await api_keys.lock(connection, tenant)
    known = await _find(connection, tenant, wanted.name)
    if known is not None:
        if (known.owner, known.scope, known.source, known.expires_at) != _as_made(wanted):
            raise Conflict(f"Key {wanted.name} was made before, with another owner, scope, source or end.")
        return Made(known, None)
    await _insist_on_a_future(connection, wanted.expires_at)
    columns = wanted.model_dump(exclude={"name", "actor"})
    return await _make(connection, tenant, wanted.name, by, **columns)


def _as_made(wanted: NewKey) -> tuple[Any, ...]:
    return wanted.owner, wanted.scope, wanted.source, wanted.expires_at


async def _insist_on_a_future(connection: AsyncConnection, expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= await _now(connection):
        fault = Fault("/expires_at", "expires_already", "is not later than now")
        raise Rejected("expires_already", f"The key would have ended already: {expires_at:%Y-%m-%d %H:%M %Z}.", [fault])


async def _now(connection: AsyncConnection) -> datetime:
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def _make(connection: AsyncConnection, tenant: str, name: str, by: By, **columns: Any) -> Made:
    secret = written(secrets.token_bytes(SECRET_BYTES))
    await api_keys.add(connection, api_keys.hash_of(secret), tenant=tenant, name=name, **columns)
    await _note(connection, tenant, name, "made", by)
    return Made(await get(connection, tenant, name), secret)


async def rotate(connection: AsyncConnection, tenant: str, name: str, wanted: KeyRotation, by: By) -> Made:
    """Make a key's successor: it is for the same, and lives as long. The old one works until the grace is over.

    A key has one successor; it is returned, without what it is sent as, where it is there. Raises `Conflict` where that
    was asked for otherwise, `Rejected` where the key is revoked or there is none.
    """
    await api_keys.lock(connection, tenant)
    old = await get(connection, tenant, name)
    if old.replaced_by is not None:
        return Made(await _as_asked(connection, old, wanted), None)
    if old.status is KeyStatus.REVOKED:
        raise Rejected("key_revoked", f"Key {name} is revoked. Make another.", kind=Kind.CONFLICT)
    taken = await api_keys.names_taken(connection, tenant)
    successor = wanted.successor or numbered(name, taken)
    if successor in taken:
        raise Conflict(f"There is a key {successor} already.")
    now = await _now(connection)
    await _note(connection, tenant, name, "rotated", by, at=now, ends_at=now + timedelta(seconds=wanted.grace_s))
    return await _make(connection, tenant, successor, by, **_like(old, now), replaces=name)


def _like(old: Held, now: datetime) -> dict[str, Any]:
    """Return what a key is made as that follows another: it is for the same, and lives as long as that was to."""
    lives = old.expires_at - old.created_at if old.expires_at and old.created_at else None
    return {
        "owner": old.owner,
        "scope": old.scope,
        "source": old.source,
        "expires_at": now + lives if lives else None,
    }


async def _as_asked(connection: AsyncConnection, old: Held, wanted: KeyRotation) -> Held:
    assert old.replaced_by is not None
    assert old.replaced_at is not None
    assert old.retires_at is not None
    grace = old.retires_at - old.replaced_at
    if wanted.successor not in {None, old.replaced_by} or grace != timedelta(seconds=wanted.grace_s):
        hours = f"{grace.total_seconds() / 3600:g} h"
        raise Conflict(f"Key {old.name} is followed by {old.replaced_by} already, with {hours} of grace.")
    return await get(connection, old.tenant, old.replaced_by)


async def revoke(connection: AsyncConnection, tenant: str, name: str, wanted: KeyRevocation, by: By) -> Held:
    """End a key at once, and for ever. One that is revoked stays as it is. Raises `Rejected` where there is none."""
    await api_keys.lock(connection, tenant)
    held = await get(connection, tenant, name)
    if held.status is KeyStatus.REVOKED:
        return held
    now = await _now(connection)
    await _note(connection, tenant, name, "revoked", by, at=now, ends_at=now, reason=wanted.reason)
    return await get(connection, tenant, name)


async def _note(connection: AsyncConnection, tenant: str, name: str, act: str, by: By, **more: Any) -> None:
    await api_keys.note_act(connection, tenant, name, act, by.actor, by_key=by.key, **more)


# -- reading ---------------------------------------------------------------------------------------------------------

# Keys, with what was done to each.
_HELD: Final = SQL(
    """
    select k.tenant, k.name, {scope} as scope, k.source, k.is_default_source, k.owner,
      case when revoked.at is not null then 'revoked'
           when {ends_at} <= clock_timestamp() then 'ended'
           when next.name is not null then 'retiring'
           else 'active' end as status,
      k.created_at, made.actor as created_by, k.expires_at, {ends_at} as ends_at, k.last_used_at,
      k.replaces, next.name as replaced_by, rotated.at as replaced_at, rotated.ends_at as retires_at,
      revoked.at as revoked_at, revoked.actor as revoked_by, revoked.reason as revoked_for
    from records.api_key k
    left join records.api_key next on next.tenant = k.tenant and next.replaces = k.name
    left join records.api_key_act made on (made.tenant, made.name, made.act) = (k.tenant, k.name, 'made')
    left join records.api_key_act rotated on (rotated.tenant, rotated.name, rotated.act) = (k.tenant, k.name, 'rotated')
    left join records.api_key_act revoked on (revoked.tenant, revoked.name, revoked.act) = (k.tenant, k.name, 'revoked')
    """
).format(scope=api_keys.SCOPE, ends_at=api_keys.ENDS_AT)
_COLUMNS: Final = tuple(Held.__dataclass_fields__)
_ONE: Final = Query(composed("{held} where k.tenant = %(tenant)s and k.name = %(name)s", held=_HELD), _COLUMNS)
_PAGE: Final = Query(
    composed("{held} where k.tenant = %(tenant)s and k.name > %(after)s order by k.name limit %(limit)s", held=_HELD),
    _COLUMNS,
)
_ALL: Final = Query(
    composed("{held} where k.tenant = coalesce(%(tenant)s, k.tenant) order by k.tenant, k.name", held=_HELD), _COLUMNS
)


async def get(connection: AsyncConnection, tenant: str, name: str) -> Held:
    """Return a key. Raises `Rejected` with code `not_found`."""
    held = await _find(connection, tenant, name)
    if held is None:
        raise Rejected("not_found", f"There is no key {name}.", kind=Kind.UNKNOWN)
    return held


async def _find(connection: AsyncConnection, tenant: str, name: str) -> Held | None:
    found = await _ONE.mapping(connection, tenant=tenant, name=name)
    return _held(found) if found else None


async def page(connection: AsyncConnection, tenant: str, after: str, limit: int) -> list[Held]:
    """Return keys of a tenant by name."""
    rows = await _PAGE.mappings(connection, tenant=tenant, after=after, limit=limit)
    return [_held(row) for row in rows]


async def all_keys(connection: AsyncConnection, tenant: str | None = None) -> list[Held]:
    """Return all keys, of one tenant or of all."""
    return [_held(row) for row in await _ALL.mappings(connection, tenant=tenant)]


def _held(row: dict[str, Any]) -> Held:
    return Held(**{**row, "scope": Scope(row["scope"]), "status": KeyStatus(row["status"])})
