"""What Hypothesis makes up: values, and expressions about them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from adapters.erp.language.expressions import (
    And,
    Arithmetic,
    Comparison,
    Else,
    Expression,
    IsThere,
    ListOf,
    Literal,
    Membership,
    Not,
    Or,
    Path,
    Piped,
)
from adapters.erp.language.functions import FUNCTIONS, Argument, Function

NUMBERS = st.one_of(
    st.integers(-(10**12), 10**12).map(Decimal),
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20),
    st.sampled_from([Decimal("1E+50"), Decimal("9" * 60), Decimal("1E-60"), Decimal(0), Decimal("-0.00")]),
)
WORDS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "1.234,50",
            "12",
            "-7.10",
            "2026-01-05T12:00:00Z",
            "2026-03-29T02:30:00",
            "2026-01-05",
            "Europe/Berlin",
            "%d.%m.%Y %H:%M",
            "%Y-%m-%d",
            "earlier",
            "epoch",
            "epoch_ms",
            "ms",
            "sql",
            "plain",
            "tryton",
            ",",
            ".",
            "a",
            "a.b",
            "units",
            "SO~2017",
            "x~~~2D",
            "YTpi",
            "__class__",
            "\u0130\ufb03" * 50,
            "\ud800",
            "\u200b" * 3000,
            "aaaa" * 2000,
        ]
    ),
    st.text(max_size=30),
)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)) if minutes else UTC)
TIMES = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=OFFSETS)  # noqa: DTZ001
DAYS = st.dates(min_value=date(1, 1, 1))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, TIMES, DAYS)
NAMES = st.sampled_from(["a", "b", "c", "__class__", "decimal", "year", "odd name"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
ROOTS = ("row", "order", "items", "note")
SCOPES = st.fixed_dictionaries(dict.fromkeys(ROOTS, VALUES))

_LITERALS = st.builds(
    Literal,
    st.one_of(
        st.none(),
        st.booleans(),
        WORDS.filter(lambda word: len(word) < 60),
        st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
        st.integers(0, 70).map(Decimal),
    ).map(lambda value: value if value != 0 or isinstance(value, bool) else Decimal(0)),
)
_STEPS = st.one_of(NAMES, st.text(min_size=1, max_size=5), st.integers(0, 3))
_PATHS = st.builds(
    lambda root, steps: Path((root, *steps)), st.sampled_from([*ROOTS, "elsewhere"]), st.lists(_STEPS, max_size=3)
)


def _fits(argument: Argument, expression: Expression) -> bool:
    return not isinstance(expression, Literal) or argument.refuses(expression.value) is None


def _argument(argument: Argument, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    if argument.words:
        return st.sampled_from(sorted(argument.words)).map(Literal)
    return inner.filter(lambda expression: _fits(argument, expression))


def _piped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def of(function: Function) -> st.SearchStrategy[Any]:
        given = st.integers(function.fewest, len(function.arguments)).flatmap(
            lambda count: st.tuples(*(_argument(argument, inner) for argument in function.arguments[:count]))
        )
        return st.builds(Piped, inner, st.just(function.name), given)

    return st.sampled_from(list(FUNCTIONS.values())).flatmap(of)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(ListOf, st.lists(inner, max_size=4).map(tuple)),
        st.builds(Or, inner, inner),
        st.builds(And, inner, inner),
        st.builds(Not, inner),
        st.builds(Comparison, inner, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner),
        st.builds(Membership, inner, inner),
        st.builds(IsThere, inner, st.booleans()),
        st.builds(Else, inner, inner),
        st.builds(Arithmetic, inner, st.sampled_from(["+", "-", "*"]), inner),
        _piped(inner),
        _piped(inner),
        _piped(inner),
    )


EXPRESSIONS: st.SearchStrategy[Any] = st.recursive(_LITERALS | _PATHS | _PATHS, _larger, max_leaves=10)
