"""What it means that parcels are lost, and that one that was arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.attention import parcel_step
from domain.errors import Fault, Rejected
from domain.orders import OrderLine
from domain.packing import Content, without
from domain.payloads import KeptLoss
from domain.shipping.parcels import Loss, Parcel
from domain.shipping.part_of_parcel import part_of
from domain.shipping.shipment_state import ShipmentState


@dataclass(frozen=True)
class Losing:
    """A parcel that is lost, and what of it is written off. Where that is a part, it goes on without it."""

    box: Parcel
    contents: list[Content]


def losing(told: KeptLoss, boxes: Sequence[Parcel], there: Sequence[list[Content]]) -> list[Losing]:
    """Return what is lost of parcels, of what is still `there` of each: all of it, or the part that was told.

    Raises `Rejected` where a part is told of one of several parcels, or one that its parcel does not hold.
    """
    if told.resolved:
        if len(boxes) > 1:
            detail = f"{len(boxes)} parcels are underway: name the one of which a part is lost."
            raise Rejected("parcel_required", detail, [Fault("/parcel_no", "parcel_required", detail)])
        there = [part_of(there[0], told.resolved)]
    return [Losing(box, contents) for box, contents in zip(boxes, there, strict=True)]


@dataclass(frozen=True)
class Lost:
    """What became of a shipment by a loss, and all that was written off, unit by unit."""

    state: ShipmentState
    units: tuple[Content, ...]


def lost(
    state: ShipmentState, told: KeptLoss, parts: Iterable[Losing], gone: Iterator[list[Content]], at: datetime
) -> Lost:
    """Let parcels be lost, or go on without what is; `gone` is what was written off of each of their contents."""
    every: list[Content] = []
    for part in parts:
        units = [unit for _ in part.contents for unit in next(gone)]
        left = without(part.box.lines, part.contents) if told.resolved else []
        if left:
            state = state.with_parcel(part.box.parcel_no, lines=tuple(left))
        else:
            loss = Loss(told.reason, told.resend, tuple(units))
            state = state.with_parcel(part.box.parcel_no, lost_at=at, loss=loss)
        every += units
    return Lost(state, tuple(every))


def steps_ended(told: KeptLoss, parts: Iterable[Losing]) -> list[str]:
    """Name what nobody is needed for any more, now that parcels are lost."""
    return [] if told.resolved else [parcel_step(part.box.tracking_number) for part in parts]


def has_too_much(former: Iterable[OrderLine], lines: Iterable[OrderLine]) -> bool:
    """Say whether more has left than was ordered: what was sent again, beside what was found."""
    return sum(line.ordered for line in lines) > sum(line.ordered for line in former)
