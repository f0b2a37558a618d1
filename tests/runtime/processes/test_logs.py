"""What is logged can't do harm: not to who works, when it can't be written; and not to who reads it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from runtime.processes import logs
from runtime.settings import Settings

WORK = """
import logging, sys
from pathlib import Path
import structlog
from runtime.processes import logs
from runtime.settings import Settings
logs.configure(Settings.load(log_format=sys.argv[2]))
log = structlog.get_logger("work")
for number in range(2000):
    log.info("work.done", number=number, padding="x" * 100)
    logging.getLogger("library").warning("of a library: %s", number)
try:
    raise ValueError("on purpose")
except ValueError:
    log.exception("work.failed")
Path(sys.argv[1]).write_text("went on")
import os; os._exit(0)
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("output", ["full", "nobody reads it", "closed"])
def test_work_goes_on_where_its_logs_can_not_be_written(tmp_path: Path, output: str, log_format: str) -> None:
    went_on = tmp_path / "went-on"
    argv = [sys.executable, "-c", WORK, str(went_on), log_format]
    if output == "closed":
        argv = ["/bin/sh", "-c", 'exec "$@" >&- 2>&-', "sh", *argv]
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("wb") as full, os.fdopen(writer, "wb") as unread:
        stream = full if output == "full" else unread
        code = subprocess.run(argv, stdout=stream, stderr=stream, check=False, timeout=60).returncode

    assert (code, went_on.read_text()) == (0, "went on")


class _Disk(io.StringIO):
    """A file on a disk that may be full."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_how_many_lines_were_lost_is_told_when_there_is_room_again() -> None:
    disk = _Disk()
    logger = logs.UnfailingLogger(stream=disk)
    logger.info("lost")
    logger.error("lost, too")
    disk.full = False
    logger.info("here again")
    logger.info("and again")

    assert disk.getvalue().splitlines() == [
        '{"event": "log.lines_lost", "lines": 2}',
        "here again",
        "and again",
    ]


@contextmanager
def on_the_console() -> Iterator[None]:
    """Configure logs as a process does, whose standard output and error are this test's."""
    root, raises = logging.getLogger(), logging.raiseExceptions
    handlers, root.handlers[:] = list(root.handlers), []
    logs.configure(Settings.load(log_format="console"))
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        logging.raiseExceptions = raises


NASTY = "A\nFAKE [info] line\r\x1b[31m\x9b2J\u202eBA\u2028C\x00"


def test_what_others_say_can_not_begin_a_line_or_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with on_the_console():
        structlog.get_logger().info(f"event {NASTY}", text=NASTY, listed=[NASTY], **{"na\nme": 1})
        logging.getLogger("library").warning("said: %s", NASTY)

    said, of_libraries = capsys.readouterr()
    for written in (said, of_libraries):
        assert len(written.splitlines()) == 1
        assert written.rstrip("\n").isprintable()
        assert "\\n" in written
        assert "\\x1b[31m\\x9b2J\\u202eBA\\u2028C\\x00" in written


def test_a_traceback_keeps_its_lines_and_sets_each_off(capsys: pytest.CaptureFixture[str]) -> None:
    with on_the_console():
        try:
            json.loads(NASTY)
        except ValueError as error:
            error.add_note(NASTY)
            structlog.get_logger().exception("work.failed")
            logging.getLogger("library").exception("failed")

    said, of_libraries = capsys.readouterr()
    for written in (said, of_libraries):
        first, *others = written.split("\n")
        assert "failed" in first
        assert any("JSONDecodeError" in line for line in others)
        assert all(line.startswith("  ") and line.isprintable() for line in others if line)


def test_what_is_plain_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with on_the_console():
        structlog.get_logger().info("work.done", place="Zürich 東京", seconds=1.5, done=True)

    assert "work.done" in (said := capsys.readouterr().out)
    assert "place='Zürich 東京'" in said or "place=Zürich 東京" in said
    assert "seconds=1.5" in said
