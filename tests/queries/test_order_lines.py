"""An order's lines as they are shown, by what the ledger has and what the order's revision says."""

from __future__ import annotations

from typing import Any

from domain.commands import Money
from domain.orders import OrderLine
from domain.revisions import Revision, came_along
from queries.orders.lines import shown_lines

KIT: dict[str, Any] = {"line_no": 2, "sku": "SET", "site": "HAM", "uom": "EA", "factor": 1, "ordered": 2}
SAID: dict[str, Any] = {
    "lines": [
        {"line_no": 1, "sku": "MUG", "unit_price": {"amount": "4.50", "currency": "EUR"}},
        {"line_no": 2, "sku": "SET", "unit_price": {"amount": "12", "currency": "EUR"}},
    ],
    "kits": [KIT],
    "linked": [{"line_no": 1_000_002, "quantity": 3, "per": 1}],
    "resolved": [
        {"line_no": 1, "sku": "MUG", "site": "HAM"},
        {"line_no": 1_000_002, "sku": "CUP", "site": "HAM"},
    ],
}


def line(line_no: int, sku: str, *, ordered: int, to_put_back: int = 0) -> OrderLine:
    return OrderLine(
        *("acme", "SO-1", line_no, sku, "HAM", "", "EA", 1, 0, "backorder"),
        ordered=ordered,
        reserved=ordered,
        to_put_back=to_put_back,
    )


def test_a_kit_is_shown_before_its_components_with_what_they_come_to() -> None:
    shown = shown_lines([line(1, "MUG", ordered=5), line(1_000_002, "CUP", ordered=6)], Revision(SAID))
    assert [(x.line_no, x.main_line_no, x.sku, x.reserved) for x in shown] == [
        *((1, None, "MUG", 5), (2, None, "SET", 2), (1_000_002, 2, "CUP", 6)),
    ]
    assert [x.unit_price for x in shown] == [
        *(Money(amount="4.50", currency="EUR"), Money(amount="12", currency="EUR"), None),
    ]


def test_what_a_line_was_is_shown_while_it_holds_something_and_has_no_price_of_what_it_is() -> None:
    now, before = line(1, "MUG", ordered=5), line(1, "JUG", ordered=0, to_put_back=1)
    shown = shown_lines([now, before], Revision({"lines": SAID["lines"]}))
    assert [(x.sku, x.to_put_back, x.unit_price is None) for x in shown] == [("JUG", 1, True), ("MUG", 0, False)]
    assert [x.sku for x in shown_lines([now, line(1, "JUG", ordered=0)], Revision({}))] == ["MUG"]


def test_a_line_that_was_removed_stays() -> None:
    assert [x.ordered for x in shown_lines([line(1, "MUG", ordered=0)], Revision({}))] == [0]


def test_what_came_along_names_its_main_line() -> None:
    (cup,) = came_along(SAID)
    assert (cup.line_no, cup.sku, cup.main_line_no, cup.proportion.of(2)) == (1_000_002, "CUP", 2, 6)
    assert came_along({}) == ()
