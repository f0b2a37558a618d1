"""PostgreSQL's clock, foreseen from what it said last: for batches that do not ask it before they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_SHORTEST_LEAD: Final = timedelta(milliseconds=2)
_LONGEST_LEAD: Final = timedelta(milliseconds=16)
_EACH: Final = timedelta(microseconds=40)
_DRIFT: Final = timedelta(microseconds=20)


class DatabaseClock:
    """Says when a batch that is decided now will reach PostgreSQL, at the earliest a moment later than it does.

    A batch that comes later than foreseen is refused there, and decided again; then more time is allowed for the next.
    """

    def __init__(self) -> None:
        self._ahead: timedelta | None = None
        self._lead = _SHORTEST_LEAD

    def foresee(self, requests: int) -> datetime | None:
        """Return the time at which a batch of so many requests will be there. None before the clock was ever heard."""
        return None if self._ahead is None else datetime.now(UTC) + self._ahead + self._lead + requests * _EACH

    def heard(self, said: datetime, asked_at: datetime) -> None:
        """Take what the clock said to who asked at a time of our own clock: it is ahead of ours by that, or less."""
        ahead = said - asked_at
        self._ahead = ahead if self._ahead is None else min(ahead, self._ahead + _DRIFT)
        self._lead = max(_SHORTEST_LEAD, self._lead * 0.98)

    def was_late(self) -> None:
        """Allow more time: a batch came later than foreseen."""
        self._lead = min(_LONGEST_LEAD, self._lead * 2)
