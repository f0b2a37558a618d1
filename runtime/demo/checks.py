"""The story's promises: each is looked at when it should hold, and ticked or crossed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from runtime.demo.display import Display
from runtime.polling import until

T = TypeVar("T")

SOON_S: Final = 30.0
"""How long it may take until what was set going has happened."""
_LONGEST_FOUND: Final = 400


@dataclass
class Checks:
    """What was promised, and what of it did not hold."""

    display: Display
    kept: int = 0
    broken: list[str] = field(default_factory=list)

    def that(self, held: bool, promise: str, found: object = "") -> None:
        """Tick a promise that holds. `found` is what to show of one that does not."""
        if held:
            self.kept += 1
            self.display.tick(promise)
        else:
            self.broken.append(promise)
            self.display.cross(promise, str(found)[:_LONGEST_FOUND])

    async def soon(
        self,
        promise: str,
        look: Callable[[], Awaitable[T]],
        good: Callable[[T], bool],
        *,
        limit_s: float = SOON_S,
    ) -> None:
        """Look again and again until what is seen is good; cross the promise after `limit_s`."""
        held, seen, _ = await watch(look, good, limit_s)
        self.that(held, promise, seen)

    def failed(self, chapter: str, error: BaseException) -> None:
        """Cross a chapter that could not be told to its end."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.that(held=False, promise=f"{chapter}: told to its end", found=f"{type(error).__name__}: {error}")


async def watch(
    look: Callable[[], Awaitable[T]], good: Callable[[T], bool], limit_s: float = SOON_S
) -> tuple[bool, T, float]:
    """Look until what is seen is good, or `limit_s` have passed. Returns whether it was, what was seen, how long."""
    began = time.monotonic()
    seen = await look()

    async def looked() -> bool:
        nonlocal seen
        if good(seen):
            return True
        seen = await look()
        return good(seen)

    held = await until(looked, limit_s=limit_s, interval_s=0.1)
    return held, seen, time.monotonic() - began
