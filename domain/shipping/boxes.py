"""What may be put into the parcels of a new shipment: what its order holds, has in no other, and all where it must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from domain.errors import Fault, Kind, Rejected
from domain.orders import OrderLine
from domain.packing import Content, Goods, There, named_goods, pack
from domain.shipping.parcels import contents_of
from domain.shipping.shipment_state import ShipmentState

_NOBODYS: Final[Counter[Goods]] = Counter()


def by_line_no(contents: Iterable[Content]) -> Counter[int]:
    """Sum up contents by the numbers of their lines."""
    total: Counter[int] = Counter()
    for content in contents:
        total[content.line_no] += content.quantity
    return total


def packed_in(alive: Iterable[ShipmentState]) -> list[Content]:
    """Return what is in the parcels of shipments."""
    return [content for state in alive for content in contents_of(state.parcels)]


def name_parcels(
    boxes: Sequence[Iterable[Content]], alive: Iterable[ShipmentState], held: There
) -> list[list[Content]]:
    """Name what new parcels hold, as far as the order's holds and its other parcels leave nothing to choose."""
    others = [box.lines for state in alive for box in state.parcels]
    return pack([*others, *boxes], held)[len(others) :]


def all_that_is_picked(lines: Iterable[OrderLine], packed: Sequence[Content], picked: There) -> list[Content]:
    """Return what one parcel with all that is picked, and is not `packed` in another, would hold."""
    used = by_line_no(packed)
    rows = [
        Content.of_line(line, line.picked - used[line.line_no]) for line in lines if line.picked > used[line.line_no]
    ]
    named = named_goods(packed)
    free = {key: goods - named.get(key, _NOBODYS) for key, goods in picked.items()}
    return pack([[row for row in packed if not row.is_named], rows], free)[1]


def check_free(
    lines: Iterable[OrderLine], boxes: Sequence[Sequence[Content]], packed: Sequence[Content], held: There
) -> None:
    """Raise `Rejected` where parcels name more than the order holds and has not `packed` in another live shipment.

    Or other goods than it holds, or such as are in another parcel.
    """
    faults = [*_quantity_faults(lines, boxes, packed), *_name_faults(boxes, packed, held)]
    if faults:
        raise Rejected(faults[0].code, faults[0].detail, faults)


def _quantity_faults(
    lines: Iterable[OrderLine], boxes: Sequence[Sequence[Content]], packed: Iterable[Content]
) -> Iterator[Fault]:
    used, asked = by_line_no(packed), Counter[int]()
    held = {line.line_no: line.reserved for line in lines if line.ordered}
    for index, box in enumerate(boxes):
        for place, content in enumerate(box):
            line_no = content.line_no
            asked[line_no] += content.quantity
            possible = held.get(line_no, 0) - used[line_no]
            if asked[line_no] > possible:
                detail = f"Line {line_no}: {asked[line_no]} in parcels, but only {max(0, possible)} are held for it."
                yield Fault(f"/parcels/{index}/lines/{place}/quantity", "more_than_held", detail)


def _name_faults(boxes: Sequence[Sequence[Content]], packed: Iterable[Content], held: There) -> Iterator[Fault]:
    """Find the lots and serial numbers that parcels name, but their lines do not hold, or have in another parcel."""
    named = named_goods(packed)
    for index, box in enumerate(boxes):
        for place, row in enumerate(box):
            at = f"/parcels/{index}/lines/{place}"
            yield from _wrong_names(at, row, held.get(row.line, _NOBODYS), named[row.line])


def _wrong_names(at: str, row: Content, held: Counter[Goods], packed: Counter[Goods]) -> Iterator[Fault]:
    """Find what a row can't name, and note what it does name as packed."""
    lot = row.lot
    for serial in row.serial_numbers:
        goods = next((goods for goods in held if goods[1] == serial and lot in {"", goods[0]}), None)
        if goods is None:
            detail = f"Line {row.line_no} does not hold serial number {serial} of {row.sku}."
            yield Fault(f"{at}/serial_numbers", "not_held", detail)
        elif packed[goods]:
            detail = f"Serial number {serial} of {row.sku} is in another parcel."
            yield Fault(f"{at}/serial_numbers", "already_packed", detail)
        else:
            packed[goods] += 1
    if lot and not row.serial_numbers:
        there, elsewhere = _of_lot(held, lot), _of_lot(packed, lot)
        if row.quantity > there:
            detail = f"Line {row.line_no} holds {there} of lot {lot} of {row.sku}, not {row.quantity}."
            yield Fault(f"{at}/lot", "not_held", detail)
        elif row.quantity > there - elsewhere:
            detail = f"{elsewhere} of the {there} of lot {lot} of {row.sku} are in other parcels."
            yield Fault(f"{at}/lot", "already_packed", detail)
        packed[lot, ""] += row.quantity


def _of_lot(goods: Mapping[Goods, int], lot: str) -> int:
    return sum(quantity for (of, _), quantity in goods.items() if of == lot)


def check_complete(lines: Sequence[OrderLine], contents: Sequence[Content], packed: Iterable[Content]) -> None:
    """Raise `Rejected` where something of an order that ships as a whole would be left behind.

    What another site is to send goes in a shipment of its own: there, it must only not wait for stock.
    """
    used = by_line_no([*packed, *contents])
    here = {content.site for content in contents} or {line.site for line in lines}
    left = [
        (line, line.backordered, max(0, line.reserved - used[line.line_no]) if line.site in here else 0)
        for line in lines
        if line.ordered
    ]
    missing = [_left_behind(*each) for each in left if any(each[1:])]
    if missing:
        ways = ["accept_short"] if any(waiting for _, waiting, _ in left) else []
        ways += ["pack the rest, too"] if any(unpacked for _, _, unpacked in left) else []
        detail = f"{'; '.join(missing)}, and the order ships as a whole: {', '.join(ways)}, or amend ship_complete."
        faults = [Fault("/parcels", "not_complete", words) for words in missing]
        raise Rejected("not_complete", detail, faults, kind=Kind.CONFLICT)


def _left_behind(line: OrderLine, waiting: int, unpacked: int) -> str:
    """Say what of a line would not be shipped."""
    parts = [f"{waiting} of {line.ordered} wait for stock"] if waiting else []
    parts += [f"{unpacked} of {line.ordered} are in no parcel"] if unpacked else []
    return f"Line {line.line_no}: {' and '.join(parts)}"
