"""The functions: the example that each is explained with, and what is odd about some."""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.erp.language.evaluating import Budget, CannotSay, Scope, evaluate
from adapters.erp.language.expressions import parse
from adapters.erp.language.functions import FUNCTIONS, Argument
from adapters.erp.language.functions.keys import as_key, from_key
from adapters.erp.language.values import KINDS, MISSING, as_value, from_json, json_text, kind_of, plain, to_json
from domain.commands import KEY_PATTERN
from tests.adapters.erp.language.made import TIMES

TABLES = {"units": {"u": "EA", "m": "M", "lm": "M", "true": "yes"}}


def says(text: str, value: Any = None) -> Any:
    return evaluate(parse(text), Scope({"x": as_value(value)}, TABLES))


def result_or_silence(text: str, value: Any) -> Any:
    try:
        return evaluate(parse(text), Scope({"x": value}))
    except CannotSay as silent:
        return silent


def why(text: str, value: Any = None) -> str:
    with pytest.raises(CannotSay) as silent:
        says(text, value)
    return silent.value.why


@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_example_is_true(name: str) -> None:
    function = FUNCTIONS[name]
    example = function.example
    given = {key: as_value(value) for key, value in example.given.items()}
    result = evaluate(parse(example.expression), Scope(given, example.tables))
    assert kind_of(result) in function.gives
    assert result is not MISSING
    assert json_text(result) == example.result
    assert name in example.expression


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_told_so_that_a_checker_can_read_it(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.name == name
    assert function.takes <= KINDS
    assert function.gives <= KINDS
    assert re.fullmatch(r"[A-Z][^\n]{10,115}\.", function.meaning)
    assert [argument.optional for argument in function.arguments] == sorted(
        argument.optional for argument in function.arguments
    )


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_it_gives_is_of_a_kind_that_it_says(name: str, kind: str) -> None:
    values = {
        "null": None,
        "boolean": True,
        "number": Decimal("12.0"),
        "text": "12",
        "time": says("'2026-01-05T12:00:00Z' | time"),
        "day": says("'2026-01-05' | day"),
        "list": ["12"],
        "tree": {"a": "12"},
        "missing": MISSING,
    }
    function = FUNCTIONS[name]
    said = {"text": "'a'", "number": "2"}
    arguments = [
        f"'{min(each.words)}'" if each.words else said.get(min(each.kinds & {"text", "number"}, default=""), "'a'")
        for each in function.arguments
        if not each.optional
    ]
    brackets = f"({', '.join(arguments)})" if arguments else ""
    result = result_or_silence(f"x | {name}{brackets}", values[kind])
    if isinstance(result, CannotSay):
        assert kind in function.takes or "takes" in result.why
        return
    assert kind in function.takes | {"null", "missing"}
    assert kind_of(result) in function.gives | ({kind} - function.takes)


_LENGTH = 1_000_000
_ONLY_THE_BEGINNING = {"cut", "key", "unkey", "numbered"}
_AS_IT_IS = {"text", "list", "table", "untable", "typed", "untyped"}
_OF_TEXT = {name for name, each in FUNCTIONS.items() if "text" in each.takes} - _ONLY_THE_BEGINNING - _AS_IT_IS
_OF_ONE_ITEM = {"first", "last", "count", "list"}
_OF_A_LIST = {name for name, each in FUNCTIONS.items() if "list" in each.takes} - _OF_ONE_ITEM


@pytest.mark.parametrize("character", [" ", "1", "\u200b", "'"])
@pytest.mark.parametrize("name", sorted(_OF_TEXT))
def test_a_long_text_costs_its_length(name: str, character: str) -> None:
    function = FUNCTIONS[name]
    brackets = f"({', '.join(_said(each) for each in function.arguments)})" if function.arguments else ""
    budget = Budget()
    scope = Scope({"x": character * _LENGTH}, TABLES, budget)
    with suppress(CannotSay):
        evaluate(parse(f"x | {name}{brackets}"), scope)
        assert budget.steps_used + budget.characters_used >= _LENGTH // 256


def _said(argument: Argument) -> str:
    words = {"number": "2", "text": "x"}
    return f"'{min(argument.words)}'" if argument.words else words[min(argument.kinds & words.keys())]


@pytest.mark.parametrize("name", sorted(_OF_A_LIST))
@pytest.mark.parametrize("item", [[], {}, "", None])
def test_a_long_list_costs_its_length(name: str, item: Any) -> None:
    function = FUNCTIONS[name]
    brackets = f"({', '.join(_an_example(each) for each in function.arguments)})" if function.arguments else ""
    budget = Budget()
    scope = Scope({"x": [item] * 1000}, TABLES, budget)
    with suppress(CannotSay):
        evaluate(parse(f"x | {name}{brackets}"), scope)
        assert budget.steps_used >= 1000


def _an_example(argument: Argument) -> str:
    return f"'{min(argument.words)}'" if argument.words else "'a'"


# -- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("x | text", Decimal("1E+3"), "1000"),
        ("x | text", "a", "a"),
        ("x | cut(0)", "abc", ""),
        ("x | wrapped(4)", "a bc abcdefghij k", ["a bc", "abcd", "efgh", "ij k"]),
        ("x | wrapped(4)", "abcdefgh", ["abcd", "efgh"]),
        ("x | wrapped(4)", "  ", []),
        ("x | lines", "a\r\n\r\n b \n", ["a", "b"]),
        ("x | split(',')", "", [""]),
        ("x | join('')", [], ""),
        ("x | has('b')", "abc", True),
        ("x | has('b')", None, False),
        ("x | has('b')", ["a", "b"], True),
        ("x | has('b')", [], False),
        ("x | has(1)", ["1", 1], True),
        ("x | has(null)", [None], True),
        ("x | starts('a')", None, False),
        ("x | after(':')", "a:b:c", "b:c"),
        ("x | before(':')", "a:b:c", "a"),
        ("x | after(':')", "abc", MISSING),
        ("x | before(':')", "abc", MISSING),
    ],
)
def test_texts(text: str, value: Any, result: Any) -> None:
    assert says(text, value) == result


