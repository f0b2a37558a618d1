"""How much, and for how long, a connection to the door may have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What connections may cost. A body that takes longer than `body_s` must come at `body_rate` bytes a second.

    A sender that was refused may linger, so that he gets to hear it; and one whose answer was there before his body.
    """

    connections: int
    head_bytes: int
    head_s: float
    body_s: float
    body_rate: int
    idle_s: float
    linger_s: float = 2.0

    def too_slow(self, size: int, seconds: float) -> bool:
        """Say whether so much came, or was taken, too slowly."""
        return seconds > self.body_s and size < seconds * self.body_rate

    @property
    def interval_s(self) -> float:
        """How often the connections are looked at."""
        return min(self.head_s, self.body_s, self.idle_s, self.linger_s) / 4
