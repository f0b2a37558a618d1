"""`stockbridge connection ...`: accounts at ERPs and carriers, from the command line."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import typer
from pydantic import SecretStr, TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from adapters.erp.files import shipped
from adapters.erp.mapping.file import BadMapping
from commands.connections import remove as removing
from commands.connections import rotate as rotating
from commands.connections import switch as switching
from commands.connections.add import add as add_connection
from commands.connections.change import change as change_connection
from commands.connections.change import set_secrets
from commands.connections.context import By, Shown, shown
from commands.connections.look import Looked, look
from commands.connections.mappings import meant
from commands.connections.opening import adapter_of
from domain.api_keys import is_guessable
from domain.commands import Key
from domain.connections import (
    ConnectionChange,
    ConnectionKind,
    ConnectionRotation,
    ConnectionSwitch,
    Flow,
    NewConnection,
    SecretsGiven,
)
from domain.errors import Rejected
from ledger.writing.writer import translating
from records.access import connections
from records.access.connections import Connection, Named
from runtime.cli.one_transaction import one_transaction
from runtime.cli.typed import read
from runtime.errors import StartupError
from runtime.settings import Settings, sqlalchemy_url

NOW: Final = "now"
_HOUR_S: Final = 3600
_TABLE_WIDTH: Final = 160
_STYLES: Final = {Flow.BOTH: "green", Flow.OFF: "dim", Flow.OBSERVE: "yellow", Flow.INBOUND: "yellow"}

Answer = TypeVar("Answer")


def add(
    settings: Settings,
    /,
    named: Named,
    *,
    as_json: bool,
    or_change: bool,
    public_id: str | None,
    secrets: Sequence[str],
    **wanted: Any,
) -> None:
    """Add a connection; or change it to be so, where that is asked for."""
    _insist_on_a_name(named)
    if public_id is not None and is_guessable(public_id):
        raise typer.BadParameter("can be guessed: it must have 128 bits of chance in it.", param_hint="--public-id")
    keys = settings.sealing
    given = _secrets_of(secrets, _missing(named.kind, wanted, secrets))

    async def work(connection: AsyncConnection) -> Shown:
        known = await connections.find(connection, named)
        if known is not None and known.adapter is not None and or_change:
            changed = {name: wanted[name] for name in ("adapter", "settings", "mapping", "contracts", *_LIMITS)}
            change = read(ConnectionChange, {**changed, **_said(wanted), "secrets": given}, _OPTIONS)
            return await change_connection(connection, keys, named, change, _by(wanted))
        start = _start(wanted["start_at"], known)
        limits = {name: wanted[name] for name in _LIMITS if wanted[name] is not None}
        fields = {
            name: wanted[name] for name in ("adapter", "settings", "mapping", "contracts", "flow", "actor", "reason")
        }
        of_it = {"kind": named.kind, "name": named.name, "start_at": start, "secrets": given}
        new = read(NewConnection, {**fields, **limits, **of_it}, _OPTIONS)
        return await add_connection(connection, keys, named.tenant, new, _by(wanted), public_id=public_id)

    _show(_with(settings, work), as_json=as_json)


_FIELDS: Final = ("adapter", "settings", "mapping", "contracts", "flow", "actor", "reason")
_LIMITS: Final = ("at_once", "calls_per_second", "timeout_s")


def change(settings: Settings, /, named: Named, *, as_json: bool, secrets: Sequence[str], **wanted: Any) -> None:
    """Change a connection; settings that are not named stay."""

    async def work(connection: AsyncConnection) -> Shown:
        now = await connections.get(connection, named)
        told = {**now.settings, **wanted["settings"]} if wanted["settings"] else None
        given = _secrets_of(secrets, ()) or None
        asked = read(ConnectionChange, {**wanted, "settings": told, "secrets": given}, _OPTIONS)
        return await change_connection(connection, settings.sealing, named, asked, _by(wanted))

    _show(_with(settings, work), as_json=as_json)


def secret(settings: Settings, named: Named, *, as_json: bool, secrets: Sequence[str], **wanted: Any) -> None:
    """Give a connection other secrets."""
    asked = read(SecretsGiven, {**wanted, "secrets": _secrets_of(secrets, ())}, _OPTIONS)
    _show(
        _with(settings, lambda connection: set_secrets(connection, settings.sealing, named, asked, _by(wanted))),
        as_json=as_json,
    )


def switch(settings: Settings, named: Named, *, as_json: bool, **wanted: Any) -> None:
    """Switch what goes through a connection."""
    asked = read(ConnectionSwitch, wanted, _OPTIONS)
    _show(_with(settings, lambda connection: switching.switch(connection, named, asked, _by(wanted))), as_json=as_json)


def rotate(settings: Settings, named: Named, grace_h: int, *, as_json: bool, **wanted: Any) -> None:
    """Give a connection another public id."""

    async def work(connection: AsyncConnection) -> Shown:
        now = await connections.get(connection, named)
        asked = read(ConnectionRotation, {**wanted, "public_id": now.public_id, "grace_s": grace_h * _HOUR_S}, _OPTIONS)
        return await rotating.rotate(connection, named, asked, _by(wanted))

    _show(_with(settings, work), as_json=as_json)


def remove(settings: Settings, named: Named, **wanted: Any) -> None:
    """Remove a connection on which nothing is open."""
    _with(settings, lambda connection: removing.remove(connection, named, _by(wanted), wanted["reason"]))
    typer.echo(f"The connection {named} of {named.tenant} is removed. Its history stays.")


def reseal(settings: Settings, tenant: str | None, **wanted: Any) -> None:
    """Seal all secrets under the first key."""
    keys = settings.sealing
    number = _with(settings, lambda connection: rotating.reseal(connection, keys, _by(wanted), tenant))
    typer.echo(f"Secrets sealed anew: {number}. All are sealed under {keys.first} now; older keys may go.")


def try_out(settings: Settings, named: Named, *, as_json: bool, **wanted: Any) -> None:
    """Look whether a connection works. Exit code 1 if it does not."""

    async def run() -> Looked:
        engine = create_async_engine(sqlalchemy_url(settings.need("database_url")))
        try:
            with translating():
                return await look(engine, settings.sealing, named, _by(wanted), settings.egress)
        finally:
            await engine.dispose()

    looked = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(asdict(looked), indent=2))
    else:
        typer.echo(f"It works: {looked.took_ms} ms." if looked.works else f"It does not work: {looked.reason}")
    if not looked.works:
        raise typer.Exit(1)


def list_all(settings: Settings, tenant: str | None, *, as_json: bool) -> None:
    """Print connections, of one tenant or of all."""
    rows = _with(settings, lambda connection: connections.every(connection, tenant))
    if as_json:
        typer.echo(json.dumps([_as_json(row) for row in rows], indent=2))
        return
    Console(width=max(Console().width, _TABLE_WIDTH), highlight=False).print(_table(rows))


def show(settings: Settings, named: Named, *, as_json: bool) -> None:
    """Print a connection with what was done to it."""
    _show(_with(settings, lambda connection: shown(connection, named)), as_json=as_json)


# -- what was typed --------------------------------------------------------------------------------------------------


def named_as(tenant: str, kind: ConnectionKind, name: str) -> Named:
    """Return what a connection is known by."""
    return Named(tenant, kind, name)


def settings_of(given: Iterable[str]) -> dict[str, Any]:
    """Read `name=text` and `name:=json`."""
    read: dict[str, Any] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{each!r} is not written name=value.", param_hint="--setting")
        if name.endswith(":"):
            try:
                read[name[:-1]] = json.loads(value)
            except ValueError:
                raise typer.BadParameter(f"{each!r} has no JSON.", param_hint="--setting") from None
        else:
            read[name] = value
    return read


def mapping_of(named: str | None, contracts: Path | None) -> dict[str, Any]:
    """Read a mapping's file with its contracts, which lie beside it; one that comes with the hub goes by its name."""
    if named is None or named in shipped():
        own = None if contracts is None else _texts_in(contracts, None)
        return {"mapping": named, "contracts": own}
    file = Path(named)
    if not file.is_file():
        raise typer.BadParameter(f"is no file, nor one of {', '.join(shipped())}.", param_hint="--mapping")
    return {"mapping": _text_of(file), "contracts": _texts_in(contracts or file.parent, file)}