def test_yes_is_no_text() -> None:
    assert "not yes/no" in why("x | text", value=True)


def test_what_is_between_parts_is_something() -> None:
    assert "can't be empty" in why("x | split('')", "abc")


def test_only_texts_are_joined() -> None:
    assert "a number is in it" in why("x | join(',')", ["a", 1])


# -- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("SO-17", "SO-17"),
        ("SO 17", "SO~2017"),
        ("a~b", "a~7Eb"),
        ("a~20b", "a~7E20b"),
        ("(PROV12)", "x~~~28PROV12~29"),
        ("-1", "x~~-1"),
        ("x~~-1", "x~7E~7E-1"),
        ("\u00e9", "x~~~C3~A9"),
    ],
)
def test_a_key_stands_for_one_text(text: str, key: str) -> None:
    assert says("x | key", text) == key
    assert says("x | unkey", key) == text


@given(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5))
def test_two_texts_never_have_the_same_key(one: str, other: str) -> None:
    assume(one != other)
    assert as_key(one) != as_key(other)


@given(st.text(alphabet="aA0x~-._ 2E7\u00e9", min_size=1, max_size=20))
def test_a_key_is_legal_and_leads_back(text: str) -> None:
    key = as_key(text)
    assert re.fullmatch(KEY_PATTERN, key)
    assert from_key(key) == text


@given(st.text(alphabet="ax~-27EC3A9", max_size=12))
def test_what_is_no_key_of_ours_leads_nowhere(key: str) -> None:
    try:
        text = from_key(key)
    except CannotSay:
        return
    assert as_key(text) == key


