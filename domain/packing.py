"""What is in which parcel: one `Content` a lot with its serial numbers, and one for what is not known yet. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from domain.orders import OrderLine

Goods = tuple[str, str]
"""A lot and a serial number, each empty where there is none."""

LineKey = tuple[int, str, str]
"""A line of an order as a parcel has it: number, sku, site."""

There = Mapping[LineKey, Counter[Goods]]
"""What of each line is there to be packed."""


@dataclass(frozen=True)
class Content:
    """So much of an order's line in base units, of a lot, with its serial numbers; empty where they are not known."""

    line_no: int
    sku: str
    site: str
    quantity: int
    lot: str = ""
    serial_numbers: tuple[str, ...] = ()

    @classmethod
    def of_line(cls, line: OrderLine, quantity: int = 0) -> Self:
        """Return so much of an order's line, of which nobody knows which it is."""
        return cls(line.line_no, line.sku, line.site, quantity)

    @classmethod
    def of_unit(cls, line: LineKey, quantity: int, lot: str, serial_number: str) -> Self:
        """Return goods of a line as the ledger tells them: of a lot, or one unit."""
        return cls(*line, quantity, lot, (serial_number,) if serial_number else ())

    @classmethod
    def of_document(cls, row: Mapping[str, Any]) -> Self:
        """Read what is stored of a parcel's content."""
        names = (row["line_no"], row["sku"], row["site"])
        return cls(*names, row["quantity"], row.get("lot") or "", tuple(row.get("serial_numbers") or ()))

    @property
    def document(self) -> dict[str, Any]:
        """Return it as documents have it."""
        return asdict(self)

    @property
    def line(self) -> LineKey:
        """Name the line that it is of."""
        return self.line_no, self.sku, self.site

    @property
    def is_named(self) -> bool:
        """Say whether its lot or its serial numbers are known."""
        return bool(self.lot or self.serial_numbers)

    @property
    def goods(self) -> Counter[Goods]:
        """Return its goods; what it does not name has neither lot nor serial number."""
        rest = Counter({(self.lot, ""): self.quantity - len(self.serial_numbers)})
        return +(Counter((self.lot, serial) for serial in self.serial_numbers) + rest)

    def unnamed(self, quantity: int) -> Content:
        """Return so much of the same line, of which nobody knows which it is."""
        return Content(*self.line, quantity)


def quantities(rows: Iterable[Content]) -> dict[LineKey, int]:
    """Sum rows up by line."""
    total: dict[LineKey, int] = defaultdict(int)
    for row in rows:
        total[row.line] += row.quantity
    return dict(total)


def holds_the_same(before: Iterable[Content], now: Iterable[Content]) -> bool:
    """Say whether a parcel holds as much of each line as it did, and the same units where they are known of both."""
    then, there = list(before), list(now)
    if quantities(then) != quantities(there):
        return False
    all_named = all(row.is_named for row in (*then, *there))
    return not all_named or named_goods(then) == named_goods(there)


def pack(boxes: Sequence[Iterable[Content]], there: There) -> list[list[Content]]:
    """Name what is in parcels by what is there: what they name and is there, and the rest where nothing is to choose.

    Names of what is not there are dropped: nobody knows then what is in the parcel in its place.
    """
    return [_rows(box) for box in _pack(boxes, there)]


def still_there(
    boxes: Sequence[Iterable[Content]], others: Sequence[Iterable[Content]], there: There
) -> list[list[Content]]:
    """Return what parcels hold of what is there, where part of it may have gone: what others hold is left to them."""
    packed = _pack([*others, *boxes], there)
    left = {key: goods.total() for key, goods in there.items()}
    for one in (one for box in packed for one in box):
        left[one.row.line] = left.get(one.row.line, 0) - one.goods.total()
    for one in (one for box in packed for one in box):
        one.open = max(0, min(one.open, left[one.row.line]))
        left[one.row.line] -= one.open
    return [_rows(box) for box in packed[len(others) :]]


def is_there(row: Content, packed: Iterable[Content]) -> bool:
    """Say whether what a row names is there, and nothing else was packed in its stead."""
    return not row.is_named or all(_is_of(row, one) for one in packed)


def _is_of(row: Content, packed: Content) -> bool:
    if not packed.is_named or (row.lot and packed.lot != row.lot):
        return False
    return not row.serial_numbers or set(packed.serial_numbers) <= set(row.serial_numbers)


def without(rows: Iterable[Content], gone: Iterable[Content]) -> list[Content]:
    """Return rows without what is gone of them."""
    lines: dict[LineKey, Content] = {}
    goods: dict[LineKey, Counter[Goods]] = defaultdict(Counter)
    for row in rows:
        lines[row.line] = row
        goods[row.line] += row.goods
    for row in gone:
        goods[row.line] -= row.goods
    return [row for key, its in goods.items() if key in lines for row in by_lot(lines[key], its.items())]


