"""Lines as an ERP message tells them: of each so much, or what is known of its goods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from domain.erp import ErpMessageKind, Said
from domain.orders import OrderLine
from domain.packing import Content, merged
from domain.packing import quantities as totals
from domain.units import from_base

ErpRow = dict[str, Any]
"""A line of an ERP message, or what it says of one lot of it."""


def erp_lines(lines: Iterable[OrderLine], quantity: str) -> list[ErpRow]:
    """Return lines as an ERP message tells them, `quantity` naming what the message is about."""
    return [_erp_row(line, getattr(line, quantity)) for line in lines]


def _erp_row(line: OrderLine, quantity: int) -> ErpRow:
    """Return so much of a line as an ERP message tells it; the message has the base unit where it has the line's."""
    return {
        "line_no": line.line_no,
        "sku": line.sku,
        "quantity": quantity,
        "ordered": line.ordered,
        "uom": line.uom,
        "line_quantity": from_base(quantity, line.factor),
        "line_uom": line.uom,
    }


def amounts(lines: Iterable[OrderLine], goods: Iterable[Content]) -> list[ErpRow]:
    """Return lines as an ERP message tells them that is about so much of each: as much as there is of its goods.

    One row a lot, with its serial numbers; together they are the line's.
    """
    by_line: dict[int, list[Content]] = defaultdict(list)
    for row in merged(goods):
        by_line[row.line_no].append(row)
    return [_of_goods(line, row) for line in lines if line.ordered for row in by_line[line.line_no]]


def _of_goods(line: OrderLine, row: Content) -> ErpRow:
    named = {"lot": row.lot or None, "serial_numbers": list(row.serial_numbers)}
    return {**_erp_row(line, row.quantity), **named}


def cancelled_lines(lines: Iterable[OrderLine], goods: Iterable[Content]) -> list[ErpRow]:
    """Return how much of lines is cancelled as an ERP message tells it, with what is known of the goods."""
    every, known = list(lines), list(goods)
    named = totals(known)
    for line in every:
        rest = line.cancelled - named.get((line.line_no, line.sku, line.site), 0)
        if rest < 0:  # more is to be put back, or sent again, than was cancelled: which of it was, nobody knows
            known = [row for row in known if row.line_no != line.line_no]
            rest = line.cancelled
        known.append(Content.of_line(line, rest))
    return amounts(every, known)


def changes(kind: ErpMessageKind, before: Iterable[OrderLine], after: Iterable[OrderLine]) -> list[Said]:
    """Write a message about the lines of which there is now more, or less, of what it is named for."""
    changed = changed_lines(kind, before, after)
    return [(kind, {"lines": erp_lines(changed, kind)})] if changed else []


def changed_lines(kind: ErpMessageKind, before: Iterable[OrderLine], after: Iterable[OrderLine]) -> list[OrderLine]:
    """Return the lines of which there is now more, or less, of what a message is named for."""
    known = {(line.line_no, line.site, line.sku): getattr(line, kind) for line in before}
    return [x for x in after if getattr(x, kind) != known.get((x.line_no, x.site, x.sku), 0)]
