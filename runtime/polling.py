"""Waiting for something outside to become true, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(
    condition: Callable[[], Awaitable[bool]],
    *,
    limit_s: float,
    interval_s: float = 0.05,
) -> bool:
    """Ask `condition` again and again until it is true; return False once `limit_s` seconds have passed."""
    deadline = time.monotonic() + limit_s
    while not await condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(interval_s)
    return True
