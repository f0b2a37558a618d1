"""What goes into the logs of an error: where it was raised, and its words only where they are ours."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SAID = "Wilhelmina Quist"
SCRIPT = """
import logging, structlog
from domain.errors import Unavailable
from runtime.processes import logs
from runtime.settings import Settings
logs.configure(Settings(log_format={format!r}, log_level="debug"))
def read(row):
    try:
        int(row)
    except ValueError as error:
        raise ExceptionGroup(row, [Unavailable("The carrier is away."), KeyError(row)]) from error
try:
    read({said!r})
except ExceptionGroup:
    structlog.get_logger().exception("relay.round_failed")
    logging.getLogger("temporalio").exception("library.failed")
"""


@pytest.fixture(params=["json", "console"])
def logged(request: pytest.FixtureRequest) -> str:
    script = SCRIPT.format(format=request.param, said=SAID)
    return run(script)


def run(script: str) -> str:
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return ended.stdout + ended.stderr


def test_an_error_is_logged_with_its_types_and_where_it_was_raised(logged: str) -> None:
    for event in ("relay.round_failed", "library.failed"):
        assert event in logged
    for told in ("ValueError", "ExceptionGroup", "KeyError", "in read", "The carrier is away."):
        assert told in logged or told.removeprefix("in ") in logged


def test_what_an_error_quotes_is_not_logged_nor_are_variables(logged: str) -> None:
    assert SAID not in logged


def test_the_lines_for_machines_are_json() -> None:
    script = SCRIPT.format(format="json", said=SAID)
    told = run(script)
    (event,) = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    group, cause = event["exception"]
    assert (group["exc_type"], cause["exc_type"], cause["exc_value"]) == ("ExceptionGroup", "ValueError", "")
    assert [[each["exc_value"] for each in stack] for stack in group["exceptions"]] == [["The carrier is away."], [""]]
