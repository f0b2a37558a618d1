"""A clock that stands still until somebody sleeps, or a test moves it on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Time:
    """Seconds since whenever, and how long was slept each time."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
