"""A PostgreSQL of a test's own that is backed up, lives on, and is restored, in each way of the runbook."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import psycopg

from runtime.embedded import postgres, postgres_folder
from runtime.embedded.servers import Database
from runtime.migrating import LOGIN_ROLE
from runtime.polling import until

POINT: Final = "the backup"


class Backup(Protocol):
    """A way to back up, and to restore."""

    async def begin(self, server: postgres.Server) -> None:
        """Do what must be done before anything happens."""

    async def take(self, server: postgres.Server) -> None:
        """Keep how all is now."""

    async def restore(self, folder: Path) -> None:
        """Make a cluster in a new folder that is as all was then; its server does not run."""


class ArchivedWal:
    """`pg_basebackup`, and the archived WAL up to a point in time."""

    def __init__(self, world: Path) -> None:
        self._base = world / "base"
        self._archive = world / "postgres" / "archive"

    async def begin(self, server: postgres.Server) -> None:
        self._archive.mkdir()
        _give_away(self._archive)
        await run("pg_basebackup", "-D", str(self._base), "-X", "stream", "-c", "fast", "-d", server.url(database=""))

    async def take(self, server: postgres.Server) -> None:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("select pg_create_restore_point(%s)", [POINT])
            connection.execute("select pg_switch_wal()")

    async def restore(self, folder: Path) -> None:
        shutil.copytree(self._base, folder)
        shutil.rmtree(folder / "archive", ignore_errors=True)
        shutil.copytree(self._archive, folder / "archive")
        (folder / "recovery.signal").touch()
        with (folder / "postgresql.auto.conf").open("a") as conf:
            conf.write("restore_command = 'cp archive/%f %p'\n")
            conf.write(f"recovery_target_name = '{POINT}'\nrecovery_target_action = 'promote'\n")
        _give_away(folder)


class Dump:
    """`pg_dump`."""

    def __init__(self, world: Path) -> None:
        self._world = world
        self._dump = world / "dump"
        self._roles = world / "roles.sql"

    async def begin(self, server: postgres.Server) -> None:
        del server

    async def take(self, server: postgres.Server) -> None:
        await run("pg_dump", "--format=custom", "--file", str(self._dump), "-d", server.url())
        await run("pg_dumpall", "--roles-only", "--file", str(self._roles), "-d", server.url())

    async def restore(self, folder: Path) -> None:
        server = await postgres.start(folder, log=self._world / "restoring.log", mark=str(self._world))
        await run("psql", "--quiet", "--file", str(self._roles), server.url())  # that `postgres` exists is no fault
        await run("pg_restore", "--exit-on-error", "-d", server.url(), str(self._dump))
        await postgres.stop(server)


WAYS: Final[dict[str, type[ArchivedWal | Dump]]] = {"archived WAL": ArchivedWal, "a dump": Dump}


class BackedUp:
    """A PostgreSQL that is backed up in one of the ways."""

    def __init__(self, folder: Path, way: type[ArchivedWal | Dump]) -> None:
        self._folder = folder
        self._backup: Backup = way(folder)
        self._server: postgres.Server | None = None

    @property
    def server(self) -> postgres.Server:
        assert self._server is not None
        return self._server

    @property
    def database(self) -> Database:
        return Database(self.server.url(LOGIN_ROLE), self.server.url())

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, way: type[ArchivedWal | Dump]) -> AsyncIterator[BackedUp]:
        """Run it; whatever was restored is stopped at the end."""
        made = cls(folder, way)
        try:
            await made._begin()
            yield made
        finally:
            await made._stop()

    async def _begin(self) -> None:
        await self._start("postgres")
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute("alter system set archive_mode = on")
            connection.execute("alter system set archive_command = 'cp %p archive/%f'")
        await self._stop()
        await self._start("postgres")
        await asyncio.to_thread(self.database.prepare)
        await self._backup.begin(self.server)

    async def back_up(self) -> None:
        """Keep how all is now."""
        await self._backup.take(self.server)

    async def restore(self) -> None:
        """Lose all that came since the backup."""
        await self._stop()
        await self._backup.restore(self._folder / "restored")
        await self._start("restored")
        assert await until(self._writes, limit_s=60)

    async def _writes(self) -> bool:
        """Say whether all that was archived has been replayed."""
        with psycopg.connect(self.server.url()) as connection:
            return connection.execute("select pg_is_in_recovery()").fetchone() == (False,)

    async def _start(self, name: str) -> None:
        folder = self._folder / name
        self._server = await postgres.start(folder, log=self._folder / f"{name}.log", mark=str(self._folder))

    async def _stop(self) -> None:
        if self._server is not None:
            await postgres.stop(self._server)
            self._server = None


def _give_away(folder: Path) -> None:
    """Let the server's account have a folder, and nobody else."""
    user = postgres_folder.server_user()
    if user is None:
        return
    account = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


async def run(tool: str, *arguments: str) -> None:
    """Run a tool of PostgreSQL's. It must work."""
    process = await asyncio.create_subprocess_exec(
        str(postgres_folder.binaries() / tool), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, f"{tool}: {told.decode()}"
