"""The real thing: the command, its whole stack, and nothing of it left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from runtime.demo.story import CHAPTERS
from runtime.embedded.child_processes import MARK

LIMIT_S = 240


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is temporary, whose name is short enough for sockets in it."""
    return tmp_path_factory.mktemp("demo")


def start_demo(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def left_in(folder: Path) -> list[str]:
    """Name the files, and the processes of a stack, that are still there."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(folder)):
                processes.append(str(process))
        except psutil.Error:
            continue
    return [*map(str, folder.iterdir()), *processes]


def test_every_promise_of_the_story_holds(folder: Path) -> None:
    demo = start_demo(folder, "--orders", "20")

    page, _ = demo.communicate(timeout=LIMIT_S)

    assert demo.returncode == 0, page
    assert "✗" not in page
    assert [f"\n{number}. {title}\n" in page for number, (title, _) in enumerate(CHAPTERS, 1)] == [True] * len(CHAPTERS)
    assert re.search(r"✓ ledger verified: \d+ entries", page)
    assert re.search(r"Watch every order at http://127\.0\.0\.1:\d+", page)
    assert left_in(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_story_leaves_nothing_and_proves_nothing(folder: Path, number: signal.Signals) -> None:
    demo = start_demo(folder)
    assert demo.stdout is not None
    while "✓" not in (line := demo.stdout.readline()):
        assert line, "the story ended before its first promise"

    began = time.monotonic()
    demo.send_signal(number)
    page, _ = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert "interrupted" in page
    assert time.monotonic() - began < 30
    assert left_in(folder) == []
