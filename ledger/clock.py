"""PostgreSQL's clock, told without asking: from what it said before, and the time that has passed since."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ledger.canonical import EPOCH, microseconds

CLOSE: Final = 500
"""Microseconds: what is told is later than PostgreSQL's clock by no more. A commit takes longer than that."""

_DRIFT: Final = 5000
"""Two clocks of good health drift apart by 1 us in as many (200 ppm)."""


def stopwatch() -> int:
    """Count microseconds since some instant."""
    return time.monotonic_ns() // 1000


class Clock:
    """Bounds on how far PostgreSQL's clock is ahead of our stopwatch: what it says lies between question and answer."""

    def __init__(self, elapsed: Callable[[], int] = stopwatch) -> None:
        self._elapsed = elapsed
        self._least = self._most = 0
        self._since: int | None = None

    def hear(self, said: datetime, asked: int, answered: int) -> None:
        """Learn from an answer, given between two readings of the stopwatch. If the clock was set, begin anew."""
        least, most = microseconds(said) - answered, microseconds(said) - asked
        if self._since is not None:
            drift = self._drift(answered)
            if least <= self._most + drift and most >= self._least - drift:
                least, most = max(least, self._least - drift), min(most, self._most + drift)
        self._least, self._most, self._since = least, most, answered

    def tell(self) -> datetime | None:
        """Return a time that is not before PostgreSQL's now, and at most `CLOSE` after it; None where nobody knows."""
        if self._since is None:
            return None
        now = self._elapsed()
        drift = self._drift(now)
        if self._most - self._least + 2 * drift > CLOSE:
            return None
        return EPOCH + timedelta(microseconds=now + self._most + drift)

    def _drift(self, now: int) -> int:
        return (now - (self._since or now)) // _DRIFT + 1
