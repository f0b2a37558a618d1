from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.allocation import AllocationPolicy, allocate, first_expiry_first, take


@dataclass(frozen=True)
class Bucket:
    free: int
    expires_on: date | None = None
    label: str = ""
    received_at: datetime | None = None

    @property
    def location_id(self) -> str:
        return self.label.partition("/")[0]


def at(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def test_what_expires_first_goes_first_and_what_never_expires_last() -> None:
    keeps, late, soon = Bucket(1), Bucket(1, date(2027, 5, 1)), Bucket(1, date(2027, 1, 1))

    assert first_expiry_first([keeps, late, soon]) == [soon, late, keeps]


def test_equal_candidates_go_by_their_name() -> None:
    assert [b.label for b in first_expiry_first([Bucket(1, label="B"), Bucket(1, label="A")])] == ["A", "B"]


def test_the_last_bucket_is_taken_in_part() -> None:
    first, second = Bucket(3, label="A"), Bucket(3, label="B")

    assert take([first, second], 4) == [(first, 3), (second, 1)]


def test_nothing_is_taken_for_nothing() -> None:
    assert take([Bucket(3)], 0) == []


def test_what_came_first_goes_first_though_it_keeps_longer() -> None:
    old, young = Bucket(1, date(2028, 1, 1), "B", at(1)), Bucket(1, date(2027, 1, 1), "A", at(2))

    assert allocate(AllocationPolicy.FIRST_IN_FIRST_OUT, [young, Bucket(1), old], 2) == [(old, 1), (young, 1)]


def test_along_the_pick_route_locations_come_in_their_order() -> None:
    near, nearest, far = Bucket(1, date(2027, 5, 1), "A/L2"), Bucket(1, date(2027, 1, 1), "A/L9"), Bucket(1, label="B")

    assert allocate(AllocationPolicy.PICK_ROUTE, [far, near, nearest], 3) == [(nearest, 1), (near, 1), (far, 1)]


@pytest.mark.parametrize(
    ("quantity", "taken"),
    [
        (2, [("C", 2)]),  # the emptiest that has enough: the full one is kept for who needs more
        (6, [("A", 6)]),
        (12, [("B", 10), ("C", 2)]),
        (20, [("B", 10), ("A", 7), ("C", 3)]),
    ],
)
def test_from_as_few_locations_as_can_be(quantity: int, taken: list[tuple[str, int]]) -> None:
    buckets = [Bucket(7, label="A"), Bucket(10, label="B"), Bucket(3, label="C")]

    found = allocate(AllocationPolicy.FEWEST_LOCATIONS, buckets, quantity)

    assert [(bucket.label, part) for bucket, part in found] == taken


FREE = st.lists(st.integers(0, 20), max_size=7)


@given(free=FREE, quantity=st.integers(0, 100), policy=st.sampled_from(AllocationPolicy))
def test_as_much_is_taken_as_there_is_and_no_more_than_wanted(
    free: list[int], quantity: int, policy: AllocationPolicy
) -> None:
    taken = allocate(policy, [Bucket(f, label=str(n)) for n, f in enumerate(free)], quantity)

    assert sum(part for _, part in taken) == min(quantity, sum(free))
    assert all(0 < part <= bucket.free for bucket, part in taken)
    assert len({bucket.label for bucket, _ in taken}) == len(taken)


@given(free=FREE, quantity=st.integers(1, 60))
def test_no_fewer_locations_would_do(free: list[int], quantity: int) -> None:
    wanted = min(quantity, sum(free))
    taken = allocate(AllocationPolicy.FEWEST_LOCATIONS, [Bucket(f, label=str(n)) for n, f in enumerate(free)], quantity)

    fewer = combinations(free, max(len(taken) - 1, 0))
    assert not taken or all(sum(chosen) < wanted for chosen in fewer)
