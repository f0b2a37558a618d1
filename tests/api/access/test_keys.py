"""Keys: made, shown once, replaced and ended by an administrator, who can do nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.typing import EventDict

from api.door import examples
from api.door.auth import CACHED_S, USE_NOTED_S, Authenticator
from domain.api_keys import DEMO_ERP_KEY, NewKey, Scope, written
from domain.errors import Kind, Rejected
from postgres.statements import alone
from records.access import api_keys, key_ring
from records.access.key_ring import By
from tests.api.doorway import Door, code_of, faults_of, line, push

ERP = examples.NEW_KEY
LATER = "2100-01-01T00:00:00Z"


async def key_of(door: Door, name: str, scope: Scope, tenant: str | None = None, source: str | None = None) -> str:
    """Make a key at the command line."""
    wanted = NewKey(name=name, owner="Ida Holm", scope=scope, source=source)
    async with door.engine.begin() as connection:
        made = await key_ring.make(connection, tenant or door.tenant, wanted, By("a test"))
    assert made.secret is not None
    return made.secret


@pytest.fixture
async def office(door: Door) -> AsyncIterator[Door]:
    """The door as its tenant's administrator uses it."""
    erp, door.key = door.key, await key_of(door, "ida", Scope.ADMINISTRATOR)
    yield door
    door.key = erp


async def listed(office: Door) -> dict[str, dict[str, Any]]:
    answer = await office.get("/api/keys")
    assert answer.status_code == 200, answer.text
    return {item["name"]: item for item in answer.json()["items"]}


# -- making ----------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_pushes_orders_of_its_source(office: Door) -> None:
    first = await office.post("/api/keys", {**ERP, "source": "shop", "actor": "Ida"})
    again = await office.post("/api/keys", {**ERP, "source": "shop", "actor": "somebody else"})

    assert (first.status_code, again.status_code) == (201, 200)
    made, repeated = first.json(), again.json()
    key = made.pop("key")
    assert repeated.pop("key") is None
    assert made == repeated
    assert (made["scope"], made["source"], made["owner"]) == ("source", "shop", ERP["owner"])
    assert (made["status"], made["created_by"], made["ends_at"]) == ("active", "Ida", ERP["expires_at"])
    assert {first.headers["cache-control"], again.headers["cache-control"]} == {"no-store"}
    pushed = await office.post("/api/orders/outbound", push(), key=key)
    assert pushed.status_code == 422, "it may push, though there is no site yet"
    assert key not in str(await listed(office))


async def test_a_key_is_kept_as_a_hash_alone(office: Door) -> None:
    key = (await office.post("/api/keys", ERP)).json()["key"]
    async with office.engine.connect() as connection:
        for table in ("records.api_key", "records.api_key_act"):
            rows = (
                await connection.execute(text(f"select * from {table} where tenant = :t"), {"t": office.tenant})
            ).all()
            assert rows
            assert key[12:] not in str(rows)


async def test_the_same_name_with_other_content_is_a_conflict(office: Door) -> None:
    await office.made("/api/keys", ERP)
    for other in ({"owner": "else"}, {"source": "shop"}, {"expires_at": LATER}, {"scope": "floor", "source": None}):
        answer = await office.post("/api/keys", {**ERP, **other})
        assert (answer.status_code, code_of(answer)) == (409, "conflict"), other


async def test_thirty_at_once_make_one_key_and_show_it_once(office: Door) -> None:
    answers = await asyncio.gather(*(office.post("/api/keys", ERP) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]
    assert len([answer for answer in answers if answer.json()["key"]]) == 1


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"scope": "floor"}, ("/source", "scope_or_source")),
        ({"source": None}, ("/source", "scope_or_source")),
        ({"scope": "root"}, ("/scope", "invalid")),
        ({"name": "two words"}, ("/name", "invalid")),
        ({"owner": "a\nb"}, ("/owner", "control_character")),
        ({"owner": ""}, ("/owner", "invalid")),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ("/expires_at", "expires_already")),
        ({"expires_at": "tomorrow"}, ("/expires_at", "malformed_time")),
        ({"key": "my-own-0123456789abcdefgh"}, ("/key", "unknown_field")),
    ],
)
async def test_a_key_that_cannot_be_is_refused(office: Door, fields: dict[str, Any], fault: tuple[str, str]) -> None:
    answer = await office.post("/api/keys", {**ERP, **fields})
    assert answer.status_code == 422
    assert faults_of(answer) == [fault]


