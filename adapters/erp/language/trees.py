"""Trees of a mapping file, in the shape of their target: leaves, lists, mappings, and two nodes that are none of these.

    {each: EXPRESSION, as: NAME, where: EXPRESSION, into: TREE}     a list: the tree, for each item of another list
    {when: EXPRESSION, then: TREE, else: TREE}                      one of two trees

`where` and `else` may be left out. What is missing is left out of the result: a key, an item of a list. Null is not.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from adapters.erp.language.budget import CannotSay, a
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.expressions import Expression, Faulty
from adapters.erp.language.leaves import Hole, Leaf, parse_condition, parse_leaf, says_yes
from adapters.erp.language.values import MISSING, Result, Value

MOST_NESTED: Final = 32

Node: TypeAlias = "str | list[Node] | Mapping[str, Node]"


class CannotRender(Exception):  # noqa: N818 - the language's own word
    """A tree has no result for this data.

    `pointer` is the JSON pointer, in the file, of the leaf or expression that is why, and `position` the column in it;
    `at` has the index of the item for each list that it stands in, from the outermost.
    """

    def __init__(self, why: str, pointer: str, position: int | None = None, at: tuple[int, ...] = ()) -> None:
        super().__init__(f"{pointer}: {why}" + "".join(f" (item {index})" for index in at))
        self.why = why
        self.pointer = pointer
        self.position = position
        self.at = at


class Tree(ABC):
    """A part of the file that gives a value for the data in scope."""

    pointer: str

    @abstractmethod
    def render(self, scope: Scope) -> Result:
        """Return the value, or `MISSING`. Raises `CannotRender`."""

    @abstractmethod
    def leaves(self) -> Iterator[tuple[str, Leaf | Expression]]:
        """Yield each leaf, and each expression of `each`, `where` and `when`, with its pointer."""


@dataclass(frozen=True)
class Scalar(Tree):
    """A leaf."""

    pointer: str
    leaf: Leaf

    def render(self, scope: Scope) -> Result:
        """Return the leaf's value."""
        try:
            value = self.leaf.value(scope)
            scope.budget.writes_whole(value)  # what is in the data once may be in the result many times
        except CannotSay as error:
            raise CannotRender(error.why, self.pointer, error.position) from None
        return value

    def leaves(self) -> Iterator[tuple[str, Leaf | Expression]]:
        """Yield the leaf."""
        yield self.pointer, self.leaf


@dataclass(frozen=True)
class Fields(Tree):
    """A mapping: a tree under each key."""

    pointer: str
    fields: Mapping[str, Tree]

    def render(self, scope: Scope) -> Result:
        """Return a tree of all that isn't missing."""
        _count(self.pointer, scope, len(self.fields))
        rendered: dict[str, Value] = {}
        for name, tree in self.fields.items():
            value = tree.render(scope)
            if value is not MISSING:
                rendered[name] = value
        return rendered

    def leaves(self) -> Iterator[tuple[str, Leaf | Expression]]:
        """Yield those of each key."""
        for tree in self.fields.values():
            yield from tree.leaves()


@dataclass(frozen=True)
class Items(Tree):
    """A list that is written down."""

    pointer: str
    items: tuple[Tree, ...]

    def render(self, scope: Scope) -> Result:
        """Return a list of all that isn't missing."""
        _count(self.pointer, scope, len(self.items))
        rendered = (item.render(scope) for item in self.items)
        return [value for value in rendered if value is not MISSING]

    def leaves(self) -> Iterator[tuple[str, Leaf | Expression]]:
        """Yield those of each item."""
        for tree in self.items:
            yield from tree.leaves()


@dataclass(frozen=True)
class Each(Tree):
    """A tree for each item of a list, which has a name in it."""

    pointer: str
    each: Hole
    name: str
    where: Hole | None
    into: Tree

    def render(self, scope: Scope) -> Result:
        """Return a list of what the tree gives for each item; nothing where the list is null or missing."""
        items = self._items(scope)
        if items is None:
            return MISSING
        rendered: list[Value] = []
        for index, item in enumerate(items):
            inner = scope.within(**{self.name: item})
            try:
                value = self.into.render(inner) if self._fits(inner) else MISSING
            except CannotRender as error:
                raise CannotRender(error.why, error.pointer, error.position, (index, *error.at)) from None
            if value is not MISSING:
                rendered.append(value)
        return rendered

    def _items(self, scope: Scope) -> list[Value] | None:
        try:
            items = self.each.value(scope)
        except CannotSay as error:
            raise CannotRender(error.why, f"{self.pointer}/each", error.position) from None
        if items is None or items is MISSING:
            return None
        if not isinstance(items, list):
            why = f"`each` takes a list, not {a(items)}: a server that sends one item alone needs `| list`"
            raise CannotRender(why, f"{self.pointer}/each", self.each.start)
        _count(self.pointer, scope, len(items))
        return items

    def _fits(self, scope: Scope) -> bool:
        return self.where is None or _says_yes(self.where, scope, f"{self.pointer}/where")

    def leaves(self) -> Iterator[tuple[str, Leaf | Expression]]:
        """Yield its expressions, and those of the tree."""
        yield f"{self.pointer}/each", self.each.expression
        if self.where is not None:
            yield f"{self.pointer}/where", self.where.expression
        yield from self.into.leaves()


