"""A loop that does a little work, again and again, and survives what goes wrong in one round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from domain.errors import Unavailable

log = structlog.get_logger(__name__)

Round = Callable[[], Awaitable[int]]
"""One round of work. Returns how much it did: after a round that did something, the next comes at once."""


async def repeat(name: str, work: Round, pause_s: float, stop: asyncio.Event) -> None:
    """Run rounds until asked to stop. A round that fails is told and comes again; nothing is lost by it."""
    failures = 0
    while not stop.is_set():
        done = 0
        try:
            done = await work()
            failures = 0
        except (Unavailable, TimeoutError) as error:
            failures += 1
            log.warning("relay.waits", loop=name, reason=str(error))
        except Exception:
            failures += 1
            log.exception("relay.round_failed", loop=name)
        if not done:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(pause_s * 2**failures, 30.0 if failures else pause_s))
