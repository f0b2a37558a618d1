"""Leaves: literal parts and holes, what a mixed one takes, and where faults are."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.erp.language.evaluating import Budget, CannotSay, Scope
from adapters.erp.language.expressions import Faulty, Path
from adapters.erp.language.leaves import Leaf, parse_condition, parse_leaf, says_yes
from adapters.erp.language.values import MISSING, as_value

SCOPE = Scope(
    {
        "row": as_value(
            {"id": 7, "price": Decimal("1.10"), "ref": "a/b?c", "paid": True, "none": None, "lines": [1], "odd": "}'{"}
        )
    }
)


def says(text: str) -> Any:
    return parse_leaf(text, "/x").value(SCOPE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("plain", "plain"),
        ("NO", "NO"),
        ("1.10", "1.10"),
        ("a $ b { c } $x", "a $ b { c } $x"),
        ("${row.id}", Decimal(7)),
        ("${ row.lines }", [Decimal(1)]),
        ("${row.none}", None),
        ("${row.nothing}", MISSING),
        ("${row.paid}", True),
        ("no ${row.id}", "no 7"),
        ("${row.price}${row.ref}", "1.10a/b?c"),
        (" ${row.id}", " 7"),
        ("$${row.id}", "${row.id}"),
        ("$${a} ${row.id} $${b}", "${a} 7 ${b}"),
        ("a$$${row.id}", "a$${row.id}"),
        ("${'}' | text}", "}"),
        ("${'it''s }'}!", "it's }!"),
        ("<${row.odd}>", "<}'{>"),
    ],
)
def test_what_a_leaf_gives(text: str, value: Any) -> None:
    assert says(text) == value


@pytest.mark.parametrize(
    ("text", "words", "position"),
    [
        ("no ${row.nothing}", "not nothing", 5),
        ("no ${row.none}", "not null", 5),
        ("no ${row.paid}", "not yes/no", 5),
        ("no ${row.lines}", "not a list", 5),
        ("no ${row.id} ${row.id == 'x'}", "compared", 22),
        ("${order.id}", "there is no `order`", 2),
    ],
)
def test_where_a_leaf_gives_nothing_it_says_where(text: str, words: str, position: int) -> None:
    with pytest.raises(CannotSay, match=words) as silent:
        says(text)
    assert silent.value.position == position


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("no ${row.id", 3),
        ("no ${}", 5),
        ("no ${row.id | uper}", 14),
        ("${'a}", 0),
        ("${" * 5, 0),
        ("x" * 8001, 8000),
        ("${row.id}" * 21, 0),
    ],
)
def test_a_fault_is_told_with_its_place_in_the_file(text: str, position: int) -> None:
    with pytest.raises(Faulty) as fault:
        parse_leaf(text, "/outbound/shipped/0")
    assert fault.value.position == position
    assert fault.value.pointer == "/outbound/shipped/0"


def _in_path(text: str) -> str:
    return quote(text, safe="")


@pytest.mark.parametrize(
    ("text", "encode", "result"),
    [
        ("/orders/${row.ref}?x=1", _in_path, "/orders/a%2Fb%3Fc?x=1"),
        ("${row.ref}", _in_path, "a%2Fb%3Fc"),
        ("/a b", _in_path, "/a b"),
        ("${row.id}-${row.price}", str.upper, "7-1.10"),
    ],
)
def test_only_what_comes_from_holes_is_encoded(text: str, encode: Callable[[str], str], result: str) -> None:
    assert parse_leaf(text, "/x").text(SCOPE, encode) == result


@pytest.mark.parametrize("text", ["${row.nothing}", "${row.none}", "${row.paid}", "${row.lines}"])
def test_nothing_is_put_in_a_path_by_itself(text: str) -> None:
    with pytest.raises(CannotSay):
        parse_leaf(text, "/x").text(SCOPE, _in_path)


def test_its_expressions_can_be_looked_at() -> None:
    leaf = parse_leaf("a ${row.id} $${b} ${row.ref}", "/x")
    assert leaf.expressions == (Path(("row", "id")), Path(("row", "ref")))
    assert [hole.start for hole in leaf.holes] == [4, 20]
    assert leaf.literal is None
    assert parse_leaf("a $${b}", "/x").literal == "a ${b}"


@pytest.mark.parametrize("text", ["row.id == 7", "${row.id == 7}", " ${ row.id == 7 } "])
def test_a_condition_may_stand_bare(text: str) -> None:
    assert says_yes(parse_condition(text, "/when"), SCOPE)


@pytest.mark.parametrize(("text", "position"), [("row.id = 7", 7), ("${row.id = 7}", 9), (" ${row.id} x", 1), ("", 0)])
def test_a_condition_is_one_expression(text: str, position: int) -> None:
    with pytest.raises(Faulty) as fault:
        parse_condition(text, "/when")
    assert fault.value.position == position


@pytest.mark.parametrize("text", ["row.id", "row.nothing", "row.none", "'true'"])
def test_a_condition_gives_yes_or_no(text: str) -> None:
    with pytest.raises(CannotSay, match="a condition gives yes/no"):
        says_yes(parse_condition(text, "/when"), SCOPE)


def leaf_or_fault(text: str) -> Leaf | Faulty:
    try:
        return parse_leaf(text, "/x")
    except Faulty as fault:
        return fault


@given(st.text(alphabet="${}' ax.|", max_size=40))
def test_any_scalar_is_a_leaf_or_a_fault(text: str) -> None:
    leaf = leaf_or_fault(text)
    if isinstance(leaf, Faulty):
        assert 0 <= leaf.position <= len(text)
        assert leaf.pointer == "/x"
    elif leaf.literal is not None:
        assert leaf.literal == text.replace("$${", "${")


def test_what_many_holes_make_together_is_counted() -> None:
    scope = Scope({"row": {"a": "a" * 3000}}, budget=Budget(characters=5000))
    with pytest.raises(CannotSay, match="characters"):
        parse_leaf("${row.a}" * 2, "/x").value(scope)
