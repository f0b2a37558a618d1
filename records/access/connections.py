"""Accounts at ERPs and carriers, by tenant, kind and name: their rows, sealed secrets, public ids and history."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.connections import ConnectionKind, ErpMapping, Flow
from domain.errors import Kind, Rejected
from postgres.statements import Query
from records.access.sealing import Sealed
from records.tables import (
    CONNECTION_REVISION,
    connection_act,
    connection_former_id,
    connection_secret,
    erp_mapping,
)
from records.tables import connection as table

PUBLIC_ID_BYTES: Final = 24
"""192 bits, in 32 characters that an address takes as they are."""


class Named(NamedTuple):
    """What a connection is known by."""

    tenant: str
    kind: ConnectionKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Connection:
    """A connection as it is now, without its secrets."""

    tenant: str
    kind: ConnectionKind
    name: str
    public_id: str
    adapter: str | None
    settings: dict[str, Any]
    mapping: bytes | None
    flow: Flow
    off_reason: str | None
    before_off: Flow | None
    start_at: datetime | None
    at_once: int
    calls_per_second: float
    timeout_s: float
    revision: int
    made_at: datetime
    changed_at: datetime

    @property
    def key(self) -> Named:
        """What it is known by."""
        return Named(self.tenant, self.kind, self.name)


_COLUMNS: Final = [table.c[column.name] for column in fields(Connection)]


def _of_row(row: Any) -> Connection:
    given = dict(zip((column.name for column in _COLUMNS), row, strict=True))
    before = given["before_off"]
    read = {
        "kind": ConnectionKind(given["kind"]),
        "flow": Flow(given["flow"]),
        "before_off": Flow(before) if before else None,
    }
    return Connection(**{**given, **read})


def _is(named: Named, of: Any = table) -> Any:
    return (of.c.tenant == named.tenant) & (of.c.kind == named.kind.value) & (of.c.name == named.name)


# -- reading ---------------------------------------------------------------------------------------------------------


async def find(connection: AsyncConnection, named: Named) -> Connection | None:
    """Return a connection, if it is there."""
    row = (await connection.execute(select(*_COLUMNS).where(_is(named)))).one_or_none()
    return _of_row(row) if row else None


async def get(connection: AsyncConnection, named: Named) -> Connection:
    """Return a connection. Raises `Rejected` with code `not_found`."""
    found = await find(connection, named)
    if found is None:
        raise Rejected("not_found", f"There is no connection {named}.", kind=Kind.UNKNOWN)
    return found


async def page(connection: AsyncConnection, tenant: str, after: tuple[str, str], limit: int) -> list[Connection]:
    """Return connections of a tenant by kind and name."""
    behind = (table.c.kind > after[0]) | ((table.c.kind == after[0]) & (table.c.name > after[1]))
    query = select(*_COLUMNS).where(table.c.tenant == tenant, behind).order_by(table.c.kind, table.c.name).limit(limit)
    return [_of_row(row) for row in (await connection.execute(query)).all()]


async def every(connection: AsyncConnection, tenant: str | None = None) -> list[Connection]:
    """Return all connections, of one tenant or of all."""
    query = select(*_COLUMNS).order_by(table.c.tenant, table.c.kind, table.c.name)
    if tenant is not None:
        query = query.where(table.c.tenant == tenant)
    return [_of_row(row) for row in (await connection.execute(query)).all()]


async def several(connection: AsyncConnection, names: Sequence[Named]) -> list[Connection]:
    """Return those of these connections that there are."""
    query = select(*_COLUMNS).where(_among(names, table))
    return [_of_row(row) for row in (await connection.execute(query)).all()]


def _among(names: Sequence[Named], of: Any) -> Any:
    return tuple_(of.c.tenant, of.c.kind, of.c.name).in_([(*named,) for named in names])


async def revisions(connection: AsyncConnection) -> dict[Named, int]:
    """Return the revision of each connection there is."""
    rows = await _REVISIONS.rows(connection)
    return {Named(tenant, ConnectionKind(kind), name): revision for tenant, kind, name, revision in rows}


_REVISIONS: Final = Query.of(select(table.c.tenant, table.c.kind, table.c.name, table.c.revision))


async def find_by_public_id(connection: AsyncConnection, public_id: str) -> Connection | None:
    """Return whose public id it is, or was until a while ago."""
    row = await _BY_PUBLIC_ID.row(connection, public_id=public_id)
    return _of_row(row) if row else None


_FORMER: Final = (
    select(connection_former_id.c.public_id)
    .where(
        connection_former_id.c.tenant == table.c.tenant,
        connection_former_id.c.kind == table.c.kind,
        connection_former_id.c.name == table.c.name,
        connection_former_id.c.public_id == bindparam("public_id"),
        connection_former_id.c.works_until > func.clock_timestamp(),
    )
    .exists()
)
_BY_PUBLIC_ID: Final = Query.of(select(*_COLUMNS).where((table.c.public_id == bindparam("public_id")) | _FORMER))


async def former_ids(connection: AsyncConnection, named: Named) -> dict[str, datetime]:
    """Return the public ids that a connection had before and is still reached under, with until when."""
    query = select(connection_former_id.c.public_id, connection_former_id.c.works_until).where(
        _is(named, connection_former_id), connection_former_id.c.works_until > func.clock_timestamp()
    )
    return {row.public_id: row.works_until for row in await connection.execute(query)}


# -- writing ---------------------------------------------------------------------------------------------------------


def new_public_id() -> str:
    """Draw a public id."""
    return secrets.token_urlsafe(PUBLIC_ID_BYTES)


async def lock(connection: AsyncConnection, tenant: str) -> None:
    """Let nobody else change which connections a tenant has, and how they are, until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"connection/{tenant}"))))


