"""Carrier events commute: the partial order of tracking statuses is a join-semilattice."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.carriers import PHYSICAL, TrackingStatus, advances, latest

S = TrackingStatus
statuses = st.sampled_from(TrackingStatus)


def ends_in(events: list[TrackingStatus]) -> TrackingStatus:
    return reduce(latest, events, S.UNKNOWN)


@st.composite
def events_and_a_retelling(draw: st.DrawFn) -> tuple[list[TrackingStatus], list[TrackingStatus]]:
    """Some events, and the same events again: each at least once, in any order, some of them several times."""
    events = draw(st.lists(statuses, min_size=1, max_size=12))
    repeated = draw(st.lists(st.sampled_from(events), max_size=12))
    return events, draw(st.permutations(events + repeated))


@given(events_and_a_retelling())
def test_any_permutation_and_duplication_of_the_same_events_ends_in_the_same_status(
    told: tuple[list[TrackingStatus], list[TrackingStatus]],
) -> None:
    events, retelling = told
    assert ends_in(events) is ends_in(retelling)


@given(events_and_a_retelling())
def test_that_a_parcel_left_is_known_from_its_latest_status_alone(
    told: tuple[list[TrackingStatus], list[TrackingStatus]],
) -> None:
    events, retelling = told
    assert (ends_in(retelling) in PHYSICAL) == any(event in PHYSICAL for event in events)


@given(events_and_a_retelling())
def test_applying_only_what_advances_is_the_same_as_joining_everything(
    told: tuple[list[TrackingStatus], list[TrackingStatus]],
) -> None:
    known = S.UNKNOWN
    for event in told[1]:
        known = event if advances(known, event) else known
    assert known is ends_in(told[0])


def test_the_join_commutes_associates_and_repeats_without_effect_over_all_statuses() -> None:
    for a, b, c in product(S, S, S):
        assert latest(a, b) is latest(b, a)
        assert latest(latest(a, b), c) is latest(a, latest(b, c))
        assert latest(a, a) is a


def test_nothing_advances_itself_and_no_two_statuses_advance_each_other() -> None:
    for a, b in product(S, S):
        assert not (advances(a, b) and advances(b, a))
        assert not advances(a, a)


@pytest.mark.parametrize("known", list(S))
def test_unknown_never_advances_and_delivered_is_never_advanced(known: TrackingStatus) -> None:
    assert not advances(known, S.UNKNOWN)
    assert not advances(S.DELIVERED, known)


def test_cancelled_advances_only_what_has_not_left_and_any_scan_refutes_it() -> None:
    assert {known for known in S if advances(known, S.CANCELLED)} == {S.UNKNOWN, S.PENDING}
    assert all(advances(S.CANCELLED, scan) for scan in PHYSICAL)


def test_every_status_but_unknown_pending_and_cancelled_proves_that_the_parcel_left() -> None:
    assert set(S) - PHYSICAL == {S.UNKNOWN, S.PENDING, S.CANCELLED}


@pytest.mark.parametrize(
    "story",
    [
        [S.PENDING, S.PICKED_UP, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.DELIVERED],
        [S.IN_TRANSIT, S.DELIVERY_DELAYED, S.OUT_FOR_DELIVERY, S.DELIVERY_FAILED, S.READY_FOR_PICKUP, S.DELIVERED],
        [S.IN_TRANSIT, S.ON_HOLD, S.OUT_FOR_DELIVERY, S.DELIVERY_FAILED, S.RETURN_TO_SENDER],
        [S.READY_FOR_PICKUP, S.RETURN_TO_SENDER],
    ],
)
def test_each_step_of_a_usual_journey_advances_the_one_before(story: list[TrackingStatus]) -> None:
    assert all(advances(before, after) for before, after in pairwise(story))
