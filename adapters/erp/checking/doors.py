"""Doors and their tables of faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from adapters.erp.checking.calls import Calls, expressions_in, roots
from adapters.erp.checking.findings import Findings
from adapters.erp.checking.known import ANY, Known, any_of, of_kinds, tree
from adapters.erp.checking.known import words as one_of_words
from adapters.erp.checking.places import Place
from adapters.erp.language.expressions import And, Comparison, Expression, Literal, Or, Path, paths
from adapters.erp.language.trees import Fields, Tree
from adapters.erp.mapping.doors import Door, JsonRpcDoor, SoapDoor
from adapters.erp.mapping.file import MappingFile, nearest
from adapters.erp.mapping.scopes import ANSWER, BODY, CHANGES, KIND, MEDIA_TYPE, SESSION, SETTINGS, STATUS
from adapters.erp.mapping.yaml_text import pointer_to

_KINDS: Final = one_of_words("answer", "fault", "other")


class Doors:
    """Checks all doors. Their `always` and their faults are checked when it is known what is said at them."""

    def __init__(self, file: MappingFile, calls: Calls, findings: Findings) -> None:
        self._file = file
        self._calls = calls
        self._findings = findings

    def check(self) -> None:
        """Check each door by itself."""
        for name, door in self._file.doors.items():
            self._door(name, door, f"/doors/{name}")

    def check_what_is_said(self) -> None:
        """Check what a door says in all calls, and what its faults mean."""
        for name, door in self._file.doors.items():
            if isinstance(door, SoapDoor) and isinstance(door.always, Fields):
                self._always(name, door.always, self._with_secrets(door))
        for name in self._file.faults:
            self._faults(name)

    # -- a door ------------------------------------------------------------------------------------------------------

    def _door(self, name: str, door: Door, pointer: str) -> None:
        if door.faults not in self._file.faults:
            self._findings.add(
                f"{pointer}/faults",
                f"there is no table of faults `{door.faults}`" + nearest(door.faults, self._file.faults),
            )
        self._findings.uses("table of faults", door.faults)
        plain = self._calls.place
        plain.text(door.address, f"{pointer}/address")
        inside = self._lets(door)
        if door.session is not None:
            session = self._session(name, door, inside, pointer)
            inside = inside.within(**{SESSION: session})
            plain = plain.within(**{SESSION: session})
        if isinstance(door, JsonRpcDoor) and door.path is not None:
            open_lets = {name: inside.names.known[name] for name in door.let if name not in _secret_lets(door, plain)}
            plain.within(**open_lets).text(door.path, f"{pointer}/path")
        for header, leaf in door.headers.items():
            inside.text(leaf, pointer_to(f"{pointer}/headers", header))
        if door.basic is not None:
            inside.text(door.basic.user, f"{pointer}/basic/user")
            inside.text(door.basic.password, f"{pointer}/basic/password")
        for each in _always(door):
            inside.tree(each)
        self._orphans(door, pointer)

    def _lets(self, door: Door) -> Place:
        place = _secretly(self._calls.place)
        for name, value in door.let.items():
            place = place.within(**{name: place.tree(value)})
        return place

    def _session(self, name: str, door: Door, place: Place, pointer: str) -> Known:
        assert door.session is not None
        pointer = f"{pointer}/session"
        answered = self._calls.say(door.session.log_in, name, f"{pointer}/log_in", place, {})
        heard = self._calls.place.within(**{ANSWER: answered})
        return tree({key: heard.value(hole, f"{pointer}/keep/{key}") for key, hole in door.session.keep.items()})

    def _with_secrets(self, door: Door) -> Place:
        kept = tree(dict.fromkeys(door.session.keep, ANY)) if door.session is not None else None
        place = _secretly(self._calls.place).within(**dict.fromkeys(door.let, ANY))
        return place if kept is None else place.within(**{SESSION: kept})

    def _orphans(self, door: Door, pointer: str) -> None:
        """Find what a door gives a name to and never says."""
        said = list(_said_by(door))
        first = {name for expression in said for name in roots(expression)}
        kept = {path[1] for path in _paths(said) if path[0] == SESSION and len(path) > 1}
        for name in door.let:
            if name not in first:
                self._findings.add(f"{pointer}/let/{name}", f"nothing uses `{name}`")
        for name in door.session.keep if door.session is not None else ():
            if name not in kept:
                self._findings.add(f"{pointer}/session/keep/{name}", f"nothing uses `{SESSION}.{name}`")

    # -- what it always says -----------------------------------------------------------------------------------------

    def _always(self, name: str, always: Fields, place: Place) -> None:
        for said in self._calls.said[name]:
            sent = said.spoken.sent
            if sent is not None:
                place.tree(always, replace(sent, required=frozenset()))

    # -- its faults --------------------------------------------------------------------------------------------------

    def _faults(self, name: str) -> None:
        doors = [door for door, said in self._file.doors.items() if said.faults == name]
        heard = [self._heard(door) for door in doors]
        body = any_of(*heard) if heard else ANY
        words = self._calls.place.within(**{STATUS: of_kinds("number"), BODY: body})
        place = words.within(**{KIND: _KINDS, CHANGES: of_kinds("boolean"), MEDIA_TYPE: of_kinds("text")})
        for number, row in enumerate(self._file.faults[name]):
            pointer = f"/faults/{name}/{number}"
            place.condition(row.when, f"{pointer}/when")
            if row.text is not None:
                words.text(row.text, f"{pointer}/text")
            if row.means == "fine" and _asks_for_a_fault(row.when.expression):
                self._findings.add(f"{pointer}/means", "a fault is never fine: at best it is `done_already`")

    def _heard(self, door: str) -> Known:
        answers = [said.spoken.answered for said in self._calls.said[door]]
        return self._calls.contract(door).heard(answers)


def _secret_lets(door: Door, place: Place) -> frozenset[str]:
    """Return the names of `let` that hold a secret, or something of another one that does."""
    secret: set[str] = set()
    for name, value in door.let.items():
        said = [path.names for expression in expressions_in(value) for path in paths(expression)]
        if any(each[0] in secret or (each[0] == SETTINGS and set(each[1:2]) & place.names.secret) for each in said):
            secret.add(name)
    return frozenset(secret)


def _secretly(place: Place) -> Place:
    return replace(place, names=replace(place.names, secret=frozenset()))


def _always(door: Door) -> tuple[Tree, ...]:
    if isinstance(door, JsonRpcDoor):
        return door.always
    # SOAP's is a part of each message, and checked with it.
    return (door.always,) if isinstance(door, SoapDoor) and door.always is not None else ()


def _said_by(door: Door) -> Iterator[Expression]:
    leaves = [*door.headers.values(), *((door.basic.user, door.basic.password) if door.basic is not None else ())]
    for leaf in leaves:
        yield from leaf.expressions
    for value in (*door.let.values(), *_always(door)):
        yield from expressions_in(value)
    if door.session is not None:
        log_in = door.session.log_in
        for said in (*log_in.query.values(), *((log_in.send,) if log_in.send is not None else ())):
            yield from expressions_in(said)


def _paths(expressions: list[Expression]) -> Iterator[tuple[str | int, ...]]:
    for expression in expressions:
        for path in paths(expression):
            yield path.names


def _asks_for_a_fault(when: Expression) -> bool:
    """Say whether a condition can only hold of a fault, or names one among what it holds of."""
    if isinstance(when, And | Or):
        return _asks_for_a_fault(when.left) or _asks_for_a_fault(when.right)
    return (
        isinstance(when, Comparison)
        and when.comparator == "=="
        and {type(when.left), type(when.right)} == {Path, Literal}
        and {str(when.left), str(when.right)} == {KIND, "'fault'"}
    )
