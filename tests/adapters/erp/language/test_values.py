"""Values: JSON to the last digit, what is refused of it, and our own objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.erp.language.values import (
    MISSING,
    MOST_DEPTH,
    NotJson,
    as_value,
    from_json,
    is_there,
    json_text,
    kind_of,
    plain,
    to_json,
)
from tests.adapters.erp.language.made import VALUES


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "boolean"),
        (Decimal(1), "number"),
        ("", "text"),
        (datetime(2026, 1, 5, tzinfo=UTC), "time"),
        (date(2026, 1, 5), "day"),
        ([], "list"),
        ({}, "tree"),
        (MISSING, "missing"),
    ],
)
def test_each_value_has_one_kind(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_float_has_no_kind() -> None:
    with pytest.raises(TypeError):
        kind_of(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [MISSING, None, "", " ", "\t\n", "\u00a0", "\u200b\ufeff", "\u3164"])
def test_nothing_is_not_there(value: Any) -> None:
    assert not is_there(value)


@pytest.mark.parametrize("value", [False, Decimal(0), "x", " x", [], {}])
def test_something_is_there(value: Any) -> None:
    assert is_there(value)


@pytest.mark.parametrize("text", ["1.10", "0.00000000", "12345678901234567890.123456789", "-0.5", "0", "100"])
def test_a_number_keeps_its_digits(text: str) -> None:
    assert to_json(from_json(text)) == text.encode()


@pytest.mark.parametrize(("text", "written"), [("1e3", "1000"), ("1.5E-3", "0.0015"), ("-0", "0"), ("-0.0", "0.0")])
def test_a_number_is_written_without_an_exponent(text: str, written: str) -> None:
    assert to_json(from_json(text)) == written.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nan",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a": 1, "a": 1}',
        b'[{"b": {"a": 1, "c": 2, "a": 3}}]',
        b"\xff",
        b'{"a": 1} x',
        b"1e61",
        b"1e-61",
        b"9e999999",
        b"9e" + b"9" * 5000,
        b"1" * 61,
        b"0." + b"1" * 61,
        b"9" * 100_000,
        b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        "{\u201ca\u201d: 1}".encode(),
    ],
)
def test_what_is_no_bounded_json_is_refused(content: bytes) -> None:
    with pytest.raises(NotJson):
        from_json(content)


def test_a_refusal_quotes_nothing_of_the_content() -> None:
    with pytest.raises(NotJson) as refused:
        from_json(b'{"password": "hunter2", oops}')
    assert "hunter2" not in str(refused.value)


def test_brackets_inside_of_texts_are_no_depth() -> None:
    text = '"' + '[{\\"' * 500 + '"'
    assert from_json(text) == '[{"' * 500


def test_a_mark_that_begins_a_file_does_no_harm() -> None:
    assert from_json(b"\xef\xbb\xbf[1]") == [Decimal(1)]


def test_half_of_a_character_is_kept_as_its_escape() -> None:
    assert to_json(from_json(b'["\\ud83d", "\xc3\xa9"]')) == '["\\ud83d", "é"]'.encode()


def test_times_and_days_are_written_as_their_standards_say() -> None:
    berlin = timezone(timedelta(hours=1))
    written = [datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 1, 5, 13, 0, 0, 5, tzinfo=berlin), date(2026, 1, 5)]
    expected = '["2026-01-05T12:00:00Z", "2026-01-05T13:00:00.000005+01:00", "2026-01-05"]'
    assert json_text(list(written)) == expected


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    written = to_json(value)
    assert json.loads(written) is not MISSING
    again = from_json(written)
    assert to_json(again) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**30), max_value=10**30))
def test_every_digit_survives(number: Decimal) -> None:
    again = from_json(to_json({"n": number}))
    assert isinstance(again, dict)
    assert plain(again["n"]) == plain(number)


class Kind(Enum):
    SHIPPED = "shipped"


class Word(StrEnum):
    SHORT = "short"


@dataclass(frozen=True)
class Line:
    line_no: int
    lots: tuple[str, ...]
    kind: Kind | None = None


def test_our_own_objects_are_trees() -> None:
    told = as_value({"lines": (Line(1, ("L1",), Kind.SHIPPED),), "word": Word.SHORT, "at": None})
    assert told == {"lines": [{"line_no": Decimal(1), "lots": ["L1"], "kind": "shipped"}], "word": "short", "at": None}
    assert type(told["word"]) is str


def test_a_time_of_a_zone_keeps_only_its_offset() -> None:
    winter = as_value(datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")))
    summer = as_value(datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=ZoneInfo("Europe/Berlin")))
    assert isinstance(winter, datetime)
    assert isinstance(summer, datetime)
    assert winter - summer == timedelta(hours=1)
    assert to_json(winter) == b'"2026-10-25T02:30:00+01:00"'


@pytest.mark.parametrize("thing", [1.5, {"a": 0.1}, object(), {1: "a"}, {"a": {1, 2}}, MISSING, b"a"])
def test_what_is_no_value_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError):
        as_value(thing)


@pytest.mark.parametrize("thing", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e999"), 10**61, datetime(2026, 1, 5)])  # noqa: DTZ001
def test_what_has_no_bounds_or_no_offset_is_refused(thing: Any) -> None:
    with pytest.raises(ValueError, match=r"a number has|a time has"):
        as_value(thing)
