"""PostgreSQL's clock, told without asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import CLOSE, Clock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

DELAYS = st.integers(0, 2_000)
PAUSES = st.integers(0, 2_000_000)


@dataclass
class World:
    """A stopwatch, and PostgreSQL's clock, which runs as fast."""

    elapsed: int = 0
    set_forward: int = 0

    def stopwatch(self) -> int:
        return self.elapsed

    @property
    def postgresql(self) -> datetime:
        return NOON + timedelta(microseconds=self.elapsed + self.set_forward)

    def ask(self, clock: Clock, to_postgresql: int, back: int) -> None:
        asked = self.elapsed
        self.elapsed += to_postgresql
        said = self.postgresql
        self.elapsed += back
        clock.hear(said, asked, self.elapsed)


@given(st.lists(st.tuples(DELAYS, DELAYS, PAUSES), min_size=1))
def test_what_is_told_is_never_before_now_and_little_after(talks: list[tuple[int, int, int]]) -> None:
    world = World()
    clock = Clock(world.stopwatch)

    for to_postgresql, back, pause in talks:
        world.ask(clock, to_postgresql, back)
        world.elapsed += pause
        told = clock.tell()
        assert told is None or world.postgresql <= told <= world.postgresql + timedelta(microseconds=CLOSE)


def test_nothing_is_told_before_anything_was_heard() -> None:
    assert Clock().tell() is None


def test_quick_answers_make_slow_ones_useful() -> None:
    world = World()
    clock = Clock(world.stopwatch)

    world.ask(clock, 50, 3_000)
    assert clock.tell() is None
    world.ask(clock, 3_000, 50)

    assert clock.tell() is not None


def test_after_a_long_silence_nothing_is_told() -> None:
    world = World()
    clock = Clock(world.stopwatch)
    world.ask(clock, 50, 50)

    world.elapsed += 60_000_000

    assert clock.tell() is None


@given(st.integers(-10_000_000, 10_000_000))
def test_a_clock_that_was_set_is_believed(by: int) -> None:
    world = World()
    clock = Clock(world.stopwatch)
    world.ask(clock, 50, 50)

    world.set_forward = by
    world.ask(clock, 50, 50)

    told = clock.tell()
    assert told is not None
    assert world.postgresql - timedelta(microseconds=100) <= told <= world.postgresql + timedelta(microseconds=CLOSE)
