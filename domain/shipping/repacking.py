"""What an order's live shipments must change when the order does: what is in their parcels, and whether it shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from domain.carriers import TrackingStatus
from domain.orders import OrderLine
from domain.packing import Content, LineKey, quantities
from domain.shipping.parcels import Parcel
from domain.shipping.shipment_state import ShipmentState


@dataclass
class Wanted:
    """What live shipments may hold of each line, what was added to it just now, and which lines want other goods.

    `unpicked` is what is to be put back of each line, by lot, though the line wants as much. `weights` are in grams.
    """

    held: dict[LineKey, int]
    added: dict[LineKey, int]
    unpicked: Mapping[LineKey, dict[str, int]]
    other_goods: set[LineKey]
    weights: Mapping[str, int]

    @classmethod
    def of(
        cls,
        former: Iterable[OrderLine],
        lines: Iterable[OrderLine],
        unpicked: Mapping[LineKey, dict[str, int]],
        weights: Mapping[str, int],
    ) -> Self:
        """Compare lines as they were with what they are."""
        before = {_key(line): line for line in former if line.ordered}
        now = {_key(line): line for line in lines if line.ordered}
        both = [(key, before[key], line) for key, line in now.items() if key in before]
        return cls(
            held={key: line.reserved for key, line in now.items()},
            added={key: line.reserved - old.reserved for key, old, line in both if line.reserved > old.reserved},
            unpicked=unpicked,
            other_goods={key for key, old, line in both if _wants_other_goods(old, line)},
            weights=weights,
        )

    def fill(self, rows: Sequence[Content]) -> list[Content]:
        """Return what a parcel is to hold now: what is added to a line joins what it has of it.

        Where it holds less of a line, which of its units stay is for who packs it to say.
        """
        filled: list[Content] = []
        for key in quantities(rows):
            of_line = [row for row in rows if row.line == key]
            kept = [left for row in of_line if (left := self._without_put_back(row))]
            had = sum(row.quantity for row in kept)
            quantity = min(had, self.held.get(key, 0)) + self.added.pop(key, 0)
            self.held[key] = self.held.get(key, 0) - quantity
            if quantity >= had:
                filled += kept
            if rest := quantity - had if quantity >= had else quantity:
                filled.append(of_line[0].unnamed(rest))
        return filled

    def _without_put_back(self, row: Content) -> Content | None:
        """Take what is to be put back out of a row of a parcel, of the lot that it names; None where that is all."""
        left = row.quantity
        lots = self.unpicked.get(row.line, {})
        for lot in lots:
            if row.lot in {"", lot}:
                part = min(lots[lot], left)
                lots[lot] -= part
                left -= part
        if left == row.quantity:
            return row
        return replace(row.unnamed(left), lot=row.lot) if left else None

    def weigh(self, box: Parcel, rows: Sequence[Content]) -> int:
        """Return what a parcel weighs now."""
        before, now = quantities(box.lines), quantities(rows)
        more = sum((now.get(key, 0) - before.get(key, 0)) * self.weights.get(key[1], 0) for key in {**before, **now})
        return max(1, box.weight_g + more)

    def differs(self, box: Parcel, rows: Sequence[Content]) -> bool:
        """Say whether a parcel must be packed anew."""
        before = quantities(box.lines)
        return before != quantities(rows) or not self.other_goods.isdisjoint(before)


def _wants_other_goods(old: OrderLine, line: OrderLine) -> bool:
    """Say whether a line is to be of another lot, or some that it had picked does not keep long enough for it now."""
    keeps = (old.least_expiry, old.allow_expired) == (line.least_expiry, line.allow_expired)
    return old.lot != line.lot or (not keeps and line.to_put_back > old.to_put_back)


def _key(line: OrderLine) -> LineKey:
    return line.line_no, line.sku, line.site


@dataclass(frozen=True)
class Repacked:
    """A shipment as it is packed now: whether it needs another label, or is off, for nothing is left in it."""

    state: ShipmentState
    needs_label: bool
    is_off: bool


def repacked(state: ShipmentState, filled: Sequence[list[Content]], wanted: Wanted, *, relabel: bool) -> Repacked:
    """Pack a shipment's parcels as they are to be `filled`; `relabel` where what its labels say has changed.

    A parcel that changes gets another label; one of which only more or less is known does not.
    """
    now, anew = state, relabel
    for box, rows in zip(state.parcels, filled, strict=True):
        again = wanted.differs(box, rows)
        anew = anew or again
        if again or tuple(rows) != box.lines:
            weight_g = wanted.weigh(box, rows)
            now = now.with_parcel(box.parcel_no, lines=tuple(rows), weight_g=weight_g, packing=box.packing + again)
    return Repacked(now, needs_label=anew, is_off=not any(filled))


def to_be_labeled(state: ShipmentState, carrier: str, service_level: str) -> ShipmentState:
    """Return a shipment that goes by no label until another one is bought."""
    boxes = (replace(box, tracking_number=None, tracking_status=TrackingStatus.PENDING) for box in state.parcels)
    pending = TrackingStatus.PENDING
    shipment = replace(state.shipment, tracking_status=pending, carrier=carrier, service_level=service_level)
    return ShipmentState(shipment, tuple(boxes))


def unpicked_by_line(parts: Iterable[tuple[LineKey, str, int]]) -> Mapping[LineKey, dict[str, int]]:
    """Sum up what is to be put back, by line and lot."""
    found: dict[LineKey, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line, lot, quantity in parts:
        found[line][lot] += quantity
    return found
