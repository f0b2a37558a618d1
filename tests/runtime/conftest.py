"""A stack in a process of its own, which a test may kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import asyncio, json, sys
from dataclasses import asdict
from pathlib import Path
from runtime.cli import signals
from runtime.embedded.servers import backing_services

async def main():
    wanted = sys.argv[2] == "True"
    async with backing_services(Path(sys.argv[1]), temporal=wanted, migrations=False) as services:
        print(json.dumps({"admin_url": services.database_admin_url, "temporal": services.temporal_address}), flush=True)
        await asyncio.sleep(3600)

signals.run(main())
sys.stdout.flush()
import os
os._exit(0)
"""


@dataclass
class StackProcess:
    """A running stack: its process, what it said about itself, and its children when it said so."""

    process: subprocess.Popen[str]
    admin_url: str
    temporal: str
    children: list[psutil.Process]

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> int:
        """End it as Ctrl-C would; return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def left(self, limit_s: float = 30) -> list[psutil.Process]:
        """Return the children that are still there after the limit."""
        return psutil.wait_procs(self.children, timeout=limit_s)[1]


@pytest.fixture
def run_stack() -> Iterator[Callable[..., StackProcess]]:
    started: list[subprocess.Popen[str]] = []

    def run(data_dir: Path, *, temporal: bool = False) -> StackProcess:
        argv = [sys.executable, "-c", SCRIPT, str(data_dir), str(temporal)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        children = psutil.Process(process.pid).children(recursive=True)
        return StackProcess(process, said["admin_url"], said["temporal"], children)

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
