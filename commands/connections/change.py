"""A connection is changed, or given other secrets. What it speaks to decides whether it may keep those it has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.erp.mapping.file import BadMapping
from commands.connections.checking import Wanted, check
from commands.connections.context import By, Shown, shown
from commands.connections.mappings import meant
from commands.connections.opening import adapter_of, keep_secrets, open_secrets
from domain.connections import ConnectionChange, ConnectionKind, ErpMapping, Flow, SecretsGiven
from domain.errors import Fault, Kind, Rejected, Unavailable
from domain.refusals import pointer, refusal
from records.access import connections
from records.access.connections import Connection, Named
from records.access.sealing import SealingKeys

_LIMITS: Final = ("at_once", "calls_per_second", "timeout_s")


async def change(
    connection: AsyncConnection, keys: SealingKeys, named: Named, wanted: ConnectionChange, by: By
) -> Shown:
    """Change a connection. What is so already stays as it is.

    Raises `Rejected` where it would not be whole, or go elsewhere with secrets that were not given again.
    """
    await connections.lock(connection, named.tenant)
    now = await _get_added(connection, named)
    sealed = await connections.secrets_of(connection, named)
    before = await connections.mapping_of(connection, named.tenant, now.mapping)
    asked = Wanted(
        named.kind,
        wanted.adapter or str(now.adapter),
        now.settings if wanted.settings is None else wanted.settings,
        _mapping(wanted, before),
    )
    given = wanted.secrets or {}
    goes_elsewhere = _doors(asked) != _doors(Wanted(named.kind, str(now.adapter), now.settings, before))
    whole = await asyncio.to_thread(check, asked, given if goes_elsewhere else {*sealed, *given})
    columns = {"adapter": whole.adapter.name, "settings": dict(asked.settings), **_limits(wanted)}
    if wanted.start_at is not None:
        columns["start_at"] = _start(now, wanted.start_at)
    if asked.mapping is not None:
        columns["mapping"] = await connections.keep_mapping(connection, named.tenant, asked.mapping)
    changed = {name: value for name, value in columns.items() if value != getattr(now, name)}
    new_secrets = given if goes_elsewhere else _other_than(keys, named, sealed, given)
    if not changed and not new_secrets:
        return await shown(connection, named)
    if goes_elsewhere:
        await connections.forget_secrets(connection, named)
    await keep_secrets(connection, keys, named, new_secrets)
    await connections.change(connection, named, **changed)
    told = {name: _as_told(value) for name, value in changed.items()}
    await connections.note(
        connection, named, "changed", by.actor, by.key, wanted.reason, **told, secrets=sorted(new_secrets)
    )
    return await shown(connection, named)


async def set_secrets(
    connection: AsyncConnection, keys: SealingKeys, named: Named, wanted: SecretsGiven, by: By
) -> Shown:
    """Give a connection secrets in place of those that it has under these names."""
    await connections.lock(connection, named.tenant)
    now = await _get_added(connection, named)
    adapter = adapter_of(named.kind, now.adapter)
    mapping = await connections.mapping_of(connection, named.tenant, now.mapping)
    unknown = sorted(wanted.secrets.keys() - (adapter.needs(mapping).secrets if adapter else set()))
    if unknown:
        raise refusal(
            [Fault(pointer(["secrets", each]), "unknown_secret", f"is no secret of {now.adapter}") for each in unknown]
        )
    sealed = await connections.secrets_of(connection, named)
    new = _other_than(keys, named, sealed, wanted.secrets)
    if new:
        await keep_secrets(connection, keys, named, new)
        await connections.change(connection, named)
        await connections.note(connection, named, "secrets_set", by.actor, by.key, wanted.reason, secrets=sorted(new))
    return await shown(connection, named)


async def _get_added(connection: AsyncConnection, named: Named) -> Connection:
    now = await connections.get(connection, named)
    if now.adapter is None:
        raise Rejected("not_added", f"The connection {named} is an older build's: add it first.", kind=Kind.CONFLICT)
    return now


def _doors(wanted: Wanted) -> tuple[str, frozenset[str]] | None:
    """Return where a connection speaks to, and by what; None where that can't be read."""
    adapter = adapter_of(wanted.kind, wanted.adapter)
    if adapter is None or (wanted.mapping is not None) != adapter.takes_mapping:
        return None
    try:
        needs = adapter.needs(wanted.mapping)
        needs.settings.model_validate(dict(wanted.settings))
    except (ValidationError, BadMapping):
        return None
    return adapter.name, needs.doors(wanted.settings)


def _mapping(wanted: ConnectionChange, before: ErpMapping | None) -> ErpMapping | None:
    """Return the mapping as it is to be. With contracts alone it keeps its text, with a text alone its contracts."""
    if wanted.mapping is not None:
        return meant(
            wanted.mapping, wanted.contracts if wanted.contracts is not None or not before else before.contracts
        )
    return replace(before, contracts=wanted.contracts) if before and wanted.contracts is not None else before


def _limits(wanted: ConnectionChange) -> dict[str, Any]:
    given = ((name, getattr(wanted, name)) for name in _LIMITS)
    return {name: value for name, value in given if value is not None}


def _start(now: Connection, start_at: datetime) -> datetime:
    """Let an ERP start at another time, as long as nothing of it has entered."""
    if now.kind is not ConnectionKind.ERP:
        raise refusal([Fault("/start_at", "start_at", "is an ERP's alone")])
    if start_at != now.start_at and now.flow.lets(Flow.INBOUND):
        raise Rejected("start_at", "What came in since then is here: switch it to observe first.", kind=Kind.CONFLICT)
    return start_at


def _other_than(
    keys: SealingKeys, named: Named, sealed: Mapping[str, Any], given: Mapping[str, SecretStr]
) -> dict[str, SecretStr]:
    """Return the secrets that are not there as they are given. One that can't be opened is another one."""
    return dict(_others(keys, named, sealed, given))


def _others(
    keys: SealingKeys, named: Named, sealed: Mapping[str, Any], given: Mapping[str, SecretStr]
) -> Iterator[tuple[str, SecretStr]]:
    for field, secret in given.items():
        known = {field: sealed[field]} if field in sealed else {}
        if _opened(keys, named, known).get(field) != secret:
            yield field, secret


def _opened(keys: SealingKeys, named: Named, known: Mapping[str, Any]) -> dict[str, SecretStr]:
    try:
        return open_secrets(keys, named, known)
    except Unavailable:
        return {}


def _as_told(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case datetime():
            return value.isoformat()
        case _:
            return value
