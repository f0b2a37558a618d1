"""`stockbridge keys`, and two API processes that hear of nothing but the database."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.cli import command_line
from runtime.embedded.ports import preferred_or_free
from runtime.embedded.servers import BackingServices
from runtime.polling import until
from runtime.settings import Settings, variables

ERP = ("--source", "erp", "--owner", "Team SAP")
WITHIN_S = 120
"""How long a slow machine may take to start two processes, and to go on for three seconds."""

Run = Callable[..., Any]


@pytest.fixture
def keys(
    database: BackingServices, tenant: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Run `stockbridge keys` for a tenant of the test's own; return what it says, read as JSON where it is."""
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database.database_url)

    def run(*arguments: str, code: int = 0) -> Any:
        capfd.readouterr()
        assert command_line.run(["keys", *arguments, "--tenant", tenant]) == code, capfd.readouterr()
        said = capfd.readouterr()
        if code:
            return said.err
        return json.loads(said.out) if "--json" in arguments else said.out

    return run


def test_a_key_is_printed_alone_so_that_a_script_can_take_it(keys: Run) -> None:
    key = keys("add", "erp", *ERP)
    assert re.fullmatch(r"stockbridge_[0-9A-Za-z]{49}\n", key)
    assert key.strip() not in keys("list") + json.dumps(keys("list", "--json"))


def test_keys_are_listed_with_their_owners_and_ends(keys: Run) -> None:
    keys("add", "erp", *ERP, "--expires-at", "2100-01-01T00:00:00Z", "--by", "Ida")
    made = keys("add", "ida", "--scope", "administrator", "--owner", "[bold]Ida[/bold]", "--json")
    keys("rotate", "erp", "--grace", "720")
    keys("revoke", "ida", "--reason", "left")

    listed = {each["name"]: each for each in keys("list", "--json")}
    assert (made["scope"], made["key"][:12]) == ("administrator", "stockbridge_")
    assert [(name, each["status"], each["ends_at"] is None) for name, each in listed.items()] == [
        ("erp", "retiring", False),
        ("erp-2", "active", False),
        ("ida", "revoked", False),
    ]
    assert (listed["erp"]["created_by"], listed["erp"]["replaced_by"]) == ("Ida", "erp-2")
    assert listed["ida"]["revoked_for"] == "left"
    assert "(command line)" in listed["ida"]["revoked_by"]
    table = keys("list")
    assert all(word in table for word in ("erp-2", "retiring", "revoked", "Team SAP", "[bold]Ida[/bold]", "2100-01-01"))


def test_what_was_shown_is_not_shown_again(keys: Run) -> None:
    keys("add", "erp", *ERP)
    keys("rotate", "erp")
    assert "already" in keys("add", "erp", *ERP, code=1)
    assert "another owner" in keys("add", "erp", "--source", "erp", "--owner", "Bo", code=1)
    assert "followed by erp-2 already" in keys("rotate", "erp", code=1)
    assert "no key none" in keys("revoke", "none", code=1)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("two words", *ERP), "NAME"),
        (("erp", "--owner", "Bo"), "--scope"),
        (("erp", *ERP, "--scope", "floor"), "--source"),
        (("erp", *ERP, "--expires-at", "tomorrow"), "--expires-at"),
    ],
)
def test_an_option_that_is_wrong_is_named(keys: Run, arguments: tuple[str, ...], option: str) -> None:
    assert option in keys("add", *arguments, code=2)


# -- two processes -------------------------------------------------------------------------------------------------


@contextmanager
def api(database: BackingServices, log: Path) -> Iterator[str]:
    """Run an API in a process of its own; its Temporal is away, and it has no keys but the database's."""
    port = preferred_or_free(None, besides=[])
    settings = Settings.model_construct(
        database_url=database.database_url,
        temporal_address="127.0.0.1:9",
        api_port=port,
        log_format="json",
    )
    command = [sys.executable, "-m", "runtime.cli", "api"]
    environment = {**os.environ, **settings.environment()}
    with (
        log.open("w") as told,
        subprocess.Popen(command, env=environment, stdout=told, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def test_a_revoked_key_ends_within_seconds_in_two_processes_and_is_in_no_log(
    keys: Run, database: BackingServices, tmp_path: Path
) -> None:
    key = keys("add", "erp", *ERP).strip()
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    with api(database, logs[0]) as one, api(database, logs[1]) as two:
        assert asyncio.run(until(lambda: all_answer((one, two), key, 200), limit_s=WITHIN_S)), logs[0].read_text()
        keys("revoke", "erp")
        assert asyncio.run(until(lambda: all_answer((one, two), key, 401), limit_s=WITHIN_S))
    used = [each["last_used_at"] for each in keys("list", "--json")]
    assert used != [None]
    assert [log.name for log in logs if key[12:] in log.read_text() or "http.request" not in log.read_text()] == []


async def all_answer(urls: Sequence[str], key: str, status: int) -> bool:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        try:
            answers = [await client.get(f"{url}/api/products") for url in urls]
        except httpx.TransportError:
            return False
    return {answer.status_code for answer in answers} == {status}
