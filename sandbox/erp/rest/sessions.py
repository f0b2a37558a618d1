"""Who is logged in, and for how many calls more."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from sandbox.erp.rest.words import RefusedError


class NotLoggedInError(Exception):
    """The caller has to log in. A session that has lapsed is told so by a page for people, and under HTTP 200."""

    def __init__(self, *, lapsed: bool) -> None:
        super().__init__("log in")
        self.lapsed = lapsed


@dataclass
class Sessions:
    """The sessions of this run, each with the calls that are left of it."""

    user: str
    password: str
    calls: int
    _left: dict[str, int] = field(default_factory=dict)

    def open(self, user: str, password: str) -> str:
        """Let somebody in, in a time that does not tell how close a guess was."""
        known = secrets.compare_digest(user.encode(), self.user.encode())
        fits = secrets.compare_digest(password.encode(), self.password.encode())
        if not (known and fits):
            raise RefusedError("ANMELDUNG", "Benutzer oder Kennwort falsch.", status=401)
        session = secrets.token_hex(16)
        self._left[session] = self.calls
        return session

    def use(self, session: str | None) -> None:
        """Count a call of a session down."""
        if session is None or session not in self._left:
            raise NotLoggedInError(lapsed=False)
        if self._left[session] == 0:
            raise NotLoggedInError(lapsed=True)
        self._left[session] -= 1

    def lapse(self) -> int:
        """Let every session lapse; tells how many."""
        lapsed = sum(left > 0 for left in self._left.values())
        self._left = dict.fromkeys(self._left, 0)
        return lapsed
