"""`stockbridge keys add | list | revoke | rotate`: who may speak to the API."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_keys import KeyRevocation, KeyRotation, NewKey, Scope
from domain.commands import Key
from records.access import key_ring
from records.access.key_ring import By, Held, KeyStatus, Made
from runtime.cli.one_transaction import one_transaction
from runtime.cli.typed import read
from runtime.errors import StartupError
from runtime.settings import Settings

_HOUR_S: Final = 3600
_TABLE_WIDTH: Final = 160
_STYLES: Final = {KeyStatus.ACTIVE: "green", KeyStatus.RETIRING: "yellow"}

Answer = TypeVar("Answer")


def add(settings: Settings, tenant: str, *, as_json: bool, **wanted: Any) -> None:
    """Make a key and print it, this once."""
    wanted["scope"] = wanted["scope"] or (Scope.SOURCE if wanted["source"] else None)
    new = read(NewKey, wanted, _OPTIONS)
    made = _with(settings, lambda connection: key_ring.make(connection, _tenant(tenant), new, _by(wanted["actor"])))
    if made.secret is None:
        raise StartupError(f"There is a key {new.name} of {tenant} already. It was shown when it was made; rotate it.")
    _show_made(made, as_json=as_json)


def rotate(settings: Settings, tenant: str, name: str, grace_h: int, *, as_json: bool, **wanted: Any) -> None:
    """Make a key's successor and print it, this once."""
    asked = read(KeyRotation, {**wanted, "grace_s": grace_h * _HOUR_S}, _OPTIONS)
    made = _with(settings, lambda connection: key_ring.rotate(connection, tenant, name, asked, _by(wanted["actor"])))
    if made.secret is None:
        raise StartupError(f"Key {name} is followed by {made.held.name} already. That was shown then; rotate that one.")
    _show_made(made, as_json=as_json)


def revoke(settings: Settings, tenant: str, name: str, *, as_json: bool, **wanted: Any) -> None:
    """End a key for ever."""
    asked = read(KeyRevocation, wanted, _OPTIONS)
    held = _with(settings, lambda connection: key_ring.revoke(connection, tenant, name, asked, _by(wanted["actor"])))
    if as_json:
        _print_json(_as_json(held))
    else:
        typer.echo(f"Key {name} of {tenant} is revoked. Within seconds no process takes it any more.")


def list_keys(settings: Settings, tenant: str | None, *, as_json: bool) -> None:
    """Print the keys, those that have ended too."""
    held = _with(settings, lambda connection: key_ring.all_keys(connection, tenant))
    if as_json:
        _print_json([_as_json(each) for each in held])
        return
    # A line for each key, also where the terminal is narrow.
    Console(width=max(Console().width, _TABLE_WIDTH), highlight=False).print(_table(held))


def _tenant(text: str) -> str:
    try:
        return _KEY.validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no name of a tenant.", param_hint="--tenant") from None


_KEY: Final = TypeAdapter(Key)


_OPTIONS: Final = {"name": "NAME", "expires_at": "--expires-at", "grace_s": "--grace", "actor": "--by"}


def _by(said: str | None) -> By:
    """Name who does it: as said, else as the operating system knows them."""
    return By(said or f"{getpass.getuser()} (command line)")


def _with(settings: Settings, work: Callable[[AsyncConnection], Coroutine[Any, Any, Answer]]) -> Answer:
    async def run() -> Answer:
        async with one_transaction(settings.need("database_url")) as connection:
            return await work(connection)

    return asyncio.run(run())


# -- showing ---------------------------------------------------------------------------------------------------------


def _show_made(made: Made, *, as_json: bool) -> None:
    """Print the key alone to standard output, so that a script can take it; what is said of it goes beside."""
    held = made.held
    if as_json:
        _print_json({**_as_json(held), "key": made.secret})
        return
    typer.echo(f"Key {held.name} of {held.tenant}, for {held.owner}: {_what_for(held)}.", err=True)
    if held.replaces:
        typer.echo(f"It follows {held.replaces}.", err=True)
    typer.echo("It is shown this once; only its hash is kept:", err=True)
    typer.echo(made.secret)


def _what_for(held: Held) -> str:
    match held.scope:
        case Scope.SOURCE if held.is_default_source:
            return f"pushes orders of {held.source}, which go by their order_no alone"
        case Scope.SOURCE:
            return f"pushes orders of {held.source}, which go by {held.source}:<order_no>"
        case Scope.ADMINISTRATOR:
            return "manages the tenant's keys, and nothing else"
        case _:
            return f"works in the {held.scope}"


def _as_json(held: Held) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(held).items()}


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2))


def _table(held: Sequence[Held]) -> Table:
    table = Table()
    for name in ("tenant", "name", "scope", "source", "owner", "status", "created", "last used", "ends", "successor"):
        table.add_column(name, overflow="fold")
    for each in held:
        row = (each.tenant, each.name, each.scope, each.source, each.owner, each.status)
        times = (_day(each.created_at), _minute(each.last_used_at), _minute(each.ends_at))
        cells = [Text(cell or "") for cell in (*row, *times, each.replaced_by)]
        table.add_row(*cells, style=_STYLES.get(each.status, "dim"))
    return table


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}" if moment else ""


def _minute(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%MZ}" if moment else ""
