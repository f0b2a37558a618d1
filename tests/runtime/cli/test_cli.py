from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.cli import command_line
from runtime.settings import variables

COMMANDS = ("demo", "up", "api", "worker", "relay", "migrate", "sandbox", "openapi", "replay", "ledger")


def stockbridge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if name not in variables()}
    return subprocess.run(
        [sys.executable, "-m", "runtime.cli", *arguments],
        capture_output=True,
        text=True,
        env={**bare, "COLUMNS": "120", **environment},
        timeout=120,
        check=False,
    )


@pytest.fixture(autouse=True)
def no_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STOCKBRIDGE_DEBUG", raising=False)


def test_help_names_every_command_and_where_to_begin() -> None:
    answer = stockbridge("--help")
    assert answer.returncode == 0
    assert all(f" {command} " in answer.stdout for command in COMMANDS)
    assert "stockbridge up runs everything" in answer.stdout


@pytest.mark.parametrize("arguments", [[command] for command in COMMANDS] + [["ledger", "verify"], ["ledger", "show"]])
def test_every_command_has_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run([*arguments, "--help"]) == 0
    assert "Usage: stockbridge" in capsys.readouterr().out


def test_a_missing_setting_is_one_line_without_a_traceback() -> None:
    answer = stockbridge("migrate")
    assert answer.returncode == 1
    assert answer.stderr.startswith("stockbridge: DATABASE_ADMIN_URL is not set")
    assert answer.stderr.count("\n") == 1


def test_debug_shows_where_it_came_from() -> None:
    answer = stockbridge("--debug", "migrate")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr


def test_a_setting_that_makes_no_sense_is_named() -> None:
    answer = stockbridge("api", STOCKBRIDGE_API_PORT="eighty")
    assert answer.returncode == 1
    assert "STOCKBRIDGE_API_PORT" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_unknown_command_is_an_error_of_use() -> None:
    answer = stockbridge("upp")
    assert answer.returncode == 2
    assert "No such command" in answer.stderr


def test_a_database_that_does_not_answer_is_told_in_words(tmp_path: Path) -> None:
    answer = stockbridge("migrate", DATABASE_ADMIN_URL=f"postgresql://postgres@/stockbridge?host={tmp_path}")
    assert answer.returncode == 1
    assert "connection" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_folder_in_use_is_told_in_words(tmp_path: Path) -> None:
    from runtime.embedded.servers import locked

    with locked(tmp_path):
        answer = stockbridge("up", "--data-dir", str(tmp_path))
    assert answer.returncode == 1
    assert f"is in use by process {os.getpid()}" in answer.stderr
