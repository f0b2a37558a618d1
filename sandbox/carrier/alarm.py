"""Waiting until the next thing is due, or until somebody says that something came up."""

from __future__ import annotations

import asyncio
import time

_LONGEST_S = 5.0


class Alarm:
    """Wakes one loop. It never sleeps longer than a few seconds, whatever it was told."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the loop now, or keep it from falling asleep."""
        self._rung.set()

    async def wait_until(self, due_at: float | None) -> None:
        """Sleep until `due_at` (unix seconds), or the alarm rings."""
        seconds = _LONGEST_S if due_at is None else min(max(due_at - time.time(), 0), _LONGEST_S)
        try:
            await asyncio.wait_for(self._rung.wait(), seconds)
        except TimeoutError:
            return
        self._rung.clear()
