"""Calls: whether their doors speak in that way, whether the contract knows them, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from adapters.erp.checking.contracts import Contract, Spoken, contract_of
from adapters.erp.checking.expressions import Names, settings_of
from adapters.erp.checking.findings import Findings
from adapters.erp.checking.known import ANY, Known, perhaps
from adapters.erp.checking.places import Place
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.language.expressions import Expression, paths
from adapters.erp.language.leaves import Leaf
from adapters.erp.language.trees import Fields, Tree
from adapters.erp.mapping.calls import VERBS, Call, Saying
from adapters.erp.mapping.doors import Door, JsonRpcDoor, RestDoor
from adapters.erp.mapping.file import MappingFile, nearest
from adapters.erp.mapping.scopes import ANSWER, GIVEN, SETTINGS
from adapters.erp.mapping.yaml_text import pointer_to

_WAYS: Final = {"rest": "a verb with its path", "json_rpc": "a method", "soap": "an operation"}


@dataclass(frozen=True)
class Said:
    """One call of the file by its contract, and where it stands."""

    pointer: str
    saying: Saying
    spoken: Spoken


class Calls:
    """All calls of a file, checked where they are said. What each door was told is kept for its own check."""

    def __init__(self, file: MappingFile, bundle: Bundle, findings: Findings) -> None:
        self._file = file
        self._findings = findings
        self.said: dict[str, list[Said]] = {name: [] for name in file.doors}
        self._contracts = {name: self._contract(name, door, bundle) for name, door in file.doors.items()}
        self._answers: dict[str, Known] = {}

    def contract(self, door: str) -> Contract:
        """Return what a door of the file keeps to."""
        return self._contracts[door]

    @cached_property
    def place(self) -> Place:
        """The place in which there are settings, none that is secret, and nothing else."""
        secret = frozenset(name for name, kind in self._file.settings.items() if kind == "secret")
        names = Names({SETTINGS: settings_of(self._file.settings)}, secret, used=self._uses)
        return Place(names, self._file.tables, frozenset(self._file.shapes), self._findings)

    def named(self, name: str) -> Known:
        """Return what a named call answers, as far as it counts."""
        if name not in self._answers:
            self._answers[name] = ANY
            given = perhaps(ANY)
            call = self._file.calls[name]
            self._answers[name] = self.call(call, f"/calls/{name}", self.place.within(**{GIVEN: given}), {})
        return self._answers[name]

    def call(self, call: Call, pointer: str, place: Place, paged: Mapping[str, str]) -> Known:
        """Check a call, and return what of its answer counts.

        `paged` are parameters that its pages say, by the pointers of the words for them.
        """
        if call.door not in self._file.doors:
            self._findings.add(
                f"{pointer}/door", f"there is no door `{call.door}`" + nearest(call.door, self._file.doors)
            )
            answered = ANY
        else:
            self._findings.uses("door", call.door)
            answered = self.say(call, call.door, pointer, place, paged)
        heard = place.within(**{ANSWER: answered})
        heard.condition(call.expect, f"{pointer}/expect")
        return answered if call.take is None else heard.value(call.take, f"{pointer}/take")

    def say(self, saying: Saying, door: str, pointer: str, place: Place, paged: Mapping[str, str]) -> Known:
        """Check what is said at a door, and return all that it answers."""
        spoken = self._spoken(saying, door, pointer)
        self.said[door].append(Said(pointer, saying, spoken))
        filtering = place.among_filters()
        for word in (*VERBS, "method"):
            if (leaf := getattr(saying, word)) is not None:
                filtering.text(leaf, f"{pointer}/{word}")
        self._query(saying, pointer, filtering, spoken)
        self._parameters(saying, pointer, spoken, paged)
        self._body(saying, door, pointer, filtering, spoken)
        return spoken.answered

    def _contract(self, name: str, door: Door, bundle: Bundle) -> Contract:
        return contract_of(door, bundle, lambda word, why: self._findings.add(f"/doors/{name}/{word}", why))

    def _uses(self, what: str, name: str) -> None:
        self._findings.uses("table" if what == "table" else "setting", name)

    def _spoken(self, saying: Saying, door: str, pointer: str) -> Spoken:
        spoken_to = self._file.doors[door]
        said = "rest" if saying.verb else "json_rpc" if saying.method is not None else "soap"
        if said == spoken_to.protocol:
            return self._contracts[door].spoken(saying, lambda word, why: self._findings.add(f"{pointer}/{word}", why))
        why = f"the door `{door}` speaks {spoken_to.protocol}: it takes {_WAYS[spoken_to.protocol]}, not {_WAYS[said]}"
        self._findings.add(f"{pointer}/{saying.verb or ('method' if said == 'json_rpc' else 'operation')}", why)
        return Spoken()

    def _query(self, saying: Saying, pointer: str, place: Place, spoken: Spoken) -> None:
        known = spoken.query
        for name, value in saying.query.items():
            under = pointer_to(f"{pointer}/query", name)
            if known.fields is not None and name not in known.fields:
                self._findings.add(under, f"{spoken.operation} has no parameter `{name}`" + nearest(name, known.fields))
            place.tree(value, known.fields[name] if known.fields is not None and name in known.fields else ANY)

    def _parameters(self, saying: Saying, pointer: str, spoken: Spoken, paged: Mapping[str, str]) -> None:
        """Check that all parameters are said that must be, and that those of the pages exist."""
        fields = spoken.query.fields
        for word, name in paged.items():
            if fields is not None and name not in fields:
                self._findings.add(word, f"{spoken.operation} has no parameter `{name}`" + nearest(name, fields))
        for name in sorted(spoken.query.required - saying.query.keys() - set(paged.values())):
            self._findings.add(pointer, f"the parameter `{name}` is missing, which {spoken.operation} requires")

    def _body(self, saying: Saying, door: str, pointer: str, place: Place, spoken: Spoken) -> None:
        always = _always(self._file.doors[door])
        if saying.send is None:
            beside = frozenset(always.fields) if isinstance(always, Fields) else frozenset()
            missing = spoken.sent.required - beside if spoken.sent is not None and saying.operation else frozenset()
            for name in sorted(missing):
                self._findings.add(pointer, f"`{name}` is missing, which {spoken.operation} requires: say it in `send`")
        elif spoken.sent is None:
            self._findings.add(f"{pointer}/send", f"{spoken.operation} takes no body")
        else:
            place.tree(saying.send, spoken.sent, always)


def _always(door: Door) -> Tree | None:
    """Return what a door says beside all that is sent."""
    return None if isinstance(door, RestDoor | JsonRpcDoor) else door.always


def given_of(call: Call) -> frozenset[str]:
    """Return the names that a named call uses of what it is given."""
    return frozenset(
        str(path.names[1])
        for expression in expressions_of(call)
        for path in paths(expression)
        if path.names[0] == GIVEN and len(path.names) > 1
    )


def expressions_of(call: Call, *, with_take: bool = True) -> Iterator[Expression]:
    """Yield all expressions of a call."""
    for word in (*VERBS, "method"):
        leaf: Leaf | None = getattr(call, word)
        if leaf is not None:
            yield from leaf.expressions
    for tree_ in (*call.query.values(), *([call.send] if call.send is not None else [])):
        yield from expressions_in(tree_)
    yield from (hole.expression for hole in (call.expect, call.take) if hole is not None and with_take)


def expressions_in(tree_: Tree) -> Iterator[Expression]:
    """Yield all expressions of a tree."""
    for _, part in tree_.leaves():
        if isinstance(part, Leaf):
            yield from part.expressions
        else:
            yield part


def roots(expression: Expression) -> frozenset[str]:
    """Return the first names of all paths."""
    return frozenset(str(path.names[0]) for path in paths(expression))
