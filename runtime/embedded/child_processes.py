"""Child processes that never outlive their parent.

Three nets, one below the other: `stop()` on the way out; the kernel's parent-death signal (Linux) when this process is
killed; and at the next start `sweep()`, which ends whatever still carries the data folder's mark in its environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

MARK = "STOCKBRIDGE_STACK"
"""The environment variable by which a child is known to belong to a data folder."""

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Command:
    """What to run, and how it ends.

    `stop_signal` asks it to end; after `stop_limit_s` seconds it is killed. `death_signal` is what the kernel sends it
    when we die first. `user` is the account to run as (None: ours). With `niceness` others go first.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    niceness: int = 0


class ChildProcess:
    """One running child in a process group of its own, writing to one log file."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process, log: Path) -> None:
        self.command = command
        self.log = log
        self._process = process

    @classmethod
    async def start(cls, command: Command, *, log: Path, mark: str) -> Self:
        """Start `command`, appending what it prints to `log`; `mark` is what `sweep` will know it by.

        Call it on the thread that lives longest, the main one: the parent-death signal follows that thread.
        """
        user = command.user or "-"
        how = (str(os.getpid()), str(int(command.death_signal)), user, str(command.niceness))
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LAUNCHER), *how),
                *command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **command.env, MARK: mark},
                start_new_session=True,
            )
        return cls(command, process, log)

    @property
    def pid(self) -> int:
        """The process id, which is its group's id too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait until it ends, and return its exit code."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, then make it: afterwards neither it nor its group is there."""
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(self.command.stop_signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), self.command.stop_limit_s)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.wait()

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its log, for a message about its end."""
        return tail(self.log, lines)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a text file, or a note that there is none."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return f"(no {log})"


def rotate(log: Path) -> None:
    """Put the log of the run before aside as `<name>.1`, so that a log tells of one run."""
    with suppress(FileNotFoundError):
        log.replace(log.with_name(log.name + ".1"))


def sweep(mark: str, limit_s: float = 15.0) -> list[int]:
    """End every process that an earlier, killed stack with this mark has left, and return their ids.

    A process is ours only if its environment says so: a process id alone may have been given to someone else since.
    """
    left = [process for process in psutil.process_iter() if _carries(process, mark)]
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=limit_s)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=limit_s)
    return [process.pid for process in left]


def _carries(process: psutil.Process, mark: str) -> bool:
    """Say whether the process was started by a stack with this mark, and is not ourselves.

    PostgreSQL is left to `postgres.end_leftover`, which knows how to end it cleanly.
    """
    if process.pid == os.getpid():
        return False
    with suppress(psutil.Error, OSError):
        return process.environ().get(MARK) == mark and not process.name().startswith("postgres")
    return False
