"""What an answer means: the first row of its door's table that fits, and where none fits the least that is safe."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from adapters.erp.engine.meanings import meant
from adapters.erp.language.evaluating import Scope
from adapters.erp.mapping.file import load
from adapters.erp.transports.spoken import Spoken
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from tests.adapters.erp.engine.tiny import DO, END, LOOK, NEW, Tiny, mapping, says
from tests.adapters.scripted import Behavior, answer

GET_ORDER, PUT_ORDER = "GET /orders/SO-1", "PUT /orders/SO-1"
STEPS = [LOOK, DO, END]
PAGE = answer(200, "<html>Back soon</html>", {"Content-Type": "text/html"})


async def to_a_change(tiny: Tiny, behavior: Behavior, faults: object = ()) -> str | StockbridgeError | None:
    tiny.to(GET_ORDER, says(NEW))
    tiny.to(PUT_ORDER, behavior)
    try:
        return await tiny.tell(STEPS, faults=faults)
    except StockbridgeError as error:
        return error


async def to_a_question(tiny: Tiny, behavior: Behavior, faults: object = ()) -> str | StockbridgeError | None:
    tiny.to(GET_ORDER, behavior)
    try:
        return await tiny.tell([LOOK, END], faults=faults)
    except StockbridgeError as error:
        return error


# Rows


async def test_the_first_row_that_fits_counts(tiny: Tiny) -> None:
    rows = [
        {"when": "status == 404", "means": "refused", "code": "erp_other"},
        {"when": "body.code == 7", "means": "refused", "code": "erp_first", "why": "First."},
        {"when": "status == 400", "means": "refused", "code": "erp_second", "why": "Second."},
    ]
    error = await to_a_change(tiny, says({"code": 7}, 400), rows)
    assert isinstance(error, Rejected)
    assert (error.code, error.detail) == ("erp_first", "First.")


async def test_a_row_of_which_it_cant_be_said_whether_it_fits_does_not(tiny: Tiny) -> None:
    rows = [
        {"when": "body.code.inner.deep == 1", "means": "refused", "code": "erp_first"},
        {"when": "body.code > 3", "means": "refused", "code": "erp_second"},
        {"when": "body", "means": "refused", "code": "erp_third"},
        {"when": "status == 400", "means": "refused", "code": "erp_last"},
    ]
    error = await to_a_change(tiny, says({"code": "x"}, 400), rows)
    assert isinstance(error, Rejected)
    assert error.code == "erp_last"


@pytest.mark.parametrize("status", [400, 500])
async def test_a_fault_is_never_fine(tiny: Tiny, status: int) -> None:
    fine = [{"when": "true", "means": "fine"}]
    assert isinstance(await to_a_change(tiny, says({}, status), fine), OutcomeUnknown)
    assert isinstance(await to_a_question(tiny, says({}, status), fine), Unavailable)


async def test_a_page_is_never_fine(tiny: Tiny) -> None:
    fine = [{"when": "true", "means": "fine"}]
    assert isinstance(await to_a_change(tiny, PAGE, fine), OutcomeUnknown)


async def test_a_row_knows_whether_something_was_to_change(tiny: Tiny) -> None:
    rows = [{"when": "changes", "means": "refused", "code": "erp_change"}]
    error = await to_a_change(tiny, says({}), rows)
    assert isinstance(error, Rejected)
    assert await to_a_question(tiny, says({}), rows) == "SO-1"


async def test_what_the_erp_says_to_a_refusal_goes_apart(tiny: Tiny) -> None:
    rows = [{"when": "status == 400", "means": "refused", "code": "erp_credit", "text": "${body.who} owes"}]
    error = await to_a_change(tiny, says({"who": "Ida Holm"}, 400), rows)
    assert isinstance(error, Rejected)
    assert error.said == "Ida Holm owes"
    assert "Ida" not in str(error.as_json())


@pytest.mark.parametrize("text", ["${body.who.deep}", "${body.nobody}"])
async def test_where_the_row_finds_no_words_all_of_them_go_along(tiny: Tiny, text: str) -> None:
    rows = [{"when": "status == 400", "means": "refused", "code": "erp_credit", "text": text}]
    error = await to_a_change(tiny, says({"who": "Ida"}, 400), rows)
    assert isinstance(error, Rejected)
    assert error.said == '{"who": "Ida"}'


@pytest.mark.parametrize(("row", "after_s"), [({"after_s": "90"}, 90), ({}, 30)])
async def test_a_busy_erp_says_when_it_may_be_worth_asking_again(tiny: Tiny, row: dict[str, str], after_s: int) -> None:
    rows = [{"when": "status == 503", "means": "busy", **row}]
    error = await to_a_change(tiny, says({}, 503, **{"Retry-After": "30"}), rows)
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == after_s


async def test_who_is_locked_out_waits_for_an_operator(tiny: Tiny) -> None:
    error = await to_a_change(tiny, says({}, 401), [{"when": "status == 401", "means": "locked_out"}])
    assert isinstance(error, Unavailable)
    assert "operator" in str(error)


# No row


@pytest.mark.parametrize(
    "behavior",
    [PAGE, says({}, 302), says({}, 400), says({}, 500), answer(200, "{", {"Content-Type": "application/json"})],
)
async def test_what_no_row_speaks_of_and_is_no_answer_proves_nothing(tiny: Tiny, behavior: Behavior) -> None:
    assert isinstance(await to_a_change(tiny, behavior), OutcomeUnknown)
    assert isinstance(await to_a_question(tiny, behavior), Unavailable)


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_what_no_row_speaks_of_and_is_an_answer_is_one(tiny: Tiny, status: int) -> None:
    assert await to_a_change(tiny, answer(status, "")) == "SO-1"


def test_a_door_that_is_open_for_years_has_as_much_for_each_answer() -> None:
    row = {"when": "(body.rows | where('bad', 'yes') | count) > 0", "means": "refused", "code": "erp_bad"}
    rows = load(mapping("nothing", faults=[row])).file.faults["api"]
    body = {"rows": [{"bad": "no"}] * 999 + [{"bad": "yes"}]}
    spoken = Spoken("answer", 200, body, json.dumps(body), "application/json")
    names = Scope({"settings": {"n": Decimal(1)}})
    assert {meant(rows, spoken, names, changes=True).means for _ in range(500)} == {"refused"}
