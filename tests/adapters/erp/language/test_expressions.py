"""How expressions are read: what binds tighter, what is refused and where, and that any text ends in one of both."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.erp.language.expressions import (
    MOST_NESTED,
    And,
    Comparison,
    Else,
    Expression,
    Faulty,
    Literal,
    Path,
    Piped,
    parse,
    paths,
    walk,
)
from tests.adapters.erp.language.made import EXPRESSIONS


def read_or_fault(text: str) -> Expression | Faulty:
    try:
        return parse(text)
    except Faulty as fault:
        return fault


def test_a_consultant_reads_it_as_it_is_read() -> None:
    has = Piped(Path(("a",)), "has", (Literal("x"),))
    assert parse("a | has('x') and b == c ?? d") == And(
        has, Comparison(Path(("b",)), "==", Else(Path(("c",)), Path(("d",))))
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a or b and c", "a or (b and c)"),
        ("not a and b", "(not a) and b"),
        ("not a == b", "not (a == b)"),
        ("not a is there", "not (a is there)"),
        ("a not in [1]", "not (a in [1])"),
        ("a == b + c", "a == (b + c)"),
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a ?? b ?? c", "a ?? (b ?? c)"),
        ("a ?? b + c", "a ?? (b + c)"),
        ("a | count == b | count", "(a | count) == (b | count)"),
        ("a | upper ?? b", "(a | upper) ?? b"),
        ("a | trim | upper", "(a | trim) | upper"),
        ("-1 | abs", "(-1) | abs"),
        ("a is not there or b", "(a is not there) or b"),
        ("a -1", "a - 1"),
        ("a\n  and\tb", "a and b"),
        ("there is there", "(there) is there"),
        ("android in [nothing]", "(android) in [nothing]"),
    ],
)
def test_what_binds_tighter(text: str, meant: str) -> None:
    assert parse(text) == parse(meant)


def test_names_inside_of_a_path_may_be_any_words() -> None:
    assert parse("a.in.not.true.'@odata.etag'.'it''s'[2]._id").names == (  # type: ignore[union-attr]
        *("a", "in", "not", "true", "@odata.etag", "it's", 2, "_id"),
    )


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("", 0, "a value"),
        ("a +", 3, "a value"),
        ("a = b", 2, "=="),
        ("a && b", 2, "`and`"),
        ('a == "b"', 5, "single quotes"),
        ("'abc", 0, "no end"),
        ("a | uper", 4, "is `upper` meant"),
        ("a | cut", 4, "1 in its brackets"),
        ("a | upper('x')", 4, "no brackets"),
        ("a | cut('x')", 8, "a number, not a text"),
        ("a | quoted('oracle')", 11, "one of"),
        ("a ?? b | upper", 9, "two ways"),
        ("a + b | rounded(2)", 8, "two ways"),
        ("a == b == c", 7, "brackets"),
        ("(a", 2, "`)`"),
        ("[1, 2", 5, "`]`"),
        ("a b", 2, "an operator"),
        ("007", 0, "'007'"),
        ("a[1.5]", 2, "whole number"),
        ("a.", 2, "a name"),
        ("a |", 3, "a name"),
        ("a is here", 5, "`there`"),
        ("a\u00a0b", 1, "NO-BREAK SPACE"),
    ],
)
def test_a_fault_says_where_and_why(text: str, position: int, why: str) -> None:
    with pytest.raises(Faulty) as fault:
        parse(text)
    assert why in fault.value.why
    assert fault.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2001,
        "(" * 40 + "a" + ")" * 40,
        "[" * 40 + "]" * 40,
        "a" + " | trim" * MOST_NESTED,
        "a" + " or a" * MOST_NESTED,
        "not " * 100 + "a",
        "[" + ", ".join(["1"] * 301) + "]",
        "1" * 41,
        "0." + "1" * 40,
    ],
)
def test_what_is_too_large_is_refused(text: str) -> None:
    with pytest.raises(Faulty, match=r"at most|more than"):
        parse(text)


@given(EXPRESSIONS)
def test_what_is_printed_is_read_as_the_same(expression: Expression) -> None:
    read = read_or_fault(str(expression))
    if isinstance(read, Faulty):
        assert "at most" in read.why or "more than" in read.why
    else:
        assert read == expression
        assert str(read) == str(expression)


_PIECES = st.lists(
    st.sampled_from(
        [
            *("a", ".", "'", "x", "''", " ", "(", ")", "[", "]", ",", "|", "??", "?", "==", "<", "in", "not", "is"),
            *("there", "1", ".5", "-", "+", "*", "and", "or", "null", "upper", "cut", "\u00a0", "${", "}", "\n"),
        ]
    ),
    max_size=25,
).map("".join)


@given(st.one_of(st.text(max_size=60), _PIECES))
@example("'" * 1999)
@example("a." * 999)
@example("-" * 1999)
def test_any_text_is_an_expression_or_a_fault_inside_of_it(text: str) -> None:
    read = read_or_fault(text)
    positions = [read.position] if isinstance(read, Faulty) else [node.position for node in walk(read)]
    assert all(0 <= position <= len(text) for position in positions)


def test_paths_come_from_left_to_right() -> None:
    found = [str(path) for path in paths(parse("[a.b, c | has(d[0])] == e ?? 'x'"))]
    assert found == ["a.b", "c", "d[0]", "e"]
