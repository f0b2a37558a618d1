"""What data says stays data: it ends no header, no path and no query, and leads nowhere else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.erp.engine.doors import _in_path
from domain.errors import Rejected
from tests.adapters.erp.engine.tiny import END, LOOK, MESSAGE, Tiny, mapping, says

ODD = "A/B?x=1&y#z %2F+é"
WITH_STEPS_UP = "A/../B?x=1&y"
BY_QUERY = {"door": "api", "get": "/orders", "query": {"no": "${message.order_no}", "limit": "1"}}


async def test_a_number_in_a_path_is_one_step_of_it(tiny: Tiny) -> None:
    tiny.to("GET /orders/A%2FB%3Fx%3D1%26y%23z%20%252F%2B%C3%A9", says({}))
    assert await tiny.tell([LOOK, END], replace(MESSAGE, order_no=ODD)) == ODD


async def test_a_number_with_steps_up_is_not_asked_for_in_a_path(tiny: Tiny) -> None:
    with pytest.raises(Rejected) as refusal:
        await tiny.tell([LOOK, END], replace(MESSAGE, order_no=WITH_STEPS_UP))
    assert refusal.value.code == "erp_contract"
    assert tiny.calls == []


@pytest.mark.parametrize("number", [ODD, WITH_STEPS_UP])
async def test_a_number_in_a_query_is_one_value_of_it(tiny: Tiny, number: str) -> None:
    tiny.server.behavior = says({})
    await tiny.tell([{"look": "order", "call": BY_QUERY}, END], replace(MESSAGE, order_no=number))
    (call,) = tiny.server.heard
    assert urlsplit(call.path).path == "/orders"
    assert parse_qsl(urlsplit(call.path).query) == [("no", number), ("limit", "1")]


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=200, deadline=None)
def test_no_text_leaves_its_step_of_a_path(text: str) -> None:
    assert unquote(_in_path(text)) == text
    assert not set("/?#&\\ ") & set(_in_path(text))


@pytest.mark.parametrize("end", ["\r\nX-Other: 1", "\n", "\r"])
async def test_a_header_that_would_end_early_is_refused(tiny: Tiny, end: str) -> None:
    erp = replace(tiny.connected(mapping([LOOK, END])), secrets={"key": SecretStr(f"k{end}")})
    with pytest.raises(Rejected) as refusal:
        await asyncio.to_thread(tiny.open(erp).tell, MESSAGE)
    assert refusal.value.code == "erp_contract"
    assert tiny.calls == []
