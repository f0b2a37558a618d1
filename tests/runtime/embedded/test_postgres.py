from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.embedded import postgres, postgres_folder
from runtime.errors import StartupError


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[postgres.Server]:
    server = await postgres.start(data_dir / "postgres", log=data_dir / "postgres.log", mark=str(data_dir))
    try:
        yield server
    finally:
        await postgres.stop(server)


def answers(server: postgres.Server) -> bool:
    with psycopg.connect(server.url()) as connection:
        return connection.execute("SELECT true").fetchone() == (True,)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A live process that has nothing to do with us, though a stale file names its id."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


async def test_a_stale_pid_file_that_names_a_stranger_is_removed_and_the_stranger_left_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    async with running(tmp_path):
        pid_file = (tmp_path / "postgres" / "postmaster.pid").read_text()
    lines = [str(stranger.pid), *pid_file.splitlines()[1:]]
    (tmp_path / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    async with running(tmp_path) as server:
        assert answers(server)
    assert stranger.poll() is None


async def test_a_stale_socket_lock_that_names_a_stranger_is_removed(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    async with running(tmp_path) as server:
        place = server.socket_folder
    place.mkdir(mode=0o700)
    os.chown(place, (tmp_path / "postgres").stat().st_uid, -1)
    (place / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n{tmp_path}/postgres\n{int(time.time())}\n5432\n")
    async with running(tmp_path) as server:
        assert server.socket_folder == place
        assert answers(server)


async def test_a_pid_file_that_makes_no_sense_is_removed(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    (tmp_path / "postgres" / "postmaster.pid").write_text("half a line")
    async with running(tmp_path):
        pass


def test_a_leftover_server_on_the_folder_is_stopped(run_stack: Callable[..., Any], tmp_path: Path) -> None:
    stack = run_stack(tmp_path)
    with psycopg.connect(stack.admin_url):  # an open connection does not hold it up
        postgres_folder.end_leftover(tmp_path / "postgres")
    assert stack.left() == []
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


async def test_a_killed_server_starts_again_though_its_backends_take_a_moment_to_go(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        os.kill(server.process.pid, 9)
        async with running(tmp_path) as again:
            assert answers(again)


async def test_a_cluster_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.draft").mkdir()
    (tmp_path / "postgres.draft" / "PG_VERSION").write_text("18")
    async with running(tmp_path) as server:
        assert answers(server)


@pytest.mark.parametrize("name", ["long" * 40, "with space, comma and 'quote'", "ünïcode"])
async def test_any_folder_will_do_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    async with running(tmp_path / name) as server:
        assert answers(server)
        assert len(str(server.socket_folder).encode()) <= postgres_folder.LONGEST_SOCKET_FOLDER
    assert not server.socket_folder.exists()


async def test_folders_above_stay_as_closed_as_they_were(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "data").mkdir()
    async with running(private / "data") as server:
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((private / "data" / "postgres").stat().st_mode) == 0o700


async def test_the_server_keeps_its_promises_to_the_ledger(tmp_path: Path) -> None:
    async with running(tmp_path) as server, await psycopg.AsyncConnection.connect(server.url()) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            row = await (await connection.execute(f"SHOW {name}")).fetchone()
            assert row == ("on",), name
        assert await (await connection.execute("SHOW listen_addresses")).fetchone() == ("",)
        assert await (await connection.execute("SHOW max_connections")).fetchone() == ("200",)


async def test_a_folder_of_a_version_that_we_lack_says_so(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartupError, match=r"is of PostgreSQL 9; the installed package has 16, 18"):
        async with running(tmp_path):
            pass


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    (tmp_path / "postgres" / "postgresql.conf").write_text("no such setting\n")
    with pytest.raises(StartupError, match=r"(?s)PostgreSQL did not start.*DATABASE_URL.*syntax error"):
        async with running(tmp_path):
            pass