@pytest.mark.parametrize("value", ["", "a" * 65, "\u00e9" * 22, "\ud800", Decimal("1.5")])
def test_what_makes_no_key_is_refused(value: Any) -> None:
    assert why("x | key", value)


def test_a_whole_number_is_a_key() -> None:
    assert says("x | key", Decimal("17.0")) == "17"


# -- inside of filters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "text", "result"),
    [
        ("sql", "5' pole", "5'' pole"),
        ("mysql", "\\' or 1=1", "\\\\'' or 1=1"),
        ("odata", "O'Neil", "O''Neil"),
        ("solr", 'a:b (c) "d" \\', 'a\\:b\\ \\(c\\)\\ \\"d\\"\\ \\\\'),
        ("double", 'say "\\"', 'say \\"\\\\\\"'),
        ("plain", "SO-17/2 a@b.c~1", "SO-17/2 a@b.c~1"),
    ],
)
def test_a_text_is_harmless_in_a_filter(dialect: str, text: str, result: str) -> None:
    assert says(f"x | quoted('{dialect}')", text) == result


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("sql", "a\\"),
        ("plain", "a'b"),
        ("plain", "a)b"),
        ("plain", "a%b"),
        ("plain", "\u2019"),
        ("odata", "a\nb"),
        ("sql", "a\0"),
    ],
)
def test_what_can_not_be_made_harmless_is_refused(dialect: str, text: str) -> None:
    assert "there is" in why(f"x | quoted('{dialect}')", text)


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("x | decimal", "1.10", "1.10"),
        ("x | decimal", " -7 ", "-7"),
        ("x | decimal", "12.50-", "-12.50"),
        ("x | decimal", Decimal("1.50"), "1.50"),
        ("x | decimal(',')", "1234,5", "1234.5"),
        ("x | decimal(',', '.')", "1234,5", "1234.5"),
        ("x | decimal(',', '.')", "1.234.567,89", "1234567.89"),
        ("x | decimal('.', ',')", "1,234.50", "1234.50"),
        ("x | decimal(',', ' ')", "1\u00a0234,50", "1234.50"),
        ("x | decimal('.', '''')", "1'234.50", "1234.50"),
        ("x | whole", Decimal("2.00"), "2"),
        ("x | whole", "2.00", "2"),
        ("x | numbered", "0010", "10"),
        ("x | plain", Decimal("1E+3"), "1000"),
        ("x | plain", Decimal("10.00"), "10"),
        ("x | rounded(2)", Decimal("-1.005"), "-1.01"),
        ("x | rounded(2)", Decimal(1), "1.00"),
        ("x | rounded(0)", Decimal("2.5"), "3"),
        ("x | abs", Decimal("-1.10"), "1.10"),
    ],
)
def test_numbers(text: str, value: Any, result: str) -> None:
    assert plain(says(text, value)) == result


@pytest.mark.parametrize("reads", ["decimal", "whole", "numbered", "time", "time('epoch')", "day", "day('%d.%m.%Y')"])
def test_a_blank_text_is_no_number_time_or_day(reads: str) -> None:
    assert says(f"x | {reads}", " ") is MISSING


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x | decimal", "1,5"),
        ("x | decimal", "1e5"),
        ("x | decimal", "--1"),
        ("x | decimal", "-1-"),
        ("x | decimal", "1."),
        ("x | decimal", ".5"),
        ("x | decimal", "0x1F"),
        ("x | decimal", "NaN"),
        ("x | decimal", "1_000"),
        ("x | decimal", "\u0661"),
        ("x | decimal", "1" * 61),
        ("x | decimal(',')", "1.234,50"),
        ("x | decimal(',', '.')", "1.23,50"),
        ("x | decimal(',', '.')", "12345.678,50"),
        ("x | decimal(',', '.')", "1.5"),
        ("x | decimal('.', '.')", "1.5"),
        ("x | whole", "2.5"),
        ("x | whole", Decimal("2.5")),
        ("x | numbered", "0"),
        ("x | numbered", "2147483648"),
        ("x | numbered", "-1"),
        ("x | rounded(31)", Decimal(1)),
        ("x | rounded(30)", Decimal("9" * 40)),
    ],
)
def test_what_is_no_such_number_is_refused(text: str, value: Any) -> None:
    assert why(text, value)


