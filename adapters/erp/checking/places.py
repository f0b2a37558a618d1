"""A place of a file, and all that is said in it: leaves, conditions and trees are judged by what is known there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from adapters.erp.checking.expressions import Judge, Names
from adapters.erp.checking.findings import Findings
from adapters.erp.checking.known import ANY, Known, any_of, list_of, of_kinds, tree, words
from adapters.erp.checking.misspelling import misspelt
from adapters.erp.checking.quoting import unquoted
from adapters.erp.language.functions import Tables
from adapters.erp.language.leaves import Hole, Leaf
from adapters.erp.language.trees import Choice, Each, Fields, Items, Scalar, Tree
from adapters.erp.language.values import shown
from adapters.erp.mapping.file import nearest
from adapters.erp.mapping.yaml_text import pointer_to

_IN_A_TEXT: Final = frozenset({"text", "number"})


@dataclass(frozen=True)
class Place:
    """What is in scope somewhere, and who is told what is wrong there.

    `filters` are said of a place whose texts a vendor may read as a filter: what has quotes around it is quoted.
    """

    names: Names
    tables: Tables
    shapes: frozenset[str]
    findings: Findings
    filters: bool = False

    def within(self, /, **more: Known) -> Place:
        """Return the place with more names in scope."""
        return replace(self, names=self.names.within(**more))

    def among_filters(self) -> Place:
        """Return the place as one where a text may be a filter."""
        return replace(self, filters=True)

    def judge(self, pointer: str) -> Judge:
        """Return who judges an expression that stands at a pointer."""
        return Judge(self.names, self.tables, lambda why: self.findings.add(pointer, why))

    def condition(self, hole: Hole | None, pointer: str) -> None:
        """Check what has to say yes or no, if it is said."""
        if hole is not None:
            self.judge(pointer).condition(hole.expression)

    def value(self, hole: Hole, pointer: str) -> Known:
        """Check an expression, and return what it gives."""
        return self.judge(pointer).infer(hole.expression)

    def leaf(self, leaf: Leaf, pointer: str) -> Known:
        """Check a leaf, and return what it gives."""
        judge = self.judge(pointer)
        if leaf.only_hole is not None:
            return judge.infer(leaf.only_hole.expression)
        for hole in leaf.holes:
            known = judge.infer(hole.expression)
            if known.something and not known.something & _IN_A_TEXT:
                self.findings.add(
                    pointer,
                    f"`{hole.expression}` gives {_kinds(known)}: inside of a text, only a text or a number can stand",
                )
        if self.filters:
            for expression in unquoted(leaf, judge):
                self.findings.add(
                    pointer, f"`{expression}` stands between quotes: it needs `| quoted('...')`, whatever comes"
                )
        return of_kinds("text") if leaf.literal is None else words(leaf.literal)

    def text(self, leaf: Leaf, pointer: str) -> None:
        """Check a leaf that has to be one text or number."""
        known = self.leaf(leaf, pointer)
        if known.something and not known.something & _IN_A_TEXT:
            self.findings.add(pointer, f"it gives {_kinds(known)}, and a text or a number stands here")

    def tree(self, tree: Tree, target: Known = ANY, beside: Tree | None = None) -> Known:
        """Check a tree against what its place takes, and return what it gives; `beside` is joined with it."""
        match tree:
            case Scalar():
                return self._scalar(tree, target)
            case Fields():
                return self._fields(tree, target, beside)
            case Items():
                return self._items(tree, target)
            case Each():
                return self._each(tree, target)
            case Choice():
                return self._choice(tree, target, beside)
        return ANY

    def _scalar(self, scalar: Scalar, target: Known) -> Known:
        known = self.leaf(scalar.leaf, scalar.pointer)
        if known.something and not known.something & target.kinds:
            self._takes(scalar.pointer, known, target)
        elif known.words is not None and target.words is not None and scalar.leaf.literal is not None:
            for word in sorted(known.words - target.words):
                self.findings.add(scalar.pointer, f"it can't be '{word}' here" + nearest(word, target.words))
        return known

    def _takes(self, pointer: str, known: Known, target: Known) -> None:
        hint = ""
        if known.something == {"text"} and target.something & {"number", "boolean"}:
            hint = ": what stands in a file is text until a hole or a function makes something else of it"
        self.findings.add(pointer, f"it gives {_kinds(known)}, and {_kinds(target)} is taken here{hint}")

    def _fields(self, fields: Fields, target: Known, beside: Tree | None) -> Known:
        joined = beside.fields if isinstance(beside, Fields) else {}
        said = {
            name: self.tree(inner, self._under(fields, name, target), joined.get(name))
            for name, inner in fields.fields.items()
        }
        for name, meant in misspelt(fields, self.shapes):
            self.findings.add(pointer_to(fields.pointer, name), f"is `{meant}` meant? Else it is a field of its own")
        if "tree" not in target.kinds:
            self.findings.add(fields.pointer, f"it gives a tree, and {_kinds(target)} is taken here")
        for name in sorted(target.required - said.keys() - joined.keys()):
            self.findings.add(fields.pointer, f"`{name}` is missing, and the other side requires it")
        return tree(said)

    def _under(self, fields: Fields, name: str, target: Known) -> Known:
        if target.fields is None or "tree" not in target.kinds:
            return ANY
        if name in target.fields:
            return target.fields[name]
        if not target.open:
            pointer = pointer_to(fields.pointer, name)
            self.findings.add(pointer, f"there is no `{name}` here" + nearest(name, target.fields))
        return ANY

    def _items(self, items: Items, target: Known) -> Known:
        self._must_take_a_list(items, target)
        said = [self.tree(item, target.item or ANY) for item in items.items]
        return list_of(any_of(*said) if said else ANY)

    def _each(self, each: Each, target: Known) -> Known:
        self._must_take_a_list(each, target)
        known = self.value(each.each, f"{each.pointer}/each")
        inner = self.within(**{each.name: item_of(known)})
        if known.something and "list" not in known.kinds:
            self.findings.add(f"{each.pointer}/each", f"`each` takes a list, and it gives {_kinds(known)}")
        inner.condition(each.where, f"{each.pointer}/where")
        return list_of(inner.tree(each.into, target.item or ANY))

    def _choice(self, choice: Choice, target: Known, beside: Tree | None) -> Known:
        self.condition(choice.when, f"{choice.pointer}/when")
        ways = [self.tree(way, target, beside) for way in (choice.then, choice.otherwise) if way is not None]
        return any_of(*ways)

    def _must_take_a_list(self, tree: Tree, target: Known) -> None:
        if "list" not in target.kinds:
            self.findings.add(tree.pointer, f"it gives a list, and {_kinds(target)} is taken here")


def item_of(known: Known) -> Known:
    """Return what an item of a list is."""
    return (known.item or ANY) if "list" in known.kinds else ANY


def _kinds(known: Known) -> str:
    return " or ".join(shown(kind) for kind in sorted(known.something)) or "nothing"
