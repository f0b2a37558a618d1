"""What is in which parcel: rows, one a lot with its serial numbers, and one for what is not known yet. Pure.

A row is what the contract calls a line of a parcel: `line_no`, `sku`, `site`, `quantity`, `lot`, `serial_numbers`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.orders import OrderLine

Row = dict[str, Any]
Goods = tuple[str, str]
"""A lot and a serial number, each empty where there is none."""

LineKey = tuple[int, str, str]
"""A line of an order as a parcel has it: number, sku, site."""

There = Mapping[LineKey, Counter[Goods]]
"""What of each line is there to be packed."""


def line_key(row: Mapping[str, Any]) -> LineKey:
    """Name the line that a row is about."""
    return row["line_no"], row["sku"], row["site"]


def is_named(row: Mapping[str, Any]) -> bool:
    """Say whether a row names a lot or serial numbers."""
    return bool(row.get("lot") or row.get("serial_numbers"))


def quantities(rows: Iterable[Mapping[str, Any]]) -> dict[LineKey, int]:
    """Sum rows up by line."""
    total: dict[LineKey, int] = defaultdict(int)
    for row in rows:
        total[line_key(row)] += row["quantity"]
    return dict(total)


def holds_the_same(before: Iterable[Row], now: Iterable[Row]) -> bool:
    """Say whether a parcel holds as much of each line as it did, and the same units where they are known of both."""
    then, there = list(before), list(now)
    if quantities(then) != quantities(there):
        return False
    return not (all(map(is_named, then)) and all(map(is_named, there))) or named_goods(then) == named_goods(there)


def row_of(line: OrderLine) -> Row:
    """Name an order line as a row does."""
    return {"line_no": line.line_no, "sku": line.sku, "site": line.site}


def unnamed(row: Mapping[str, Any], quantity: int) -> Row:
    """Return a row of so much of the same line, of which nobody knows which it is."""
    return {name: row[name] for name in ("line_no", "sku", "site")} | {
        "quantity": quantity,
        "lot": "",
        "serial_numbers": [],
    }


def pack(boxes: Sequence[Iterable[Row]], there: There) -> list[list[Row]]:
    """Name what is in parcels by what is there: what they name and is there, and the rest where nothing is to choose.

    Names of what is not there are dropped: nobody knows then what is in the parcel in its place.
    """
    return [_rows(box) for box in _pack(boxes, there)]


def still_there(boxes: Sequence[Iterable[Row]], others: Sequence[Iterable[Row]], there: There) -> list[list[Row]]:
    """Return what parcels hold of what is there, where part of it may have gone: what others hold is left to them."""
    packed = _pack([*others, *boxes], there)
    left = {key: goods.total() for key, goods in there.items()}
    for one in (one for box in packed for one in box):
        left[one.key] = left.get(one.key, 0) - one.goods.total()
    for one in (one for box in packed for one in box):
        one.open = max(0, min(one.open, left[one.key]))
        left[one.key] -= one.open
    return [_rows(box) for box in packed[len(others) :]]


def is_there(row: Row, packed: Iterable[Row]) -> bool:
    """Say whether what a row names is there, and nothing else was packed in its stead."""
    return not is_named(row) or all(_is_of(row, one) for one in packed)


def _is_of(row: Row, packed: Row) -> bool:
    lot, serials = row.get("lot"), row.get("serial_numbers") or ()
    if not is_named(packed) or (lot and packed["lot"] != lot):
        return False
    return not serials or set(packed["serial_numbers"]) <= set(serials)


def without(rows: Iterable[Row], gone: Iterable[Row]) -> list[Row]:
    """Return rows without what is gone of them."""
    every, left = list(rows), list(gone)
    goods: dict[LineKey, Counter[Goods]] = defaultdict(Counter)
    for row in every:
        goods[line_key(row)] += goods_of(row)
    for row in left:
        goods[line_key(row)] -= goods_of(row)
    lines = {line_key(row): row for row in every}
    return [row for key, its in goods.items() if key in lines for row in by_lot(lines[key], its.items())]


def _pack(boxes: Sequence[Iterable[Row]], there: There) -> list[list[_Packed]]:
    packed = [[_Packed(row, row["quantity"]) for row in rows] for rows in boxes]
    by_line: dict[LineKey, list[_Packed]] = defaultdict(list)
    for one in (one for box in packed for one in box):
        by_line[one.key].append(one)
    for key, ones in by_line.items():
        _name(ones, Counter(there.get(key, ())))
    return packed


@dataclass
class _Packed:
    """A row that is being named: what of it is known to be which goods, and how much is not; `lot` may be."""

    row: Row
    open: int
    goods: Counter[Goods] = field(default_factory=Counter)
    lot: str = ""

    @property
    def key(self) -> LineKey:
        return line_key(self.row)

    def take(self, left: Counter[Goods], goods: Iterable[Goods]) -> None:
        for each in goods:
            part = min(self.open, left[each])
            if part > 0:
                self.goods[each] += part
                left[each] -= part
                self.open -= part


def _name(ones: list[_Packed], left: Counter[Goods]) -> None:
    """Name the rows of a line: by serial numbers, then by lots, then what nobody named."""
    for one in ones:
        one.take(left, [goods for goods in left if _names(one.row, goods)])
    by_lot: dict[str, list[_Packed]] = defaultdict(list)
    for one in ones:
        if one.open and not one.row.get("serial_numbers") and one.row.get("lot"):
            by_lot[one.row["lot"]].append(one)
    known = [_name_lot(lot, its, left) for lot, its in by_lot.items()]
    rest = [one for one in ones if one.open and not one.lot]
    if all(known):
        _fill(rest, left, [goods for goods in left if left[goods]])


def _names(row: Row, goods: Goods) -> bool:
    """Say whether a row names the serial number of goods, and no other lot."""
    lot, serial = goods
    return serial in (row.get("serial_numbers") or ()) and row.get("lot") in {None, "", lot}


def _name_lot(lot: str, ones: list[_Packed], left: Counter[Goods]) -> bool:
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


def _fill(ones: list[_Packed], left: Counter[Goods], here: list[Goods]) -> bool:
    """Name rows by what is there for them, if nothing is left to choose."""
    all_of_it = len(ones) == 1 and ones[0].open >= sum(left[goods] for goods in here)
    if len(here) > 1 and not all_of_it:
        return False
    for one in ones:
        one.take(left, here)
    return True


def _rows(box: Iterable[_Packed]) -> list[Row]:
    """Write a parcel's rows: by line, one a lot with its serial numbers."""
    parts: dict[LineKey, list[tuple[Goods, int]]] = defaultdict(list)
    rows: dict[LineKey, Row] = {}
    for one in box:
        rows.setdefault(one.key, one.row)
        parts[one.key] += [*one.goods.items(), ((one.lot, ""), one.open)]
    return [row for key, goods in parts.items() for row in by_lot(rows[key], goods)]


