"""What each scan means for its shipment, decided without a database; and that scans commute."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.attention import Ask
from domain.carriers import PHYSICAL, TrackingStatus
from domain.labels import Label, Labels
from domain.shipping.parcels import Loss, Parcel
from domain.shipping.replaced import without_cancellations
from domain.shipping.scans import Arrival, Departure, Ignored, OtherLabel, Proof, Scan, Stray, arrival_by, meaning_of
from domain.shipping.shipment_state import ShipmentState, advance
from domain.shipping.stuck import NeedNobody, after_scan

from .carried import AT, MUGS, Carried, needs_no_order, parcel, shipment

S = TrackingStatus
EVERY = list(TrackingStatus)
NEW, OLD = Label(2, 1, "TN-1", 1, False, False), Label(1, 1, "TN-0", 1, True, False)
OTHER = replace(OLD, packing=0)
"""A label that was bought when its parcel held something else."""

HERE = shipment()
LEFT = shipment(handed_over_at=AT, handover_evidence="confirmed")
SEEN_LEAVING = shipment(handed_over_at=AT, handover_evidence="inferred")
CANCELLED = shipment(dissolved_at=AT)


def of(number: str, status: TrackingStatus) -> Scan:
    return Scan(1, number, status)


def labels(*bought: Label) -> Labels:
    return Labels(bought, {1: 1}, {1: "TN-1"})


# -- every cell ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", EVERY)
def test_what_is_here_has_left_once_its_carrier_has_it_and_not_before(status: TrackingStatus) -> None:
    proves = Departure() if status in PHYSICAL else None
    assert meaning_of(of("TN-1", status), HERE, None) == Proof(proves)


@pytest.mark.parametrize("status", EVERY)
@pytest.mark.parametrize("state", [LEFT, SEEN_LEAVING])
def test_what_is_known_to_have_left_leaves_no_more(state: ShipmentState, status: TrackingStatus) -> None:
    assert meaning_of(of("TN-1", status), state, None) == Proof(None)


@pytest.mark.parametrize("status", EVERY)
def test_a_scan_of_a_cancelled_shipment_moves_nothing_and_asks_where_the_carrier_has_it(status: TrackingStatus) -> None:
    meaning = meaning_of(of("TN-1", status), CANCELLED, None)
    assert isinstance(meaning, Ignored)
    assert (meaning.words, meaning.ask is not None) == ("nothing: its shipment was cancelled", status in PHYSICAL)


@pytest.mark.parametrize("status", EVERY)
def test_a_scan_of_a_parcel_that_is_gone_moves_nothing(status: TrackingStatus) -> None:
    assert meaning_of(of("TN-1", status), None, None) == Ignored("its parcel is gone")
    assert meaning_of(Scan(9, "TN-1", status), HERE, None) == Ignored("its parcel is gone")


@pytest.mark.parametrize("status", EVERY)
@pytest.mark.parametrize(
    ("state", "proves"),
    [(HERE, Departure(1)), (SEEN_LEAVING, OtherLabel(1)), (LEFT, None)],
    ids=["here", "seen", "left"],
)
def test_a_scan_of_a_former_label_tells_under_which_it_left_unless_a_person_has(
    state: ShipmentState, proves: Departure | OtherLabel | None, status: TrackingStatus
) -> None:
    meaning = meaning_of(of("TN-0", status), state, labels(OLD, NEW))
    assert meaning == (Proof(proves, was_replaced=True) if status in PHYSICAL else Stray())


def test_where_its_own_label_is_scanned_too_a_shipment_left_under_that() -> None:
    both = labels(OLD, replace(NEW, scanned=True))
    picked_up = of("TN-0", S.PICKED_UP)
    assert meaning_of(picked_up, HERE, both) == Proof(Departure(), was_replaced=True)
    assert meaning_of(picked_up, SEEN_LEAVING, both) == Proof(None, was_replaced=True)


@pytest.mark.parametrize("status", EVERY)
@pytest.mark.parametrize("known", [labels(OTHER, NEW), labels(NEW)], ids=["of other goods", "of no label of ours"])
def test_a_scan_of_a_label_that_does_not_fit_is_for_a_person(known: Labels, status: TrackingStatus) -> None:
    assert meaning_of(of("TN-0", status), HERE, known) == Stray()


@pytest.mark.parametrize("status", EVERY)
@pytest.mark.parametrize(
    ("box", "arrives"),
    [
        (parcel(), Arrival.UNDERWAY),
        (replace(parcel(), lost_at=AT, loss=Loss("lost", False, (MUGS,))), Arrival.LOST),
        (replace(parcel(), delivered_at=AT), None),
        (replace(parcel(), came_back_at=AT), None),
        (parcel(lines=()), None),
    ],
    ids=["underway", "lost", "delivered", "came back", "empty"],
)
def test_only_a_delivery_arrives_and_only_what_had_not(
    box: Parcel, arrives: Arrival | None, status: TrackingStatus
) -> None:
    assert arrival_by(of("TN-1", status), box) is (arrives if status is S.DELIVERED else None)


@pytest.mark.parametrize("before", EVERY)
@pytest.mark.parametrize("status", EVERY)
def test_a_parcel_moves_on_only_and_its_shipment_is_as_far_as_the_slowest(
    before: TrackingStatus, status: TrackingStatus
) -> None:
    slow = replace(parcel(2), tracking_status=S.PENDING)
    state = shipment(replace(parcel(), tracking_status=before), slow)
    box = state.parcels[0]
    advanced = advance(state, box, status)
    further = EVERY_RANK[status] > EVERY_RANK[before]
    assert advanced.is_news is further
    assert advanced.state.parcels[0].tracking_status is (status if further else before)
    assert advanced.state.parcels[1] == slow
    if further:
        assert EVERY_RANK[S(advanced.state.shipment.tracking_status)] == min(EVERY_RANK[status], EVERY_RANK[S.PENDING])


def test_what_is_lost_or_came_back_does_not_hold_its_shipment_up() -> None:
    ended = [replace(parcel(2), lost_at=AT), replace(parcel(3), came_back_at=AT), parcel(4, lines=())]
    advanced = advance(shipment(parcel(), *ended), parcel(), S.IN_TRANSIT)
    assert advanced.state.shipment.tracking_status is S.IN_TRANSIT


def test_that_a_label_was_cancelled_says_nothing_of_a_parcel_that_left_under_another() -> None:
    state = without_cancellations(shipment(replace(parcel(), tracking_status=S.CANCELLED), parcel(2)))
    assert [box.tracking_status for box in state.parcels] == [S.PENDING, S.PENDING]
    assert state.shipment.tracking_status is S.PENDING


EVERY_RANK = {
    status: rank
    for rank, status in enumerate(
        (
            S.UNKNOWN,
            S.PENDING,
            S.CANCELLED,
            S.PICKED_UP,
            S.IN_TRANSIT,
            S.DELIVERY_DELAYED,
            S.ON_HOLD,
            S.OUT_FOR_DELIVERY,
            S.DELIVERY_FAILED,
            S.READY_FOR_PICKUP,
            S.RETURN_TO_SENDER,
            S.DELIVERED,
        )
    )
}


@pytest.mark.parametrize("status", EVERY)
@pytest.mark.parametrize("flagged", [None, "parcel/TN-1", "replaced/SH-1", "hold"])
def test_a_person_is_needed_where_a_parcel_goes_wrong_and_no_more_once_it_does_not(
    flagged: str | None, status: TrackingStatus
) -> None:
    box = replace(parcel(), tracking_status=status)
    asked = after_scan(LEFT.shipment, box, flagged)
    if flagged == "replaced/SH-1":
        assert asked is None, "first a person says which label it left under"
    elif status in {S.CANCELLED, S.RETURN_TO_SENDER}:
        assert isinstance(asked, Ask)
        assert asked.step == "parcel/TN-1"
        assert after_scan(LEFT.shipment, replace(box, came_back_at=AT), None) is None
    else:
        assert asked == (NeedNobody() if flagged == "parcel/TN-1" else None)


# -- scans commute ---------------------------------------------------------------------------------------------------

LABELED = [Label(version, 1, f"TN-{version}", 1, False, False) for version in (1, 2, 3)]


def carried(newest: int, boxes: int = 1, *, by_hand: bool = False) -> Carried:
    """A shipment that goes by the newest of its labels, handed over by a person's word or not at all."""
    packed = [parcel(no, f"TN-{newest}" if no == 1 else f"BOX-{no}") for no in range(1, boxes + 1)]
    told = {"handed_over_at": AT, "handover_evidence": "confirmed"} if by_hand else {}
    others = [Label(newest, no, f"BOX-{no}", 1, False, False) for no in range(2, boxes + 1)]
    fits_alone = [label for label in LABELED if label.version <= newest and (boxes == 1 or label.version == newest)]
    return Carried(shipment(*packed, **told), [*fits_alone, *others])