async def test_a_key_whose_end_has_come_is_still_answered_as_a_repeat(office: Door, owner: AsyncEngine) -> None:
    key = (await office.post("/api/keys", ERP)).json()["key"]
    await let_end(owner, office.tenant, "'2020-01-01T00:00:00Z'")
    again = await office.post("/api/keys", {**ERP, "expires_at": "2020-01-01T00:00:00Z"})
    assert (again.status_code, again.json()["status"]) == (200, "ended")
    refused = await office.get("/api/products", key=key)
    assert (refused.status_code, code_of(refused)) == (401, "unauthorized")
    assert "has ended" in refused.json()["detail"]


# -- successors and ends ---------------------------------------------------------------------------------------------


async def test_a_key_and_its_successor_work_side_by_side_until_the_grace_is_over(office: Door) -> None:
    old = (await office.post("/api/keys", ERP)).json()["key"]
    first = await office.post("/api/keys/erp/rotate", {"actor": "Ida"})
    again = await office.post("/api/keys/erp/rotate", {"grace_s": 86400})

    assert (first.status_code, again.status_code) == (201, 200)
    made = first.json()
    new = made.pop("key")
    assert again.json() == {**made, "key": None}
    assert (made["name"], made["replaces"], made["source"], made["owner"]) == ("erp-2", "erp", "erp", ERP["owner"])
    for key in (old, new):
        assert (await office.get("/api/products", key=key)).status_code == 200
    both = await listed(office)
    assert (both["erp"]["status"], both["erp"]["replaced_by"], both["erp-2"]["status"]) == (
        "retiring",
        "erp-2",
        "active",
    )
    ends = datetime.fromisoformat(both["erp"]["ends_at"]) - datetime.fromisoformat(both["erp-2"]["created_at"])
    assert timedelta(hours=23.9) < ends <= timedelta(hours=24)
    assert both["erp"]["expires_at"] == ERP["expires_at"], "as it was made"


async def test_a_successor_lives_as_long_as_its_predecessor_was_to(office: Door) -> None:
    await office.made("/api/keys", ERP)
    made = (await office.post("/api/keys/erp/rotate", {})).json()
    before = (await listed(office))["erp"]

    def life(key: dict[str, Any]) -> float:
        return (datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])).total_seconds()

    assert life(made) == pytest.approx(life(before), abs=1)


async def test_without_grace_the_old_key_ends_at_once(office: Door) -> None:
    old = (await office.post("/api/keys", ERP)).json()["key"]
    new = (await office.post("/api/keys/erp/rotate", {"grace_s": 0, "successor": "erp-b"})).json()["key"]
    assert [(await office.get("/api/products", key=key)).status_code for key in (old, new)] == [401, 200]
    assert {name: key["status"] for name, key in (await listed(office)).items() if "erp" in name} == {
        "erp": "ended",
        "erp-b": "active",
    }


async def test_a_key_has_one_successor_whatever_else_is_asked(office: Door) -> None:
    await office.made("/api/keys", ERP)
    await office.made("/api/keys", {**ERP, "name": "taken"})
    taken = await office.post("/api/keys/erp/rotate", {"successor": "taken"})
    assert (taken.status_code, code_of(taken)) == (409, "conflict")
    await office.made("/api/keys/erp/rotate", {})
    for other in ({"successor": "erp-3"}, {"grace_s": 60}):
        answer = await office.post("/api/keys/erp/rotate", other)
        assert (answer.status_code, code_of(answer)) == (409, "conflict")


