from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from runtime.embedded.child_processes import MARK, ChildProcess, Command, rotate, sweep
from runtime.polling import until

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


@asynccontextmanager
async def child(tmp_path: Path, *argv: str, limit_s: float = 10) -> AsyncIterator[ChildProcess]:
    command = Command("child", argv, stop_limit_s=limit_s)
    process = await ChildProcess.start(command, log=tmp_path / "child.log", mark=str(tmp_path))
    try:
        yield process
    finally:
        await process.stop()


async def until_it_says(process: ChildProcess, expected: Callable[[str], bool]) -> None:
    async def said() -> bool:
        return expected(process.last_words())

    assert await until(said, limit_s=20)


async def test_stop_ends_one_that_will_not_hear(tmp_path: Path) -> None:
    async with child(tmp_path, sys.executable, "-c", STUBBORN, limit_s=0.1) as process:
        await until_it_says(process, lambda words: words == "up")
    assert process.exit_code == -signal.SIGKILL


async def test_stop_ends_what_the_child_has_started_too(tmp_path: Path) -> None:
    async with child(tmp_path, "/bin/sh", "-c", "sleep 600 & echo $!; wait") as process:
        await until_it_says(process, lambda words: words.isdigit())
        grandchild = psutil.Process(int(process.last_words()))
    gone, _ = psutil.wait_procs([grandchild], timeout=20)
    assert gone


async def test_its_last_words_are_the_end_of_its_log(tmp_path: Path) -> None:
    async with child(tmp_path, "/bin/sh", "-c", "seq 1 100; echo oh no >&2; exit 3") as process:
        assert await process.wait() == 3
    assert process.last_words(2) == "100\noh no"


async def test_a_program_that_is_not_there_ends_with_an_error(tmp_path: Path) -> None:
    async with child(tmp_path, "/no/such/program") as process:
        assert await process.wait() == 1
    assert "No such file" in process.last_words()


async def test_a_child_of_another_user_runs_as_that_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    command = Command("id", ("/usr/bin/id", "-un"), user="nobody")
    process = await ChildProcess.start(command, log=tmp_path / "id.log", mark="test")
    assert await process.wait() == 0
    await process.stop()
    assert process.last_words() == "nobody"


async def test_a_child_that_is_to_let_others_go_first_does(tmp_path: Path) -> None:
    tell = "nice; cat /proc/self/autogroup 2>/dev/null || true"
    process = await ChildProcess.start(
        Command("nice", ("/bin/sh", "-c", tell), niceness=5), log=tmp_path / "nice.log", mark="test"
    )
    assert await process.wait() == 0
    await process.stop()
    own, *group = process.last_words().splitlines()
    assert int(own) == os.nice(0) + 5
    assert all(line.endswith("nice 5") for line in group)


def test_a_sweep_ends_what_carries_the_mark_and_nothing_else(tmp_path: Path) -> None:
    ours = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: str(tmp_path)})
    others = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: str(tmp_path / "other")})
    try:
        assert sweep(str(tmp_path)) == [ours.pid]
        assert ours.poll() is not None
        assert others.poll() is None
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()


def test_the_log_of_the_run_before_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    rotate(log)
    log.write_text("first")
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "x.log.1").read_text() == "first"
