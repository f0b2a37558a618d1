"""An expression as a tree that can be walked. What is written the same is equal, wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias
from typing import Literal as OneOf

from adapters.erp.language.values import plain

Comparator: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">="]
Operator: TypeAlias = OneOf["+", "-", "*"]


@dataclass(frozen=True)
class Literal:
    """A value that is written down: text, a number, yes, no or null."""

    value: str | Decimal | bool | None
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return "'" + self.value.replace("'", "''") + "'"
        if isinstance(self.value, Decimal):
            return plain(self.value)
        return {None: "null", True: "true", False: "false"}[self.value]


@dataclass(frozen=True)
class Path:
    """A name in scope, and names or places (numbers, from 0) inside of it."""

    names: tuple[str | int, ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        first, *rest = self.names
        return str(first) + "".join(map(_step, rest))


@dataclass(frozen=True)
class ListOf:
    """A list that is written down."""

    items: tuple[Expression, ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True)
class Or:
    """One of two is so."""

    left: Expression
    right: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_inside(self.left, _OR)} or {_inside(self.right, _AND)}"


@dataclass(frozen=True)
class And:
    """Both of two are so."""

    left: Expression
    right: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_inside(self.left, _AND)} and {_inside(self.right, _NOT)}"


@dataclass(frozen=True)
class Not:
    """It is not so."""

    value: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"not {_inside(self.value, _NOT)}"


@dataclass(frozen=True)
class Comparison:
    """How two values compare."""

    left: Expression
    comparator: Comparator
    right: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_inside(self.left, _ELSE)} {self.comparator} {_inside(self.right, _ELSE)}"


@dataclass(frozen=True)
class Membership:
    """Whether a value is in a list."""

    value: Expression
    among: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_inside(self.value, _ELSE)} in {_inside(self.among, _ELSE)}"


@dataclass(frozen=True)
class IsThere:
    """Whether there is something: not null, not missing, no blank text. Negated: whether there isn't."""

    value: Expression
    negated: bool = False
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_inside(self.value, _ELSE)} is {'not ' if self.negated else ''}there"


@dataclass(frozen=True)
class Else:
    """The first value where it is there (as `is there` says), else the second: `a ?? b`."""

    value: Expression
    otherwise: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_inside(self.value, _SUM)} ?? {_second(self.otherwise, _ELSE)}"


@dataclass(frozen=True)
class Arithmetic:
    """What two numbers make."""

    left: Expression
    operator: Operator
    right: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        level = _level(self)
        return f"{_inside(self.left, level)} {self.operator} {_second(self.right, level + 1)}"


@dataclass(frozen=True)
class Piped:
    """A function of a value, and of what stands in its brackets. Its position is that of the function's name."""

    value: Expression
    function: str
    arguments: tuple[Expression, ...] = ()
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        brackets = f"({', '.join(map(str, self.arguments))})" if self.arguments else ""
        return f"{_inside(self.value, _PIPED)} | {self.function}{brackets}"


Expression: TypeAlias = (
    "Literal | Path | ListOf | Or | And | Not | Comparison | Membership | IsThere | Else | Arithmetic | Piped"
)

_OR, _AND, _NOT, _COMPARISON, _ELSE, _SUM, _PRODUCT, _PIPED, _ATOM = range(9)
_LEVELS: Final[Mapping[type, int]] = {
    Or: _OR,
    And: _AND,
    Not: _NOT,
    Comparison: _COMPARISON,
    Membership: _COMPARISON,
    IsThere: _COMPARISON,
    Else: _ELSE,
    Piped: _PIPED,
}
_BARE_NAME: Final = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*")


def _level(expression: Expression) -> int:
    if isinstance(expression, Arithmetic):
        return _PRODUCT if expression.operator == "*" else _SUM
    return _LEVELS.get(type(expression), _ATOM)


def _inside(expression: Expression, loosest: int) -> str:
    return f"({expression})" if _level(expression) < loosest else str(expression)


def _second(expression: Expression, loosest: int) -> str:
    return f"({expression})" if isinstance(expression, Piped) else _inside(expression, loosest)


def _step(name: str | int) -> str:
    if isinstance(name, int):
        return f"[{name}]"
    return f".{name}" if _BARE_NAME.fullmatch(name) else ".'" + name.replace("'", "''") + "'"


def inside(expression: Expression) -> tuple[Expression, ...]:  # noqa: PLR0911 - one for each way to hold others
    """Return the expressions that stand directly inside of one, from left to right."""
    match expression:
        case Literal() | Path():
            return ()
        case ListOf():
            return expression.items
        case Or() | And() | Comparison() | Arithmetic():
            return (expression.left, expression.right)
        case Membership():
            return (expression.value, expression.among)
        case Else():
            return (expression.value, expression.otherwise)
        case Piped():
            return (expression.value, *expression.arguments)
        case Not() | IsThere():
            return (expression.value,)


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and all that is in it, each before what is inside of it, from left to right."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(inside(node)))


def paths(expression: Expression) -> Iterator[Path]:
    """Yield the paths in an expression, from left to right."""
    return (node for node in walk(expression) if isinstance(node, Path))