async def add(connection: AsyncConnection, named: Named, **columns: Any) -> None:
    """Add a connection."""
    values = {"tenant": named.tenant, "kind": named.kind.value, "name": named.name, **columns}
    await connection.execute(insert(table).values(values))


async def change(connection: AsyncConnection, named: Named, **columns: Any) -> None:
    """Change columns of a connection, or nothing; running processes see it within seconds."""
    await connection.execute(
        update(table)
        .where(_is(named))
        .values(revision=CONNECTION_REVISION.next_value(), changed_at=func.clock_timestamp(), **columns)
    )


async def rename_publicly(connection: AsyncConnection, now: Connection, public_id: str, until: datetime) -> None:
    """Give a connection another public id; under the one that it has it is reached until then."""
    of_it = {"tenant": now.tenant, "kind": now.kind.value, "name": now.name}
    await connection.execute(insert(connection_former_id).values(**of_it, public_id=now.public_id, works_until=until))
    await change(connection, now.key, public_id=public_id)


async def remove(connection: AsyncConnection, named: Named) -> None:
    """Remove a connection with all that belongs to it but its history."""
    for part in (connection_former_id, connection_secret, table):
        await connection.execute(delete(part).where(_is(named, part)))


async def note(
    connection: AsyncConnection, named: Named, act: str, actor: str, by_key: str | None, reason: str | None, **what: Any
) -> None:
    """Keep what was done to a connection, by whom and why."""
    of_it = {"tenant": named.tenant, "kind": named.kind.value, "name": named.name}
    await connection.execute(
        insert(connection_act).values(**of_it, act=act, actor=actor, by_key=by_key, reason=reason, what=what)
    )


@dataclass(frozen=True)
class Act:
    """What was done to a connection."""

    act: str
    at: datetime
    actor: str
    by_key: str | None
    what: dict[str, Any]
    reason: str | None


async def acts(connection: AsyncConnection, named: Named, limit: int = 100) -> list[Act]:
    """Return what was done to a connection, the latest first."""
    of_act = [connection_act.c[column.name] for column in fields(Act)]
    query = select(*of_act).where(_is(named, connection_act)).order_by(connection_act.c.act_no.desc()).limit(limit)
    return [Act(*row) for row in (await connection.execute(query)).all()]


# -- secrets and mappings --------------------------------------------------------------------------------------------


async def secrets_of(connection: AsyncConnection, named: Named) -> dict[str, Sealed]:
    """Return a connection's secrets, sealed as they are."""
    of_secret = connection_secret.c
    query = select(of_secret.field, of_secret.key_id, of_secret.nonce, of_secret.ciphertext)
    rows = (await connection.execute(query.where(_is(named, connection_secret)))).all()
    return {field: Sealed(key_id, nonce, ciphertext) for field, key_id, nonce, ciphertext in rows}


@dataclass(frozen=True)
class SecretRow:
    """A secret of a connection, sealed."""

    of: Named
    field: str
    sealed: Sealed


