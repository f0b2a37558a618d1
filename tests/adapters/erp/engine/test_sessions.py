"""A door's session: logged in once, for as long as it holds, by however many."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.errors import Unavailable
from tests.adapters.erp.engine.tiny import END, LOOK, MESSAGE, Tiny, mapping, says

LOG_IN, GET_ORDER = "POST /session", "GET /orders/SO-1"
DOOR = {
    "headers": {"X-Session": "${session.token}"},
    "session": {
        "log_in": {"post": "/session", "send": {"account": "${settings.account}", "key": "${settings.key}"}},
        "keep": {"token": "answer.token"},
    },
}
FAULTS = [{"when": "status == 401", "means": "locked_out"}]


async def tell(tiny: Tiny) -> str | None:
    return await tiny.tell([LOOK, END], door=DOOR, faults=FAULTS)


async def test_who_is_logged_in_goes_on_with_what_was_kept(tiny: Tiny) -> None:
    tiny.to(LOG_IN, says({"token": "t-1"}))
    tiny.to(GET_ORDER, says({}))
    erp = tiny.open(tiny.connected(mapping([LOOK, END], door=DOOR, faults=FAULTS)))
    for _ in range(2):
        await asyncio.to_thread(erp.tell, MESSAGE)
    assert tiny.calls == [LOG_IN, GET_ORDER, GET_ORDER]
    assert tiny.bodies(LOG_IN) == [{"account": "7", "key": "s3cret"}]
    assert [said.get("x-session") for said in tiny.headers()[1:]] == ["t-1", "t-1"]


async def test_a_lapsed_session_is_renewed_once(tiny: Tiny) -> None:
    tiny.to(LOG_IN, says({"token": "t-1"}), says({"token": "t-2"}))
    tiny.to(GET_ORDER, says({}, 401), says({}))
    assert await tell(tiny) == "SO-1"
    assert tiny.calls == [LOG_IN, GET_ORDER, LOG_IN, GET_ORDER]
    assert tiny.headers()[3]["x-session"] == "t-2"


async def test_who_is_locked_out_again_waits_for_an_operator(tiny: Tiny) -> None:
    tiny.to(LOG_IN, says({"token": "t-1"}))
    tiny.to(GET_ORDER, says({}, 401))
    with pytest.raises(Unavailable, match="operator"):
        await tell(tiny)
    assert tiny.calls == [LOG_IN, GET_ORDER, LOG_IN, GET_ORDER]


async def test_a_wrong_password_waits_for_an_operator(tiny: Tiny) -> None:
    tiny.to(LOG_IN, says({}, 401))
    with pytest.raises(Unavailable, match="operator"):
        await tell(tiny)
    assert tiny.calls == [LOG_IN]


async def test_a_log_in_that_fails_otherwise_is_unavailable_for_nothing_was_done(tiny: Tiny) -> None:
    tiny.to(LOG_IN, says({}, 500))
    with pytest.raises(Unavailable):
        await tell(tiny)


async def test_many_threads_log_in_once(tiny: Tiny) -> None:
    tiny.to(LOG_IN, says({"token": "t-1"}))
    tiny.to(GET_ORDER, says({}))
    erp = tiny.open(tiny.connected(mapping([LOOK, END], door=DOOR, faults=FAULTS)))
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(8) as threads:
        await asyncio.gather(*(loop.run_in_executor(threads, erp.tell, MESSAGE) for _ in range(40)))
    assert tiny.calls.count(LOG_IN) == 1
    assert tiny.calls.count(GET_ORDER) == 40
