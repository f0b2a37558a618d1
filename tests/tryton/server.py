"""A running Tryton: its web server and its worker, on a copy of the template."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psycopg

from runtime.embedded import ports, postgres
from runtime.embedded.child_processes import ChildProcess, Command
from runtime.polling import until
from tests.tryton import installing, template

START_LIMIT_S: Final = 60.0


@dataclass
class TrytonServer:
    """One Tryton on one database. `kill` ends it as a power cut would; `start` starts it again at the same address."""

    environment: Path
    folder: Path
    postgres: postgres.Server
    database: str
    port: int
    key: str = template.HUB_KEY
    clerk_key: str = template.CLERK_KEY
    _running: list[ChildProcess] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The base address, without the database's name."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Start both processes, and wait until the database answers."""
        where = folder_of(self)
        configuration = template.write_configuration(where / "trytond.conf", self.postgres, self.port)
        for name, more in (("trytond", ()), ("trytond-worker", ("-n", "1"))):
            argv = (*template.program(self.environment, name), "-c", str(configuration), "-d", self.database, *more)
            log = where / f"{name}.log"
            self._running.append(await ChildProcess.start(Command(name, argv), log=log, mark=str(where)))
        if not await until(self.answers, limit_s=START_LIMIT_S):
            raise RuntimeError(f"Tryton did not start:\n{self._running[0].last_words()}")

    async def answers(self) -> bool:
        """Say whether it knows our key; raise what it said where it has ended."""
        if self._running and self._running[0].exit_code is not None:
            raise RuntimeError(f"Tryton ended ({self._running[0].exit_code}):\n{self._running[0].last_words()}")
        url = f"{self.url}/{self.database}/rest/model/res.user?s=1"
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(url, headers={"Authorization": f"Bearer {self.clerk_key}"})
            return answer.status_code == httpx.codes.OK
        return False

    async def kill(self) -> None:
        """End its web server and its worker with SIGKILL."""
        for process in self._running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await self.stop()

    async def stop(self) -> None:
        """End both, if they run."""
        await asyncio.gather(*(process.stop() for process in self._running))
        self._running.clear()


def folder_of(server: TrytonServer) -> Path:
    """Return the folder with this database's configuration and logs."""
    folder = server.folder / server.database
    folder.mkdir(exist_ok=True)
    return folder


@dataclass
class TrytonHost:
    """What servers are started on: the programs, and PostgreSQL with the template."""

    environment: Path
    folder: Path
    postgres: postgres.Server

    @asynccontextmanager
    async def running(self, database: str = template.DATABASE) -> AsyncIterator[TrytonServer]:
        """Start a server on `database`, and stop it at the end."""
        server = TrytonServer(self.environment, self.folder, self.postgres, database, ports.any_free())
        try:
            await server.start()
            yield server
        finally:
            await server.stop()

    async def new_database(self, name: str) -> None:
        """Make one more database as the template is."""
        await asyncio.to_thread(self._execute, f'CREATE DATABASE "{name}" TEMPLATE {template.TEMPLATE}')

    async def drop(self, name: str) -> None:
        """Remove a database that nobody serves any more."""
        await asyncio.to_thread(self._execute, f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.postgres.url(database="postgres"), autocommit=True) as connection:
            connection.execute(statement)


@asynccontextmanager
async def hosting(folder: Path) -> AsyncIterator[TrytonHost]:
    """Install what is missing, and start PostgreSQL on a copy of the template in `folder`, which is empty.

    Raises `installing.CannotInstallError`.
    """
    environment = await asyncio.to_thread(installing.environment)
    made = await template.cluster(environment)
    await template.copy(made, folder / "cluster")
    server = await postgres.start(folder / "cluster", log=folder / "postgres.log", mark=str(folder))
    try:
        yield TrytonHost(environment, folder, server)
    finally:
        await postgres.stop(server)
