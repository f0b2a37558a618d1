"""A PostgreSQL cluster with a Tryton database that is set up and seeded, made once and copied from then on."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Final

import psycopg

from runtime.embedded import postgres
from tests.tryton import installing

MODULES: Final = ("sale", "stock_lot", "stock_package_shipping")
DATABASE: Final = "tryton"
TEMPLATE: Final = "tryton_template"
SEED: Final = Path(__file__).with_name("seed.py")
ADMINISTRATOR: Final = ("admin", "admin-password")
HUB_KEY: Final = "key-of-the-hub-in-tests-only"
CLERK_KEY: Final = "key-of-the-clerk-in-tests-only"

CONFIGURATION: Final = """\
[database]
uri = {uri}
[queue]
worker = True
[web]
listen = 127.0.0.1:{port}
"""
"""With a worker, as in production: only then does a confirmed sale stay so for its time of grace."""


async def cluster(environment: Path) -> Path:
    """Return the folder of the cluster, to be copied, not used; it is made if it is not there yet."""
    made_by = (installing.REQUIREMENTS, SEED, Path(__file__))
    folder = installing.CACHE / f"cluster-{installing.digest(*(path.read_bytes() for path in made_by))}"
    if not folder.exists():
        with installing.locked(folder.name):
            if not folder.exists():
                await _make(folder, environment)
    return folder


async def copy(template: Path, folder: Path) -> None:
    """Copy a cluster with its owner and rights, which PostgreSQL is strict about."""
    await asyncio.to_thread(subprocess.run, ["cp", "-a", str(template), str(folder)], check=True)


async def _make(folder: Path, environment: Path) -> None:
    """Make the cluster beside its place, so that it is whole or not there at all."""
    draft = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(draft, ignore_errors=True)
    server = await postgres.start(draft, log=draft.with_suffix(".log"), mark=str(draft))
    try:
        await asyncio.to_thread(_fill, server, environment)
    finally:
        await postgres.stop(server)
    draft.rename(folder)


def _fill(server: postgres.Server, environment: Path) -> None:
    """Set up the database and seed it; then copy it inside the cluster, too, for whoever wants more than one."""
    with psycopg.connect(server.url(database="postgres"), autocommit=True) as connection:
        # What a power cut would take from Tryton is not what we try.
        connection.execute(f"ALTER ROLE {postgres.SUPERUSER} SET synchronous_commit = off")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    scratch = Path(str(server.socket_folder) + ".setup")
    scratch.mkdir(exist_ok=True)
    try:
        _set_up(scratch, server, environment)
    finally:
        shutil.rmtree(scratch)
    with psycopg.connect(server.url(database="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")


def _set_up(scratch: Path, server: postgres.Server, environment: Path) -> None:
    """Run Tryton's own set-up and then ours. The empty line answers its question for an e-mail address."""
    configuration = write_configuration(scratch / "trytond.conf", server)
    password = scratch / "password"
    password.write_text(ADMINISTRATOR[1])
    where = ("-c", str(configuration), "-d", TEMPLATE)
    admin = (*program(environment, "trytond-admin"), *where, "-u", *MODULES, "--activate-dependencies")
    _run(*admin, env={"TRYTONPASSFILE": str(password)})
    python = str(environment / "bin" / "python")
    _run(python, "-I", str(SEED), TEMPLATE, str(configuration), HUB_KEY, CLERK_KEY, env={})


def program(environment: Path, name: str) -> tuple[str, ...]:
    """Return how to run one of Tryton's programs; `-I` keeps our own packages out of its sight."""
    return (str(environment / "bin" / "python"), "-I", str(environment / "bin" / name))


def write_configuration(path: Path, server: postgres.Server, port: int = 0) -> Path:
    """Write Tryton's configuration file."""
    path.write_text(CONFIGURATION.format(uri=server.url(database=""), port=port))
    return path


def _run(*command: str, env: dict[str, str]) -> None:
    """Run a step of the set-up; its last words are the error's."""
    done = subprocess.run(command, input="\n", capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr[-4000:]}")