@dataclass(frozen=True)
class Choice(Tree):
    """One tree where a condition says yes, and another one, or nothing, where it says no."""

    pointer: str
    when: Hole
    then: Tree
    otherwise: Tree | None

    def render(self, scope: Scope) -> Result:
        """Return what the tree gives that the condition chooses."""
        if _says_yes(self.when, scope, f"{self.pointer}/when"):
            return self.then.render(scope)
        return self.otherwise.render(scope) if self.otherwise is not None else MISSING

    def leaves(self) -> Iterator[tuple[str, Leaf | Expression]]:
        """Yield its condition, and those of both trees."""
        yield f"{self.pointer}/when", self.when.expression
        yield from self.then.leaves()
        if self.otherwise is not None:
            yield from self.otherwise.leaves()


def _says_yes(condition: Hole, scope: Scope, pointer: str) -> bool:
    try:
        return says_yes(condition, scope)
    except CannotSay as error:
        raise CannotRender(error.why, pointer, error.position) from None


def _count(pointer: str, scope: Scope, items: int) -> None:
    try:
        scope.budget.makes(items)
    except CannotSay as error:
        raise CannotRender(error.why, pointer) from None


# -- how it is read --------------------------------------------------------------------------------------------------

_EACH: Final = frozenset({"each", "as", "where", "into"})
_WHEN: Final = frozenset({"when", "then", "else"})
_NAME: Final = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*")
_WORDS: Final = frozenset({"and", "false", "in", "is", "not", "null", "or", "true"})
"""What looks like a name, and can't be one at the beginning of a path."""


def parse_tree(node: Node, pointer: str) -> Tree:
    """Read what stands at a JSON pointer of the file, all of its scalars as text. Raises `Faulty`, with a pointer."""
    return _read(node, pointer, 1)


def _read(node: Node, pointer: str, depth: int) -> Tree:
    if depth > MOST_NESTED:
        raise Faulty(f"more than {MOST_NESTED} levels stand in each other", 0, pointer)
    if isinstance(node, str):
        return Scalar(pointer, parse_leaf(node, pointer))
    if isinstance(node, list):
        return Items(pointer, tuple(_read(each, f"{pointer}/{place}", depth + 1) for place, each in enumerate(node)))
    if {"each", "into"} <= node.keys():
        return _each(node, pointer, depth)
    if {"when", "then"} <= node.keys():
        return _choice(node, pointer, depth)
    return Fields(pointer, {key: _read(inner, _under(pointer, key), depth + 1) for key, inner in node.items()})


def _under(pointer: str, key: str) -> str:
    """Return the pointer of what stands under a key: see RFC 6901."""
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def _each(node: Mapping[str, Node], pointer: str, depth: int) -> Each:
    _only(node, _EACH, pointer)
    name = node.get("as")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _WORDS:
        raise Faulty("`each` needs a name for an item: `as`, with a word of letters", 0, _under(pointer, "as"))
    where = _expression(node, "where", pointer) if "where" in node else None
    into = _read(node["into"], f"{pointer}/into", depth + 1)
    return Each(pointer, _expression(node, "each", pointer), name, where, into)


def _choice(node: Mapping[str, Node], pointer: str, depth: int) -> Choice:
    _only(node, _WHEN, pointer)
    otherwise = _read(node["else"], f"{pointer}/else", depth + 1) if "else" in node else None
    then = _read(node["then"], f"{pointer}/then", depth + 1)
    return Choice(pointer, _expression(node, "when", pointer), then, otherwise)


def _only(node: Mapping[str, Node], keys: frozenset[str], pointer: str) -> None:
    if odd := next((key for key in node if key not in keys), None):
        raise Faulty(f"`{odd}` has no meaning here, only {', '.join(sorted(keys))}", 0, _under(pointer, odd))


def _expression(node: Mapping[str, Node], key: str, pointer: str) -> Hole:
    text = node[key]
    if not isinstance(text, str):
        raise Faulty("an expression stands here", 0, f"{pointer}/{key}")
    return parse_condition(text, f"{pointer}/{key}")
