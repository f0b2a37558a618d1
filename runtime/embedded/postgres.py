"""A PostgreSQL of our own, started and stopped.

It listens on a unix socket only, in a folder that is closed to others; whoever gets there is trusted.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from runtime.embedded import postgres_folder
from runtime.embedded.child_processes import ChildProcess, Command
from runtime.errors import StartupError
from runtime.polling import until

SUPERUSER = "postgres"
DATABASE = "stockbridge"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0

SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    # A new segment of 16 MB would be written twice, and whoever commits at that moment would wait 15 ms for it.
    "wal_init_zero": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
"""What differs from PostgreSQL's own defaults; `fsync` and `synchronous_commit` stay on: the ledger counts on them."""


@dataclass(frozen=True)
class Server:
    """A running server: its process, and where its socket is."""

    process: ChildProcess
    socket_folder: Path

    def url(self, user: str = SUPERUSER, database: str = DATABASE) -> str:
        """Return the plain address of `database` as `user`."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.socket_folder))}"


async def start(folder: Path, *, log: Path, mark: str) -> Server:
    """Start PostgreSQL on `folder` (absolute), making the cluster and the database first where they are not there.

    The caller holds the data folder's lock, so a server that still runs there is a killed stack's leftover.
    Raises `StartupError` with the end of the log.
    """
    await asyncio.to_thread(postgres_folder.end_leftover, folder)
    if not postgres_folder.has_cluster(folder):
        await _make_cluster(folder, log=log, mark=mark)
    socket_folder = postgres_folder.new_socket_folder(folder)
    process = await _start_until_it_answers(_server_command(folder, socket_folder), socket_folder, log=log, mark=mark)
    server = Server(process, socket_folder)
    await asyncio.to_thread(_ensure_database, server.url(database="postgres"))
    return server


async def stop(server: Server) -> None:
    """Stop the server, rolling back what is open; its data is on disk and clean."""
    await server.process.stop()
    shutil.rmtree(server.socket_folder, ignore_errors=True)


async def _make_cluster(folder: Path, *, log: Path, mark: str) -> None:
    """Run `initdb`. Raises `StartupError` with the end of what it printed."""
    draft = postgres_folder.new_draft(folder)
    argv = (
        *(str(postgres_folder.binaries() / "initdb"), "-D", str(draft), "-U", SUPERUSER),
        *("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions"),
    )
    command = Command("initdb", argv, user=postgres_folder.server_user())
    process = await ChildProcess.start(command, log=log, mark=mark)
    try:
        code = await process.wait()
    finally:
        await process.stop()
    if code != 0:
        raise StartupError(f"PostgreSQL could not make its data folder (initdb: {code}).\n{process.last_words()}")
    postgres_folder.take_draft(draft, folder)


def _server_command(folder: Path, socket_folder: Path) -> Command:
    """Return how the server of `folder` is run. SIGINT is PostgreSQL's fast and clean shutdown."""
    version = (folder / "PG_VERSION").read_text().strip()
    settings = {**SERVER_SETTINGS, "unix_socket_directories": str(socket_folder)}
    flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
    return Command(
        name="postgres",
        argv=(str(postgres_folder.binaries(version) / "postgres"), "-D", str(folder), *flags),
        user=postgres_folder.server_user(),
        stop_signal=signal.SIGINT,
        stop_limit_s=STOP_LIMIT_S,
        death_signal=signal.SIGINT,
    )


async def _start_until_it_answers(command: Command, socket_folder: Path, *, log: Path, mark: str) -> ChildProcess:
    """Start the server and wait until it takes connections.

    A server whose predecessor was killed may find the dying backends' shared memory still in use; then it ends at
    once, and is started again until the limit.
    """
    process = await ChildProcess.start(command, log=log, mark=mark)

    async def answers() -> bool:
        nonlocal process
        if process.exit_code is not None:
            if "pre-existing shared memory block" not in process.last_words():
                return True
            process = await ChildProcess.start(command, log=log, mark=mark)
        return await asyncio.to_thread(_answers, socket_folder)

    try:
        in_time = await until(answers, limit_s=START_LIMIT_S)
    except BaseException:
        await process.stop()
        raise
    if process.exit_code is not None or not in_time:
        await process.stop()
        raise StartupError(_failure(process))
    return process


def _failure(process: ChildProcess) -> str:
    """Return what to tell of a server that did not come to answer."""
    return (
        f"PostgreSQL did not start ({process.exit_code}); its log is {process.log}. "
        f"Set DATABASE_URL and DATABASE_ADMIN_URL to use one of your own.\n{process.last_words()}"
    )


def _answers(socket_folder: Path) -> bool:
    """Say whether a connection is taken."""
    with suppress(psycopg.OperationalError):
        psycopg.connect(host=str(socket_folder), user=SUPERUSER, dbname="postgres", connect_timeout=2).close()
        return True
    return False


def _ensure_database(url: str) -> None:
    """Make the product's database where it is not there yet."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
