"""`stockbridge restored`: whoever has restored the database from a backup says so, and that all was said again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import typer

from records import restorations
from records.restorations import KnownElsewhere, Restoration, Undecided
from runtime.cli.one_transaction import one_transaction
from runtime.settings import Settings

_SHOWN = 50


def restored(settings: Settings) -> None:
    """Raise the epoch: what is sent from now on is asked for by reference first."""
    epoch, woken = asyncio.run(_raise(settings))
    typer.echo(f"Restored: epoch {epoch}. {woken} open orders look anew at what the database has.")
    typer.echo("Before a label, a void or a message is sent, carriers and ERPs are asked whether they have it.")
    typer.echo("Have said again what came since the backup; then: stockbridge restored --finish")


async def _raise(settings: Settings) -> tuple[int, int]:
    async with one_transaction(settings.need("database_admin_url")) as connection:
        return await restorations.raise_epoch(connection)


def finish(settings: Settings) -> None:
    """End the asking; exit code 1 while commands wait for a decision, naming each."""
    asyncio.run(_finish(settings))


async def _finish(settings: Settings) -> None:
    async with one_transaction(settings.need("database_admin_url")) as connection:
        restoration = await restorations.unfinished(connection)
        if restoration is None:
            typer.echo("No restore is unfinished.")
            return
        waiting = await restorations.undecided(connection)
        _show_known_elsewhere(restoration, await restorations.still_known_elsewhere(connection, restoration.epoch))
        if waiting:
            _show_undecided(waiting)
            raise typer.Exit(1)
        await restorations.finish(connection)
        typer.echo(f"Finished: epoch {restoration.epoch}. What is asked for from now on is sent at once.")


def _show_undecided(waiting: Sequence[Undecided]) -> None:
    typer.echo(f"Not finished: {len(waiting)} commands are undecided.", err=True)
    for each in waiting[:_SHOWN]:
        typer.echo(
            f"  {each.tenant}  {each.order_ref}  {each.key}  since {each.received_at:%Y-%m-%d %H:%M:%S %Z}", err=True
        )
    if len(waiting) > _SHOWN:
        typer.echo(f"  ... and {len(waiting) - _SHOWN} more", err=True)


def _show_known_elsewhere(restoration: Restoration, known: Sequence[KnownElsewhere]) -> None:
    if restoration.looked_at is None:
        typer.echo("The relay has not asked yet what the partners know of each open order.")
    if known:
        typer.echo(f"{len(known)} things that others know, and nobody has said again; look at each:")
    for each in known:
        typer.echo(f"  {each.tenant}  {each.order_ref}  {each.partner}: {each.detail}")
