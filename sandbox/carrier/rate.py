"""The carrier's limit on how often it may be asked."""

from __future__ import annotations

import time
from collections.abc import Callable

from sandbox.carrier.errors import CarrierError

_TOO_MANY = 429


class RateLimit:
    """So many calls in each second; the rest are told to come back in the next."""

    def __init__(self, calls_per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls_per_s = calls_per_s
        self._clock = clock
        self._second = 0
        self._calls = 0

    def count(self) -> None:
        """Count a call, or refuse it."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._calls = second, 0
        self._calls += 1
        if self._calls > self._calls_per_s:
            text = f"More than {self._calls_per_s} calls a second."
            raise CarrierError(_TOO_MANY, "rate_limited", text, retry_after_s=1)
