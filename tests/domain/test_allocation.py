from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from stockbridge.domain.allocation import first_expiry_first, take


@dataclass(frozen=True)
class Bucket:
    free: int
    expires_on: date | None = None
    label: str = ""


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


@given(free=st.lists(st.integers(0, 20)), quantity=st.integers(0, 100))
def test_as_much_is_taken_as_there_is_and_no_more_than_wanted(free: list[int], quantity: int) -> None:
    taken = take([Bucket(f, label=str(n)) for n, f in enumerate(free)], quantity)

    assert sum(part for _, part in taken) == min(quantity, sum(free))
    assert all(0 < part <= bucket.free for bucket, part in taken)