# -- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("x | time", "2026-01-05T12:00:00Z", "2026-01-05T12:00:00Z"),
        ("x | time", "2026-01-05 12:00:00.1234567+0100", "2026-01-05T12:00:00.123456+01:00"),
        ("x | time", "2026-01-05t12:00:00-00:00", "2026-01-05T12:00:00Z"),
        ("x | time('epoch')", "1767614400", "2026-01-05T12:00:00Z"),
        ("x | time('epoch')", Decimal("1767614400.5"), "2026-01-05T12:00:00.500000Z"),
        ("x | time('epoch_ms')", Decimal(1767614400001), "2026-01-05T12:00:00.001000Z"),
        ("x | time('Europe/Berlin')", "2026-01-05T13:00:00", "2026-01-05T13:00:00+01:00"),
        ("x | time('Europe/Berlin')", "2026-07-05 13:00", "2026-07-05T13:00:00+02:00"),
        ("x | time('Europe/Berlin')", "2026-01-05T13:00:00-05:00", "2026-01-05T13:00:00-05:00"),
        ("x | time('Europe/Berlin', 'earlier')", "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
        ("x | time('Europe/Berlin', 'later')", "2026-10-25T02:30:00", "2026-10-25T02:30:00+01:00"),
        ("x | time('UTC', '%d-%b-%y %H:%M:%S')", "05-JAN-26 12:00:01", "2026-01-05T12:00:01Z"),
        ("x | time('UTC', '%Y%m%d%H%M%S')", "20260105120001", "2026-01-05T12:00:01Z"),
        ("x | time('Europe/Berlin', '%d.%m.%Y %H:%M %z')", "5.1.2026 12:00 -0500", "2026-01-05T12:00:00-05:00"),
        ("x | time('Europe/Berlin', '%d.%m.%Y %H:%M', 'later')", "25.10.2026 2:30", "2026-10-25T02:30:00+01:00"),
        ("x | time | at('Europe/Berlin')", "2026-07-05T12:00:00Z", "2026-07-05T14:00:00+02:00"),
        (
            "x | time | at('Asia/Kolkata', '%d.%m.%y %H:%M%z %%')",
            "2026-07-05T12:00:00Z",
            "05.07.26 17:30+05:30 %",
        ),
        ("x | time | epoch", "2026-01-05T12:00:00.9Z", "1767614400"),
        ("x | time | epoch('ms')", "2026-01-05T12:00:00.9Z", "1767614400900"),
        ("x | day", "2026-01-05", "2026-01-05"),
        ("x | day", "2026-01-05T23:59:00Z", "2026-01-05"),
        ("x | time | day", "2026-01-05T23:59:00-05:00", "2026-01-05"),
        ("x | day('%d.%m.%Y')", "31.12.2026", "2026-12-31"),
        ("x | day | written('%m/%d/%Y')", "2026-01-05", "01/05/2026"),
    ],
)
def test_times(text: str, value: Any, result: str) -> None:
    assert json_text(says(text, value)).strip('"') == result


