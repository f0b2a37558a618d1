"""What a revision of an order says, as it is read again: what its lines cost, which are kits, what came along."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from domain.commands import Money
from domain.linked_lines import Component, LinkedLine, Proportion, main_line_of
from domain.orders import OrderLine


@dataclass(frozen=True)
class Kit:
    """A kit's main line, in base units. It is no line of the ledger: its components are."""

    line_no: int
    sku: str
    site: str
    uom: str
    factor: int
    ordered: int


@dataclass(frozen=True)
class Revision:
    """What a revision says beside what its order's row and the ledger have; people's data is kept apart."""

    document: Mapping[str, Any]
    """As it is kept, by whatever build; empty where there is none. Of it is read what is asked for."""

    @cached_property
    def prices(self) -> Mapping[tuple[int, str], Money]:
        """The prices of its lines, by number and sku."""
        return dict(_prices(self.document))

    @cached_property
    def kits(self) -> tuple[Kit, ...]:
        """The lines that are kits."""
        kits = self.document.get("kits") or ()
        return tuple(Kit(*(kit[name] for name in Kit.__dataclass_fields__)) for kit in kits)

    @cached_property
    def proportions(self) -> Mapping[int, Proportion]:
        """How much goes with a main line, by the number of the line that came along."""
        return _proportions(self.document)

    @cached_property
    def came_along(self) -> tuple[LinkedLine, ...]:
        """The lines that came along with others."""
        return came_along(self.document)

    @property
    def note_id(self) -> UUID | None:
        """The id of its note, if it has one."""
        note_id = self.document.get("note_id")
        return UUID(note_id) if note_id else None

    def price(self, line_no: int, sku: str) -> Money | None:
        """Return what a unit of a line costs, as it was pushed."""
        return self.prices.get((line_no, sku))

    def kit(self, line_no: int | None) -> Kit | None:
        """Return the kit of a line, if it is one."""
        return next((kit for kit in self.kits if kit.line_no == line_no), None)

    def components(self, line_no: int, lines: Collection[OrderLine]) -> list[Component]:
        """Return those of an order's lines that a kit's line comes to."""
        return [
            (line, self.proportions[line.line_no])
            for line in lines
            if line.ordered and line.line_no in self.proportions and main_line_of(line.line_no) == line_no
        ]


def came_along(document: Mapping[str, Any]) -> tuple[LinkedLine, ...]:
    """Return those of a revision's lines that came along with others."""
    proportions = _proportions(document)
    return tuple(
        LinkedLine(line["line_no"], line["sku"], line["site"], main, proportions[line["line_no"]])
        for line in document.get("resolved") or ()
        if line["line_no"] in proportions and (main := main_line_of(line["line_no"])) is not None
    )


def _proportions(document: Mapping[str, Any]) -> dict[int, Proportion]:
    return {x["line_no"]: Proportion(x["quantity"], x["per"]) for x in document.get("linked") or ()}


def _prices(document: Mapping[str, Any]) -> Iterator[tuple[tuple[int, str], Money]]:
    for line in document.get("lines") or ():
        if (price := line.get("unit_price")) is not None:
            yield (line["line_no"], line["sku"]), Money(**price)