async def test_a_revoked_key_stays_revoked_and_says_by_whom_and_why(office: Door) -> None:
    await office.made("/api/keys", ERP)
    first = await office.post("/api/keys/erp/revoke", {"reason": "was in a mail"})
    again = await office.post("/api/keys/erp/revoke", {"reason": "once more", "actor": "Bo"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert [first.json()[name] for name in ("status", "revoked_by", "revoked_for")] == [
        "revoked",
        "ida",
        "was in a mail",
    ]
    rotated = await office.post("/api/keys/erp/rotate", {})
    assert (rotated.status_code, code_of(rotated)) == (409, "key_revoked")


async def test_the_application_cannot_change_what_a_key_is_nor_let_one_live_again(office: Door) -> None:
    await office.made("/api/keys", ERP)
    await office.made("/api/keys/erp/revoke", {})
    for statement in (
        "update records.api_key set scope = 'administrator', source = null",
        "update records.api_key set expires_at = null",
        "delete from records.api_key",
        "update records.api_key_act set ends_at = null",
        "delete from records.api_key_act",
    ):
        async with office.engine.connect() as connection:
            with pytest.raises(ProgrammingError, match="permission denied"):
                await connection.execute(text(statement))


async def test_what_there_is_not_cannot_be_replaced_or_revoked(office: Door) -> None:
    for act in ("rotate", "revoke"):
        answer = await office.post(f"/api/keys/none/{act}", {})
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


async def test_keys_of_another_tenant_are_not_there(office: Door) -> None:
    await key_of(office, "theirs", Scope.OFFICE, tenant=f"{office.tenant}-b")
    assert set(await listed(office)) == {"environment", "ida"}
    assert (await office.post("/api/keys/theirs/revoke", {})).status_code == 404
    assert (await office.post("/api/keys", {**ERP, "name": "theirs"})).status_code == 201


async def test_keys_are_listed_in_pages(office: Door) -> None:
    for name in ("b", "a", "c"):
        await office.made("/api/keys", {**ERP, "name": name})
    first = (await office.get("/api/keys", limit=3)).json()
    second = (await office.get("/api/keys", limit=3, cursor=first["next"])).json()
    assert [key["name"] for key in (*first["items"], *second["items"])] == ["a", "b", "c", "environment", "ida"]
    assert second["next"] is None


# -- scopes ----------------------------------------------------------------------------------------------------------


async def calls(door: Door) -> list[tuple[str, str, dict[str, Any]]]:
    """Return every call that takes a key."""
    described = (await door.http.get("/openapi.json")).json()
    return [
        (method, path, call)
        for path, methods in described["paths"].items()
        for method, call in methods.items()
        if call.get("security")
    ]


async def ask(door: Door, method: str, path: str, key: str) -> httpx.Response:
    return await door.http.request(method, path, headers=door.headers(key), json={} if method != "get" else None)


async def test_an_administrator_can_do_nothing_but_manage_keys_and_connections_and_nobody_else_can(door: Door) -> None:
    administrator = await key_of(door, "ida", Scope.ADMINISTRATOR)
    others = [door.key, await key_of(door, "hall", Scope.FLOOR), await key_of(door, "desk", Scope.OFFICE)]
    tried = await calls(door)
    assert len(tried) > 50
    for method, path, _ in tried:
        for key in others if path.startswith(("/api/keys", "/api/connections")) else [administrator]:
            answer = await ask(door, method, path, key)
            assert (answer.status_code, code_of(answer)) == (403, "wrong_scope"), (method, path)


async def test_every_call_that_takes_a_key_says_that_it_may_be_the_wrong_one(door: Door) -> None:
    silent = [
        (method, path) for method, path, call in await calls(door) if not {"401", "403"} <= call["responses"].keys()
    ]
    assert silent == []


async def test_floor_and_office_do_what_keys_of_no_source_could(shop: Door) -> None:
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line(quantity=1)]))
    for name, scope in (("hall", Scope.FLOOR), ("desk", Scope.OFFICE)):
        key = await key_of(shop, name, scope)
        pick = {"pick_no": f"P-{name}", "lines": [{"line_no": 1, "quantity": 1, "uom": "EA", "location_id": "HAM-A-1"}]}
        assert (await shop.post("/api/orders/SO-1/picks", pick, key=key)).status_code in {200, 201}
        refused = await shop.post("/api/orders/outbound", push("SO-2"), key=key)
        assert (refused.status_code, code_of(refused)) == (403, "source_required")


# -- what is sent as a key -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer " + b"k" * 1_000_000,
        b"Bearer \xff\xfe\x00",
        "Bearer schl\u00fcssel".encode(),
        b"Bearer \xed\xa0\x80",
        b"Bearer a b",
        b"Bearer",
        b"",
        b"k" * 1_000_000,
        b"Bearer " + written(bytes(32)).encode()[:-1],
    ],
    ids=lambda sent: repr(sent[:20]),
)
async def test_what_can_be_no_key_is_401_without_a_look_up(door: Door, authorization: bytes) -> None:
    with looks(door.engine) as count:
        answer = await door.http.get("/api/products", headers={b"Authorization": authorization})
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert len(answer.content) < 1000
    assert count == []


async def test_a_key_of_the_right_form_that_nobody_made_is_401(door: Door) -> None:
    answer = await door.get("/api/products", key=written(bytes(32)))
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert answer.json()["detail"] == "The API key is not known."


async def test_a_slip_in_a_key_is_told_without_a_look_up(office: Door) -> None:
    key = (await office.post("/api/keys", ERP)).json()["key"]
    slip = key[:20] + ("b" if key[20] == "a" else "a") + key[21:]
    with looks(office.engine) as count:
        answer = await office.get("/api/products", key=slip)
    assert answer.status_code == 401
    assert "mistyped" in answer.json()["detail"]
    assert count == []


