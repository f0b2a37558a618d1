"""What it means that goods come back: from which place they come, what they are, and which parcels are back by that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.errors import Fault
from domain.packing import Content, Goods, is_there, named_goods, pack
from domain.payloads import HandledLine
from domain.shipping.parcels import Parcel, contents_of
from domain.shipping.shipment_state import ShipmentState

LineName = tuple[int, str]
"""A line of an order as a parcel has it: its number, its sku."""

At = Mapping[LineName, Counter[Goods]]
"""Which goods of each line are at a place: with a shipment, or with the customer."""


def sent_back(parcels: Iterable[Parcel]) -> list[str]:
    """Name the shipments of which a carrier sends something back that may still come."""
    return list({box.shipment_no: None for box in parcels if box.is_sent_back and box.is_underway})


@dataclass(frozen=True)
class Match:
    """What came, if it came from a place, named as far as it can be known; and why it can't have."""

    lines: list[HandledLine]
    faults: list[Fault]
    is_there: bool


def match(where: str, told: Sequence[HandledLine], expected: Iterable[Parcel], there: At) -> Match:
    """Compare what came with what is at a place; `expected` are the parcels that are to come from there."""
    rows = _named(told, contents_of(box for box in expected if box.is_sent_back), there)
    if all(map(is_there, told, rows)):
        return Match(_each(told, rows), [], is_there=True)
    return Match(list(told), _not_there(where, told, rows, there), is_there=False)


def _named(told: Sequence[Content], expected: Iterable[Content], there: At) -> list[list[Content]]:
    """Name what came: by what is there, and where that leaves a choice, by what the parcels hold that are sent back."""
    of_lines = {line.line: there.get((line.line_no, line.sku), Counter()) for line in told}
    rows = pack([[line] for line in told], of_lines)
    awaited = {key: goods & of_lines.get(key, Counter()) for key, goods in named_goods(expected).items()}
    vague = [[line] for line, its in zip(told, rows, strict=True) if not _all_named(its)]
    again = iter(pack(vague, awaited))
    return [its if _all_named(its) else next(again) for its in rows]


def _all_named(rows: Iterable[Content]) -> bool:
    return all(row.is_named for row in rows)


def _each(told: Sequence[HandledLine], rows: list[list[Content]]) -> list[HandledLine]:
    """Return what came, by lot. Further lots of a line come last, so that faults are where the line was told."""
    named = [
        [replace(line, quantity=row.quantity, lot=row.lot, serial_numbers=row.serial_numbers) for row in its]
        for line, its in zip(told, rows, strict=True)
    ]
    return [*(its[0] for its in named), *(row for its in named for row in its[1:])]


def _not_there(where: str, told: Sequence[Content], rows: list[list[Content]], there: At) -> list[Fault]:
    """Say which serial numbers are not where they are to come from, and which lots only for another line.

    How much there is of a lot, the ledger says.
    """
    faults = []
    for index, (line, its) in enumerate(zip(told, rows, strict=True)):
        others = [goods for (line_no, sku), goods in there.items() if sku == line.sku and line_no != line.line_no]
        lots = {lot for goods in others for lot, _ in goods}
        if not is_there(line, its) and (line.serial_numbers or line.lot in lots):
            field = "serial_numbers" if line.serial_numbers else "lot"
            names = ", ".join(line.serial_numbers) or line.lot
            detail = f"{where} does not have all of {names} of {line.sku} for line {line.line_no}."
            faults.append(Fault(f"/lines/{index}/{field}", "not_there", detail))
    return faults


# -- which parcels are back ------------------------------------------------------------------------------------------


def came_back(state: ShipmentState, there: At, at: datetime) -> tuple[ShipmentState, list[Parcel]]:
    """Return a shipment after goods of it came back; `there` is what is still with it. And the parcels that are back.

    Those are back of which nothing can be underway any more.
    """
    boxes = state.underway
    vague = {(row.line_no, row.sku) for row in contents_of(boxes) if not row.is_named}
    units = {box.parcel_no: _units(box.lines, vague) for box in boxes}
    back = set(_back(boxes, units, sum(units.values(), Counter()) - _units_there(there, vague)))
    for parcel_no in back:
        state = state.with_parcel(parcel_no, came_back_at=at)
    return state, [box for box in boxes if box.parcel_no in back]


Units = Counter[tuple[int, str, str, str]]
"""Goods of lines: line number, sku, lot, serial number; without the latter two where they are not known of all."""


def _back(boxes: list[Parcel], units: Mapping[int, Units], goods: Units) -> Iterator[int]:
    """Yield the numbers of parcels whose goods are back.

    Others only once all that were sent back are, unless it is known by serial number.
    """
    awaited = [box for box in boxes if box.is_sent_back]
    for box in (*awaited, *(box for box in boxes if box not in awaited)):
        held = units[box.parcel_no]
        certain = all(serial for *_, serial in held)
        if held <= goods and (certain or box in awaited or not awaited):
            goods -= held
            awaited = [other for other in awaited if other is not box]
            yield box.parcel_no


def _units(rows: Iterable[Content], vague: Container[LineName]) -> Units:
    held: Units = Counter()
    for row in rows:
        line_no, sku = name = row.line_no, row.sku
        serials = () if name in vague else row.serial_numbers
        held.update((line_no, sku, row.lot, serial) for serial in serials)
        held[line_no, sku, "" if name in vague else row.lot, ""] += row.quantity - len(serials)
    return +held


def _units_there(there: At, vague: Container[LineName]) -> Units:
    held: Units = Counter()
    for (line_no, sku), goods in there.items():
        for (lot, serial), quantity in goods.items():
            held[(line_no, sku, "", "") if (line_no, sku) in vague else (line_no, sku, lot, serial)] += quantity
    return held