scans_of_one = st.lists(st.sampled_from(EVERY), min_size=1, max_size=4)


@settings(max_examples=150)
@given(scans_of_one, st.booleans())
def test_scans_of_a_parcel_commute(statuses: list[TrackingStatus], by_hand: bool) -> None:
    scans = [of("TN-1", status) for status in statuses]
    first = carried(1, by_hand=by_hand).hear_all(scans)
    for told in permutations(scans):
        assert carried(1, by_hand=by_hand).hear_all(told) == first
        assert carried(1, by_hand=by_hand).hear_all([*told, *reversed(told)]) == first


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from(EVERY)), min_size=1, max_size=4), st.booleans())
def test_scans_of_several_parcels_commute(told: list[tuple[int, TrackingStatus]], by_hand: bool) -> None:
    scans = [Scan(no, "TN-1" if no == 1 else f"BOX-{no}", status) for no, status in told]
    first = flagless(carried(1, 3, by_hand=by_hand), scans)
    for other in permutations(scans):
        assert flagless(carried(1, 3, by_hand=by_hand), list(other)) == first


def flagless(of_scans: Carried, scans: list[Scan]) -> tuple[object, ...]:
    """Of several parcels that go wrong, a person is asked about one after the other."""
    row, evidence, boxes, _, posted = of_scans.hear_all(scans)
    return row, evidence, boxes, posted


