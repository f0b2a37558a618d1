"""When an ERP that doesn't let us in is left alone: who tries a wrong password too often has the account locked."""

from __future__ import annotations

import math
import threading
import time
from typing import Final

from adapters.erp.transports.pacing import Clock
from domain.errors import Unavailable

_MOST_TRIES: Final = 3
_PAUSE_S: Final = 60.0


class TurnedAway:
    """Counts how often in a row a door turned us away. From the third time on it is tried once a minute."""

    def __init__(self, why: str, clock: Clock = time.monotonic) -> None:
        self._why = why
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._until = -math.inf

    def check(self) -> None:
        """Raise `Unavailable`, which says for how long, where it is left alone."""
        with self._lock:
            left_s = self._until - self._clock()
        if left_s > 0:
            wait_s = math.ceil(left_s)
            raise Unavailable(f"{self._why} It is tried again in {wait_s} s.", retry_after_s=wait_s)

    def note(self, *, turned_away: bool) -> None:
        """Take note of how we were received."""
        with self._lock:
            self._in_a_row = self._in_a_row + 1 if turned_away else 0
            if self._in_a_row >= _MOST_TRIES:
                self._until = self._clock() + _PAUSE_S
