"""How steps are carried out: what they name, what they keep, and what a log-in says, by mappings of a few lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from adapters.erp.engine.adapter import MappedErp
from domain.erp import ErpLine, ErpMessage
from domain.errors import OutcomeUnknown, Rejected, Unavailable
from tests.adapters.erp.connected import connected
from tests.adapters.scripted import Behavior, Scripted, answer, scripted

MESSAGE = ErpMessage(
    reference="acme/SO-1/1",
    order_no="SO-1",
    number=1,
    kind="accepted",
    revision=1,
    occurred_at="2026-01-05T09:12:00Z",
    lines=(ErpLine(1, "MUG", 2, 2, "EA"), ErpLine(2, "LID", 1, 1, "EA")),
)
NOTHING = "".join(
    f"  {kind}: nothing\n"
    for kind in ("refused", "reserved", "backordered", "amended", "shipped", "delivered", "cancelled", "returned")
)


def mapping(steps: str, door: str = "") -> str:
    return f"""
format: 1
erp: few_lines
about: A few lines.
settings: {{address: url, password: secret}}
doors:
  rest:
    protocol: rest
    address: ${{settings.address}}
    faults: rest
{door}
faults:
  rest:
    - {{when: status == 401, means: locked_out}}
outbound:
{NOTHING}
  accepted:
{steps}
"""


def in_turn(answers: Iterable[Any]) -> Behavior:
    """Answer with one after the other, as JSON; a number is a status without a body."""
    coming = iter(answers)

    async def behave(*streams: Any) -> None:
        told = next(coming)
        status, body = (told, "") if isinstance(told, int) else (200, json.dumps(told))
        await answer(status, body, {"Content-Type": "application/json"})(*streams)

    return behave


@pytest.fixture
async def there() -> AsyncIterator[Scripted]:
    async with scripted(answer(500, "")) as there:
        yield there


async def tell(there: Scripted, text: str, *answers: Any) -> str | None:
    there.behavior = in_turn(answers)
    erp = MappedErp(connected(text, {}, {"address": there.url}, {"password": "geheim"}))
    try:
        return (await asyncio.to_thread(erp.tell, MESSAGE)).document_no
    finally:
        erp.close()


def sent(there: Scripted) -> list[Any]:
    return [json.loads(heard.body) if heard.body else None for heard in there.heard]


EACH = """
    - do: add
      each: message.lines
      as: line
      repeatable: true
      call: {door: rest, post: /lines, send: {sku: "${line.sku}", after: "${last}"}}
      keep: {last: answer.id}
      confirm: last != line.sku
    - document_no: ${last}
"""


async def test_what_one_item_keeps_the_next_one_sees(there: Scripted) -> None:
    assert await tell(there, mapping(EACH), {"id": "A"}, {"id": "B"}) == "B"
    assert sent(there) == [{"sku": "MUG"}, {"sku": "LID", "after": "A"}]


SKIPPED = """
    - {look: found, call: {door: rest, get: /documents, take: answer | first}}
    - do: book
      unless: found is there
      call: {door: rest, post: /documents}
      keep: {made: answer.no}
    - document_no: ${made ?? found.no}
"""


async def test_what_a_step_that_is_skipped_would_have_kept_is_not_there(there: Scripted) -> None:
    assert await tell(there, mapping(SKIPPED), [{"no": "LS-1"}]) == "LS-1"
    assert await tell(there, mapping(SKIPPED), [], {"no": "LS-2"}) == "LS-2"


LET = """
    - let: {wanted: {each: message.lines, as: line, into: {sku: "${line.sku}"}}, count: "${wanted | count}"}
    - {do: book, repeatable: true, call: {door: rest, post: /documents, send: {lines: "${wanted}", count: "${count}"}}}
    - {look: told, call: {door: rest, get: /documents}, confirm: told.lines == wanted}
    - document_no: ${told.no}
