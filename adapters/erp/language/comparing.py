"""When two values are the same, and which comes first. What is not alike is not compared: a text is no number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from adapters.erp.language.budget import Budget, CannotSay, a
from adapters.erp.language.values import MISSING, MOST_DEPTH, Result, Value, kind_of

_NOTHING: Final = frozenset({"null", "missing"})
_ORDERED: Final = frozenset({"number", "text", "time", "day"})

Orderable: TypeAlias = "Decimal | str | datetime | date"


def equal(left: Result, right: Result, budget: Budget) -> bool:
    """Say whether two values are the same. Null and what is missing are the same nothing, and equal nothing else.

    Raises `CannotSay` for two different kinds.
    """
    kinds = {kind_of(left), kind_of(right)}
    if kinds & _NOTHING:
        budget.step()
        return kinds <= _NOTHING
    if len(kinds) > 1:
        raise CannotSay(f"{a(left)} is compared with {a(right)}")
    return _same(left, right, budget)


def contains(items: list[Value], value: Result, budget: Budget) -> bool:
    """Say whether a value is in a list. Raises `CannotSay` where there are items, and none is of its kind."""
    kind, kinds = kind_of(value), set()
    for item in items:
        kinds.add(kind_of(item))
        if _same(None if value is MISSING else value, item, budget):
            return True
    if kinds - _NOTHING and kind not in kinds | _NOTHING:
        raise CannotSay(f"{a(value)} is looked for in a list that has none of that kind")
    return False


def _same(left: Result, right: Result, budget: Budget, depth: int = 0) -> bool:
    budget.step()
    if kind_of(left) != kind_of(right):
        return False
    if depth > MOST_DEPTH:
        raise CannotSay(f"it has more than {MOST_DEPTH} levels")
    if isinstance(left, str) and isinstance(right, str):
        budget.reads(left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            _same(*pair, budget, depth + 1) for pair in zip(left, right, strict=True)
        )
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        budget.step(len(left) + len(right))
        return left.keys() == right.keys() and all(_same(left[name], right[name], budget, depth + 1) for name in left)
    return left == right


def in_order(values: Iterable[Result], budget: Budget) -> list[Any]:
    """Return values that can be put in order: all numbers, texts, times or days. Raises `CannotSay` for others."""
    ordered = list(values)
    budget.step(len(ordered))
    kinds = {kind_of(value) for value in ordered}
    if kinds - _ORDERED or len(kinds) > 1:
        odd = next(
            value for value in ordered if kind_of(value) not in _ORDERED or kind_of(value) != kind_of(ordered[0])
        )
        raise CannotSay(f"there is no order between {a(ordered[0])} and {a(odd)}")
    if kinds == {"text"}:
        budget.reads(*map(str, ordered))
    return ordered


def identity(value: Result, budget: Budget, depth: int = 0) -> object:
    """Return what is equal for two values just where they are the same, and can be looked up."""
    budget.step()
    if depth > MOST_DEPTH:
        raise CannotSay(f"it has more than {MOST_DEPTH} levels")
    if isinstance(value, list):
        return ("list", tuple(identity(item, budget, depth + 1) for item in value))
    if isinstance(value, Mapping):
        return ("tree", frozenset((name, identity(inner, budget, depth + 1)) for name, inner in value.items()))
    if isinstance(value, str):
        budget.reads(value)
    return (kind_of(value), value)
