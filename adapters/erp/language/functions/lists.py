"""Functions of lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, cast

from adapters.erp.language.budget import CannotSay, a
from adapters.erp.language.comparing import equal, identity, in_order
from adapters.erp.language.following import follow
from adapters.erp.language.functions.function import (
    ANYTHING,
    LIST,
    NUMBER,
    TEXT,
    Argument,
    Call,
    Example,
    Function,
    kinds,
)
from adapters.erp.language.functions.numbers import EXACT, bounded
from adapters.erp.language.values import KINDS, MISSING, Result, Value


def _names(call: Call) -> list[str]:
    path: str = call.argument(0)
    names = path.split(".")
    if not all(names):
        raise CannotSay("a field in brackets is a name, or names with dots between them")
    return names


def _each(call: Call) -> list[Result]:
    """Return what stands under the field in each item, or the items where no field is said."""
    items = call.items
    if not call.arguments:
        call.budget.step(len(items))
        return list(items)
    names = _names(call)
    call.budget.step(len(items) * len(names))
    return [follow(item, names) for item in items]


def _field(call: Call) -> Result:
    names = _names(call)
    call.budget.step(len(names))
    return follow(call.value, names)


def _all(call: Call) -> Result:
    return call.made([each for each in _each(call) if each is not MISSING and each is not None])


def _count(call: Call) -> Result:
    return Decimal(len(call.items) if isinstance(call.value, list) else 0)


def _sum(call: Call) -> Result:
    total = Decimal(0)
    for number in _each(call):
        if not isinstance(number, Decimal):
            raise CannotSay(f"`sum` takes a list of numbers, and {a(number)} is in it")
        total = bounded(EXACT.add(total, number))
    return total


def _outermost(choose: Callable[[list[Any]], Any]) -> Callable[[Call], Result]:
    def run(call: Call) -> Result:
        ordered = in_order(_each(call), call.budget)
        return cast("Result", choose(ordered)) if ordered else MISSING

    return run


def _where(call: Call) -> Result:
    wanted = call.arguments[1]
    pairs = zip(call.items, _each(Call(call.value, call.arguments[:1], call.tables, call.budget)), strict=True)
    return call.made([item for item, found in pairs if equal(found, wanted, call.budget)])


def _sorted(call: Call) -> Result:
    ordered = in_order(_each(call), call.budget)
    call.budget.step(len(ordered) * len(ordered).bit_length())
    if ordered and isinstance(ordered[0], str):  # two long texts may differ only at their ends
        call.budget.step(max(map(len, ordered)) // 256 * len(ordered) * len(ordered).bit_length())
    places = sorted(range(len(ordered)), key=ordered.__getitem__)
    return call.made([call.items[place] for place in places])


def _flat(call: Call) -> Result:
    call.budget.step(len(call.items))
    call.budget.makes(sum(len(item) if isinstance(item, list) else 1 for item in call.items))
    flat: list[Value] = []
    for item in call.items:
        flat.extend(item if isinstance(item, list) else [item])
    return flat


def _unique(call: Call) -> Result:
    seen: dict[object, Value] = {}
    for item in call.items:
        seen.setdefault(identity(item, call.budget), item)
    return call.made(list(seen.values()))


def _list(call: Call) -> Result:
    if isinstance(call.value, list):
        return call.value
    value = call.value
    return call.made([cast("Value", value)] if isinstance(value, Mapping) or call.budget.sees(value) else [])


_FIELD: Final = Argument("field", TEXT)
_FIELD_IF_ANY: Final = Argument("field", TEXT, optional=True)
_LINES: Final[Mapping[str, Any]] = {"lines": [{"sku": "B", "qty": 2}, {"sku": "A", "qty": 3}]}

LISTS: Final = (
    Function(
        "first",
        "Gives the first item; nothing where there is none.",
        LIST,
        KINDS,
        Example("answer | first", {"answer": [{"id": 1}, {"id": 2}]}, '{"id": 1}'),
        lambda call: call.items[0] if call.items else MISSING,
    ),
    Function(
        "last",
        "Gives the last item; nothing where there is none.",
        LIST,
        KINDS,
        Example("answer | last", {"answer": [{"id": 1}, {"id": 2}]}, '{"id": 2}'),
        lambda call: call.items[-1] if call.items else MISSING,
    ),
    Function(
        "field",
        "Gives what stands under a name, or names with dots between them.",
        kinds("tree"),
        KINDS,
        Example("answer | first | field('order.id')", {"answer": [{"order": {"id": 7}}]}, "7"),
        _field,
        (_FIELD,),
    ),
    Function(
        "count",
        "Counts the items; there are none in nothing.",
        kinds("list", "null", "missing"),
        NUMBER,
        Example("order.lines | count", {"order": _LINES}, "2"),
        _count,
    ),
    Function(
        "all",
        "Gives a field of each item, of those that have it.",
        LIST,
        LIST,
        Example("order.lines | all('sku')", {"order": _LINES}, '["B", "A"]'),
        _all,
        (_FIELD,),
    ),
    Function(
        "sum",
        "Adds up the items, or a field of each.",
        LIST,
        NUMBER,
        Example("order.lines | sum('qty')", {"order": _LINES}, "5"),
        _sum,
        (_FIELD_IF_ANY,),
    ),
    Function(
        "max",
        "Gives the largest, latest or last in order of the items, or of a field of each; nothing if there is none.",
        LIST,
        KINDS,
        Example("order.lines | max('qty')", {"order": _LINES}, "3"),
        _outermost(max),
        (_FIELD_IF_ANY,),
    ),
    Function(
        "min",
        "Gives the smallest, earliest or first in order of the items, or of a field of each; nothing if there is none.",
        LIST,
        KINDS,
        Example("order.lines | min('qty')", {"order": _LINES}, "2"),
        _outermost(min),
        (_FIELD_IF_ANY,),
    ),
    Function(
        "where",
        "Keeps the items of which a field equals a value.",
        LIST,
        LIST,
        Example("order.lines | where('sku', 'A')", {"order": _LINES}, '[{"sku": "A", "qty": 3}]'),
        _where,
        (_FIELD, Argument("value", ANYTHING)),
    ),
    Function(
        "sorted",
        "Puts the items in order, or in that of a field; equal ones stay as they are.",
        LIST,
        LIST,
        Example("order.lines | sorted('sku') | all('qty')", {"order": _LINES}, "[3, 2]"),
        _sorted,
        (_FIELD_IF_ANY,),
    ),
    Function(
        "flat",
        "Makes one list of the lists in a list, one level deep.",
        LIST,
        LIST,
        Example(
            "order.parcels | all('serials') | flat",
            {"order": {"parcels": [{"serials": ["a"]}, {"serials": ["b"]}]}},
            '["a", "b"]',
        ),
        _flat,
    ),
    Function(
        "unique",
        "Keeps the first of the items that are the same.",
        LIST,
        LIST,
        Example("order.lots | unique", {"order": {"lots": ["L1", "L2", "L1"]}}, '["L1", "L2"]'),
        _unique,
    ),
    Function(
        "list",
        "Makes a list of one item where a server sends no list for it, and an empty one of nothing and blank text.",
        KINDS,
        LIST,
        Example("order.lines | list", {"order": {"lines": {"sku": "A"}}}, '[{"sku": "A"}]'),
        _list,
    ),
)
