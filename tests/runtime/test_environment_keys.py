"""Keys that the environment names: which stop the start, and in which words."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.typing import EventDict

from domain.api_keys import KeyRevocation, written
from domain.errors import StockbridgeError
from records.access import api_keys, key_ring
from records.access.key_ring import By
from runtime.embedded.stack import Plan, embedded_stack
from runtime.environment_keys import insist_on_good_keys
from runtime.errors import StartupError
from runtime.processes import logs
from runtime.processes.register_keys import make_known
from runtime.settings import ApiKey, Settings

GOOD = "a-key-with-22-letters-"


def given(*named: str, **more: object) -> Settings:
    return Settings.load(api_keys=tuple(map(ApiKey.parse, named)), **more)


def refusal_of(settings: Settings) -> str:
    with pytest.raises(StartupError) as refused:
        insist_on_good_keys(settings)
    return str(refused.value)


def test_good_keys_are_taken_each_as_often_as_it_is_named() -> None:
    insist_on_good_keys(
        given(f"acme:erp:{GOOD}", f"acme:erp:{GOOD}", f"acme::{GOOD}2", f"bolt:erp:{written(bytes(32))}")
    )


def test_a_short_key_is_refused_with_words_that_name_the_tenant_and_show_no_key() -> None:
    words = refusal_of(given("acme:erp:s3cret-short", "acme::22-is-fine-for-this-one"))
    assert words.startswith("STOCKBRIDGE_API_KEYS: The key of tenant acme, source erp is too short")
    assert "stockbridge keys add" in words
    assert "s3cret" not in words
    assert words.count("The key of") == 1


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("schl\u00fcssel-mit-22-zeichen-und-mehr", "only visible ASCII"),
        ("two words of 22 letters or more", "only visible ASCII"),
        ("k" * 513, "too long"),
        (written(bytes(32))[:-1], "mistyped or cut off"),
        ("demo-erp-key", "everybody knows"),
    ],
)
def test_a_key_that_nobody_can_use_is_refused(key: str, words: str) -> None:
    assert words in refusal_of(given(f"acme::{key}"))


@pytest.mark.parametrize("other", ["bolt:erp", "acme:shop", "acme:"])
def test_a_key_that_is_named_for_two_is_refused(other: str) -> None:
    words = refusal_of(given(f"acme:erp:{GOOD}", f"{other}:{GOOD}"))
    assert "One key is named for two: tenant acme, source erp, and tenant" in words
    assert GOOD not in words


def test_all_that_is_wrong_is_told_at_once() -> None:
    words = refusal_of(given("acme:erp:short", f"acme::{GOOD}", f"bolt::{GOOD}"))
    assert "too short" in words
    assert "named for two" in words


# -- the embedded stack's ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "taken"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_well_known_keys_are_for_this_machine_alone(host: str, taken: bool) -> None:
    settings = given("demo:erp:demo-erp-key", well_known_keys=True, api_host=host)
    if taken:
        insist_on_good_keys(settings)
    else:
        assert "STOCKBRIDGE_API_HOST (0.0.0.0) lets others call" in refusal_of(settings)


def test_other_short_keys_are_no_better_beside_well_known_ones() -> None:
    assert "too short" in refusal_of(given("demo:erp:my-own-key", well_known_keys=True))


@pytest.mark.parametrize(
    "settings",
    [
        Settings.model_construct(api_host="0.0.0.0"),
        Settings.model_construct(api_keys=(ApiKey("acme", "erp", "short"),)),
    ],
    ids=["open to all", "short"],
)
async def test_the_embedded_stack_refuses_before_it_starts_anything(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(StartupError, match="STOCKBRIDGE_API_KEYS"):
        async with embedded_stack(Plan(tmp_path / "data"), settings=settings):
            pass
    assert not (tmp_path / "data").exists()


# -- against the database ----------------------------------------------------------------------------------------------


@pytest.fixture
def key() -> str:
    return f"a-key-of-one-test-{uuid4().hex}"


async def test_keys_are_made_known_at_the_start_with_names(engine: AsyncEngine, tenant: str, key: str) -> None:
    settings = given(f"{tenant}:erp:{key}", f"{tenant}::{key}-floor", f"{tenant}:shop:{key}-shop")
    await make_known(engine, settings)
    await make_known(engine, settings)
    async with engine.connect() as connection:
        held = await key_ring.all_keys(connection, tenant)
    assert [(each.name, each.scope.value, each.source, each.is_default_source) for each in held] == [
        ("environment", "source", "erp", True),
        ("environment-2", "office", None, False),
        ("environment-3", "source", "shop", False),
    ]
    assert {each.created_by for each in held} == {"environment"}


@pytest.mark.parametrize("other", ["-b:erp", ":shop", ":"])
async def test_a_key_that_the_database_has_for_another_stops_the_start(
    engine: AsyncEngine, tenant: str, key: str, other: str
) -> None:
    await make_known(engine, given(f"{tenant}:erp:{key}"))
    with pytest.raises(
        StartupError, match=f"the database has it for tenant {tenant}, source erp, as environment"
    ) as no:
        await make_known(engine, given(f"{tenant}{other}:{key}"))
    assert key not in str(no.value)


async def test_a_key_that_was_revoked_is_not_brought_back_by_a_start(
    engine: AsyncEngine, tenant: str, key: str, logged: list[EventDict]
) -> None:
    settings = given(f"{tenant}:erp:{key}")
    await make_known(engine, settings)
    async with engine.begin() as connection:
        await key_ring.revoke(connection, tenant, "environment", KeyRevocation(), By("a test"))
    await make_known(engine, settings)
    assert [line["name"] for line in logged if line["event"] == "key.has_ended"] == ["environment"]
    async with engine.connect() as connection:
        found = await api_keys.find_key(connection, api_keys.hash_of(key))
    assert found is not None
    assert found.has_ended


# -- what is printed ---------------------------------------------------------------------------------------------------


def test_no_key_is_in_what_is_printed_of_settings_or_of_what_is_wrong_with_them() -> None:
    settings = given(f"acme:erp:{GOOD}")
    assert GOOD not in repr(settings) + str(settings) + str(settings.api_keys[0]) + f"{settings.api_keys[0]}"
    with pytest.raises(StockbridgeError) as refused:
        Settings.load(api_keys=f"acme:{GOOD}")
    assert GOOD not in f"{refused.value} {refused.value.__cause__} {refused.value.__cause__!r}"


def test_a_traceback_for_machines_shows_no_variables_of_its_frames() -> None:
    def fail(authorization: str) -> None:
        raise RuntimeError(str(len(authorization)))

    with pytest.raises(RuntimeError) as failed:
        fail(f"Bearer {GOOD}")
    told = logs.as_data((RuntimeError, failed.value, failed.tb))
    assert told
    assert GOOD not in str(told)