def _texts_in(folder: Path, mapping: Path | None) -> dict[str, str]:
    found = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix in _CONTRACTS)
    return {file.relative_to(folder).as_posix(): _text_of(file) for file in found if file != mapping}


_CONTRACTS: Final = frozenset({".wsdl", ".xsd", ".json", ".yaml", ".yml", ".xml"})


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} isn't UTF-8.") from None


def _insist_on_a_name(named: Named) -> None:
    for hint, part in (("--tenant", named.tenant), ("NAME", named.name)):
        try:
            _KEY.validate_python(part)
        except ValidationError:
            raise typer.BadParameter(f"{part!r} is no name.", param_hint=hint) from None


_KEY: Final = TypeAdapter(Key)


def _missing(kind: ConnectionKind, wanted: Mapping[str, Any], given: Sequence[str]) -> list[str]:
    """Name the secrets that an adapter needs, and that are to be asked for; none where that can't be said."""
    adapter = adapter_of(kind, wanted["adapter"])
    mapping = None if wanted["mapping"] is None else meant(wanted["mapping"], wanted["contracts"])
    if adapter is None or (mapping is not None) != adapter.takes_mapping:
        return []
    try:
        return sorted(adapter.needs(mapping).secrets - {each.partition("=")[0] for each in given})
    except BadMapping:
        return []


