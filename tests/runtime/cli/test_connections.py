"""`stockbridge connection`: secrets come from a variable, a file or standard input, and go nowhere."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.cli import command_line
from runtime.embedded.servers import BackingServices
from runtime.settings import variables

OLD, NEW = (f"{name}:{key}" for name, key in (("old", "MDAw" * 10 + "MDA="), ("new", "MTEx" * 10 + "MTE=")))
PASSWORD = "pa55-of-the-erp"
ADD = ("add", "erp", "erp", "--adapter", "mapping", "--mapping", "sandbox", "--setting")
ADD += ("address=http://127.0.0.1:9/soap", "--setting", "user=hub", "--start-at", "now")

Run = Callable[..., Any]


@pytest.fixture
def connection(
    database: BackingServices, tenant: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Run `stockbridge connection` for a tenant of the test's own; return what it says, read as JSON where it is."""
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database.database_url)
    monkeypatch.setenv("STOCKBRIDGE_SEALING_KEYS", OLD)
    monkeypatch.setenv("ERP_PASSWORD", PASSWORD)

    def run(*arguments: str, code: int = 0) -> Any:
        capfd.readouterr()
        assert command_line.run(["connection", *arguments, "--tenant", tenant]) == code, capfd.readouterr()
        said = capfd.readouterr()
        assert PASSWORD not in said.out + said.err
        if code:
            return said.err + said.out
        return json.loads(said.out) if "--json" in arguments else said.out

    return run


def test_a_connection_is_added_listed_switched_and_removed(connection: Run) -> None:
    added = connection(*ADD, "--secret", "password=env:ERP_PASSWORD", "--by", "Ida", "--json")
    assert (added["flow"], [each["field"] for each in added["secrets"]]) == ("observe", ["password"])
    again = connection(*ADD, "--secret", "password=env:ERP_PASSWORD", "--json")
    assert again["public_id"] == added["public_id"]
    assert [row["name"] for row in connection("list", "--json")] == ["erp"]
    assert "mapping" in connection("list")
    assert "step" not in connection("switch", "erp", "erp", "inbound", "--reason", "looks right")
    shown = connection("show", "erp", "erp")
    assert "switched by" in shown
    assert "added by Ida" in shown
    assert "is removed" in connection("remove", "erp", "erp", "--reason", "no more")
    assert connection("list", "--json") == []


def test_secrets_come_from_a_file_or_from_standard_input(
    connection: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    connection(*ADD, "--secret", f"password=@{file}")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    before = connection("show", "erp", "erp", "--json")
    connection("secret", "erp", "erp", "--secret", "password")
    assert connection("show", "erp", "erp", "--json") == before, "it is the same"
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "was not given" in connection("secret", "erp", "erp", "--secret", "password", code=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--secret", "password=plain-text"), "others see"),
        (("--secret", "password=env:NOT_THERE"), "NOT_THERE is not set"),
        (("--secret", "password=@/not/there"), "can't be read"),
        (("--secret", "password=env:ERP_PASSWORD", "--setting", "colour=red"), "/settings/colour"),
        (("--secret", "password=env:ERP_PASSWORD", "--start-at", "yesterday"), "--start-at"),
        (("--secret", "password=env:ERP_PASSWORD", "--public-id", "guess-me"), "--public-id"),
        (("--secret", "password=env:ERP_PASSWORD", "--setting", "colour"), "--setting"),
    ],
)
def test_what_is_wrong_is_named(connection: Run, arguments: tuple[str, ...], words: str) -> None:
    code = 1 if words.startswith("/settings") else 2
    assert words in " ".join(connection(*ADD, *arguments, code=code).split())


def test_or_change_makes_it_so(connection: Run) -> None:
    connection(*ADD, "--secret", "password=env:ERP_PASSWORD")
    moved = [part.replace(":9/", ":10/") for part in ADD]
    assert "change it" in connection(*moved, "--secret", "password=env:ERP_PASSWORD", code=1)
    changed = connection(*moved, "--secret", "password=env:ERP_PASSWORD", "--or-change", "--json")
    assert changed["settings"]["address"] == "http://127.0.0.1:10/soap"


def test_a_look_that_does_not_work_says_why(connection: Run) -> None:
    connection(*ADD, "--secret", "password=env:ERP_PASSWORD", "--timeout", "1")
    assert "It does not work: " in connection("test", "erp", "erp", code=1)


def test_without_a_sealing_key_nothing_is_kept(connection: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKBRIDGE_SEALING_KEYS", "")
    told = connection(*ADD, "--secret", "password=env:ERP_PASSWORD", code=1)
    assert "STOCKBRIDGE_SEALING_KEYS" in told
    assert connection("list", "--json") == []


def test_another_key_takes_over_once_all_is_sealed_anew(connection: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connection(*ADD, "--secret", "password=env:ERP_PASSWORD")
    monkeypatch.setenv("STOCKBRIDGE_SEALING_KEYS", NEW)
    assert "no key old" in connection("reseal", code=1)
    monkeypatch.setenv("STOCKBRIDGE_SEALING_KEYS", f"{NEW},{OLD}")
    assert "Secrets sealed anew: 1." in connection("reseal")
    monkeypatch.setenv("STOCKBRIDGE_SEALING_KEYS", NEW)
    assert [each["key_id"] for each in connection("show", "erp", "erp", "--json")["secrets"]] == ["new"]
    assert "no key" not in connection("test", "erp", "erp", code=1)


def test_a_sealed_secret_that_is_moved_to_another_row_does_not_open(
    connection: Run, database: BackingServices, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection(*ADD, "--secret", "password=env:ERP_PASSWORD")
    monkeypatch.setenv("ERP_PASSWORD", "another")
    other = [part if part != "erp" or place != 2 else "shop" for place, part in enumerate(ADD)]
    connection(*other, "--secret", "password=env:ERP_PASSWORD")
    with psycopg.connect(database.database_admin_url, autocommit=True) as admin:
        admin.execute(
            "update records.connection_secret s set key_id = o.key_id, nonce = o.nonce, ciphertext = o.ciphertext "
            "from records.connection_secret o where o.tenant = s.tenant and o.name = 'erp' and s.name = 'shop' "
            "and s.tenant = %s",
            [tenant],
        )
    assert "does not open" in connection("test", "erp", "shop", code=1)