"""


async def test_what_has_a_name_is_told_and_read_back_by_it(there: Scripted) -> None:
    lines = [{"sku": "MUG"}, {"sku": "LID"}]
    assert await tell(there, mapping(LET), {}, {"no": "LS-1", "lines": lines}) == "LS-1"
    assert sent(there)[0] == {"lines": lines, "count": 2}
    with pytest.raises(Rejected) as refusal:
        await tell(there, mapping(LET), {}, {"no": "LS-1", "lines": lines[:1]})
    assert refusal.value.code == "erp_not_kept"


EXPECT = """
    - {look: found, call: {door: rest, get: /documents, expect: answer.of == 'us'}}
    - do: book
      repeatable: true
      call: {door: rest, post: /documents, expect: answer.of == 'us'}
      keep: {made: answer.no}
    - document_no: ${made}
"""


@pytest.mark.parametrize("other", [{"of": "others"}, {"of": 7}, {}, ["us"], "us"])
async def test_an_answer_that_is_not_the_one_expected_is_not_understood(there: Scripted, other: Any) -> None:
    with pytest.raises(Unavailable):
        await tell(there, mapping(EXPECT), other)
    with pytest.raises(OutcomeUnknown):
        await tell(there, mapping(EXPECT), {"of": "us"}, other)
    assert await tell(there, mapping(EXPECT), {"of": "us"}, {"of": "us", "no": "LS-1"}) == "LS-1"


SESSION = """
    session: {log_in: {post: /login, send: {key: "${settings.password}"}}, keep: {id: answer.id}}
    headers: {X-Client: stockbridge, Authorization: "Session ${session.id}"}
"""
LOOK = """
    - {look: found, call: {door: rest, get: /documents}}
    - document_no: ${found.no}
"""


async def test_a_log_in_says_nothing_of_the_session_that_it_asks_for(there: Scripted) -> None:
    told = mapping(LOOK, SESSION)
    assert await tell(there, told, {"id": "s1"}, 401, {"id": "s2"}, {"no": "LS-1"}) == "LS-1"
    assert [(heard.path, heard.headers.get("authorization")) for heard in there.heard] == [
        ("/login", None),
        ("/documents", "Session s1"),
        ("/login", None),
        ("/documents", "Session s2"),
    ]
    assert {heard.headers["x-client"] for heard in there.heard} == {"stockbridge"}
    assert sent(there)[0] == {"key": "geheim"}


async def test_a_session_that_is_refused_anew_is_not_asked_for_again(there: Scripted) -> None:
    with pytest.raises(Unavailable, match="password"):
        await tell(there, mapping(LOOK, SESSION), {"id": "s1"}, 401, {"id": "s2"}, 401)
    assert len(there.heard) == 4


@pytest.mark.parametrize("odd", [{}, {"id": None}, {"id": ""}, ["s1"], "s1"])
async def test_a_log_in_that_brings_no_session_is_not_understood(there: Scripted, odd: Any) -> None:
    with pytest.raises(Unavailable, match="no usable answer"):
        await tell(there, mapping(LOOK, SESSION), odd)
    assert len(there.heard) == 1


@pytest.mark.parametrize(("bundle", "why"), [({}, "lacks a document"), ({"orders.wsdl": b"<html/>"}, "can't be used")])
def test_a_connection_without_its_erps_contract_says_which_document_it_lacks(
    bundle: dict[str, bytes], why: str
) -> None:
    door = """
  soap: {protocol: soap, wsdl: orders.wsdl, address: "${settings.address}", faults: rest}
"""
    settings = {"address": "http://127.0.0.1"}
    with pytest.raises(Rejected, match=why) as refusal:
        MappedErp(connected(mapping(LOOK, door), bundle, settings, {"password": "geheim"}))
    assert refusal.value.code == "connection_contract"
    assert "orders.wsdl" in str(refusal.value)


async def test_what_is_always_said_is_not_said_in_a_log_in(there: Scripted) -> None:
    door = """
  rpc:
    protocol: json_rpc
    address: ${settings.address}
    session: {log_in: {method: login, send: ["${settings.password}"]}, keep: {id: answer}}
    always: [{session: "${session.id}"}]
    faults: rest
"""
    steps = """
    - {look: found, call: {door: rpc, method: read, send: [1]}}
    - document_no: ${found}
"""
    told = mapping(steps, door)
    answers = [{"id": 1, "result": "s1"}, {"id": 1, "result": "LS-1"}]
    assert await tell(there, told, *answers) == "LS-1"
    assert [body["params"] for body in sent(there)] == [["geheim"], ["1", {"session": "s1"}]]