async def test_what_everybody_knows_is_taken_by_nobody_but_the_embedded_stack(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        found = await api_keys.register_key(connection, tenant="demo", source="erp", key=DEMO_ERP_KEY)
    with pytest.raises(Rejected, match="everybody knows"):
        await Authenticator(engine).caller(f"Bearer {DEMO_ERP_KEY}")
    embedded = Authenticator(engine, well_known=True)
    assert await embedded.caller(f"Bearer {DEMO_ERP_KEY}") == found.key
    await embedded.drain()


async def test_no_key_is_in_what_is_logged(office: Door, logged: list[EventDict]) -> None:
    key = (await office.post("/api/keys", ERP)).json()["key"]
    await office.get("/api/products", key=key)
    await office.get("/api/products", key=f"{key}0")
    assert [entry["event"] for entry in logged].count("http.request") == 3
    assert key[12:] not in str(logged)
    async with office.engine.begin() as connection:
        made = await key_ring.make(connection, office.tenant, NewKey(**{**ERP, "name": "b"}), By("a test"))
    assert made.secret is not None
    assert made.secret not in repr(made) + str(made)


# -- how long a key is believed --------------------------------------------------------------------------------------


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def looks(engine: AsyncEngine) -> Iterator[list[object]]:
    """Count the connections that are taken for statements that stand alone, as a look-up is."""
    pool, taken = alone(engine).sync_engine.pool, []

    def note(*given: object) -> None:
        taken.append(given)

    event.listen(pool, "checkout", note)
    yield taken
    event.remove(pool, "checkout", note)


async def test_a_key_that_is_revoked_ends_in_every_process_once_it_looks_again(office: Door) -> None:
    key = (await office.post("/api/keys", ERP)).json()["key"]
    clock = Clock()
    processes = [Authenticator(office.engine, clock=clock) for _ in range(2)]
    for process in processes:
        assert (await process.caller(f"Bearer {key}")).name == "erp"
    await office.made("/api/keys/erp/revoke", {})

    clock.now = CACHED_S
    for process in processes:
        with pytest.raises(Rejected, match="has ended") as refused:
            await process.caller(f"Bearer {key}")
        assert refused.value.kind is Kind.UNPROVEN
        await process.drain()
    assert CACHED_S <= 5


async def test_a_key_is_looked_up_once_in_a_while_whoever_asks_meanwhile(office: Door) -> None:
    key = (await office.post("/api/keys", ERP)).json()["key"]
    clock = Clock()
    authenticator = Authenticator(office.engine, clock=clock)
    await authenticator.caller(f"Bearer {key}")
    await authenticator.drain()
    with looks(office.engine) as count:
        for clock.now in (0.0, CACHED_S - 0.1):
            await asyncio.gather(*(authenticator.caller(f"Bearer {key}") for _ in range(100)))
        assert len(count) == 0, "it is believed"
        clock.now = CACHED_S
        await asyncio.gather(*(authenticator.caller(f"Bearer {key}") for _ in range(100)))
        assert len(count) == 1, "one look for a hundred"


async def test_a_key_is_not_believed_beyond_its_end(
    office: Door, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.door.auth.CACHED_S", 7200.0)
    key = (await office.post("/api/keys", ERP)).json()["key"]
    await let_end(owner, office.tenant, "clock_timestamp() + interval '1 hour'")
    clock = Clock()
    authenticator = Authenticator(office.engine, clock=clock)
    await authenticator.caller(f"Bearer {key}")
    await authenticator.drain()
    with looks(office.engine) as count:
        clock.now = USE_NOTED_S - 1
        await authenticator.caller(f"Bearer {key}")
        assert len(count) == 0, "it is believed"
        clock.now = 3600.0
        await authenticator.caller(f"Bearer {key}")
        assert len(count) == 1, "it is looked up before its time, since it was to end"
    await authenticator.drain()


async def let_end(owner: AsyncEngine, tenant: str, when: str) -> None:
    """Have the key `erp` been made to end then."""
    async with owner.begin() as connection:
        statement = f"update records.api_key set expires_at = {when} where tenant = :t and name = 'erp'"
        await connection.execute(text(statement), {"t": tenant})


async def test_the_last_use_is_noted_once_a_minute_and_no_request_waits_for_it(office: Door) -> None:
    key = (await office.post("/api/keys", ERP)).json()["key"]
    clock = Clock()
    authenticator = Authenticator(office.engine, clock=clock)
    assert (await listed(office))["erp"]["last_used_at"] is None
    await authenticator.caller(f"Bearer {key}")
    await authenticator.drain()
    used = (await listed(office))["erp"]["last_used_at"]
    assert used is not None

    await asyncio.gather(*(authenticator.caller(f"Bearer {key}") for _ in range(100)))
    assert len(authenticator._noting) == 0, "noted already"
    clock.now = USE_NOTED_S
    await authenticator.caller(f"Bearer {key}")
    assert len(authenticator._noting) == 1
    await authenticator.drain()
    assert (await listed(office))["erp"]["last_used_at"] == used, "another process has noted it this minute"
