"""What a function of the language is: what it takes and gives, told so that a checker and a reference can read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias, cast

from adapters.erp.language.budget import Budget, CannotSay
from adapters.erp.language.values import KINDS, Result, Value, kind_of, shown

Tables: TypeAlias = Mapping[str, Mapping[str, str]]

NOTHING: Final = frozenset({"missing", "null"})
SOMETHING: Final = KINDS - NOTHING
ANYTHING: Final = KINDS - {"missing"}


@dataclass(frozen=True)
class Argument:
    """What stands in a function's brackets: its name for people, its kinds, and the words that it may be, if few."""

    name: str
    kinds: frozenset[str]
    optional: bool = False
    words: frozenset[str] = frozenset()

    def refuses(self, value: Result) -> str | None:
        """Say why a value can't stand here, or nothing where it can."""
        if kind_of(value) not in self.kinds:
            return f"{self.name} is {_either(self.kinds)}, not {shown(kind_of(value))}"
        if self.words and value not in self.words:
            return f"{self.name} is one of {', '.join(sorted(self.words))}"
        return None


@dataclass(frozen=True)
class Example:
    """An expression, what is in scope, and what it gives; all of it as JSON can say it, and the result as JSON."""

    expression: str
    given: Mapping[str, Any]
    result: str
    tables: Tables = field(default_factory=dict)


class Call(NamedTuple):
    """One use of a function: the value that is piped into it, its arguments, and what it may use."""

    value: Result
    arguments: tuple[Result, ...]
    tables: Tables
    budget: Budget

    @property
    def text(self) -> str:
        """The value, of a function that takes text."""
        return cast("str", self.value)

    @property
    def items(self) -> list[Value]:
        """The value, of a function that takes a list."""
        return cast("list[Value]", self.value)

    def argument(self, place: int) -> Any:
        """Return an argument, None where it was left out."""
        return self.arguments[place] if place < len(self.arguments) else None

    def wrote(self, text: str) -> str:
        """Return a text that is the result, once it is counted."""
        self.budget.writes(len(text))
        return text

    def made(self, items: list[Value]) -> list[Value]:
        """Return a list that is the result, once it is counted."""
        self.budget.makes(len(items))
        return items


@dataclass(frozen=True)
class Function:
    """A function. What it does not take is refused; nothing gives nothing, unless the function takes that too."""

    name: str
    meaning: str
    takes: frozenset[str]
    gives: frozenset[str]
    example: Example
    run: Callable[[Call], Result]
    arguments: tuple[Argument, ...] = ()

    @property
    def fewest(self) -> int:
        """How many arguments it needs."""
        return sum(not argument.optional for argument in self.arguments)

    def refuses_number_of(self, given: int) -> str | None:
        """Say why it can't have so many arguments, or nothing where it can."""
        most = len(self.arguments)
        if self.fewest <= given <= most:
            return None
        if not most:
            return f"`{self.name}` has no brackets"
        needed = f"{most}" if self.fewest == most else f"{self.fewest} to {most}"
        return f"`{self.name}` has {needed} in its brackets: {', '.join(argument.name for argument in self.arguments)}"

    def __call__(self, call: Call) -> Result:
        """Return what it gives. Raises `CannotSay` for what it does not take."""
        kind = kind_of(call.value)
        if call.arguments:
            self._check_arguments(call.arguments)
        if kind in self.takes:
            return self.run(call)
        if kind in NOTHING:
            return call.value
        raise CannotSay(f"`{self.name}` takes {_either(self.takes)}, not {shown(kind)}")

    def _check_arguments(self, given: tuple[Result, ...]) -> None:
        for argument, value in zip(self.arguments, given, strict=False):
            if why := argument.refuses(value):
                raise CannotSay(f"`{self.name}`: {why}")


def kinds(*names: str) -> frozenset[str]:
    """Return a set of kinds. Raises ValueError for one that there isn't."""
    if unknown := set(names) - KINDS:
        raise ValueError(f"there is no kind {unknown}")
    return frozenset(names)


TEXT: Final = kinds("text")
NUMBER: Final = kinds("number")
LIST: Final = kinds("list")
BOOLEAN: Final = kinds("boolean")


def _either(names: frozenset[str]) -> str:
    return " or ".join(shown(kind) for kind in sorted(names - NOTHING))


def words_of(items: Sequence[Value], function: str, budget: Budget) -> list[str]:
    """Return a list's items, all of which are text. Raises `CannotSay` for another one."""
    budget.step(len(items))
    for item in items:
        if not isinstance(item, str):
            raise CannotSay(f"`{function}` takes a list of texts, and {shown(kind_of(item))} is in it")
    return cast("list[str]", list(items))
