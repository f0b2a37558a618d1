"""Trees: what is left out, lists of lists, choices, and where an error was."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.erp.language.evaluating import Budget, Scope
from adapters.erp.language.expressions import Faulty
from adapters.erp.language.leaves import Leaf
from adapters.erp.language.trees import CannotRender, Tree, parse_tree
from adapters.erp.language.values import MISSING, Value, as_value, json_text, to_json
from tests.adapters.erp.language.made import EXPRESSIONS, SCOPES

MESSAGE = as_value(
    {
        "order_no": "SO-17",
        "carrier": None,
        "lines": [
            {"line_no": 1, "sku": "A", "quantity": 2, "lots": ["L1", "L2"]},
            {"line_no": 2, "sku": "B", "quantity": 0, "lots": []},
            {"line_no": 3, "sku": "C", "quantity": 5},
        ],
    }
)


def rendered(node: Any, **names: Any) -> Any:
    result = parse_tree(node, "/send").render(Scope({"message": MESSAGE, **names}, {"units": {"u": "EA"}}))
    return result if result is MISSING else json.loads(to_json(result))


def why(node: Any) -> CannotRender:
    with pytest.raises(CannotRender) as error:
        rendered(node)
    return error.value


def test_a_tree_has_the_shape_of_its_target() -> None:
    node = {
        "ref": "${message.order_no}",
        "origin": "commande",
        "code": "021",
        "carrier": "${message.carrier}",
        "signed_by": "${message.signed_by}",
        "to": {"name": "${message.name}"},
        "all": ["${message.order_no}", "${message.nothing}", "x"],
    }
    assert rendered(node) == {
        "ref": "SO-17",
        "origin": "commande",
        "code": "021",
        "carrier": None,
        "to": {},
        "all": ["SO-17", "x"],
    }


def test_each_line_is_a_tree_of_its_own() -> None:
    node = {
        "lines": {
            "each": "${message.lines}",
            "as": "line",
            "where": "line.quantity > 0",
            "into": {"id": "${line.line_no}", "order": "${message.order_no}/${line.line_no}"},
        }
    }
    assert rendered(node) == {"lines": [{"id": 1, "order": "SO-17/1"}, {"id": 3, "order": "SO-17/3"}]}


def test_lists_stand_in_each_other() -> None:
    lots = {"each": "line.lots", "as": "lot", "into": "${line.sku}:${lot}"}
    node = {"each": "message.lines", "as": "line", "into": {"lots": lots}}
    assert rendered(node) == [{"lots": ["A:L1", "A:L2"]}, {"lots": []}, {}]


def test_an_item_that_is_missing_is_left_out() -> None:
    assert rendered({"each": "message.lines", "as": "x", "into": "${x.lots | first}"}) == ["L1"]


@pytest.mark.parametrize("each", ["message.carrier", "message.nothing"])
def test_no_list_is_nothing(each: str) -> None:
    assert rendered({"lines": {"each": each, "as": "line", "into": "x"}}) == {}


def test_one_of_two_trees_is_chosen() -> None:
    node = {"each": "message.lines", "as": "x", "into": {"when": "x.quantity > 2", "then": "many", "else": "few"}}
    assert rendered(node) == ["few", "few", "many"]
    del node["into"]["else"]  # type: ignore[attr-defined]
    assert rendered(node) == ["many"]


def test_a_name_in_a_list_hides_the_one_outside() -> None:
    assert rendered({"each": "[1, 2]", "as": "message", "into": "${message}"}) == [1, 2]


@pytest.mark.parametrize("node", [{"when": "a"}, {"each": "b"}, {"into": "c", "as": "d"}, {"then": "x", "else": "y"}])
def test_half_of_such_a_node_is_a_field_of_the_target(node: Any) -> None:
    assert rendered(node) == node


@pytest.mark.parametrize(
    ("node", "pointer", "position", "at"),
    [
        ({"a": {"b~/": "${row}"}}, "/send/a/b~0~1", 2, ()),
        (["x", "no ${message.carrier}"], "/send/1", 5, ()),
        ({"each": "message.order_no", "as": "x", "into": "y"}, "/send/each", 0, ()),
        ({"each": "message.lines", "as": "x", "where": "x.quantity", "into": "y"}, "/send/where", 0, (0,)),
        ({"each": "message.lines", "as": "x", "into": {"q": "${x.sku | table('units')}"}}, "/send/into/q", 10, (0,)),
        (
            {
                "each": "message.lines",
                "as": "x",
                "where": "x.quantity > 2 or x.lots is there",
                "into": {"lots": {"each": "x.lots", "as": "lot", "into": "${lot | decimal}"}},
            },
            "/send/into/lots/into",
            8,
            (0, 0),
        ),
        ({"when": "message.order_no", "then": "x"}, "/send/when", 0, ()),
        ({"when": "true", "then": ["${message.order_no | whole}"]}, "/send/then/0", 21, ()),
        ({"when": "false", "then": "x", "else": "${message.order_no.x}"}, "/send/else", 2, ()),
    ],
)
def test_an_error_says_where_in_the_file_and_in_the_data(
    node: Any, pointer: str, position: int, at: tuple[int, ...]
) -> None:
    error = why(node)
    assert (error.pointer, error.position, error.at) == (pointer, position, at)
    assert error.why


def test_an_error_in_a_later_item_has_its_index() -> None:
    error = why(
        {
            "each": "message.lines",
            "as": "x",
            "into": {"when": "x.lots | has('L1')", "then": "a", "else": "${x.b.c ?? x.sku.d}"},
        }
    )
    assert error.at == (1,)
    assert "item 1" in str(error)


@pytest.mark.parametrize(
    ("node", "pointer"),
    [
        ({"a": ["${"]}, "/send/a/0"),
        ({"each": "a", "into": "b"}, "/send/as"),
        ({"each": "a", "as": "in", "into": "b"}, "/send/as"),
        ({"each": "a", "as": "a b", "into": "b"}, "/send/as"),
        ({"each": "a", "as": "x", "into": "b", "sku": "c"}, "/send/sku"),
        ({"each": "a", "as": "x", "wher": "a", "into": "b"}, "/send/wher"),
        ({"each": ["a"], "as": "x", "into": "b"}, "/send/each"),
        ({"each": "a =", "as": "x", "into": "b"}, "/send/each"),
        ({"each": "a", "as": "x", "where": "", "into": "b"}, "/send/where"),
        ({"when": "a", "then": "b", "otherwise": "c"}, "/send/otherwise"),
        ({"when": "${a} b", "then": "c"}, "/send/when"),
    ],
)
def test_a_fault_has_its_pointer(node: Any, pointer: str) -> None:
    with pytest.raises(Faulty) as fault:
        parse_tree(node, "/send")
    assert fault.value.pointer == pointer


def test_a_tree_has_no_more_than_so_many_levels() -> None:
    node: Any = "x"
    for _ in range(40):
        node = {"a": node}
    with pytest.raises(Faulty, match="levels"):
        parse_tree(node, "/send")


def test_all_leaves_can_be_walked() -> None:
    node = {
        "a": "x",
        "b": [{"each": "message.lines", "as": "line", "where": "true", "into": {"c": "${line.sku}"}}],
        "d": {"when": "false", "then": "y", "else": "z"},
    }
    walked = {pointer: type(leaf) is Leaf for pointer, leaf in parse_tree(node, "/send").leaves()}
    assert walked == {
        "/send/a": True,
        "/send/b/0/each": False,
        "/send/b/0/where": False,
        "/send/b/0/into/c": True,
        "/send/d/when": False,
        "/send/d/then": True,
        "/send/d/else": True,
    }


def test_what_is_in_the_data_once_is_not_in_the_result_a_million_times() -> None:
    data = as_value({"a": "a" * 100_000, "l": [0] * 1000})
    node = {"each": "message.l", "as": "x", "into": ["${message.a}", "${message}"]}
    budget = Budget()
    with pytest.raises(CannotRender, match="more than"):
        parse_tree(node, "").render(Scope({"message": data}, budget=budget))
    assert budget.characters_used <= budget.characters


_SCALARS = st.one_of(st.sampled_from(["x", "", "a ${row} b", "$${"]), EXPRESSIONS.map(lambda each: f"${{{each}}}"))
_NODES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
        st.fixed_dictionaries(
            {"each": EXPRESSIONS.map(str), "as": st.sampled_from(["row", "line"]), "into": inner},
            optional={"where": EXPRESSIONS.map(str)},
        ),
        st.fixed_dictionaries({"when": EXPRESSIONS.map(str), "then": inner}, optional={"else": inner}),
    ),
    max_leaves=6,
)


def tree_or_fault(node: Any) -> Tree | Faulty:
    try:
        return parse_tree(node, "")
    except Faulty as fault:
        return fault


def result_or_error(tree: Tree, scope: Scope) -> Any:
    try:
        return tree.render(scope)
    except CannotRender as error:
        return error


@given(_NODES, SCOPES)
def test_whatever_is_rendered_ends_within_its_budget(node: Any, names: dict[str, Any]) -> None:
    tree = tree_or_fault(node)
    if isinstance(tree, Faulty):
        assert tree.pointer is not None
        return
    budget = Budget(5000, 100_000, 2000)
    result = result_or_error(tree, Scope(names, {"units": {"u": "EA"}}, budget))
    if isinstance(result, CannotRender):
        assert result.pointer in {pointer for pointer, _ in tree.leaves()} or "more than" in result.why
    else:
        assert result is MISSING or len(json_text(result)) < 4 * 100_000 + 130 * 7000
    assert budget.steps_used <= budget.steps
    assert budget.characters_used <= budget.characters
    assert budget.items_used <= budget.items


def _line(number: int) -> Value:
    return as_value({"id": str(number), "ref": f"SKU-{number}", "qty": "2.00", "unit": "u", "price": "1.234,50"})


def test_an_order_of_five_hundred_lines_is_far_from_the_bounds() -> None:
    into = {
        "line_no": "${line.id | numbered}",
        "sku": "${line.ref}",
        "quantity": "${line.qty | decimal | text}",
        "uom": "${line.unit | table('units')}",
        "unit_price": {"amount": "${line.price | decimal(',', '.') | text}", "currency": "${line.currency ?? 'EUR'}"},
        "description": "${line.label ?? line.ref}",
        "reference": "SO ${line.id}/${line.ref}",
    }
    tree = parse_tree({"each": "order.lines | list", "as": "line", "where": "line.ref is there", "into": into}, "")
    scope = Scope({"order": {"lines": [_line(number) for number in range(1, 501)]}}, {"units": {"u": "EA"}})
    result = tree.render(scope)
    assert isinstance(result, list)
    assert len(result) == 500
    assert result[499] == {
        "line_no": Decimal(500),
        "sku": "SKU-500",
        "quantity": "2.00",
        "uom": "EA",
        "unit_price": {"amount": "1234.50", "currency": "EUR"},
        "description": "SKU-500",
        "reference": "SO 500/SKU-500",
    }
    assert scope.budget.steps_used < scope.budget.steps // 4
