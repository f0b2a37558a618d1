"""How many calls at once, how often, and not while an ERP is away. No test waits: the clock is moved on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from threading import Barrier

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.egress import Forbidden
from adapters.erp.transports.pacing import AtOnce, Pace, Patience
from adapters.wire import Unreadable
from domain.errors import Unavailable
from tests.adapters.erp.transports.clock import Time

SYSTEM = "The ERP"


def test_there_are_as_many_at_once_as_may_be_and_no_more() -> None:
    at_once = AtOnce(2, 0.01, SYSTEM)

    with at_once.one(), at_once.one(), pytest.raises(Unavailable, match="at once: 2"), at_once.one():
        pass
    with at_once.one(), at_once.one():
        pass


def test_a_call_that_fails_makes_room_for_the_next() -> None:
    at_once = AtOnce(1, 0.01, SYSTEM)

    for _ in range(3):
        with suppress(RuntimeError), at_once.one():
            raise RuntimeError


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.sampled_from([0.5, 1, 3, 20]))
def test_no_second_has_more_calls_than_it_may_have(gaps: list[float], per_second: float) -> None:
    time = Time()
    pace = Pace(per_second, wait_s=1000, system=SYSTEM, clock=time, sleep=time.sleep)
    began: list[float] = []
    for gap in gaps:
        time.now += gap
        pace.keep()
        began.append(time.now)

    for earlier, later in pairwise(began):
        assert later - earlier >= 1 / per_second - 1e-9


def test_who_would_wait_too_long_is_told_at_once_and_holds_nobody_up() -> None:
    time = Time()
    waiting: list[float] = []
    pace = Pace(1, wait_s=2, system=SYSTEM, clock=time, sleep=waiting.append)  # as if each slept in its own thread
    for _ in range(3):
        pace.keep()
    for _ in range(5):
        with pytest.raises(Unavailable, match="1 calls a second") as full:
            pace.keep()
        assert full.value.retry_after_s == 3
    time.now += 1
    pace.keep()

    assert waiting == [1, 2, 2]


def fail(patience: Patience, error: Exception | None = None) -> None:
    with suppress(httpx.ReadTimeout, Unreadable, Forbidden), patience.call():
        raise error or httpx.ReadTimeout("no answer")


def answer(patience: Patience) -> None:
    with patience.call():
        pass


def test_four_calls_without_an_answer_may_be_chance() -> None:
    patience = Patience(SYSTEM, Time())
    for _ in range(3):
        for _ in range(4):
            fail(patience)
        answer(patience)

    patience.check()


def test_the_breaks_grow_up_to_a_minute_and_an_answer_ends_them() -> None:
    time = Time()
    patience = Patience(SYSTEM, time)
    for _ in range(5):
        fail(patience)
    for break_s in (10, 20, 40, 60, 60):
        time.now += break_s - 0.5
        with pytest.raises(Unavailable) as early:
            patience.check()
        assert early.value.retry_after_s == 1
        time.now += 0.5
        fail(patience)
    time.now += 60
    answer(patience)
    for _ in range(4):
        fail(patience)
    patience.check()
    fail(patience)
    time.now += 9.9

    with pytest.raises(Unavailable):
        patience.check()


def test_one_tries_for_all_the_others() -> None:
    time = Time()
    patience = Patience(SYSTEM, time)
    for _ in range(5):
        fail(patience)
    time.now += 10

    with patience.call():
        for _ in range(3):
            with pytest.raises(Unavailable), patience.call():
                pass
    with patience.call(), patience.call():
        pass


@pytest.mark.parametrize("error", [Unreadable("too large"), Forbidden("inside")])
def test_what_says_nothing_of_silence_is_not_counted_as_it(error: Exception) -> None:
    patience = Patience(SYSTEM, Time())
    for _ in range(20):
        fail(patience, error)

    patience.check()


def test_a_refusal_leaves_the_try_to_the_next() -> None:
    time = Time()
    patience = Patience(SYSTEM, time)
    for _ in range(5):
        fail(patience)
    time.now += 10
    fail(patience, Forbidden("inside"))
    answer(patience)

    patience.check()


def test_those_that_were_under_way_lengthen_no_break() -> None:
    time = Time()
    patience = Patience(SYSTEM, time)
    together = Barrier(8)

    def call() -> None:
        with suppress(httpx.ReadTimeout), patience.call():
            together.wait(10)
            raise httpx.ReadTimeout("no answer")

    with ThreadPoolExecutor(8) as threads:
        for each in [threads.submit(call) for _ in range(8)]:
            each.result()
    time.now += 10

    patience.check()


def test_the_longest_wait_that_was_asked_for_counts() -> None:
    time = Time()
    patience = Patience(SYSTEM, time)
    patience.leave_alone(100)
    patience.leave_alone(5)
    time.now += 99

    with pytest.raises(Unavailable, match="another 1 s"):
        patience.check()
    time.now += 1
    patience.check()
