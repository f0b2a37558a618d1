"""The two servers that Stockbridge stands on, embedded: PostgreSQL and Temporal, on one data folder.

Tests use this part alone; `stack` puts the product's own processes on top.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runtime import migrating
from runtime.embedded import postgres
from runtime.embedded import temporal as temporal_server
from runtime.embedded.child_processes import ChildProcess, rotate, sweep
from runtime.embedded.temporal_binary import Report
from runtime.errors import FolderInUseError
from runtime.settings import Settings


@dataclass(frozen=True)
class BackingServices:
    """Where PostgreSQL and Temporal are to be found; empty for what was not started.

    Both database addresses are plain `postgresql://`; `database_url` is the limited role's. `processes` are those that
    were started here. `data_dir` is absolute.
    """

    data_dir: Path
    database_url: str
    database_admin_url: str
    temporal_address: str
    temporal_ui_url: str
    processes: tuple[ChildProcess, ...]


def quiet(_message: str) -> None:
    """Tell nobody."""


@asynccontextmanager
async def backing_services(
    data_dir: Path,
    *,
    temporal: bool = True,
    migrations: bool = True,
    default_ports: bool = False,
    settings: Settings | None = None,
    report: Report = quiet,
) -> AsyncIterator[BackingServices]:
    """Start PostgreSQL (and Temporal) on `data_dir`, bring the schema up to date, and stop both at the end.

    What `settings` name of one's own is used instead (nothing, by default). Ports are any free ones, or with
    `default_ports` those that people expect where they are free. Enter it on the main thread (see
    `ChildProcess.start`). Raises `StartupError`; `FolderInUseError` where another stack has the folder.
    """
    given = settings or Settings.model_construct()
    with locked(data_dir) as folder:
        await asyncio.to_thread(sweep, str(folder))
        async with _postgres(folder, given, migrations=migrations) as database:
            wanted = (
                _temporal(folder, given, default_ports=default_ports, report=report) if temporal else nullcontext(NONE)
            )
            async with wanted as server:
                yield BackingServices(
                    data_dir=folder,
                    database_url=database.url,
                    database_admin_url=database.admin_url,
                    temporal_address=server.address,
                    temporal_ui_url=server.ui_url,
                    processes=(*database.processes, *server.processes),
                )


@dataclass(frozen=True)
class Database:
    """The database, ours or another's."""

    url: str
    admin_url: str
    processes: tuple[ChildProcess, ...] = ()

    def prepare(self) -> None:
        """Bring the schema and the limited role up to date."""
        migrating.migrate(self.admin_url)
        name, password = migrating.login_of(self.url)
        migrating.ensure_login_role(self.admin_url, name, password)


@dataclass(frozen=True)
class Temporal:
    """The Temporal server, ours or another's."""

    address: str = ""
    ui_url: str = ""
    processes: tuple[ChildProcess, ...] = ()


NONE = Temporal()


@asynccontextmanager
async def _postgres(folder: Path, settings: Settings, *, migrations: bool) -> AsyncIterator[Database]:
    """Run PostgreSQL, or use the one in the settings; the schema and the limited role are in place."""
    async with AsyncExitStack() as stack:
        if settings.database_url or settings.database_admin_url:
            database = Database(settings.need("database_url"), settings.need("database_admin_url"))
        else:
            log = new_log(folder, "postgres")
            server = await postgres.start(folder / "postgres", log=log, mark=str(folder))
            stack.push_async_callback(postgres.stop, server)
            database = Database(server.url(migrating.LOGIN_ROLE), server.url(), (server.process,))
        if migrations:
            await asyncio.to_thread(database.prepare)
        yield database


@asynccontextmanager
async def _temporal(
    folder: Path, settings: Settings, *, default_ports: bool, report: Report
) -> AsyncIterator[Temporal]:
    """Run the Temporal dev server, or use the one in the settings."""
    if settings.temporal_address:
        await temporal_server.prepare_external(settings.temporal_address, settings.temporal_namespace)
        yield Temporal(settings.temporal_address)
        return
    server = await temporal_server.start(
        _private(folder / "temporal"),
        log=new_log(folder, "temporal"),
        mark=str(folder),
        report=report,
        namespace=settings.temporal_namespace,
        port=temporal_server.DEFAULT_PORT if default_ports else None,
        ui_port=temporal_server.DEFAULT_UI_PORT if default_ports else None,
    )
    try:
        yield Temporal(server.address, server.ui_url, (server.process,))
    finally:
        await temporal_server.stop(server)


def _private(folder: Path) -> Path:
    """Make a folder that only we can enter."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def new_log(folder: Path, name: str) -> Path:
    """Return the log file of `name` in the data folder; the one of the run before is put aside."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    log = logs / f"{name}.log"
    rotate(log)
    return log


@contextmanager
def locked(data_dir: Path) -> Iterator[Path]:
    """Make the data folder and hold it alone; the lock ends with this process, however it ends."""
    folder = data_dir.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError(_who_holds(folder)) from None
        lock.truncate(0)
        json.dump({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}, lock)
        lock.flush()
        yield folder


def _who_holds(folder: Path) -> str:
    """Return what to tell someone who wants a folder that is in use."""
    holder = "another process"
    with suppress(OSError, ValueError, KeyError):
        told = json.loads((folder / "lock").read_text())
        holder = f"process {told['pid']} (since {told['since']})"
    return f"{folder} is in use by {holder}. Stop that one, or choose another folder with --data-dir."
