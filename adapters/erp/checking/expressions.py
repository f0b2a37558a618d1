"""What an expression gives, as far as what is known of the names in scope tells it, and what is wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from adapters.erp.checking.known import ANY, NONE, Known, any_of, list_of, of_kinds, perhaps, there, tree, words
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
from adapters.erp.language.functions import FUNCTIONS, Tables
from adapters.erp.language.functions.function import NOTHING
from adapters.erp.language.values import kind_of, shown
from adapters.erp.mapping.file import nearest
from adapters.erp.mapping.scopes import SETTINGS

_BOOLEAN: Final = of_kinds("boolean")
_NUMBER: Final = of_kinds("number")
_TEXT: Final = of_kinds("text")
_ORDERED: Final = frozenset({"number", "text", "time", "day"})


@dataclass(frozen=True)
class Names:
    """What can be named in a place, and whether secret settings may be."""

    known: Mapping[str, Known]
    secret: frozenset[str] = frozenset()
    used: Callable[[str, str], None] = field(kw_only=True, compare=False)

    def within(self, /, **more: Known) -> Names:
        """Return the scope with more names."""
        return replace(self, known={**self.known, **more})


@dataclass(frozen=True)
class Judge:
    """Infers what expressions give, in one place of the file. `says` is told what is wrong."""

    names: Names
    tables: Tables
    says: Callable[[str], None]

    def condition(self, expression: Expression) -> None:
        """Infer an expression that has to say yes or no."""
        self._must(self.infer(expression), _BOOLEAN, expression, "a condition gives yes/no")

    def infer(self, expression: Expression) -> Known:  # noqa: C901, PLR0911, PLR0912 - one for each node
        """Return what an expression gives."""
        match expression:
            case Literal(value=str() as text):
                return words(text)
            case Literal():
                return of_kinds(kind_of(expression.value))
            case Path():
                return self._path(expression)
            case ListOf():
                items = [self.infer(each) for each in expression.items]
                return list_of(any_of(*items) if items else ANY)
            case And() | Or():
                word = "and" if isinstance(expression, And) else "or"
                for each in (expression.left, expression.right):
                    self._must(self.infer(each), _BOOLEAN, each, f"`{word}` takes yes/no")
                return _BOOLEAN
            case Not():
                self._must(self.infer(expression.value), _BOOLEAN, expression.value, "`not` takes yes/no")
                return _BOOLEAN
            case Comparison():
                self._comparison(expression)
                return _BOOLEAN
            case Membership():
                self._membership(expression)
                return _BOOLEAN
            case IsThere():
                self.infer(expression.value)
                return _BOOLEAN
            case Else():
                first, otherwise = self.infer(expression.value), self.infer(expression.otherwise)
                return any_of(there(first), otherwise)
            case Arithmetic():
                for each in (expression.left, expression.right):
                    self._must(self.infer(each), _NUMBER, each, f"`{expression.operator}` takes numbers")
                return _NUMBER
            case Piped():
                return self._piped(expression)

    # -- paths -------------------------------------------------------------------------------------------------------

    def _path(self, path: Path) -> Known:
        first, *rest = path.names
        assert isinstance(first, str)
        if first not in self.names.known:
            self.says(f"there is no `{first}` here" + nearest(first, self.names.known))
            return ANY
        if first == SETTINGS:
            self._setting(path, rest)
        return self.follow(self.names.known[first], rest, str(path), first)

    def _setting(self, path: Path, rest: list[str | int]) -> None:
        if not rest:
            self.says("name one of the settings: all of them at once have the secrets, too")
        elif str(rest[0]) in self.names.secret:
            self.says(f"`{path}` is secret: it may only flow into a door's headers, basic, session, let or always")
        if rest:
            self.names.used("setting", str(rest[0]))

    def follow(self, known: Known, names: list[str] | list[str | int], path: str, gone: str) -> Known:
        """Return what stands under names in a value. `path` is all of it in words, `gone` how far it has come."""
        for name in names:
            known = self._step(known, name, path, gone)
            gone = f"{gone}[{name}]" if isinstance(name, int) else f"{gone}.{name}"
        return known

    def _step(self, known: Known, name: str | int, path: str, gone: str) -> Known:
        wanted = "list" if isinstance(name, int) else "tree"
        if wanted not in known.kinds:
            if known.something:
                self.says(f"`{path}`: {_no_way_into(known, name, gone)}")
            return ANY if known.something else NONE
        if isinstance(name, int):
            return perhaps(known.item or ANY)
        if known.fields is None:
            return ANY
        if name in known.fields:
            inside = known.fields[name]
            return perhaps(inside) if known.kinds & NOTHING else inside
        if not known.open:
            self.says(f"`{path}`: there is no `{name}` in `{gone}`" + nearest(name, known.fields))
        return ANY

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _comparison(self, comparison: Comparison) -> None:
        left, right = self.infer(comparison.left), self.infer(comparison.right)
        if comparison.comparator not in {"==", "!="}:
            for side, known in ((comparison.left, left), (comparison.right, right)):
                if known.something and not known.something & _ORDERED:
                    self.says(f"`{side}` gives {_kinds(known)}, which has no order")
        self._alike(comparison.left, left, comparison.right, right, str(comparison))

    def _alike(self, one: Expression, left: Known, other: Expression, right: Known, whole: str) -> None:
        if left.something and right.something and not left.something & right.something:
            self.says(f"`{whole}`: {_kinds(left)} is compared with {_kinds(right)}")
            return
        for side, said, against in ((one, left, right), (other, right, left)):
            self._among(side, said, against, whole)

    def _among(self, side: Expression, said: Known, against: Known, whole: str) -> None:
        if said.words is None or against.words is None or not isinstance(side, Literal):
            return
        for word in sorted(said.words - against.words):
            self.says(f"`{whole}`: it is never '{word}'" + nearest(word, against.words))

    def _membership(self, membership: Membership) -> None:
        value, among = self.infer(membership.value), self.infer(membership.among)
        self._must(among, of_kinds("list"), membership.among, "`in` takes a list")
        item = among.item
        if item is None or "list" not in among.kinds:
            return
        if value.something and item.something and not value.something & item.something:
            self.says(f"`{membership}`: {_kinds(value)} is compared with {_kinds(item)}")
        if isinstance(membership.among, ListOf):
            for each in membership.among.items:
                self._among(each, self.infer(each), value, str(membership))

    def _must(self, known: Known, wanted: Known, expression: Expression, why: str) -> None:
        if known.something and not known.something & wanted.kinds:
            self.says(f"{why}, and `{expression}` gives {_kinds(known)}")

    # -- functions ---------------------------------------------------------------------------------------------------

    def _piped(self, piped: Piped) -> Known:
        value, function = self.infer(piped.value), FUNCTIONS[piped.function]
        arguments = [self.infer(each) for each in piped.arguments]
        if value.something and not value.something & function.takes:
            takes = " or ".join(shown(kind) for kind in sorted(function.takes - NOTHING))
            self.says(f"`{function.name}` takes {takes}, and `{piped.value}` gives {_kinds(value)}")
        for expected, known, said in zip(function.arguments, arguments, piped.arguments, strict=False):
            if known.something and not known.something & expected.kinds:
                self.says(f"`{function.name}`: {expected.name} can't be `{said}`, which gives {_kinds(known)}")
        given = _GIVERS.get(function.name, _as_told)(self, piped, value)
        passes = (value.kinds & NOTHING) - function.takes
        return replace(given, kinds=given.kinds | passes)

    def in_items(self, piped: Piped, value: Known, place: int = 0) -> Known:
        """Return what stands under the field that the brackets name, in each item; the item where they name none."""
        item = (value.item or ANY) if "list" in value.kinds else ANY
        if len(piped.arguments) <= place:
            return item
        return self.under(piped, item, place)

    def under(self, piped: Piped, value: Known, place: int = 0) -> Known:
        """Return what stands under the names in the brackets."""
        argument = piped.arguments[place]
        if not isinstance(argument, Literal) or not isinstance(argument.value, str):
            return ANY
        return self.follow(value, argument.value.split("."), argument.value, str(piped.value))

    def table(self, piped: Piped) -> Mapping[str, str] | None:
        """Return the table that the brackets name."""
        argument = piped.arguments[0]
        name = argument.value if isinstance(argument, Literal) else None
        if not isinstance(name, str):
            self.says(f"`{piped}`: say which table by its name")
        elif name not in self.tables:
            self.says(f"there is no table `{name}`" + nearest(name, self.tables))
        else:
            self.names.used("table", name)
            return self.tables[name]
        return None


def _as_told(_: Judge, piped: Piped, __: Known) -> Known:
    return Known(FUNCTIONS[piped.function].gives)


def _one_of(judge: Judge, piped: Piped, value: Known) -> Known:
    return perhaps(judge.in_items(piped, value))


def _some_of(judge: Judge, piped: Piped, value: Known) -> Known:
    judge.in_items(piped, value)
    return list_of((value.item or ANY) if "list" in value.kinds else ANY)


def _where(judge: Judge, piped: Piped, value: Known) -> Known:
    found, wanted = judge.in_items(piped, value), judge.infer(piped.arguments[1])
    if found.something and wanted.something and not found.something & wanted.something:
        judge.says(f"`{piped}`: {_kinds(found)} is compared with {_kinds(wanted)}")
    return list_of((value.item or ANY) if "list" in value.kinds else ANY)


def _all(judge: Judge, piped: Piped, value: Known) -> Known:
    return list_of(there(judge.in_items(piped, value)))


def _flat(_: Judge, __: Piped, value: Known) -> Known:
    item = (value.item or ANY) if "list" in value.kinds else ANY
    inner = (item.item or ANY) if "list" in item.kinds else NONE
    return list_of(any_of(replace(item, kinds=item.kinds - {"list"}), inner))


def _list(_: Judge, __: Piped, value: Known) -> Known:
    single = replace(value, kinds=value.something - {"list"})
    rows = (value.item or ANY) if "list" in value.kinds else NONE
    return list_of(any_of(single, rows))


def _field(judge: Judge, piped: Piped, value: Known) -> Known:
    return judge.under(piped, value)


def _sum(judge: Judge, piped: Piped, value: Known) -> Known:
    judge.in_items(piped, value)
    return _NUMBER


def _texts(_: Judge, __: Piped, ___: Known) -> Known:
    return list_of(_TEXT)


def _ours(judge: Judge, piped: Piped, _: Known) -> Known:
    table = judge.table(piped)
    return words(*table.values()) if table else _TEXT


def _theirs(judge: Judge, piped: Piped, _: Known) -> Known:
    table = judge.table(piped)
    return words(*table) if table else _TEXT


_GIVERS: Final[Mapping[str, Callable[[Judge, Piped, Known], Known]]] = {
    **dict.fromkeys(("first", "last", "max", "min"), _one_of),
    **dict.fromkeys(("sorted", "unique"), _some_of),
    **dict.fromkeys(("lines", "split", "wrapped"), _texts),
    "where": _where,
    "all": _all,
    "flat": _flat,
    "list": _list,
    "field": _field,
    "sum": _sum,
    "table": _ours,
    "untable": _theirs,
}


def _kinds(known: Known) -> str:
    return " or ".join(shown(kind) for kind in sorted(known.something))


def _no_way_into(known: Known, name: str | int, gone: str) -> str:
    if isinstance(name, str) and "list" in known.something:
        return f"`{gone}` is a list: say of which with `| first`, or of each with `| all('{name}')`"
    return f"there is nothing inside of `{gone}`, which is {_kinds(known)}"


def settings_of(kinds: Mapping[str, str]) -> Known:
    """Return the settings that a file declares."""
    return tree({name: _NUMBER if kind == "whole" else _TEXT for name, kind in kinds.items()})
