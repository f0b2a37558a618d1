"""How often an ERP is tried that doesn't let us in."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from adapters.erp.engine.turned_away import TurnedAway
from domain.errors import Unavailable


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_from_the_third_time_on_it_is_tried_once_a_minute_until_it_lets_us_in() -> None:
    clock = Clock()
    door = TurnedAway("It doesn't know us.", clock)
    for _ in range(3):
        door.check()
        door.note(turned_away=True)
    with pytest.raises(Unavailable, match="tried again in 60 s") as left_alone:
        door.check()
    assert left_alone.value.retry_after_s == 60
    clock.now += 60
    door.check()
    door.note(turned_away=True)
    with pytest.raises(Unavailable):
        door.check()
    clock.now += 60
    door.note(turned_away=False)
    door.note(turned_away=True)
    door.check()


def test_who_is_let_in_now_and_then_is_not_turned_away() -> None:
    door = TurnedAway("It doesn't know us.")
    for _ in range(10):
        door.note(turned_away=True)
        door.note(turned_away=True)
        door.note(turned_away=False)
    door.check()
