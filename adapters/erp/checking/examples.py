"""Golden examples: what an inbound document is to give, held against what the mapping makes of it.

Each has two files beside the mapping, both JSON. `given` has what is in scope where a document gives something: `row`,
`id`, what is fetched, and the `settings` that are used. `gives` has what is to come of it, under one of the words
`order`, `cancel`, `product`, `attention` and `nothing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from adapters.erp.checking.findings import Findings
from adapters.erp.language.evaluating import CannotSay, Scope
from adapters.erp.language.trees import CannotRender, Choice, Each, Fields, Items, Tree
from adapters.erp.language.values import NotJson, Value, from_json, json_text
from adapters.erp.mapping.file import Example, MappingFile, nearest
from adapters.erp.mapping.giving import Given, GivesAttention, GivesCancel, GivesNothing, GivesOrder, GivesProduct, give
from adapters.erp.mapping.inbound import Inbound
from adapters.erp.mapping.kept_form import kept
from adapters.erp.mapping.scopes import KNOWN
from adapters.erp.mapping.yaml_text import pointer_to
from adapters.erp.transports.value_codecs import decode

_MOST_SHOWN: Final = 80
_Step = str | int


class Examples:
    """Checks all golden examples of a file."""

    def __init__(self, file: MappingFile, files: Mapping[str, bytes], findings: Findings) -> None:
        self._file = file
        self._files = files
        self._findings = findings

    def check(self) -> None:
        """Check each."""
        for number, example in enumerate(self._file.examples):
            self._example(example, f"/examples/{number}")

    def _example(self, example: Example, pointer: str) -> None:
        inbound: Inbound | None = getattr(self._file.inbound, example.of)
        if inbound is None:
            self._findings.add(f"{pointer}/of", f"no {example.of} come in by this file")
            return
        given, expected = self._read(example.given, f"{pointer}/given"), self._read(example.gives, f"{pointer}/gives")
        if given is None or expected is None:
            return
        at = f"/inbound/{example.of}"
        names = {KNOWN: False, **{name: self._meant(value, inbound) for name, value in given.items()}}
        try:
            said = give(inbound, Scope(names, self._file.tables))
        except (CannotRender, CannotSay) as error:
            self._findings.add(error.pointer or at, f"of {example.given}: {error.why}")
            return
        self._compare(inbound, _as_json(said), expected, example, at)

    def _read(self, name: str, pointer: str) -> Mapping[str, Value] | None:
        if name not in self._files:
            self._findings.add(pointer, f"there is no file {name}" + nearest(name, self._files))
            return None
        try:
            read = from_json(self._files[name])
        except NotJson as error:
            self._findings.add(pointer, f"{name}: {error}")
            return None
        if not isinstance(read, Mapping):
            self._findings.add(pointer, f"{name}: names with their values are expected, in one JSON object")
            return None
        return read

    def _meant(self, value: Value, inbound: Inbound) -> Value:
        """Return what a value that was recorded means to the door that it came through, as it is kept then."""
        door = self._file.doors.get(inbound.poll.call.door) if inbound.poll is not None else None
        return kept(decode(value, getattr(door, "values", "plain")))

    def _compare(
        self, inbound: Inbound, said: Mapping[str, Value], expected: Mapping[str, Value], example: Example, at: str
    ) -> None:
        if said.keys() != expected.keys():
            gives = " and ".join(said) or "no row that fits"
            self._findings.add(
                f"{at}/gives", f"{example.given} gives {gives}, where {example.gives} has {' and '.join(expected)}"
            )
            return
        (word,) = said
        for path, ours, theirs in _differences(said[word], expected[word], ()):
            where = "".join(pointer_to("", step) for step in path) or "/"
            told = f"{example.given} gives {_shown(ours)} at {where}, where {example.gives} has {_shown(theirs)}"
            for pointer in self._makers(inbound, word, path, at):
                self._findings.add(pointer, told)

    def _makers(self, inbound: Inbound, word: str, path: tuple[_Step, ...], at: str) -> Iterator[str]:
        """Yield what made a part of a result. Of several rows that give such a thing, each may have."""
        for number, gives in enumerate(inbound.gives):
            tree = getattr(gives, word)
            if tree is not None:
                yield _maker(tree, path) if isinstance(tree, Tree) else f"{at}/gives/{number}/{word}"


def _as_json(said: Given | None) -> Mapping[str, Value]:
    """Return what was given as an example writes it."""
    match said:
        case GivesOrder():
            return {"order": _written(said.body)}
        case GivesProduct():
            return {"product": _written(said.body)}
        case GivesCancel():
            return {"cancel": {"order_no": said.order_no, "reason": said.reason}}
        case GivesAttention():
            return {"attention": said.why}
        case GivesNothing():
            return {"nothing": said.why}
        case None:
            return {}


def _written(value: Value) -> Value:
    return from_json(json_text(value))


class _Absent:
    """What isn't there in one of two trees."""


_ABSENT: Final = _Absent()


def _differences(
    ours: Value | _Absent, theirs: Value | _Absent, path: tuple[_Step, ...]
) -> Iterator[tuple[tuple[_Step, ...], Value | _Absent, Value | _Absent]]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in {**ours, **theirs}:
            yield from _differences(ours.get(name, _ABSENT), theirs.get(name, _ABSENT), (*path, name))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(one, other, (*path, place))
    elif type(ours) is not type(theirs) or ours != theirs:
        yield path, ours, theirs


def _shown(value: Value | _Absent) -> str:
    text = "nothing" if isinstance(value, _Absent) else json_text(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def _maker(tree: Tree, path: tuple[_Step, ...]) -> str:
    """Return the pointer of what in a tree makes a part of its result, or of the nearest around it."""
    if isinstance(tree, Choice):
        return tree.pointer
    if not path:
        return tree.pointer
    step, rest = path[0], path[1:]
    if isinstance(tree, Each) and isinstance(step, int):
        return _maker(tree.into, rest)
    if isinstance(tree, Fields) and step in tree.fields:
        return _maker(tree.fields[str(step)], rest)
    if isinstance(tree, Items) and isinstance(step, int) and step < len(tree.items):
        return _maker(tree.items[step], rest)
    return tree.pointer
