"""`stockbridge ledger checkpoint | prove | check-proof`: what is signed, and what is proved to those outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import typer
from sqlalchemy.ext.asyncio import create_async_engine

from domain.messages import OrderId
from ledger.proving.checkpoint_verification import CheckpointReport, verify_checkpoints
from ledger.proving.checkpoints import Checkpoint, take_checkpoint
from ledger.proving.proof_checking import check_proof as checked
from ledger.proving.proof_form import OrderProof
from ledger.proving.proofs import prove_order
from ledger.proving.signing import SigningKey, key_bytes, key_text
from ledger.writing.writer import translating
from records import timeline
from runtime.processes.clients import trusted_keys_of
from runtime.settings import Settings, sqlalchemy_url


def verified(settings: Settings) -> CheckpointReport:
    """Check the checkpoints against the keys in the settings."""
    return verify_checkpoints(settings.need("database_url"), trusted_keys_of(settings))


def checkpoint(settings: Settings, *, from_the_start: bool = False) -> None:
    """Take a checkpoint, and say what it is and which public key it can be checked with."""
    key = SigningKey.parse(settings.need("checkpoint_key"))
    taken = asyncio.run(_taken(settings, key, from_the_start=from_the_start))
    if taken is None:
        typer.echo("Nothing has changed since the newest checkpoint.")
    else:
        typer.echo(f"{taken}: {taken.tails} streams, {taken.postings} postings without entries")
        typer.echo(f"hash        {taken.hash.hex()}")
    typer.echo(f"public key  {key_text(key.public_key)}")


async def _taken(settings: Settings, key: SigningKey, *, from_the_start: bool) -> Checkpoint | None:
    engine = create_async_engine(settings.database_sqlalchemy_url)
    try:
        with translating():
            return await take_checkpoint(engine, key, trusted_keys_of(settings), from_the_start=from_the_start)
    finally:
        await engine.dispose()


def prove(settings: Settings, tenant: str, order_ref: str, output: Path | None) -> None:
    """Write the proof of an order; exit code 1 where there is no such order."""
    proof = asyncio.run(_proof(settings.need("database_url"), OrderId(tenant=tenant, order_ref=order_ref)))
    if proof is None:
        typer.echo(f"The ledger has nothing of order {order_ref} of tenant {tenant}.", err=True)
        raise typer.Exit(1)
    written = proof.model_dump_json(indent=2) + "\n"
    if output is None:
        typer.echo(written, nl=False)
    else:
        output.write_text(written)


async def _proof(database_url: str, order: OrderId) -> OrderProof | None:
    engine = create_async_engine(sqlalchemy_url(database_url))
    try:
        with translating():
            async with engine.connect() as connection:
                keys = {command.key for command in await timeline.commands(connection, order)}
                return await prove_order(connection, order, keys)
    finally:
        await engine.dispose()


def check_proof(file: Path, public_keys: Iterable[str]) -> None:
    """Check a proof against public keys. Raises `ProofFailsError`; exit code 2 where a key is none."""
    try:
        trusted = set(map(key_bytes, public_keys))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--public-key") from None
    proven = checked(file.read_bytes(), trusted)
    typer.echo(str(proven))
    for signed in proven.checkpoints:
        typer.echo(f"under {signed}")
