"""The proof of one order: made from the database, checked without it, and worth nothing once a letter is changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.errors import Unavailable
from domain.messages import OrderId
from ledger.proving.checkpoints import take_checkpoint
from ledger.proving.proof_checking import ProofFailsError, check_proof
from ledger.proving.proofs import prove_order
from ledger.proving.signing import SigningKey, key_text
from ledger.writing.writer import LedgerWriter
from runtime.cli import command_line
from runtime.embedded.servers import BackingServices
from runtime.settings import sqlalchemy_url
from tests.ledger.copies import OURS, THEIRS, copied, database_of_its_own, named
from tests.ledger.warehouse import Warehouse

TENANT = "acme"
TRUSTED = {OURS.public_key}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(database: BackingServices) -> AsyncIterator[str]:
    """A ledger in which SO-1 lives among others, under several checkpoints; nobody is connected to it."""
    async with database_of_its_own(database) as (name, engine):
        warehouse = Warehouse(LedgerWriter(engine), engine, TENANT)
        for requests in (
            (warehouse.order("SO-1", (1, "MUG", 8), key="push/SO-1/1"), warehouse.order("SO-0", (1, "CUP", 1))),
            (warehouse.receipt("MUG", 20), warehouse.order("SO-2", (1, "MUG", 3))),
            (warehouse.order("SO-1", (1, "MUG", 6)), warehouse.order("SO-2", (1, "MUG", 5))),
            (warehouse.pick("SO-1", 1, "MUG", 6), warehouse.issue("SO-1", "SH-1", (1, "MUG", 6))),
            (warehouse.deliver("SO-1", "SH-1", (1, "MUG", 6)), warehouse.give_back("SO-1", 1, "MUG", 2)),
        ):
            for request in requests:
                await warehouse.post(request)
            await take_checkpoint(engine, OURS)
        await engine.dispose()
        yield name


@pytest.fixture
def url(database: BackingServices, story: str) -> str:
    """Return the address of the ledger, for the limited role."""
    return named(database.database_url, story)


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(url))
    yield engine
    await engine.dispose()


async def proof_of(engine: AsyncEngine, order_ref: str = "SO-1") -> dict[str, Any]:
    async with engine.connect() as connection:
        proof = await prove_order(connection, OrderId(tenant=TENANT, order_ref=order_ref), {"push/SO-1/1"})
    assert proof is not None
    told: dict[str, Any] = json.loads(proof.model_dump_json())
    return told


async def test_a_proof_holds_and_has_every_entry_of_the_order(engine: AsyncEngine) -> None:
    told = await proof_of(engine)

    proven = check_proof(json.dumps(told), TRUSTED)

    async with engine.connect() as connection:
        count = "select count(*), count(distinct stream_id) from ledger.entry where order_ref = 'SO-1'"
        entries, streams = (await connection.exec_driver_sql(count)).one()
    assert (proven.order_ref, proven.entries, proven.streams) == ("SO-1", entries, streams)
    assert [checkpoint.number for checkpoint in proven.checkpoints] == [1, 2, 3, 4, 5]
    assert len(told["without_entries"]) == 1


async def test_of_others_in_the_same_streams_no_posting_is_told(engine: AsyncEngine) -> None:
    told = await proof_of(engine)

    entries = [entry for stream in told["streams"] for part in stream["segments"] for entry in part["entries"]]
    assert {entry["posting_id"] is None for entry in entries if entry["order_ref"] != "SO-1"} == {True}
    assert {entry["posting_id"] is None for entry in entries if entry["order_ref"] == "SO-1"} == {False}


def _leaves(node: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _leaves(value, (*where, key))
    else:
        yield where


def _other(value: Any) -> Any:
    """Return another value that looks as good."""
    if isinstance(value, str) and value and value[-1] in "0123456789abcdef":
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return value + 1 if isinstance(value, int) else f"{value}x"


async def test_a_proof_in_which_anything_was_changed_fails(engine: AsyncEngine) -> None:
    told = await proof_of(engine)
    written = json.dumps(told)

    for *where, last in _leaves(told):
        changed = node = json.loads(written)
        for key in where:
            node = node[key]
        if node[last] is None:
            continue  # whose posting another's entry is of: it is not told
        node[last] = _other(node[last])
        with pytest.raises(ProofFailsError):
            check_proof(json.dumps(changed), TRUSTED)


async def test_a_proof_from_which_what_it_rests_on_was_taken_fails(engine: AsyncEngine) -> None:
    written = json.dumps(await proof_of(engine))

    for name in ("postings", "without_entries", "checkpoints"):
        for index in range(len(json.loads(written)[name])):
            told = json.loads(written)
            del told[name][index]
            with pytest.raises(ProofFailsError):
                check_proof(json.dumps(told), TRUSTED)


@pytest.mark.parametrize(
    ("damage", "fails"),
    [
        ("update ledger.entry set reserved = reserved + 1 where seq > 2", "does not follow from the one before"),
        (
            "update ledger.checkpoint set covers_until = covers_until - interval '1 day'",
            "recorded after the checkpoint",
        ),
    ],
)
async def test_what_contradicts_itself_is_no_proof_though_we_signed_it(
    database: BackingServices, story: str, damage: str, fails: str
) -> None:
    with copied(database, story) as copy:
        copy.damage(damage)
        for (stream_id,) in copy.rows("select stream_id from ledger.stream"):
            copy.hash_anew(stream_id)
        engine = create_async_engine(sqlalchemy_url(copy.url))
        if "ledger.entry" in damage:
            copy.damage(*(f"delete from ledger.checkpoint{of}" for of in ("_tail", "_posting", "")))
            await take_checkpoint(engine, OURS)
        copy.sign_again(OURS)
        told = await proof_of(engine)
        await engine.dispose()

    with pytest.raises(ProofFailsError, match=fails):
        check_proof(json.dumps(told), TRUSTED)


async def test_a_proof_is_not_that_of_another_order(engine: AsyncEngine) -> None:
    told = await proof_of(engine, "SO-2")
    told["order_ref"] = "SO-1"

    with pytest.raises(ProofFailsError):
        check_proof(json.dumps(told), TRUSTED)


async def test_a_proof_under_a_key_that_is_not_trusted_fails(engine: AsyncEngine) -> None:
    with pytest.raises(ProofFailsError, match="not with a given one"):
        check_proof(json.dumps(await proof_of(engine)), {THEIRS.public_key})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "stockbridge-ledger-proof/2"}'])
def test_what_is_no_proof_is_called_so(text: str) -> None:
    with pytest.raises(ProofFailsError, match="This is no proof"):
        check_proof(text, TRUSTED)


async def test_an_order_that_nobody_knows_has_no_proof(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await prove_order(connection, OrderId(tenant=TENANT, order_ref="SO-404")) is None
        assert await prove_order(connection, OrderId(tenant="rival", order_ref="SO-1")) is None
        assert await prove_order(connection, OrderId(tenant=TENANT, order_ref="")) is None


# -- at the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def at_the_command_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("STOCKBRIDGE_CHECKPOINT_KEY", key_text(_seed(OURS)))


def _seed(key: SigningKey) -> bytes:
    return key._key.private_bytes_raw()


@pytest.mark.usefixtures("at_the_command_line")
async def test_an_entry_that_is_newer_than_the_newest_checkpoint_is_waited_for(
    engine: AsyncEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse = Warehouse(LedgerWriter(engine), engine, TENANT, number=1000)
    await warehouse.post(warehouse.order("SO-5", (1, "MUG", 1)))
    async with engine.connect() as connection:
        with pytest.raises(Unavailable, match="in no checkpoint yet"):
            await prove_order(connection, OrderId(tenant=TENANT, order_ref="SO-5"))
    file = tmp_path / "SO-5.json"
    prove = ["ledger", "prove", "--tenant", TENANT, "--order", "SO-5", "--output", str(file)]

    assert await asyncio.to_thread(command_line.run, prove) == 1
    assert await asyncio.to_thread(command_line.run, ["ledger", "checkpoint"]) == 0
    assert await asyncio.to_thread(command_line.run, prove) == 0

    said = capsys.readouterr().out
    assert f"public key  {key_text(OURS.public_key)}" in said
    assert check_proof(file.read_bytes(), TRUSTED).order_ref == "SO-5"


def test_a_proof_is_checked_without_a_database(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert command_line.run(["ledger", "prove", "--tenant", TENANT, "--order", "SO-2"]) == 0
    file = tmp_path / "proof.json"
    file.write_text(capsys.readouterr().out)
    monkeypatch.delenv("DATABASE_URL")
    check = ["ledger", "check-proof", str(file), "--public-key", key_text(OURS.public_key)]

    assert command_line.run(check) == 0
    assert "the proof holds: order SO-2 of acme" in capsys.readouterr().out

    file.write_text(file.read_text().replace('"reserved_delta": 3', '"reserved_delta": 4'))
    assert command_line.run(check) == 1
    assert "stockbridge: stream " in capsys.readouterr().err


@pytest.mark.usefixtures("at_the_command_line")
def test_verify_says_how_the_checkpoints_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(["ledger", "verify"]) == 0
    assert "checkpoints verified: " in capsys.readouterr().out

    monkeypatch.setenv("STOCKBRIDGE_CHECKPOINT_KEY", key_text(_seed(THEIRS)))
    assert command_line.run(["ledger", "verify"]) == 1
    assert "not a key that is trusted here" in capsys.readouterr().out


def test_what_is_missing_or_wrong_is_said(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.delenv("STOCKBRIDGE_CHECKPOINT_KEY", raising=False)
    file = tmp_path / "proof.json"
    file.write_text("{}")

    assert command_line.run(["ledger", "checkpoint"]) == 1
    assert "STOCKBRIDGE_CHECKPOINT_KEY is not set" in capsys.readouterr().err
    assert command_line.run(["ledger", "prove", "--tenant", TENANT, "--order", "SO-404"]) == 1
    assert "nothing of order SO-404" in capsys.readouterr().err
    assert command_line.run(["ledger", "check-proof", str(file), "--public-key", "short"]) == 2
    assert "a key is 32 bytes in base64" in capsys.readouterr().err