@settings(max_examples=200)
@given(
    st.integers(2, 3),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(EVERY)), min_size=1, max_size=4, unique=True),
    st.booleans(),
)
def test_scans_of_labels_that_were_replaced_commute(
    newest: int, told: list[tuple[int, TrackingStatus]], by_hand: bool
) -> None:
    scans = [of(f"TN-{min(version, newest)}", status) for version, status in told]
    first = carried(newest, by_hand=by_hand).hear_all(scans)
    for other in permutations(scans):
        assert carried(newest, by_hand=by_hand).hear_all(other) == first
        assert carried(newest, by_hand=by_hand).hear_all([*other, *reversed(other)]) == first


@settings(max_examples=200)
@given(scans_of_one, st.sampled_from(EVERY))
def test_what_needs_no_order_moves_no_goods_and_asks_for_nobody(
    before: list[TrackingStatus], status: TrackingStatus
) -> None:
    whole = carried(1)
    whole.hear_all([of("TN-1", each) for each in before])
    posted, flag = list(whole.posted), whole.flag
    if needs_no_order(whole, of("TN-1", status)):
        whole.hear_all([of("TN-1", status)])
        assert (whole.posted, whole.flag) == (posted, flag)


@settings(max_examples=100)
@given(scans_of_one)
def test_goods_leave_once_before_they_arrive_once(statuses: list[TrackingStatus]) -> None:
    whole = carried(1)
    whole.hear_all([of("TN-1", status) for status in statuses])
    assert whole.posted in ([], ["goods_issue"], ["goods_issue", "delivery 1"])
    assert ("goods_issue" in whole.posted) is any(status in PHYSICAL for status in statuses)
    assert ("delivery 1" in whole.posted) is (S.DELIVERED in statuses)