def by_lot(row: Mapping[str, Any], goods: Iterable[tuple[Goods, int]]) -> Iterator[Row]:
    """Yield the rows of a line that are of these goods, one a lot; what is known only in part by itself, at the end."""
    known: dict[tuple[str, bool], Row] = {}
    for (lot, serial), quantity in goods:
        if quantity:
            it = known.setdefault((lot, bool(serial)), unnamed(row, 0) | {"lot": lot})
            it["quantity"] += quantity
            it["serial_numbers"] += [serial] if serial else []
    return iter(sorted(known.values(), key=lambda it: not is_named(it)))


def moved(rows: Iterable[Mapping[str, Any]], goods: Iterable[Iterable[Mapping[str, Any]]]) -> list[Row]:
    """Return rows as they are known once it was posted what moved of each: lot, serial number, quantity."""
    parts: dict[LineKey, list[tuple[Goods, int]]] = defaultdict(list)
    lines: dict[LineKey, Mapping[str, Any]] = {}
    for row, its in zip(rows, goods, strict=True):
        key = line_key(row)
        lines.setdefault(key, row)
        parts[key] += [((part["lot"], part["serial_number"]), part["quantity"]) for part in its]
    return [row for key, its in parts.items() for row in by_lot(lines[key], its)]


def goods_of(row: Row) -> Counter[Goods]:
    """Return the goods of a row; what it does not name has neither lot nor serial number."""
    return +Counter({(unit["lot"], unit["serial_number"]): unit["quantity"] for unit in _parts(row)})


def merged(rows: Iterable[Row]) -> list[Row]:
    """Return rows of several parcels as if they were one parcel's."""
    every = list(rows)
    return moved(every, map(_parts, every))


def of_units(parts: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return rows of goods that are told one by one, each with its `serial_number`."""
    every = list(parts)
    return moved(every, [[part] for part in every])


def _parts(row: Row) -> list[dict[str, Any]]:
    lot, serials = row.get("lot") or "", row.get("serial_numbers") or []
    rest = {"lot": lot, "serial_number": "", "quantity": row["quantity"] - len(serials)}
    return [*({"lot": lot, "serial_number": serial, "quantity": 1} for serial in serials), rest]


def named_goods(rows: Iterable[Mapping[str, Any]]) -> dict[LineKey, Counter[Goods]]:
    """Return what rows name, by line. Of a lot whose serial numbers they do not name, the lot alone."""
    found: dict[LineKey, Counter[Goods]] = defaultdict(Counter)
    for row in rows:
        lot, serials = row.get("lot") or "", row.get("serial_numbers") or ()
        if serials:
            found[line_key(row)].update((lot, serial) for serial in serials)
        elif lot:
            found[line_key(row)][lot, ""] += row["quantity"]
    return found
