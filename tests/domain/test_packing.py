"""Which lots and serial numbers are in which parcel, as far as that is known."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from domain.packing import Content, merged, pack, still_there
from domain.units import from_base

LINE = (1, "SKU", "HAM")


def row(quantity: int, lot: str = "", *serials: str) -> Content:
    return Content(*LINE, quantity, lot, serials)


def there(**lots: int) -> dict[Any, Counter[tuple[str, str]]]:
    return {(1, "SKU", "HAM"): Counter({(lot, ""): quantity for lot, quantity in lots.items()})}


def units(*serials: str, lot: str = "") -> dict[Any, Counter[tuple[str, str]]]:
    return {(1, "SKU", "HAM"): Counter((lot, serial) for serial in serials)}


@pytest.mark.parametrize(
    ("boxes", "held", "packed"),
    [
        # All that there is, or all of one kind: nothing is left to choose.
        ([[row(7)]], there(A=4, B=3), [[row(4, "A"), row(3, "B")]]),
        ([[row(4)], [row(3)]], there(A=7), [[row(4, "A")], [row(3, "A")]]),
        ([[row(2)]], units("S1", "S2"), [[row(2, "", "S1", "S2")]]),
        ([[row(2)]], units("S1", "S2", lot="A"), [[row(2, "A", "S1", "S2")]]),
        # What is named is what it is; the rest may follow from it.
        ([[row(1, "", "S2")], [row(1)]], units("S1", "S2"), [[row(1, "", "S2")], [row(1, "", "S1")]]),
        ([[row(3, "B")], [row(4)]], there(A=4, B=3), [[row(3, "B")], [row(4, "A")]]),
        ([[row(1, "", "S1")]], units("S1", lot="A"), [[row(1, "A", "S1")]]),
        ([[row(2, "A")]], units("S1", "S2", lot="A"), [[row(2, "A", "S1", "S2")]]),
        # Where it could be one or the other, nobody knows.
        ([[row(5)]], there(A=4, B=3), [[row(5)]]),
        ([[row(4)], [row(3)]], there(A=4, B=3), [[row(4)], [row(3)]]),
        ([[row(1, "A")]], units("S1", "S2", lot="A"), [[row(1, "A")]]),
        # What is not there any more is not what is in the parcel.
        ([[row(1, "", "S1")]], units("S2"), [[row(1, "", "S2")]]),
        ([[row(2, "A")]], there(B=1, C=4), [[row(2)]]),
        ([[row(4, "A")]], there(A=3, B=9), [[row(3, "A"), row(1, "B")]]),
        # What has neither lot nor serial number is one row, whatever it was told as.
        ([[row(2), row(1)]], there(**{"": 9}), [[row(3)]]),
    ],
)
def test_a_parcel_names_what_is_known_of_it(boxes: list[list[Content]], held: Any, packed: list[list[Content]]) -> None:
    assert pack(boxes, held) == packed


def test_a_parcel_has_left_of_its_goods_what_is_not_gone_and_leaves_others_theirs() -> None:
    boxes, others = [[row(3, "A"), row(1, "B")]], [[row(2, "B")]]

    assert still_there(boxes, others, there(A=2, B=2)) == [[row(2, "A")]]
    assert still_there(boxes, others, there(A=3, B=3)) == [[row(3, "A"), row(1, "B")]]
    assert still_there([[row(3)]], [[row(4)]], there(**{"": 6})) == [[row(2)]]


def test_goods_that_are_told_one_by_one_are_one_row_a_lot() -> None:
    told = [("A", "S1", 1), ("A", "S2", 1), ("B", "", 3)]
    units = [row(quantity, lot, *filter(None, [serial])) for lot, serial, quantity in told]

    assert merged(units) == [row(2, "A", "S1", "S2"), row(3, "B")]


@pytest.mark.parametrize(
    ("quantity", "factor", "written"),
    [(24, 12, "2"), (120, 12, "10"), (30, 12, "2.5"), (7, 1, "7"), (4, 12, None), (0, 12, "0")],
)
def test_base_units_are_written_in_a_packaging_where_that_is_exact(
    quantity: int, factor: int, written: str | None
) -> None:
    assert from_base(quantity, factor) == written
