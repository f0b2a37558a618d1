"""What becomes of a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.orders import OrderLine
from domain.packing import Goods
from domain.stock import StockStatus
from ledger.requests import Request


@dataclass(frozen=True, slots=True)
class Unpicked:
    """What an order line had picked of a lot, and does not want any more, though it wants as much of another one."""

    order_ref: str
    line_no: int
    sku: str
    site: str
    lot: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Moved:
    """So much of a lot, or one unit, as an answer tells it; with the status that it became, where that is told."""

    lot: str
    serial_number: str
    quantity: int
    stock_status: str = StockStatus.AVAILABLE.value

    @property
    def amount(self) -> tuple[Goods, int]:
        """Return which goods, and how much of them."""
        return (self.lot, self.serial_number), self.quantity


@dataclass(frozen=True, slots=True)
class Missing:
    """What a picker did not find of a line where it should lie, as an answer tells it."""

    line_no: int
    sku: str
    site: str
    location_id: str
    lot: str
    serial_number: str
    quantity: int

    @property
    def bucket(self) -> tuple[int, str, str, str, str]:
        """Return what is counted together: all that it is of but the serial number."""
        return self.line_no, self.sku, self.site, self.location_id, self.lot


@dataclass(slots=True)
class Outcome:
    """What became of an accepted request.

    `posting_id` is None where there was nothing to post. `lines` are the order lines that it changed, also of other
    orders, whose names are in `served` (they got stock) and `displaced` (a fact took it). `unaccounted` is what left
    though the ledger never had it: sku, site, quantity; `guessed` what was moved though nobody said which of several
    units it was; `expired` what left though it has expired. `unpicked` is what orders had picked, and want other goods
    for.
    """

    request: Request
    posting_id: UUID | None
    recorded_at: datetime
    answer: dict[str, Any]
    replayed: bool = False
    lines: tuple[OrderLine, ...] = ()
    served: frozenset[str] = frozenset()
    displaced: frozenset[str] = frozenset()
    unaccounted: tuple[tuple[str, str, int], ...] = ()
    guessed: tuple[tuple[str, str, int], ...] = ()
    expired: tuple[tuple[str, str, int], ...] = ()
    unpicked: tuple[Unpicked, ...] = ()

    @property
    def occurred_at(self) -> datetime:
        """When it happened, as the posting has it."""
        return self.request.happened_at(self.recorded_at)

    def moved(self, name: str) -> list[list[Moved]]:
        """Return what moved of each line that was asked for, as the answer tells it under this name."""
        return [[Moved(**part) for part in parts] for parts in self.answer[name]]

    def missing(self) -> list[Missing]:
        """Return what a short pick did not find."""
        return [Missing(**part) for part in self.answer.get("missing", ())]
