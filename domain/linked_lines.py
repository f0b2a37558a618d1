"""Lines that another line brings along: a product's rules add them, and they follow the line that they came with.

A linked line is an order line like any other. Its number says whose it is: the million says which rule of the main
line's product brought it at first, the rest is the main line's own number. An ERP's numbers end below a million.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from typing import Any, Final

from domain.orders import OrderLine

LAST_OF_AN_ERP: Final = 999_999
"""The highest number that an ERP gives a line."""
MOST_RULES: Final = 20
"""How many rules a product may have."""
LAST_LINKED: Final = 2**31 - 1
"""The highest number of a linked line. Rules that come after what has left may need more places than a product has."""


def linked_line_no(main_line_no: int, position: int) -> int:
    """Return the number of the line that the rule at a position, counted from 1, adds to a main line."""
    return position * (LAST_OF_AN_ERP + 1) + main_line_no


def main_line_of(line_no: int) -> int | None:
    """Return the number of the main line that a linked line follows; None for a line of the ERP's own."""
    return line_no % (LAST_OF_AN_ERP + 1) if line_no > LAST_OF_AN_ERP else None


@dataclass(frozen=True)
class Proportion:
    """How much goes with a main line: so much for each whole `per` units of it, in base units."""

    quantity: int
    per: int = 1

    def of(self, units: int) -> int:
        """Return what goes with so many units."""
        return self.quantity * (units // self.per)


@dataclass(frozen=True)
class LinkedLine:
    """A line that came along with a main line, and in which proportion it follows that one."""

    line_no: int
    sku: str
    site: str
    main_line_no: int
    proportion: Proportion


@dataclass(frozen=True)
class Addition:
    """A rule: orders that are placed in its days get this with a product. None for a day is no end."""

    sku: str
    proportion: Proportion
    first_day: date | None = None
    last_day: date | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Addition:
        """Read a rule as the catalog keeps it."""
        days = [date.fromisoformat(row[name]) if row[name] else None for name in ("from", "until")]
        return cls(row["sku"], Proportion(row["quantity"], row["per"]), *days)

    def holds_on(self, day: date) -> bool:
        """Say whether the rule is for orders of that day."""
        return (self.first_day or day) <= day <= (self.last_day or day)


@dataclass(frozen=True)
class Brought:
    """What a rule comes to for a line: a linked line."""

    line_no: int
    sku: str
    ordered: int
    proportion: Proportion


def brought_along(line_no: int, units: int, additions: Iterable[Addition], day: date) -> Iterator[Brought]:
    """Yield what a line of an order of that day brings along; nothing where it has too few units for a rule."""
    for position, addition in enumerate(additions, 1):
        ordered = addition.proportion.of(units) if addition.holds_on(day) else 0
        if ordered:
            yield Brought(linked_line_no(line_no, position), addition.sku, ordered, addition.proportion)


def keep_numbers(line_no: int, site: str, brought: Iterable[Brought], known: Iterable[OrderLine]) -> list[Brought]:
    """Let what a line brings along go on under the number that it has, whatever place its rule has by now.

    `known` are the linked lines that the main line has already. What has left keeps its number to itself.
    """
    live = sorted((line for line in known if line.ordered), key=lambda line: (not line.shipped, line.site != site))
    unplaced = {b.line_no: b for b in brought}
    placed: dict[int, Brought] = {}
    for line in live:
        same = [number for number, b in unplaced.items() if b.sku == line.sku]
        if same and line.line_no not in placed:
            placed[line.line_no] = unplaced.pop(line.line_no if line.line_no in same else same[0])
    gone = {line.line_no for line in live if line.shipped}
    used = {*unplaced, *(line.line_no for line in live)}
    fresh = (number for place in count(1) if (number := linked_line_no(line_no, place)) not in used)
    for number, b in unplaced.items():
        placed[next(fresh) if number in gone or number in placed else number] = b
    return [replace(b, line_no=number) for number, b in sorted(placed.items())]


def beyond(linked: OrderLine, units: int, proportion: Proportion) -> int:
    """Return how much of a linked line is still to be shipped beside what goes with so many units of its main line."""
    return max(0, min(linked.unshipped, linked.ordered - linked.cancelled - proportion.of(units)))


Component = tuple[OrderLine, Proportion]
"""A linked line of a kit, and how much of it each kit has."""


def whole_kits(components: Collection[Component], count: Callable[[OrderLine], int]) -> int:
    """Return how many kits are whole, by what counts of each component: as many as the scarcest one makes."""
    return min((count(line) // proportion.quantity for line, proportion in components), default=0)


def kit_quantities(ordered: int, components: Collection[Component]) -> dict[str, int]:
    """Return a kit's line as a view shows it: it is as far as its least advanced components.

    A kit is reserved when it is with all of its components, whatever has left of it; it has left when all of it has.
    """
    kept = whole_kits(components, lambda line: line.ordered - line.cancelled)
    shipped = whole_kits(components, lambda line: line.shipped)
    reserved = whole_kits(components, lambda line: line.shipped + line.reserved) - shipped
    ordered = max(ordered, shipped + reserved)  # one that was lost, sent again and found is more than was asked for
    return {
        "ordered": ordered,
        "reserved": reserved,
        "backordered": min(ordered, kept) - shipped - reserved,
        "picked": whole_kits(components, lambda line: line.shipped + line.picked) - shipped,
        "to_put_back": whole_kits(components, lambda line: line.to_put_back),
        "shipped": shipped,
        "delivered": whole_kits(components, lambda line: line.delivered),
        "returned": whole_kits(components, lambda line: line.returned),
        "cancelled": ordered - min(ordered, kept),
    }
