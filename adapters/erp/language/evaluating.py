"""What an expression gives for the data in scope. It always ends: each step is counted, and so is what is made.

An expression is made into functions once, and those are called for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

from adapters.erp.language.budget import Budget, CannotSay, a
from adapters.erp.language.comparing import contains, equal, in_order
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
from adapters.erp.language.following import follow
from adapters.erp.language.functions import FUNCTIONS, Call, Tables
from adapters.erp.language.functions.numbers import EXACT, bounded
from adapters.erp.language.values import MISSING, Result, Value

__all__ = ["Budget", "CannotSay", "Run", "Scope", "compiled", "evaluate"]


@dataclass(frozen=True)
class Scope:
    """What an expression can name, the mapping's tables, and what may be used."""

    names: Mapping[str, Result]
    tables: Tables = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def within(self, /, **more: Result) -> Scope:
        """Return a scope with more names, which hide those before; it shares tables and budget."""
        return Scope({**self.names, **more}, self.tables, self.budget)


Run: TypeAlias = Callable[[Scope], Result]


_Composed: TypeAlias = "Path | ListOf | Or | And | Not | Comparison | Membership | IsThere | Else | Arithmetic | Piped"


def evaluate(expression: Expression, scope: Scope) -> Result:
    """Return what an expression gives, or `MISSING`. Raises `CannotSay` where there is no answer."""
    return compiled(expression)(scope)


def compiled(expression: Expression) -> Run:
    """Return the function that evaluates an expression; it is for one that is evaluated more than once."""
    if isinstance(expression, Literal):
        return _literal(expression.value)
    run = _compiled(expression)
    position = expression.position

    def placed(scope: Scope) -> Result:
        try:
            scope.budget.step()
            return run(scope)
        except CannotSay as error:
            if error.position is None:
                error.position = position
            raise

    return placed


def _compiled(expression: _Composed) -> Run:  # noqa: C901, PLR0911 - one for each node
    match expression:
        case Path():
            return _path(expression)
        case ListOf():
            return _list_of(expression)
        case Or():
            return _or(expression)
        case And():
            return _and(expression)
        case Not():
            return _not(expression)
        case Comparison():
            return _comparison(expression)
        case Membership():
            return _membership(expression)
        case IsThere():
            return _is_there(expression)
        case Else():
            return _else(expression)
        case Arithmetic():
            return _arithmetic(expression)
        case Piped():
            return _piped(expression)


def _literal(value: Value) -> Run:
    return lambda _: value


def _path(path: Path) -> Run:
    first, *rest = path.names
    assert isinstance(first, str)
    steps = len(rest)

    def run(scope: Scope) -> Result:
        names = scope.names
        if first not in names:
            raise CannotSay(f"there is no `{first}` here, only {', '.join(sorted(names)) or 'nothing'}")
        if not steps:
            return names[first]
        scope.budget.step(steps)
        return follow(names[first], rest)

    return run


def _list_of(written: ListOf) -> Run:
    runs = [compiled(item) for item in written.items]

    def run(scope: Scope) -> Result:
        scope.budget.makes(len(runs))
        items: list[Value] = []
        for each in runs:
            item = each(scope)
            if item is MISSING:
                raise CannotSay(f"item {len(items)} of the list isn't there")
            items.append(item)
        return items

    return run


def _yes_or_no(value: Result, word: str) -> bool:
    if not isinstance(value, bool):
        raise CannotSay(f"`{word}` takes yes/no, not {a(value)}")
    return value


def _or(either: Or) -> Run:
    left, right = compiled(either.left), compiled(either.right)
    return lambda scope: _yes_or_no(left(scope), "or") or _yes_or_no(right(scope), "or")


def _and(both: And) -> Run:
    left, right = compiled(both.left), compiled(both.right)
    return lambda scope: _yes_or_no(left(scope), "and") and _yes_or_no(right(scope), "and")


def _not(negation: Not) -> Run:
    value = compiled(negation.value)
    return lambda scope: not _yes_or_no(value(scope), "not")


def _comparison(comparison: Comparison) -> Run:
    left, right, comparator = compiled(comparison.left), compiled(comparison.right), comparison.comparator
    if comparator == "==":
        return lambda scope: equal(left(scope), right(scope), scope.budget)
    if comparator == "!=":
        return lambda scope: not equal(left(scope), right(scope), scope.budget)

    def run(scope: Scope) -> Result:
        one, other = in_order((left(scope), right(scope)), scope.budget)
        ordered: bool = {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[comparator]
        return ordered

    return run


def _membership(membership: Membership) -> Run:
    value, among = compiled(membership.value), compiled(membership.among)

    def run(scope: Scope) -> Result:
        wanted, items = value(scope), among(scope)
        if items is None or items is MISSING:
            return False
        if not isinstance(items, list):
            raise CannotSay(f"`in` takes a list, not {a(items)}")
        return contains(items, wanted, scope.budget)

    return run


def _is_there(asked: IsThere) -> Run:
    value, negated = compiled(asked.value), asked.negated
    return lambda scope: scope.budget.sees(value(scope)) != negated


def _else(choice: Else) -> Run:
    value, otherwise = compiled(choice.value), compiled(choice.otherwise)

    def run(scope: Scope) -> Result:
        first = value(scope)
        return first if scope.budget.sees(first) else otherwise(scope)

    return run


_ARITHMETIC: Final = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply}


def _arithmetic(arithmetic: Arithmetic) -> Run:
    left, right, operator = compiled(arithmetic.left), compiled(arithmetic.right), arithmetic.operator
    calculate = _ARITHMETIC[operator]

    def run(scope: Scope) -> Result:
        one, other = left(scope), right(scope)
        for number in (one, other):
            if not isinstance(number, Decimal):
                raise CannotSay(f"`{operator}` takes numbers, not {a(number)}")
        assert isinstance(one, Decimal)
        assert isinstance(other, Decimal)
        return bounded(calculate(one, other))

    return run


def _piped(piped: Piped) -> Run:
    value, function = compiled(piped.value), FUNCTIONS[piped.function]
    arguments = [compiled(argument) for argument in piped.arguments]

    def run(scope: Scope) -> Result:
        piped_in = value(scope)
        given = tuple(argument(scope) for argument in arguments)
        return function(Call(piped_in, given, scope.tables, scope.budget))

    return run
