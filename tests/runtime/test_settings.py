from __future__ import annotations

import pytest

from domain.lot_numbers import LotPattern
from ledger.proving.signing import key_text
from runtime.errors import SettingMissingError, StartupError
from runtime.settings import ApiKey, Settings, sqlalchemy_url, variable_of, variables

KEY = key_text(b"0" * 32)


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def test_well_known_names_have_no_prefix_and_all_others_have() -> None:
    bare = {name for name in variables() if not name.startswith("STOCKBRIDGE_")}
    assert bare == {"DATABASE_URL", "DATABASE_ADMIN_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}


def test_keys_are_read_from_one_line_and_may_have_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKBRIDGE_API_KEYS", "demo:erp:a:b, demo::scan")
    assert Settings.load().api_keys == (ApiKey("demo", "erp", "a:b"), ApiKey("demo", None, "scan"))


@pytest.mark.parametrize("text", ["demo", "demo:erp", ":erp:key", "demo:erp:"])
def test_a_key_that_is_not_whole_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STOCKBRIDGE_API_KEYS", text)
    with pytest.raises(StartupError, match=r"STOCKBRIDGE_API_KEYS: .*tenant:source:key"):
        Settings.load()


def test_a_database_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://db/x")
    with pytest.raises(StartupError, match=r"DATABASE_URL: .*must begin with postgresql://"):
        Settings.load()


@pytest.mark.parametrize("build", ["two words", "-b", "__b", "b" * 101])
def test_a_build_that_temporal_would_not_take_is_refused(monkeypatch: pytest.MonkeyPatch, build: str) -> None:
    monkeypatch.setenv("STOCKBRIDGE_WORKER_BUILD_ID", build)
    with pytest.raises(StartupError, match="STOCKBRIDGE_WORKER_BUILD_ID: String should"):
        Settings.load()


def test_lot_patterns_are_read_from_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKBRIDGE_LOT_PATTERNS", "demo:{date}-{receipt_no}/{line}, acme:{po_no}:{line}")
    demo, acme = Settings.load().lot_patterns
    assert (demo.tenant, demo.pattern) == ("demo", LotPattern("{date}-{receipt_no}/{line}"))
    assert (acme.tenant, acme.pattern) == ("acme", LotPattern("{po_no}:{line}"))


@pytest.mark.parametrize("text", ["demo", "demo:", ":{line}", "demo:{lot}", "demo:plain", "demo:{line", "demo:{line}}"])
def test_a_lot_pattern_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STOCKBRIDGE_LOT_PATTERNS", text)
    with pytest.raises(StartupError, match=r"STOCKBRIDGE_LOT_PATTERNS: .*a lot pattern is"):
        Settings.load()


@pytest.mark.parametrize("keys", ["secret-0", "k:secret-0", f":{KEY}", f"k:{KEY[:-4]}", f"k:{KEY},k:{KEY}"])
def test_sealing_keys_that_are_none_are_refused_and_not_shown(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKBRIDGE_SEALING_KEYS", keys)
    with pytest.raises(StartupError, match="STOCKBRIDGE_SEALING_KEYS: ") as refused:
        Settings.load()
    assert "secret-0" not in str(refused.value)
    assert KEY[:10] not in str(refused.value)


def test_networks_that_may_be_reached_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKBRIDGE_EGRESS_ALLOW", "10.0.0.0/8, fd00::/8")
    assert Settings.load().egress_allow == ("10.0.0.0/8", "fd00::/8")
    monkeypatch.setenv("STOCKBRIDGE_EGRESS_ALLOW", "10.0.0.0/8, erp.local")
    with pytest.raises(StartupError, match="STOCKBRIDGE_EGRESS_ALLOW: "):
        Settings.load()


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKBRIDGE_API_PORT", "none")
    monkeypatch.setenv("STOCKBRIDGE_LOG_LEVEL", "loud")
    with pytest.raises(StartupError, match=r"(?s)STOCKBRIDGE_API_PORT: .*STOCKBRIDGE_LOG_LEVEL: "):
        Settings.load()


def test_a_setting_that_is_needed_and_missing_is_named() -> None:
    with pytest.raises(SettingMissingError, match=r"TEMPORAL_ADDRESS is not set \(host:port of a Temporal"):
        Settings.load().need("temporal_address")


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Settings.load()
    for name in variables():
        monkeypatch.setenv(name, "")
    assert Settings.load() == bare


def test_another_process_reads_the_same_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(
        api_keys="demo:erp:k1,demo::k2",
        lot_patterns="demo:{date}-{line}",
        database_url="postgresql://app:secret@db/stockbridge",
        worker_metrics_port=9001,
        sealing_keys=f"new:{KEY},old:{KEY}",
        egress_allow="127.0.0.0/8, ::1/128",
        debug=True,
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings


def test_no_secret_is_in_what_is_printed() -> None:
    settings = Settings.load(
        api_keys="demo:erp:secret-1",
        database_url="postgresql://app:secret-2@db/stockbridge",
        database_admin_url="postgresql://postgres:secret-3@db/stockbridge",
        sealing_keys=f"new:{KEY}",
    )
    assert KEY not in repr(settings) + str(settings)
    assert "secret-" not in repr(settings) + str(settings) + repr(settings.api_keys)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(variables().values())
    assert variable_of("api_port") == "STOCKBRIDGE_API_PORT"


@pytest.mark.parametrize("plain", ["postgresql://a:b@c/d?host=/run", "postgres://a:b@c/d?host=/run"])
def test_the_driver_is_named_for_sqlalchemy_only(plain: str) -> None:
    assert sqlalchemy_url(plain) == "postgresql+psycopg://a:b@c/d?host=/run"
