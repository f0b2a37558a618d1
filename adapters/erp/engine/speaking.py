"""Calls to one ERP: through the right door, in a session that holds, until it is known what the answer means."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, TypeVar

from adapters.erp.engine.connected import SYSTEM, ConnectedErp
from adapters.erp.engine.doors import OpenDoor, Session, open_door
from adapters.erp.engine.mapped import mapped
from adapters.erp.engine.meanings import LOCKED_OUT, Meant, failure, meant
from adapters.erp.engine.turned_away import TurnedAway
from adapters.erp.language.evaluating import CannotSay, Scope
from adapters.erp.language.leaves import says_yes
from adapters.erp.language.values import MISSING, Result, is_there
from adapters.erp.mapping.calls import Call, Saying
from adapters.erp.mapping.doors import Session as Asked
from adapters.erp.mapping.faults import FaultRow
from adapters.erp.mapping.steps import AnyCall
from adapters.erp.transports.http import Heard, Query
from adapters.erp.transports.spoken import Spoken
from domain.errors import Unavailable

T = TypeVar("T")


class LookAgain(Exception):  # noqa: N818 - the mapping's own word
    """What the call builds on isn't so any more: begin anew."""


def settled(attempt: Callable[[], T], tries: int = 1) -> T:
    """Return what an attempt does, which begins anew where it is told to look again, so many times in all.

    Raises `Unavailable` where it is told so every time.
    """
    for _ in range(tries):
        with suppress(LookAgain):
            return attempt()
    raise Unavailable(f"{SYSTEM} changes what we look at while we do.")


@dataclass(frozen=True)
class Told:
    """What a call brought. What is `absent`, or was done already, brought nothing."""

    answer: Result
    absent: bool = False


class Speaker:
    """All doors of one connection, open. Threads may share it; `close` when done."""

    def __init__(self, erp: ConnectedErp) -> None:
        """Open them. Raises `Rejected` where a setting is missing or wrong, or an address isn't to be called."""
        file = erp.mapping.file
        self._calls = file.calls
        self._names = Scope({"settings": erp.public()}, erp.all_tables())
        self._doors = {
            name: _SpokenThrough(open_door(erp, door), file.faults[door.faults], self._names)
            for name, door in file.doors.items()
        }

    def scope(self, **names: Result) -> Scope:
        """Return a scope of its own budget for one piece of work, with the settings that are no secrets."""
        return Scope({**self._names.names, **names}, self._names.tables)

    def call(self, call: AnyCall, scope: Scope, given: Scope, *, changes: bool) -> Told:
        """Make a call. `given` is the scope of a named one, which sees only what it is given.

        Raises `Rejected`, `Unavailable` and `OutcomeUnknown` as the port does, and `LookAgain`.
        """
        if isinstance(call, Call):
            return self._made(call, scope, changes=changes)
        return self._made(self._calls[call], given, changes=changes)

    def link(self, door: str, link: str, at: str) -> tuple[str, Query]:
        """Return path and query of a link that a door's answer named, as `OpenDoor.link` does."""
        return self._doors[door].link(link, at)

    def close(self) -> None:
        """Close all connections."""
        for door in self._doors.values():
            door.close()

    def _made(self, call: Call, scope: Scope, *, changes: bool) -> Told:
        told = self._doors[call.door].call(call, scope, changes=changes)
        if told.absent or call.take is None:
            return told
        with mapped():
            return Told(call.take.value(scope.within(answer=told.answer)))


class _SpokenThrough:
    """A door with its table of faults, and its session, where it has one."""

    def __init__(self, door: OpenDoor[Any], rows: tuple[FaultRow, ...], names: Scope) -> None:
        self._door = door
        self._rows = rows
        self._names = names
        self._session: Session | None = None
        self._logging_in: Final = Lock()
        self._turned_away: Final = TurnedAway(LOCKED_OUT)

    def call(self, saying: Saying, scope: Scope, *, changes: bool) -> Told:
        self._turned_away.check()
        session = self._held(None)
        meaning, spoken, heard = self._heard(saying, scope, session, changes=changes)
        if meaning.means == "locked_out" and session is not None:
            session = self._held(session)
            meaning, spoken, heard = self._heard(saying, scope, session, changes=changes)
        self._turned_away.note(turned_away=meaning.means == "locked_out")
        match meaning.means:
            case "fine":
                return Told(spoken.body)
            case "done_already":
                return Told(MISSING)
            case "absent" if not changes:
                return Told(MISSING, absent=True)
            case "absent" | "look_again":
                raise LookAgain
        raise failure(meaning, spoken, heard, self._names, changes=changes)

    def link(self, link: str, at: str) -> tuple[str, Query]:
        return self._door.link(link, at, self._session)

    def close(self) -> None:
        self._door.close()

    def _heard(
        self, saying: Saying, scope: Scope, session: Session | None, *, changes: bool
    ) -> tuple[Meant, Spoken, Heard]:
        spoken, heard = self._door.say(saying, scope, session, changes=changes)
        meaning = meant(self._rows, spoken, self._names, changes=changes)
        if meaning.means == "fine" and not _is_expected(saying, spoken, scope):
            meaning = Meant("not_understood", meaning.row)
        return meaning, spoken, heard

    def _held(self, lapsed: Session | None) -> Session | None:
        """Return the session that holds: the one that is, unless it is the one that lapsed, else a new one.

        Who comes while somebody logs in waits for that session: a thousand calls log in once.
        """
        asked = self._door.door.session
        if asked is None:
            return None
        with self._logging_in:
            if self._session is None or self._session is lapsed:
                self._session = None
                self._session = self._logged_in(asked.log_in)
            return self._session

    def _logged_in(self, log_in: Saying) -> Session:
        asked = self._door.door.session
        assert asked is not None
        self._turned_away.check()
        own = self._door.own()
        meaning, spoken, heard = self._heard(log_in, own, None, changes=False)
        if meaning.means != "fine":
            self._turned_away.note(turned_away=meaning.means == "locked_out")
            raise failure(meaning, spoken, heard, self._names, changes=False)
        kept = _kept(asked, own.within(answer=spoken.body))
        if kept is None:
            raise failure(Meant("not_understood", meaning.row), spoken, heard, self._names, changes=False)
        return kept


def _is_expected(saying: Saying, spoken: Spoken, scope: Scope) -> bool:
    """Say whether an answer is one to this call. An answer of which that can't be said isn't."""
    if not isinstance(saying, Call) or saying.expect is None:
        return True
    try:
        return says_yes(saying.expect, scope.within(answer=spoken.body))
    except CannotSay:
        return False


def _kept(asked: Asked, scope: Scope) -> Session | None:
    """Return what a log-in brought, None where the answer to it has not all of that."""
    try:
        kept = {name: expression.value(scope) for name, expression in asked.keep.items()}
    except CannotSay:
        return None
    return kept if all(map(is_there, kept.values())) else None
