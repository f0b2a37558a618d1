from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from temporalio.client import Client

from runtime.embedded import temporal, temporal_binary
from runtime.embedded.servers import backing_services, locked
from runtime.errors import FolderInUseError, SettingMissingError
from runtime.settings import Settings

Run = Callable[..., Any]  # a StackProcess, see conftest


def test_a_killed_parent_leaves_no_process_behind(run_stack: Run, tmp_path: Path) -> None:
    stack = run_stack(tmp_path, temporal=True)
    assert {child.name() for child in stack.children} >= {"postgres", "temporal"}
    stack.kill()
    assert stack.left() == []


def test_ctrl_c_ends_everything_and_is_no_error(run_stack: Run, tmp_path: Path) -> None:
    stack = run_stack(tmp_path, temporal=True)
    assert stack.interrupt() == 0
    assert stack.left(limit_s=0) == []


def test_what_was_committed_is_there_after_a_kill_and_a_new_start(run_stack: Run, tmp_path: Path) -> None:
    first = run_stack(tmp_path)
    with psycopg.connect(first.admin_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    first.kill()
    second = run_stack(tmp_path)  # at once: the old server may still be on its way out
    with psycopg.connect(second.admin_url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_second_stack_on_the_same_folder_is_told_who_has_it(run_stack: Run, tmp_path: Path) -> None:
    stack = run_stack(tmp_path)
    with (
        pytest.raises(FolderInUseError, match=rf"is in use by process {stack.process.pid} \(since .*--data-dir"),
        locked(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_stack_holds_nobody_up(run_stack: Run, tmp_path: Path) -> None:
    run_stack(tmp_path).kill()
    with locked(tmp_path) as folder:
        assert folder == tmp_path.resolve()


async def test_a_stack_of_three_starts_leaves_no_socket_and_no_pid_file(tmp_path: Path) -> None:
    for _ in range(3):
        async with backing_services(tmp_path, temporal=False, migrations=False) as services:
            assert services.temporal_address == ""
        assert not (tmp_path / "postgres" / "postmaster.pid").exists()
        assert not (tmp_path / "postgres.socket").exists()
        assert not any(process.is_running() for process in _alive(services.processes))


async def test_temporal_keeps_what_it_knew_and_has_our_search_attributes(tmp_path: Path) -> None:
    for _ in range(2):
        async with backing_services(tmp_path, migrations=False) as services:
            client = await Client.connect(services.temporal_address)
            assert await temporal.missing_search_attributes(client) == {}
    assert (tmp_path / "temporal" / "temporal.db").exists()


async def test_servers_of_ones_own_are_used_in_place_of_ours(tmp_path: Path) -> None:
    async with backing_services(tmp_path / "theirs", migrations=False) as theirs:
        given = Settings(
            database_url=theirs.database_url,
            database_admin_url=theirs.database_admin_url,
            temporal_address=theirs.temporal_address,
        )
        async with backing_services(tmp_path / "ours", migrations=False, settings=given) as ours:
            assert ours.processes == ()
            assert ours.database_url == theirs.database_url
            assert ours.temporal_address == theirs.temporal_address


async def test_half_a_database_of_ones_own_is_refused(tmp_path: Path) -> None:
    given = Settings(database_url="postgresql://app@db/stockbridge")
    with pytest.raises(SettingMissingError, match="DATABASE_ADMIN_URL is not set"):
        async with backing_services(tmp_path, temporal=False, settings=given):
            pass


async def test_a_search_attribute_that_a_server_lacks_is_registered(tmp_path: Path) -> None:
    async with backing_services(tmp_path, migrations=False) as services:
        await _temporal_cli(services.temporal_address, "search-attribute", "remove", "--name", "Skus", "--yes")
        client = await Client.connect(services.temporal_address)
        assert set(await temporal.missing_search_attributes(client)) == {"Skus"}
        await temporal.ensure_search_attributes(client)
        assert await temporal.missing_search_attributes(client) == {}


async def _temporal_cli(address: str, *arguments: str) -> None:
    program = temporal_binary.find()
    assert program is not None
    command = [str(program), "operator", *arguments, "--address", address]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)


def _alive(processes: tuple[object, ...]) -> list[psutil.Process]:
    pids = [getattr(process, "pid", 0) for process in processes]
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
