"""What expressions give, when there is no answer, and that each ends within its budget whatever it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.erp.language.evaluating import Budget, CannotSay, Scope, evaluate
from adapters.erp.language.expressions import Expression, Faulty, parse
from adapters.erp.language.values import MISSING, MOST_DEPTH, Value, as_value, is_bounded, kind_of, to_json
from tests.adapters.erp.language.made import EXPRESSIONS, SCOPES

ORDER = as_value(
    {
        "ref": "SO-17",
        "note": " ",
        "customer": None,
        "total": Decimal("10.50"),
        "paid": True,
        "lines": [{"sku": "A", "qty": 2}, {"sku": "B"}],
        "at": datetime(2026, 1, 5, 12, tzinfo=UTC),
        "due": date(2026, 1, 9),
        "in": {"odd name": "x"},
    }
)


def says(text: str, order: Value = ORDER) -> Any:
    return evaluate(parse(text), Scope({"order": order}))


def why(text: str, order: Value = ORDER) -> CannotSay:
    with pytest.raises(CannotSay) as silent:
        says(text, order)
    return silent.value


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("order.ref", "SO-17"),
        ("order.nothing", MISSING),
        ("order.nothing.at.all", MISSING),
        ("order.customer.name", MISSING),
        ("order.customer", None),
        ("order.in.'odd name'", "x"),
        ("order.lines[1].sku", "B"),
        ("order.lines[2].sku", MISSING),
        ("[1, order.ref, null]", [Decimal(1), "SO-17", None]),
        ("order.ref == 'SO-17'", True),
        ("order.total == 10.5", True),
        ("order.customer == null", True),
        ("order.nothing == null", True),
        ("order.nothing == 'a'", False),
        ("order.nothing != 'a'", True),
        ("order.paid == true", True),
        ("[1, 'a'] == [1.0, 'a']", True),
        ("[true] == [1]", False),
        ("order.lines[0] == order.lines[1]", False),
        ("order.total > 10", True),
        ("order.ref < 'SO-2'", True),
        ("order.total in [1, 10.5]", True),
        ("order.total in ['10.5', 10.5]", True),
        ("order.total in [1, '2']", False),
        ("order.nothing in [1]", False),
        ("order.ref in order.nothing", False),
        ("order.ref not in ['SO-17']", False),
        ("order.note is there", False),
        ("order.note is not there", True),
        ("order.paid and order.total is there", True),
        ("order.nothing is there and order.nothing > 3", False),
        ("order.paid or order.nothing > 3", True),
        ("not order.paid", False),
        ("order.note ?? order.customer ?? order.ref", "SO-17"),
        ("order.nothing ?? order.customer", None),
        ("order.total * 2 + 0.5 - 1", Decimal("20.50")),
        ("0.1 + 0.2 == 0.3", True),
        ("order.customer | upper", None),
        ("order.nothing | upper", MISSING),
        ("order.nothing | upper is there", False),
    ],
)
def test_what_an_expression_gives(text: str, result: Any) -> None:
    given = says(text)
    assert given == result
    assert kind_of(given) == kind_of(result)


@pytest.mark.parametrize(
    ("text", "words", "position"),
    [
        ("order.ref == 17", "a text is compared with a number", 10),
        ("order.total == '10.5'", "a number is compared with a text", 12),
        ("order.paid == 'true'", "yes/no is compared with a text", 11),
        ("order.at == order.due", "a time is compared with a day", 9),
        ("order.ref < 17", "no order between a text and a number", 10),
        ("order.nothing < 17", "no order between nothing", 14),
        ("order.total in ['1', '2']", "a number is looked for", 12),
        ("order.ref in 'SO-17'", "`in` takes a list, not a text", 10),
        ("row.ref", "there is no `row` here, only order", 0),
        ("'x' == order.ref.x", "nothing inside of a text", 7),
        ("order.total.x", "nothing inside of a number", 0),
        ("order.lines.sku", "`| all('sku')`", 0),
        ("order[0]", "no place 0", 0),
        ("[order.nothing]", "item 0 of the list isn't there", 0),
        ("order.ref and true", "`and` takes yes/no, not a text", 10),
        ("not order.nothing", "`not` takes yes/no, not nothing", 0),
        ("order.ref + 1", "`+` takes numbers, not a text", 10),
        ("order.lines | upper", "`upper` takes a text, not a list", 14),
        ("order.lines | has(order.nothing)", "part is", 14),
        ("order.ref | cut(order.ref)", "characters is a number, not a text", 12),
        ("order.ref | table('units')", "no table `units`", 12),
    ],
)
def test_where_there_is_no_answer_it_says_why_and_where(text: str, words: str, position: int) -> None:
    silent = why(text)
    assert words in silent.why
    assert silent.position == position


def test_a_result_of_more_than_sixty_digits_is_none() -> None:
    large = as_value({"a": Decimal("9" * 40)})
    assert says("order.a + 1", large) == Decimal("1" + "0" * 40)
    assert "more than 60 digits" in why("order.a * order.a", large).why


def test_a_number_keeps_the_digits_that_it_was_written_with() -> None:
    assert says("1.10 | text") == "1.10"
    assert says("1.1 | text") == "1.1"


def test_a_scope_within_another_hides_names_and_shares_what_is_left() -> None:
    outer = Scope({"order": ORDER, "line": "outer"}, {"units": {"u": "EA"}})
    inner = outer.within(line="inner", self="me")
    assert evaluate(parse("[line, self, 'u' | table('units')]"), inner) == ["inner", "me", "EA"]
    assert evaluate(parse("line"), outer) == "outer"
    assert outer.budget.steps_used == inner.budget.steps_used > 5


@pytest.mark.parametrize(
    ("budget", "text", "words"),
    [
        (Budget(steps=3), "order.ref == 'x' or true", "more than 3 steps"),
        (Budget(characters=4), "order.ref | lower", "more than 4 characters"),
        (Budget(items=2), "[1, 2, 3]", "more than 2 items"),
    ],
)
def test_what_is_spent_is_spent(budget: Budget, text: str, words: str) -> None:
    with pytest.raises(CannotSay, match=words):
        evaluate(parse(text), Scope({"order": ORDER}, budget=budget))


def result_or_silence(expression: Expression, scope: Scope) -> Any:
    try:
        return evaluate(expression, scope)
    except CannotSay as silent:
        return silent


def _is_whole(value: Any, depth: int = 0) -> bool:
    if isinstance(value, Decimal):
        return is_bounded(value)
    if isinstance(value, list):
        return all(item is not MISSING and _is_whole(item, depth + 1) for item in value)
    if isinstance(value, Mapping):
        return all(item is not MISSING and _is_whole(item, depth + 1) for item in value.values())
    return depth <= MOST_DEPTH and kind_of(value) in {"null", "boolean", "text", "time", "day", "missing"}


BUDGETS = st.builds(Budget, st.integers(0, 400), st.integers(0, 4000), st.integers(0, 60)) | st.builds(Budget)
TABLES = {"units": {"u": "EA", "m": "M", "x": "M"}, "a": {}}


@given(EXPRESSIONS, SCOPES, BUDGETS)
def test_whatever_is_evaluated_ends_within_its_budget(
    expression: Expression, names: dict[str, Any], budget: Budget
) -> None:
    result = result_or_silence(expression, Scope(names, TABLES, budget))
    if isinstance(result, CannotSay):
        assert result.why
        assert result.position is not None
    else:
        assert _is_whole(result)
        assert result is MISSING or to_json(result)
    assert budget.steps_used <= budget.steps
    assert budget.characters_used <= budget.characters
    assert budget.items_used <= budget.items


@given(EXPRESSIONS, SCOPES)
def test_the_same_gives_the_same(expression: Expression, names: dict[str, Any]) -> None:
    def told() -> object:
        budget = Budget()
        result = result_or_silence(expression, Scope(names, TABLES, budget))
        if isinstance(result, CannotSay):
            return result.why, budget
        return kind_of(result), result if result is MISSING else to_json(result), budget

    assert told() == told()


HUGE = "a" * 1_000_000

ATTACKS = {
    "a class of Python": ("order.__class__", ORDER),
    "the globals of a function": ("order.ref.__init__.__globals__", ORDER),
    "a format string": ("'{0.__class__.__mro__}' | format(order)", ORDER),
    "an old format string": ("'%999999999d' % 1", ORDER),
    "an import": ("__import__('os').system('id')", ORDER),
    "a template": ("{{ 7 * 7 }}", ORDER),
    "a hole in a hole": ("${order.ref}", ORDER),
    "a huge exponent": ("9e999999", ORDER),
    "a power tower": ("9 ** 9 ** 9 ** 9", ORDER),
    "digits without end": ("9" * 1900, ORDER),
    "digits by multiplying": (" * ".join(["order.n"] * 12), as_value({"n": Decimal("9" * 20)})),
    "a text times a number": ("'a' * 1000000000", ORDER),
    "a text that doubles by joins": (
        "[order.a, order.a, order.a, order.a, order.a] | join(order.a) | split('a') | join(order.a)",
        {"a": HUGE},
    ),
    "a text that doubles in JSON": ("[order.a, order.a, order.a]" + " | json" * 6, {"a": '"' * 1_000_000}),
    "a list that doubles": ("[order.l, order.l, order.l, order.l] | flat", {"l": [None] * 100_000}),
    "a split into a million": ("order.a | split('a') | count", {"a": HUGE}),
    "lines of a character": ("order.a | wrapped(1) | count", {"a": HUGE}),
    "a quadratic search": (
        " or ".join(["(order.l | has(order.a))"] * 31),
        {"l": ["a" * 100_000 + "b"] * 2000, "a": "a" * 100_000 + "c"},
    ),
    "a quadratic sort": ("order.l | sorted | unique | sorted", {"l": ["a" * 100_000 + str(n) for n in range(500)]}),
    "a giant cut": ("order.ref | cut(99999999999999999999)", ORDER),
    "a giant rounding": ("order.total | rounded(999999999)", ORDER),
    "a backtracking pattern": ("order.a | decimal(',', '.')", {"a": "1.111" * 200_000 + "x"}),
    "a date that backtracks": ("order.a | time('UTC', '%d%m%Y%H%M%S%f')", {"a": "1" * 1_000_000}),
    "a zone that is a file": ("order.ref | time('../../../etc/passwd')", as_value({"ref": "2026-01-05T12:00:00"})),
    "an epoch beyond all years": ("order.n | time('epoch')", as_value({"n": Decimal("9" * 50)})),
    "brackets without end": ("(" * 900 + "1" + ")" * 900, ORDER),
    "negations without end": ("not " * 499 + "true", ORDER),
    "a pipe without end": ("order.ref" + " | trim" * 200, ORDER),
    "letters that look like others": ("ord\u0435r.ref", ORDER),
    "digits of another script": ("order.a | whole", {"a": "\u0661\u0662"}),
    "a text turned around": ("order.ref == '\u202e' \u2066", ORDER),
    "blanks that are looked at": (" or ".join(["order.a is there"] * 30), {"a": "\u200b" * 1_000_000}),
    "letters that can't be seen": (" or ".join(["order.a is there"] * 30), {"a": "\u3164" * 1_000_000}),
    "a pyramid of lists": ("order.l == order.m", {"l": [[["x"] * 100] * 100] * 100, "m": [[["x"] * 100] * 100] * 100}),
    "a value without a floor": ("order.deep | json", {"deep": None}),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_by_its_text_or_by_counting(name: str) -> None:
    text, order = ATTACKS[name]
    if name == "a value without a floor":
        deep: Any = []
        for _ in range(5000):
            deep = [deep]
        order = {"deep": deep}
    budget = Budget()
    with pytest.raises((Faulty, CannotSay)):
        evaluate(parse(text), Scope({"order": order}, budget=budget))
    assert budget.steps_used <= budget.steps
    assert budget.characters_used <= budget.characters


def test_there_are_at_least_twenty_attacks() -> None:
    assert len(ATTACKS) >= 20