def _pack(boxes: Sequence[Iterable[Content]], there: There) -> list[list[_Packing]]:
    packed = [[_Packing(row, row.quantity) for row in rows] for rows in boxes]
    by_line: dict[LineKey, list[_Packing]] = defaultdict(list)
    for one in (one for box in packed for one in box):
        by_line[one.row.line].append(one)
    for line, ones in by_line.items():
        _name(ones, Counter(there.get(line, ())))
    return packed


@dataclass
class _Packing:
    """A row that is being named: what of it is known to be which goods, and how much is not; `lot` may be."""

    row: Content
    open: int
    goods: Counter[Goods] = field(default_factory=Counter)
    lot: str = ""

    def take(self, left: Counter[Goods], goods: Iterable[Goods]) -> None:
        for each in goods:
            part = min(self.open, left[each])
            if part > 0:
                self.goods[each] += part
                left[each] -= part
                self.open -= part


def _name(ones: list[_Packing], left: Counter[Goods]) -> None:
    """Name the rows of a line: by serial numbers, then by lots, then what nobody named."""
    for one in ones:
        one.take(left, [goods for goods in left if _names(one.row, goods)])
    by_lot: dict[str, list[_Packing]] = defaultdict(list)
    for one in ones:
        if one.open and not one.row.serial_numbers and one.row.lot:
            by_lot[one.row.lot].append(one)
    known = [_name_lot(lot, its, left) for lot, its in by_lot.items()]
    rest = [one for one in ones if one.open and not one.lot]
    if all(known):
        _fill(rest, left, [goods for goods in left if left[goods]])


def _names(row: Content, goods: Goods) -> bool:
    """Say whether a row names the serial number of goods, and no other lot."""
    lot, serial = goods
    return serial in row.serial_numbers and row.lot in {"", lot}


def _name_lot(lot: str, ones: list[_Packing], left: Counter[Goods]) -> bool:
    """Name rows of a lot. Says no where some of its serial numbers are in them, and it is not known which."""
    here = [goods for goods in left if goods[0] == lot and left[goods]]
    if _fill(ones, left, here):
        return True
    for one in ones:
        one.lot = lot
    if sum(one.open for one in ones) < sum(left[goods] for goods in here):
        return False
    for goods in here:
        left[goods] = 0
    return True


def _fill(ones: list[_Packing], left: Counter[Goods], here: list[Goods]) -> bool:
    """Name rows by what is there for them, if nothing is left to choose."""
    all_of_it = len(ones) == 1 and ones[0].open >= sum(left[goods] for goods in here)
    if len(here) > 1 and not all_of_it:
        return False
    for one in ones:
        one.take(left, here)
    return True


def _rows(box: Iterable[_Packing]) -> list[Content]:
    """Write a parcel's rows: by line, one a lot with its serial numbers."""
    parts: dict[LineKey, list[tuple[Goods, int]]] = defaultdict(list)
    rows: dict[LineKey, Content] = {}
    for one in box:
        rows.setdefault(one.row.line, one.row)
        parts[one.row.line] += [*one.goods.items(), ((one.lot, ""), one.open)]
    return [row for line, goods in parts.items() for row in by_lot(rows[line], goods)]


def by_lot(row: Content, goods: Iterable[tuple[Goods, int]]) -> Iterator[Content]:
    """Yield the rows of a line that are of these goods, one a lot; what is known only in part by itself, at the end."""
    total: Counter[tuple[str, bool]] = Counter()
    serials: dict[str, list[str]] = defaultdict(list)
    for (lot, serial), quantity in goods:
        if quantity:
            total[lot, bool(serial)] += quantity
            serials[lot] += [serial] if serial else []
    rows = [
        Content(*row.line, quantity, lot, tuple(serials[lot]) if are_units else ())
        for (lot, are_units), quantity in total.items()
    ]
    return iter(sorted(rows, key=lambda it: not it.is_named))


def moved(rows: Iterable[Content], goods: Iterable[Iterable[tuple[Goods, int]]]) -> list[Content]:
    """Return rows as they are known once it was posted what moved of each."""
    parts: dict[LineKey, list[tuple[Goods, int]]] = defaultdict(list)
    lines: dict[LineKey, Content] = {}
    for row, its in zip(rows, goods, strict=True):
        lines.setdefault(row.line, row)
        parts[row.line] += its
    return [row for line, its in parts.items() for row in by_lot(lines[line], its)]


def merged(rows: Iterable[Content]) -> list[Content]:
    """Return rows of several parcels, or of goods that are told one by one, as if they were one parcel's."""
    every = list(rows)
    return moved(every, [row.goods.items() for row in every])


def named_goods(rows: Iterable[Content]) -> dict[LineKey, Counter[Goods]]:
    """Return what rows name, by line. Of a lot whose serial numbers they do not name, the lot alone."""
    found: dict[LineKey, Counter[Goods]] = defaultdict(Counter)
    for row in rows:
        if row.serial_numbers:
            found[row.line].update((row.lot, serial) for serial in row.serial_numbers)
        elif row.lot:
            found[row.line][row.lot, ""] += row.quantity
    return found
