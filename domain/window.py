"""How far from now what happened may be dated. Pure: whoever asks brings the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True)
class Window:
    """The time around now in which clocks are believed: so much `ahead` they may be, so far `back` news may reach."""

    ahead: timedelta = timedelta(minutes=2)
    back: timedelta = timedelta(days=1826)

    def is_ahead(self, told: datetime, now: datetime) -> bool:
        """Say whether a time is later than now by more than clocks differ."""
        return told > now + self.ahead

    def is_too_old(self, told: datetime, now: datetime) -> bool:
        """Say whether a time lies so far back that the clock it was read from was never set."""
        return told < now - self.back


USUAL: Final = Window()
"""What is believed where nobody says otherwise."""