async def secrets_of_several(connection: AsyncConnection, names: Sequence[Named]) -> list[SecretRow]:
    """Return the secrets of these connections, sealed as they are."""
    rows = await connection.execute(select(connection_secret).where(_among(names, connection_secret)))
    return [
        SecretRow(
            Named(row.tenant, ConnectionKind(row.kind), row.name),
            row.field,
            Sealed(row.key_id, row.nonce, row.ciphertext),
        )
        for row in rows
    ]


async def keep_secret(connection: AsyncConnection, named: Named, field: str, sealed: Sealed) -> None:
    """Keep a sealed secret, in place of what was there."""
    told = {"key_id": sealed.key_id, "nonce": sealed.nonce, "ciphertext": sealed.ciphertext}
    values = {"tenant": named.tenant, "kind": named.kind.value, "name": named.name, "field": field, **told}
    statement = upsert(connection_secret).values(values)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=connection_secret.primary_key.columns, set_={**told, "set_at": func.clock_timestamp()}
        )
    )


async def forget_secrets(connection: AsyncConnection, named: Named) -> None:
    """Forget all secrets of a connection."""
    await connection.execute(delete(connection_secret).where(_is(named, connection_secret)))


async def keep_mapping(connection: AsyncConnection, tenant: str, mapping: ErpMapping) -> bytes:
    """Keep a mapping, if it is not there yet. Returns its digest."""
    values = {"tenant": tenant, "digest": mapping.digest, "body": mapping.text, "contracts": dict(mapping.contracts)}
    await connection.execute(upsert(erp_mapping).values(values).on_conflict_do_nothing())
    return mapping.digest


async def mapping_of(connection: AsyncConnection, tenant: str, digest: bytes | None) -> ErpMapping | None:
    """Return a mapping."""
    if digest is None:
        return None
    query = select(erp_mapping.c.body, erp_mapping.c.contracts)
    query = query.where(erp_mapping.c.tenant == tenant, erp_mapping.c.digest == digest)
    return ErpMapping(*(await connection.execute(query)).one())


async def mappings_of(connection: AsyncConnection, rows: Iterable[Connection]) -> dict[tuple[str, bytes], ErpMapping]:
    """Return the mappings that connections have, by tenant and digest."""
    wanted = {(row.tenant, row.mapping) for row in rows if row.mapping is not None}
    if not wanted:
        return {}
    of_mapping = erp_mapping.c
    query = select(of_mapping.tenant, of_mapping.digest, of_mapping.body, of_mapping.contracts)
    found = await connection.execute(query.where(tuple_(of_mapping.tenant, of_mapping.digest).in_(list(wanted))))
    return {(tenant, digest): ErpMapping(text, contracts) for tenant, digest, text, contracts in found}


# -- what is open on one ---------------------------------------------------------------------------------------------

_OPEN: Final = {
    ConnectionKind.ERP: Query(
        """
        select
          (select count(*) from records.orders o
           where o.tenant = %(tenant)s and o.source = %(name)s and o.closed_at is null),
          (select count(*) from records.erp_message m join records.orders o using (tenant, order_ref)
           where m.tenant = %(tenant)s and o.source = %(name)s and m.state not in ('done', 'skipped'))
        """
    ),
    ConnectionKind.CARRIER: Query(
        """
        select
          (select count(*) from records.orders o
           where o.tenant = %(tenant)s and o.carrier = %(name)s and o.closed_at is null),
          (select count(*) from records.carrier_step s join records.orders o using (tenant, order_ref)
           where s.tenant = %(tenant)s and coalesce(s.carrier, o.carrier) = %(name)s
             and s.state in ('intended', 'sent', 'unknown')),
          (select count(*) from records.parcel p join records.shipment s using (tenant, order_ref, shipment_no)
           where p.tenant = %(tenant)s and s.carrier = %(name)s and s.dissolved_at is null
             and p.tracking_number is not null and num_nonnulls(p.delivered_at, p.lost_at, p.came_back_at) = 0
             and p.tracking_status not in ('cancelled', 'return_to_sender'))
        """
    ),
}
_WORDS: Final = {
    ConnectionKind.ERP: ("open orders of this source", "messages that it has not heard"),
    ConnectionKind.CARRIER: ("open orders that name it", "steps that wait for it", "parcels on their way"),
}


async def open_on(connection: AsyncConnection, named: Named) -> dict[str, int]:
    """Count what is open on a connection, in words; empty where nothing is."""
    row = await _OPEN[named.kind].row(connection, tenant=named.tenant, name=named.name)
    assert row is not None
    return {words: number for words, number in zip(_WORDS[named.kind], row, strict=True) if number}
