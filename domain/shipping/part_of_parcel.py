"""A part of a parcel, as somebody tells it: which of its goods that is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from domain.errors import Fault, Rejected
from domain.packing import Content, Goods, LineKey, is_there, pack


def part_of(rows: Iterable[Content], told: Sequence[Content]) -> list[Content]:
    """Return what is told of a parcel with these rows, named as far as it can be known.

    Raises `Rejected` where it does not hold that, or where it could be one or the other of several lots or units.
    """
    held: dict[LineKey, Counter[Goods]] = defaultdict(Counter)
    for row in rows:
        held[row.line] += row.goods
    packed = pack([[line] for line in told], held)
    left = {key: goods.total() for key, goods in held.items()}
    faults: list[Fault] = []
    for index, (line, its) in enumerate(zip(told, packed, strict=True)):
        key = line.line
        left[key] = left.get(key, 0) - line.quantity
        if left[key] < 0 or not is_there(line, its):
            faults.append(_not_in_parcel(index, line))
        elif not all(one.is_named for one in its):
            faults += _unsaid(index, line, held[key])
    if faults:
        raise Rejected(faults[0].code, faults[0].detail, faults)
    return [row for its in packed for row in its]


def _not_in_parcel(index: int, line: Content) -> Fault:
    field = "serial_numbers" if line.serial_numbers else "lot" if line.lot else "quantity"
    detail = f"The parcel does not hold that of {line.sku}, or not any more."
    return Fault(f"/lines/{index}/{field}", "not_in_parcel", detail)


def _unsaid(index: int, line: Content, held: Counter[Goods]) -> list[Fault]:
    """Say what is to be named, if the goods have names."""
    if any(serial for _, serial in held):
        detail = f"Which of the {line.sku} in the parcel? Name the serial numbers."
        return [Fault(f"/lines/{index}/serial_numbers", "serials_required", detail)]
    if any(lot for lot, _ in held):
        return [Fault(f"/lines/{index}/lot", "lot_required", f"Which of the {line.sku} in the parcel? Name the lot.")]
    return []
