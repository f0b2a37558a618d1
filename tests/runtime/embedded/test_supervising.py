from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.embedded.child_processes import ChildProcess, Command
from runtime.embedded.supervising import Part, RestartPolicy, supervised
from runtime.errors import StartupError
from runtime.polling import until

# Counts its starts in a file, then runs or ends as the rest of the line says.
COUNTING = "import pathlib, sys, time; file = pathlib.Path(sys.argv[1]); file.open('a').write('x');"
QUICK = RestartPolicy(restarts=3, within_s=60, first_pause_s=0.01, longest_pause_s=0.02)


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., Part]:
    def make(name: str, behaviour: str) -> Part:
        starts = tmp_path / f"{name}.starts"

        async def ready() -> bool:
            return starts.exists()

        command = Command(name, (sys.executable, "-c", COUNTING + behaviour, str(starts)), stop_limit_s=5)
        return Part(command, tmp_path / f"{name}.log", ready)

    return make


def starts(tmp_path: Path, name: str) -> int:
    return len((tmp_path / f"{name}.starts").read_text())


async def test_all_parts_run_while_the_block_does_and_none_afterwards(
    part: Callable[..., Part], tmp_path: Path
) -> None:
    parts = [part("worker", "time.sleep(600)"), part("relay", "time.sleep(600)")]
    async with supervised(parts, [], mark=str(tmp_path), report=print) as supervisor:
        processes = [supervisor.process(name) for name in ("worker", "relay")]
        assert [process.exit_code for process in processes] == [None, None]
    assert all(process.exit_code is not None for process in processes)


async def test_a_part_that_ends_is_started_again_and_it_is_told(part: Callable[..., Part], tmp_path: Path) -> None:
    told: list[str] = []
    async with supervised(
        [part("worker", "time.sleep(600)")], [], mark=str(tmp_path), report=told.append, policy=QUICK
    ) as supervisor:
        first = supervisor.process("worker")
        os.kill(first.pid, signal.SIGKILL)

        async def started_again() -> bool:
            return starts(tmp_path, "worker") == 2

        assert await until(started_again, limit_s=20)
        assert supervisor.process("worker").pid != first.pid
    assert told == [f"worker ended (-9); starting it again in 0.0 s. Its log is {tmp_path}/worker.log."]


async def test_a_part_that_never_stays_up_is_given_up_with_its_last_words(
    part: Callable[..., Part], tmp_path: Path
) -> None:
    # It must be seen ready once: it says so, and waits for the test to look.
    behaviour = "print('oh no', flush=True); time.sleep(0.3); sys.exit(7)"
    async with supervised(
        [part("worker", behaviour)], [], mark=str(tmp_path), report=print, policy=QUICK
    ) as supervisor:
        with pytest.raises(StartupError, match=r"(?s)worker does not stay up \(7\).*oh no"):
            await supervisor.wait()
    assert starts(tmp_path, "worker") == 1 + QUICK.restarts


async def test_a_part_that_ends_before_it_is_ready_stops_the_start(part: Callable[..., Part], tmp_path: Path) -> None:
    failing = Part(part("api", "sys.exit('port taken')").command, tmp_path / "api.log", _never)
    with pytest.raises(StartupError, match=r"(?s)api ended \(1\).*port taken"):
        async with supervised([part("worker", "time.sleep(600)"), failing], [], mark=str(tmp_path), report=print):
            pytest.fail("it did not start")


async def test_a_server_that_ends_ends_the_waiting(tmp_path: Path) -> None:
    command = Command("postgres", ("/bin/sh", "-c", "echo out of disk; exit 2"))
    server = await ChildProcess.start(command, log=tmp_path / "postgres.log", mark=str(tmp_path))
    async with supervised([], [server], mark=str(tmp_path), report=print) as supervisor:
        with pytest.raises(StartupError, match=r"(?s)postgres ended \(2\).*out of disk"):
            await supervisor.wait()
    await server.stop()


def test_the_pause_doubles_up_to_the_longest_and_too_many_ends_are_too_many() -> None:
    policy = RestartPolicy(restarts=3, within_s=60, first_pause_s=1, longest_pause_s=3)
    assert policy.pause_s([0.0]) == 1
    assert policy.pause_s([0.0, 1.0]) == 2
    assert policy.pause_s([0.0, 1.0, 2.0]) == 3
    assert policy.pause_s([0.0, 1.0, 2.0, 3.0]) is None
    assert policy.pause_s([0.0, 1.0, 2.0, 60.0]) == 3
    assert policy.pause_s([0.0, 1.0, 2.0, 300.0]) == 1


async def _never() -> bool:
    return False
