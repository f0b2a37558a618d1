"""When an ERP is called, and when it is left alone: how many calls at once, how often, and not while it is away.

Whoever waits here does so for a while only: a call that doesn't get its turn is `Unavailable`, and nothing was sent. So
one ERP that hangs holds as many threads as it may have calls, and no others for long.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from adapters.wire import Unreadable
from domain.errors import StockbridgeError, Unavailable

Clock = Callable[[], float]
"""Returns seconds since whenever."""

_MOST_IN_A_ROW: Final = 5
_SHORTEST_BREAK_S: Final = 10.0
_LONGEST_BREAK_S: Final = 60.0


class AtOnce:
    """So many calls at once, and no more. A turn is waited for as long as `wait_s`."""

    def __init__(self, most: int, wait_s: float, system: str) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._wait_s = wait_s
        self._busy = f"{system} has as many calls under way as it may have at once: {most}"

    @contextmanager
    def one(self) -> Iterator[None]:
        """Be one of them. Raises `Unavailable`."""
        if not self._free.acquire(timeout=self._wait_s):
            raise Unavailable(self._busy)
        try:
            yield
        finally:
            self._free.release()


class Pace:
    """So many calls a second, evenly: each has its own moment, for which it waits as long as `wait_s`."""

    def __init__(
        self,
        per_second: float,
        wait_s: float,
        system: str,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._apart_s = 1 / per_second
        self._wait_s = wait_s
        self._busy = f"{system} takes {per_second:g} calls a second, and more are waiting"
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = -math.inf

    def keep(self) -> None:
        """Return when it is this call's moment. Raises `Unavailable`, without delay, where that is too late."""
        with self._lock:
            now = self._clock()
            moment = max(now, self._next)
            if moment - now > self._wait_s:
                raise Unavailable(self._busy, retry_after_s=_whole(moment - now))
            self._next = moment + self._apart_s
        if moment > now:
            self._sleep(moment - now)


class Patience:
    """What an ERP's silence, and its own word, say about when it is called again.

    After five calls in a row that got no answer nobody calls for 10 s. Then one tries; if it gets none either, the
    break is twice as long, up to a minute. Any answer, whatever it says, ends that.
    """

    def __init__(self, system: str, clock: Clock = time.monotonic) -> None:
        self._system = system
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._break_s = 0.0
        self._silent_until = -math.inf
        self._asked_until = -math.inf
        self._trying = False

    def check(self) -> None:
        """Raise `Unavailable`, which says for how long, where now is no time to call."""
        with self._lock:
            self._check()

    def leave_alone(self, wait_s: float) -> None:
        """Take the ERP at its word: it said for how long it wants to hear nothing."""
        with self._lock:
            self._asked_until = max(self._asked_until, self._clock() + wait_s)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Take note of whether a call gets an answer. Raises `Unavailable` where now is no time to call.

        An answer that can't be used is one. What we refused to send says nothing.
        """
        tries = self._begin()
        try:
            yield
        except Unreadable:
            self._answered()
            raise
        except StockbridgeError:
            raise
        except Exception:
            self._silent(tries)
            raise
        else:
            self._answered()
        finally:
            if tries:
                self._tried()

    def _begin(self) -> bool:
        """Return whether the call tries for the others."""
        with self._lock:
            self._check()
            self._trying = self._break_s > 0
            return self._trying

    def _check(self) -> None:
        now = self._clock()
        if now < self._asked_until:
            wait_s = _whole(self._asked_until - now)
            raise Unavailable(f"{self._system} asked not to be called for another {wait_s} s", retry_after_s=wait_s)
        if now < self._silent_until or self._trying:
            wait_s = _whole(self._silent_until - now)
            words = f"{self._system} gave no answer {self._in_a_row} times in a row: it is tried again in {wait_s} s"
            raise Unavailable(words, retry_after_s=wait_s)

    def _answered(self) -> None:
        with self._lock:
            self._in_a_row = 0
            self._break_s = 0.0
            self._silent_until = -math.inf

    def _silent(self, tried: bool) -> None:
        """Begin a break. The last of the calls that went before one say nothing new when they fail in it."""
        with self._lock:
            self._in_a_row += 1
            if tried or (self._in_a_row >= _MOST_IN_A_ROW and not self._break_s):
                self._break_s = min(max(2 * self._break_s, _SHORTEST_BREAK_S), _LONGEST_BREAK_S)
                self._silent_until = self._clock() + self._break_s

    def _tried(self) -> None:
        with self._lock:
            self._trying = False


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