def test_an_hour_that_clocks_skipped_is_read_both_ways() -> None:
    earlier, later = (says(f"x | time('Europe/Berlin', '{it}')", "2026-03-29T02:30:00") for it in ("earlier", "later"))
    assert later - earlier == timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("x | time", "2026-01-05T12:00:00", "without an offset"),
        ("x | time", "2026-01-05", "without an offset"),
        ("x | time", "yesterday", "not a time"),
        ("x | time", "2026-02-30T12:00:00Z", "no such day"),
        ("x | time", "2026-01-05T24:00:00Z", "no such day"),
        ("x | time", "2026-01-05T23:59:60Z", "no such day"),
        ("x | time", Decimal(1), "only as"),
        ("x | time('epoch')", "soon", "no number"),
        ("x | time('epoch')", "-99999999999999", "no such day"),
        ("x | time('Mars/Base')", "2026-01-05T12:00:00", "no such time zone"),
        ("x | time('')", "2026-01-05T12:00:00", "no such time zone"),
        ("x | time('Europe')", "2026-01-05T12:00:00", "no such time zone"),
        ("x | time('Europe/Berlin')", "2026-10-25T02:30:00", "twice"),
        ("x | time('Europe/Berlin')", "2026-03-29T02:30:00", "skipped"),
        ("x | time('UTC', '%d.%m.%Y')", "5/1/2026", "format"),
        ("x | time('UTC', '%d.%m.%Y %X')", "5.1.2026", "no `%X`"),
        ("x | time('UTC', '%d.%d.%Y')", "5.1.2026", "each once"),
        ("x | time('UTC', '%H:%M')", "12:00", "each once"),
        ("x | time('UTC', '%d.%m.%Y', 'sometimes')", "5.1.2026", "`earlier` or `later`"),
        ("x | day", "0000-00-00", "no such day"),
        ("x | day", "05.01.2026", "not a day"),
        ("x | day | written('%d %H')", "2026-01-05", "a day has no"),
    ],
)
def test_what_is_no_such_time_is_refused(text: str, value: Any, words: str) -> None:
    assert words in why(text, value)


@given(TIMES)
def test_a_time_that_is_written_is_read_as_the_same(time: datetime) -> None:
    assert says("x | text | time", time) == time
    if 2 < time.year < 9998:
        assert says("x | at('Europe/Berlin', '%Y-%m-%d %H:%M:%S.%f %z') | time('UTC', '%Y-%m-%d %H:%M:%S.%f %z')", time)


# -- tables ----------------------------------------------------------------------------------------------------------


def test_a_row_that_is_not_there_is_named_with_its_table() -> None:
    assert why("x | table('units')", "kg") == "the table `units` has no row for `kg`"
    assert why("x | untable('units')", "KG") == "the table `units` has no row that gives `KG`"


def test_a_word_that_two_rows_give_does_not_lead_back() -> None:
    assert says("x | untable('units')", "EA") == "u"
    assert why("x | untable('units')", "M") == "the table `units` has 2 rows that give `M`"


def test_yes_and_no_have_their_rows_too() -> None:
    assert says("x | table('units')", value=True) == "yes"


# -- lists -----------------------------------------------------------------------------------------------------------

LINES = [{"sku": "B", "qty": 2, "p": {"id": 7}}, {"sku": "A", "qty": Decimal("0.5"), "p": None}, {"sku": "B", "qty": 3}]


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("x | first", [], MISSING),
        ("x | last", [], MISSING),
        ("x | count", None, 0),
        ("x | count", [1, 2], 2),
        ("x | all('p.id')", LINES, [7]),
        ("x | sum('qty')", LINES, Decimal("5.5")),
        ("x | sum", [], 0),
        ("x | max('qty')", LINES, 3),
        ("x | min", ["b", "a"], "a"),
        ("x | max", [], MISSING),
        ("x | where('sku', 'B') | all('qty')", LINES, [2, 3]),
        ("x | where('p', null) | count", LINES, 2),
        ("x | sorted('sku') | all('qty')", LINES, [Decimal("0.5"), 2, 3]),
        ("x | sorted", [3, 1, 2], [1, 2, 3]),
        ("x | flat", [[1], 2, [[3]]], [1, 2, [3]]),
        ("x | unique", [1, "1", Decimal("1.0"), True, {"a": [1]}, {"a": [Decimal("1.0")]}], [1, "1", True, {"a": [1]}]),
        ("x | list", None, []),
        ("x | list", "", []),
        ("x | list", {}, [{}]),
        ("x | list", "a", ["a"]),
        ("x | list", ["a"], ["a"]),
    ],
)
def test_lists(text: str, value: Any, result: Any) -> None:
    given = says(text, value)
    assert given == result
    assert kind_of(given) == kind_of(result if result is MISSING else as_value(result))


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("x | all('sku.x')", LINES, "nothing inside of a text"),
        ("x | all('')", LINES, "a name"),
        ("x | all('a..b')", LINES, "a name"),
        ("x | sum('sku')", LINES, "a text is in it"),
        ("x | sum('p')", LINES, "a tree is in it"),
        ("x | sorted('p')", LINES, "no order"),
        ("x | max", [1, "a"], "no order between a number and a text"),
        ("x | where('sku', 1)", LINES, "a text is compared with a number"),
        ("x | sum", [Decimal("9" * 60), Decimal("0.1")], "60 digits"),
    ],
)
def test_what_is_no_such_list_is_refused(text: str, value: Any, words: str) -> None:
    assert words in why(text, value)


