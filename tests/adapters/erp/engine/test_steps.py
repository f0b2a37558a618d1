"""Steps: each attempt does what is not done yet, and stops where a person is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.erp.port import NotThereYet
from domain.erp import ErpLine
from domain.errors import OutcomeUnknown, Rejected, Unavailable
from tests.adapters.erp.engine.tiny import ACKED, DO, END, LOOK, MESSAGE, NEW, PUT, Tiny, repeated, says
from tests.adapters.scripted import hang_up

GET_ORDER, PUT_ORDER = "GET /orders/SO-1", "PUT /orders/SO-1"
STEPS = [LOOK, DO, END]


async def refused(tiny: Tiny, accepted: object, **parts: Any) -> Rejected:
    with pytest.raises(Rejected) as refusal:
        await tiny.tell(accepted, **parts)
    return refusal.value


# From the top


async def test_what_is_not_done_is_done_and_names_its_document(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(NEW))
    tiny.to(PUT_ORDER, says({}))
    assert await tiny.tell(STEPS) == "SO-1"
    assert tiny.calls == [GET_ORDER, PUT_ORDER]
    assert tiny.bodies(PUT_ORDER) == [ACKED]


async def test_every_attempt_goes_from_the_top_and_does_only_what_is_not_done(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(NEW), says(ACKED))
    tiny.to(PUT_ORDER, hang_up())
    with pytest.raises(OutcomeUnknown):
        await tiny.tell(STEPS)
    assert await tiny.tell(STEPS, repeated()) == "SO-1"
    assert tiny.calls == [GET_ORDER, PUT_ORDER, GET_ORDER]


async def test_what_need_not_be_read_is_not(tiny: Tiny) -> None:
    again = {**LOOK, "unless": "order is there"}
    tiny.to(GET_ORDER, says(ACKED))
    assert await tiny.tell([LOOK, again, DO, END]) == "SO-1"
    assert tiny.calls == [GET_ORDER]


# For each


def lines_of(**more: object) -> dict[str, object]:
    call = {"door": "api", "put": "/lines/${line.line_no}", "send": {"sku": "${line.sku}", "after": "${before}"}}
    each = {"do": "tell_line", "each": "message.lines", "as": "line", "unless": "line.sku in order.done"}
    return {**each, "call": call, "keep": {"before": "answer.id"}, **more}


async def test_something_is_done_for_each_that_it_is_not_done_for(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says({"done": ["MUG"]}))
    tiny.to("GET /orders/SO-1/before", says("none"))
    tiny.to("PUT /lines/2", says({"id": "b"}))
    before = {"look": "before", "call": {"door": "api", "get": "/orders/${message.order_no}/before"}}
    assert await tiny.tell([LOOK, before, lines_of(), {"document_no": "${before}"}]) == "b"
    assert tiny.bodies("PUT /lines/2") == [{"sku": "CUP", "after": "none"}]


async def test_what_one_keeps_the_next_one_sees(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says({"done": []}))
    tiny.to("GET /orders/SO-1/before", says("none"))
    tiny.to("PUT /lines/1", says({"id": "a"}))
    tiny.to("PUT /lines/2", says({"id": "b"}))
    before = {"look": "before", "call": {"door": "api", "get": "/orders/${message.order_no}/before"}}
    await tiny.tell([LOOK, before, lines_of(), END])
    assert tiny.bodies("PUT /lines/2") == [{"sku": "CUP", "after": "a"}]


async def test_what_came_of_each_is_confirmed_with_it_in_hand(tiny: Tiny) -> None:
    call = {"door": "api", "put": "/lines/${line.line_no}", "send": {"sku": "${line.sku}"}}
    step = lines_of(call=call, keep={"kept": "answer.sku"}, confirm="kept == line.sku")
    tiny.to(GET_ORDER, says({"done": []}))
    tiny.to("PUT /lines/1", says({"sku": "MUG"}))
    tiny.to("PUT /lines/2", says({"sku": "CU"}))
    assert (await refused(tiny, [LOOK, step, END])).code == "erp_not_kept"


@pytest.mark.parametrize("nothing", ["message.parcels", "order.parcels"])
async def test_for_each_of_nothing_nothing_is_done(tiny: Tiny, nothing: str) -> None:
    tiny.to(GET_ORDER, says(NEW))
    assert await tiny.tell([LOOK, lines_of(each=nothing, unless="false"), END]) == "SO-1"
    assert tiny.calls == [GET_ORDER]


async def test_for_each_of_what_is_no_list_is_the_mappings_fault(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(NEW))
    assert (await refused(tiny, [LOOK, lines_of(each="order.state"), END])).code == "erp_mapping"


# What came of it


async def test_what_a_step_keeps_those_behind_it_see(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(NEW))
    tiny.to(PUT_ORDER, says({"number": 4500000001}))
    kept = {**DO, "keep": {"made": "answer.number"}}
    assert await tiny.tell([LOOK, kept, {"document_no": "${made}/${order.state}"}]) == "4500000001/new"


@pytest.mark.parametrize("step", [{**DO, "keep": {"made": "answer"}, "confirm": "made.state == 'acked'"}])
async def test_what_the_erp_has_not_kept_is_a_persons(tiny: Tiny, step: object) -> None:
    tiny.to(GET_ORDER, says(NEW))
    tiny.to(PUT_ORDER, says({"state": "open"}))
    assert (await refused(tiny, [LOOK, step, END])).code == "erp_not_kept"


async def test_what_was_read_can_be_confirmed_too(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(NEW))
    assert (await refused(tiny, [{**LOOK, "confirm": "order.state == 'open'"}, DO, END])).code == "erp_not_kept"
    assert tiny.calls == [GET_ORDER]


@pytest.mark.parametrize("number", ["${order.number}", "${order}", "${order.nothing}"])
async def test_a_document_without_a_number_is_the_mappings_fault(tiny: Tiny, number: str) -> None:
    tiny.to(GET_ORDER, says({**ACKED, "nothing": " "}))
    assert (await refused(tiny, [LOOK, DO, {"document_no": number}])).code == "erp_mapping"


async def test_steps_without_an_end_are_the_mappings_fault(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(ACKED))
    assert (await refused(tiny, [LOOK, DO])).code == "erp_mapping"


async def test_what_a_step_would_keep_that_was_not_needed_is_not_there(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(ACKED))
    kept = {**DO, "keep": {"made": "answer.number"}}
    assert await tiny.tell([LOOK, kept, {"document_no": "${made ?? 'as it was'}"}]) == "as it was"


# One, several, none


@pytest.mark.parametrize(("rows", "number"), [([{"id": "a"}], "a"), ([], "none"), ({"id": "a"}, "a")])
async def test_the_only_one_of_a_list_stands_for_itself(tiny: Tiny, rows: object, number: str) -> None:
    tiny.to(GET_ORDER, says(rows))
    assert await tiny.tell([{**LOOK, "one": "true"}, {"document_no": "${order.id ?? 'none'}"}]) == number


async def test_two_of_what_should_be_one_are_a_persons(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says([{"id": "a"}, {"id": "b"}]))
    refusal = await refused(tiny, [{**LOOK, "one": "true"}, {"document_no": "${order.id}"}])
    assert refusal.code == "erp_doubled"


ABSENT = [{"when": "status == 404", "means": "absent"}]


@pytest.mark.parametrize("rows", [says([]), says("no", 404), says(None)])
async def test_what_the_erp_is_to_make_is_waited_for(tiny: Tiny, rows: Any) -> None:
    tiny.to(GET_ORDER, rows)
    waits = {**LOOK, "one": "true", "absent": {"wait_s": "3600"}}
    with pytest.raises(NotThereYet) as missing:
        await tiny.tell([waits, DO, END], faults=ABSENT)
    assert missing.value.wait_s == 3600
    assert tiny.calls == [GET_ORDER]


async def test_what_will_never_be_there_refuses_the_message(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says("no", 404))
    absent = {"refuse": "erp_unknown_order", "why": "Have it made there."}
    refusal = await refused(tiny, [{**LOOK, "absent": absent}, DO, END], faults=ABSENT)
    assert (refusal.code, refusal.detail) == ("erp_unknown_order", "Have it made there.")


async def test_what_is_absent_and_may_be_is_not_there(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says("no", 404))
    assert await tiny.tell([LOOK, {"document_no": "${order.id ?? 'none'}"}], faults=ABSENT) == "none"


# Anew


AGAIN = [{"when": "status == 409", "means": "look_again"}, *ABSENT, {"when": "status == 410", "means": "done_already"}]


async def test_what_changed_meanwhile_is_looked_at_again(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(NEW), says(ACKED))
    tiny.to(PUT_ORDER, says("changed", 409))
    assert await tiny.tell(STEPS, faults=AGAIN) == "SO-1"
    assert tiny.calls == [GET_ORDER, PUT_ORDER, GET_ORDER]


@pytest.mark.parametrize("status", [409, 404])
async def test_what_keeps_changing_is_looked_at_three_times(tiny: Tiny, status: int) -> None:
    tiny.to(GET_ORDER, says(NEW))
    tiny.to(PUT_ORDER, says("changed", status))
    with pytest.raises(Unavailable, match="changes what we look at"):
        await tiny.tell(STEPS, faults=AGAIN)
    assert tiny.calls == [GET_ORDER, PUT_ORDER] * 3


async def test_what_somebody_did_already_is_done(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(NEW))
    tiny.to(PUT_ORDER, says("done", 410))
    kept = {**DO, "keep": {"made": "answer.number"}}
    assert await tiny.tell([LOOK, kept, {"document_no": "${made ?? 'as it was'}"}], faults=AGAIN) == "as it was"


# A person


async def test_what_cant_be_seen_to_be_done_is_done_once(tiny: Tiny) -> None:
    tiny.to(PUT_ORDER, says({}))
    once = {"do": "book", "attention": "true", "call": PUT}
    assert await tiny.tell([once, END]) == "SO-1"
    refusal = await refused(tiny, [once, END], message=repeated())
    assert refusal.code == "erp_by_hand"
    assert tiny.calls == [PUT_ORDER]


@pytest.mark.parametrize("plan", [{"attention": "Book it there."}, [{"attention": "Book it there."}]])
async def test_the_mappings_own_words_are_for_everybody(tiny: Tiny, plan: object) -> None:
    refusal = await refused(tiny, plan)
    assert (refusal.code, refusal.detail, refusal.said) == ("erp_by_hand", "Book it there.", None)
    assert tiny.calls == []


@pytest.mark.parametrize("word", ["attention", "refuse"])
async def test_words_with_data_in_them_go_apart(tiny: Tiny, word: str) -> None:
    words = "${order.customer} owes money."
    tiny.to(GET_ORDER, says({**NEW, "customer": "Ida Holm"}))
    asks = {"attention": words} if word == "attention" else {"refuse": "erp_credit", "text": words}
    refusal = await refused(tiny, [LOOK, {**asks, "when": "order.state == 'new'"}, DO, END])
    assert refusal.code == ("erp_by_hand" if word == "attention" else "erp_credit")
    assert refusal.said == "Ida Holm owes money."
    assert "Ida" not in str(refusal.as_json())


@pytest.mark.parametrize("step", [{"attention": "Look."}, {"refuse": "erp_credit", "text": "Never."}])
async def test_where_it_does_not_fit_nobody_is_asked(tiny: Tiny, step: dict[str, str]) -> None:
    tiny.to(GET_ORDER, says(ACKED))
    assert await tiny.tell([LOOK, {**step, "when": "order.state == 'new'"}, DO, END]) == "SO-1"


# Nothing


async def test_where_there_is_nothing_to_tell_nobody_is_called(tiny: Tiny) -> None:
    assert await tiny.tell("nothing") is None
    assert await tiny.tell([{"nothing": "message.revision == 1"}, DO, END]) is None
    assert tiny.calls == []


async def test_where_there_is_something_to_tell_it_is_told(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says(ACKED))
    assert await tiny.tell([LOOK, {"nothing": "order.state == 'new'"}, DO, END]) == "SO-1"


# What a mapping can't say


async def test_a_condition_that_has_no_answer_is_the_mappings_fault_and_says_where(tiny: Tiny) -> None:
    tiny.to(GET_ORDER, says({"state": 7}))
    refusal = await refused(tiny, STEPS)
    assert refusal.code == "erp_mapping"
    assert "/outbound/accepted/1/unless" in refusal.detail
    assert tiny.calls == [GET_ORDER]


async def test_a_mapping_that_would_make_too_much_is_refused(tiny: Tiny) -> None:
    many = replace(MESSAGE, lines=tuple(ErpLine(number, "MUG", 1, 1, "EA") for number in range(1, 1001)))
    inner = {"each": "message.lines", "as": "b", "into": "${b.sku}"}
    call = {**PUT, "send": {"each": "message.lines", "as": "a", "into": inner}}
    refusal = await refused(tiny, [{"do": "tell_all", "repeatable": "true", "call": call}, END], message=many)
    assert refusal.code == "erp_mapping"
    assert tiny.calls == []


async def test_a_named_call_sees_what_it_is_given_and_nothing_else(tiny: Tiny) -> None:
    calls = {"order": {"door": "api", "get": "/orders/${given.no}", "take": "answer.rows | first"}}
    look = {"look": "order", "call": "order", "with": {"no": "${message.order_no}"}}
    tiny.to(GET_ORDER, says({"rows": [{"id": "a"}]}))
    assert await tiny.tell([look, {"document_no": "${order.id}"}], calls=calls) == "a"
    calls["order"]["get"] = "/orders/${message.order_no}"
    assert (await refused(tiny, [look, END], calls=calls)).code == "erp_mapping"
    assert tiny.calls == [GET_ORDER]