def _secrets_of(given: Sequence[str], missing: Iterable[str]) -> dict[str, SecretStr]:
    """Read `name=env:VARIABLE` and `name=@file`; ask for `name`, and for what is missing. Never off the arguments."""
    return {
        **dict(map(_secret_of, given)),
        **{name: _asked(name) for name in missing},
    }


def _secret_of(given: str) -> tuple[str, SecretStr]:
    name, sign, where = given.partition("=")
    if not sign:
        return name, _asked(name)
    if where.startswith("env:"):
        value = os.environ.get(where.removeprefix("env:"))
        if not value:
            raise typer.BadParameter(f"{where.removeprefix('env:')} is not set.", param_hint="--secret")
        return name, SecretStr(value)
    if where.startswith("@"):
        try:
            return name, SecretStr(Path(where[1:]).read_text().rstrip("\r\n"))
        except (OSError, ValueError):
            raise typer.BadParameter(f"{where[1:]} can't be read.", param_hint="--secret") from None
    detail = f"{name}=env:VARIABLE, {name}=@FILE, or {name} alone, to be asked for: others see arguments."
    raise typer.BadParameter(detail, param_hint="--secret")


def _asked(name: str) -> SecretStr:
    """Ask for a secret: hidden at a terminal, else a line of standard input."""
    value = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise StartupError(f"The secret {name} was not given: --secret {name}=env:VARIABLE, or {name}=@FILE.")
    return SecretStr(value)


def _start(start_at: str | None, known: Connection | None) -> str | datetime | None:
    """Say when an ERP starts: `now` is when it was added."""
    if start_at != NOW:
        return start_at
    return known.start_at if known and known.start_at and known.adapter else datetime.now(UTC)


_OPTIONS: Final = {
    "name": "NAME",
    "settings": "--setting",
    "secrets": "--secret",
    "start_at": "--start-at",
    "at_once": "--at-once",
    "calls_per_second": "--calls-per-second",
    "timeout_s": "--timeout",
    "grace_s": "--grace",
    "actor": "--by",
}


def _said(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: wanted[name] for name in ("actor", "reason")}


def _by(wanted: dict[str, Any]) -> By:
    """Name who does it: as said, else as the operating system knows them."""
    return By(wanted.get("actor") or f"{getpass.getuser()} (command line)")


def _with(settings: Settings, work: Callable[[AsyncConnection], Coroutine[Any, Any, Answer]]) -> Answer:
    async def run() -> Answer:
        async with one_transaction(settings.need("database_url")) as connection:
            return await work(connection)

    try:
        return asyncio.run(run())
    except Rejected as refused:
        told = "".join(f"\n  {fault.pointer or '/'}: {fault.detail}" for fault in refused.faults)
        raise StartupError(f"{refused.detail}{told}") from refused


# -- showing ---------------------------------------------------------------------------------------------------------


def _show(told: Shown, *, as_json: bool) -> None:
    if as_json:
        secrets = [asdict(each) for each in told.secrets]
        acts = [_written(asdict(act)) for act in told.acts]
        typer.echo(json.dumps({**_as_json(told.row), "secrets": secrets, "acts": acts}, indent=2))
        return
    row = told.row
    off = f" ({row.off_reason})" if row.off_reason else ""
    typer.echo(f"{row.key} of {row.tenant}: {row.adapter or 'not added yet'}, flow {row.flow}{off}")
    for name, value in row.settings.items():
        typer.echo(f"  {name}: {value}")
    typer.echo(f"  secrets: {', '.join(f'{each.field} (key {each.key_id})' for each in told.secrets) or 'none'}")
    typer.echo(f"  limits: {row.at_once} at once, {row.calls_per_second:g} a second, {row.timeout_s:g} s")
    typer.echo(f"  public id: {row.public_id}")
    for public_id, until in told.former_ids.items():
        typer.echo(f"  former id: {public_id}, until {until:%Y-%m-%d %H:%MZ}")
    for act in told.acts[:5]:
        typer.echo(f"  {act.at:%Y-%m-%d %H:%MZ} {act.act} by {act.actor}{f': {act.reason}' if act.reason else ''}")


def _as_json(row: Connection) -> dict[str, Any]:
    return _written({**asdict(row), "mapping": row.mapping.hex() if row.mapping else None})


def _written(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}


def _table(rows: Sequence[Connection]) -> Table:
    table = Table()
    for name in ("tenant", "kind", "name", "adapter", "flow", "why off", "starts", "changed"):
        table.add_column(name, overflow="fold")
    for row in rows:
        starts = f"{row.start_at:%Y-%m-%d}" if row.start_at else ""
        cells = (row.tenant, row.kind, row.name, row.adapter or "", row.flow, row.off_reason or "", starts)
        table.add_row(*(Text(cell) for cell in (*cells, f"{row.changed_at:%Y-%m-%d %H:%MZ}")), style=_STYLES[row.flow])
    return table
