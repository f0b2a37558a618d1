"""Hand-over, loss and return, decided without a database: what may be, and what becomes of the parcels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.carriers import TrackingStatus
from domain.errors import Rejected
from domain.packing import Content, Goods
from domain.payloads import HandledLine, KeptLoss
from domain.shipping.coming_back import came_back, match, sent_back
from domain.shipping.losses import losing, lost, steps_ended
from domain.shipping.parcels import Loss, Parcel
from domain.shipping.shipment_state import ShipmentState, existing
from domain.shipping.underway import underway

from .carried import AT, MUGS, parcel, shipment

LEFT = {"handed_over_at": AT, "handover_evidence": "confirmed"}
BACK = TrackingStatus.RETURN_TO_SENDER


def loss(**said: Any) -> KeptLoss:
    return KeptLoss(**{"loss_no": "L-1", "shipment_no": "SH-1", "reason": "lost", **said})


def refused(code: str) -> Any:
    return pytest.raises(Rejected, check=lambda refusal: refusal.code == code)


# -- hand-over -------------------------------------------------------------------------------------------------------


def test_what_is_here_leaves_and_what_has_left_stays_as_it_is() -> None:
    here, gone = shipment(), shipment(**LEFT)
    assert (existing(here, "SH-1"), here.has_left) == (here, False)
    assert (existing(gone, "SH-1"), gone.has_left) == (gone, True)


@pytest.mark.parametrize(
    ("state", "code"), [(None, "unknown_shipment"), (shipment(dissolved_at=AT), "shipment_cancelled")]
)
def test_what_is_not_there_or_not_any_more_can_t_leave(state: ShipmentState | None, code: str) -> None:
    with refused(code):
        existing(state, "SH-1")


def test_what_left_is_what_its_parcels_hold_unless_part_of_it_had_gone_before() -> None:
    named = [Content(1, "MUG", "HAM", 1, "A"), Content(1, "MUG", "HAM", 1, "B")]
    assert shipment().left(AT, "confirmed", [named]).parcels[0].lines == tuple(named)
    assert shipment().left(AT, "confirmed", [named[:1]]).parcels[0].lines == (MUGS,)


# -- loss ------------------------------------------------------------------------------------------------------------

ENDED = [
    (replace(parcel(), delivered_at=AT), "already_delivered"),
    (replace(parcel(), lost_at=AT), "already_lost"),
    (replace(parcel(), came_back_at=AT), "came_back"),
]


@pytest.mark.parametrize(("box", "code"), ENDED)
def test_what_has_ended_is_not_underway(box: Parcel, code: str) -> None:
    with refused(code):
        underway(shipment(box, **LEFT), loss(), instead="count")


@pytest.mark.parametrize(
    ("state", "said", "code"),
    [
        (None, {}, "unknown_shipment"),
        (shipment(dissolved_at=AT), {}, "shipment_cancelled"),
        (shipment(), {}, "not_handed_over"),
        (shipment(**LEFT), {"parcel_no": 2}, "unknown_parcel"),
        (shipment(parcel(), parcel(2, lines=()), **LEFT), {"parcel_no": 2}, "unknown_parcel"),
    ],
)
def test_what_never_left_can_t_be_lost_on_its_way(state: ShipmentState | None, said: dict[str, Any], code: str) -> None:
    with refused(code):
        underway(state, loss(**said), instead="count")


def test_all_of_a_shipment_is_lost_or_the_parcel_that_is_named() -> None:
    boxes = (parcel(1), parcel(2, "TN-2"), replace(parcel(3, "TN-3"), delivered_at=AT), parcel(4, "TN-4", ()))
    every = underway(shipment(*boxes, **LEFT), loss(), instead="count")
    one = underway(shipment(*boxes, **LEFT), loss(parcel_no=2), instead="count")
    assert ([box.parcel_no for box in every.named], every.rest) == ([1, 2], [])
    assert ([box.parcel_no for box in one.named], [box.parcel_no for box in one.rest]) == ([2], [1])


def test_a_lost_parcel_says_what_was_written_off_and_needs_nobody_any_more() -> None:
    state, told = shipment(parcel(1), parcel(2, "TN-2"), **LEFT), loss(parcel_no=1, resend=True)
    parts = losing(told, [state.parcels[0]], [[MUGS]])
    units = [Content(1, "MUG", "HAM", 1, "", (serial,)) for serial in ("S1", "S2")]
    now = lost(state, told, parts, iter([units]), AT)
    assert now.units == tuple(units)
    assert now.state.parcels == (
        replace(state.parcels[0], lost_at=AT, loss=Loss("lost", True, tuple(units))),
        state.parcels[1],
    )
    assert steps_ended(told, parts) == ["parcel/TN-1"]


def test_a_parcel_of_which_a_part_is_lost_goes_on_without_it() -> None:
    state, told = shipment(**LEFT), loss(resolved=[vars(Content(1, "MUG", "HAM", 1))])
    parts = losing(told, list(state.parcels), [[MUGS]])
    now = lost(state, told, parts, iter([[Content(1, "MUG", "HAM", 1)]]), AT)
    assert now.state.parcels == (replace(state.parcels[0], lines=(Content(1, "MUG", "HAM", 1),)),)
    assert steps_ended(told, parts) == []


def test_a_part_is_of_one_parcel_that_holds_it() -> None:
    told = loss(resolved=[vars(Content(1, "MUG", "HAM", 3))])
    with refused("parcel_required"):
        losing(told, [parcel(1), parcel(2)], [[MUGS], [MUGS]])
    with refused("not_in_parcel"):
        losing(told, [parcel(1)], [[MUGS]])


def test_a_parcel_that_is_found_is_as_if_it_had_never_been_lost() -> None:
    state = shipment(replace(parcel(), lost_at=AT, loss=Loss("lost", False, (MUGS,))), **LEFT)
    found = state.found(1, AT).parcels[0]
    assert (found.lost_at, found.loss, found.delivered_at) == (None, None, AT)


@pytest.mark.parametrize("stored", [Loss("lost", True, (Content(1, "MUG", "HAM", 2, "A"),)), None])
def test_what_is_stored_of_a_loss_is_read_as_it_was_written(stored: Loss | None) -> None:
    loss = stored or Loss("damaged", False, (Content(1, "CAM", "HAM", 1, "", ("S1",)),))
    assert Loss.of_document(loss.document) == loss


# -- return ----------------------------------------------------------------------------------------------------------


def handled(quantity: int, lot: str = "", *serials: str) -> HandledLine:
    return HandledLine(1, "MUG", "HAM", quantity, lot, serials)


def at(**lots: int) -> dict[tuple[int, str], Counter[Goods]]:
    return {(1, "MUG"): Counter({(lot, ""): quantity for lot, quantity in lots.items()})}


def test_goods_come_from_where_what_they_name_is() -> None:
    assert match("The customer", [handled(1, "A")], [], at(A=2)).is_there
    elsewhere = match("The customer", [handled(1, "", "S9")], [], {(1, "MUG"): Counter({("", "S1"): 1})})
    assert (elsewhere.is_there, [fault.code for fault in elsewhere.faults]) == (False, ["not_there"])


def test_where_goods_could_be_of_several_lots_they_are_what_the_parcels_hold_that_are_sent_back() -> None:
    sent = replace(parcel(lines=[Content(1, "MUG", "HAM", 1, "B")]), tracking_status=BACK)
    assert [line.lot for line in match("Shipment SH-1", [handled(1)], [sent], at(A=2, B=1)).lines] == ["B"]
    assert [line.lot for line in match("Shipment SH-1", [handled(1)], [], at(A=2, B=1)).lines] == [""]


def test_only_what_a_carrier_sends_back_and_is_underway_comes_back_undelivered() -> None:
    sent = replace(parcel(), tracking_status=BACK)
    assert sent_back([sent, parcel(2)]) == ["SH-1"]
    assert sent_back([replace(sent, came_back_at=AT), replace(sent, lost_at=AT), parcel()]) == []


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4), st.data())
def test_parcels_are_back_once_nothing_of_them_can_be_underway_in_whatever_order_they_come(
    packed: list[tuple[int, bool]], data: st.DataObject
) -> None:
    boxes = [
        replace(
            parcel(no, f"TN-{no}", [Content(1, "MUG", "HAM", quantity)]),
            tracking_status=BACK if sent else TrackingStatus.IN_TRANSIT,
        )
        for no, (quantity, sent) in enumerate(packed, 1)
    ]
    total = sum(quantity for quantity, _ in packed)
    left = data.draw(st.integers(0, total))
    there = {(1, "MUG"): +Counter({("", ""): left})}
    state, back = came_back(shipment(*boxes, **LEFT), there, AT)
    held = sum(content.quantity for box in back for content in box.lines)
    assert held <= total - left, "no more is back than came"
    assert (held == total) is (left == 0)
    assert {box.parcel_no for box in state.parcels if box.came_back_at} == {box.parcel_no for box in back}


def test_a_parcel_that_nobody_sends_back_is_underway_until_all_that_are_sent_back_are_here() -> None:
    sent = replace(parcel(1, lines=[Content(1, "MUG", "HAM", 3)]), tracking_status=BACK)
    other = parcel(2, "TN-2", [Content(1, "MUG", "HAM", 1)])
    _, back = came_back(shipment(sent, other, **LEFT), {(1, "MUG"): Counter({("", ""): 3})}, AT)
    assert back == []
    _, back = came_back(shipment(sent, other, **LEFT), {(1, "MUG"): Counter({("", ""): 1})}, AT)
    assert [box.parcel_no for box in back] == [1]


def test_a_parcel_whose_serial_numbers_are_back_is_back_whatever_else_is_awaited() -> None:
    one, two = Content(1, "CAM", "HAM", 1, "", ("S1",)), Content(1, "CAM", "HAM", 1, "", ("S2",))
    boxes = [replace(parcel(1, lines=[one]), tracking_status=BACK), parcel(2, "TN-2", [two])]
    for order in permutations(boxes):
        _, back = came_back(shipment(*order, **LEFT), {(1, "CAM"): Counter({("", "S1"): 1})}, AT)
        assert [box.parcel_no for box in back] == [2]