# -- codecs ----------------------------------------------------------------------------------------------------------


def test_a_filter_of_tryton_is_what_its_server_reads() -> None:
    text = "[['write_date', '>=', x | time], ['price', '=', 1.10], ['qty', '=', 2]] | typed('tryton') | json | b64url"
    sent = json.loads(base64.urlsafe_b64decode(says(text, "2026-01-05T13:00:00.5+01:00")))
    stamp = {"__class__": "datetime", "year": 2026, "month": 1, "day": 5, "hour": 12, "minute": 0, "second": 0}
    assert sent == [
        ["write_date", ">=", {**stamp, "microsecond": 500_000}],
        ["price", "=", {"__class__": "Decimal", "decimal": "1.10"}],
        ["qty", "=", 2],
    ]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.text(max_size=5), st.dates(), TIMES, st.integers(-99, 99).map(Decimal)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    )
)
def test_what_is_typed_is_read_as_the_same(value: Any) -> None:
    sent = result_or_silence("x | typed('tryton')", as_value(value))
    if isinstance(sent, CannotSay):  # of a time whose day, in UTC, is before the first or after the last
        assert "no such day" in sent.why
        return
    assert evaluate(parse("x | untyped('tryton')"), Scope({"x": from_json(to_json(sent))})) == as_value(value)


@pytest.mark.parametrize(
    "typed",
    [
        {"__class__": "Decimal"},
        {"__class__": "Decimal", "decimal": "NaN"},
        {"__class__": "Decimal", "decimal": "1e999999"},
        {"__class__": "Decimal", "decimal": 1},
        {"__class__": "date", "year": 2026, "month": 13, "day": 1},
        {"__class__": "datetime", "year": "2026", "month": 1, "day": 1},
        {"__class__": "os.system", "command": "id"},
        {"__class__": None},
        {"__class__": ["Decimal"]},
        {"__class__": "bytes", "base64": 7},
    ],
)
def test_what_has_an_odd_class_is_refused(typed: Any) -> None:
    refused = why("x | untyped('tryton')", [typed])
    assert "`__class__`" in refused or "more than 60 digits" in refused


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ({"__class__": "time", "hour": 7, "minute": 5, "second": 0, "microsecond": 0}, "07:05:00"),
        ({"__class__": "timedelta", "seconds": 90}, Decimal(90)),
        ({"__class__": "bytes", "base64": "YQ=="}, "YQ=="),
    ],
)
def test_the_other_classes_of_tryton_are_plain_values(typed: Any, value: Any) -> None:
    assert says("x | untyped('tryton')", typed) == value


def test_what_is_no_base64_is_refused() -> None:
    assert why("x | unb64", "%%%")
    assert why("x | unb64", "/w==")
