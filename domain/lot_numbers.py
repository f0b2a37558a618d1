"""Lots that get a number of ours, by their tenant's pattern, where the supplier has none for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final

from domain.stock import LONGEST_LOT

PLACEHOLDERS: Final = ("po_no", "receipt_no", "line", "sku", "date")
USUAL: Final = "{po_no}/{receipt_no}/{line}"

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_PLAIN: Final = re.compile(r"[!-~]{1,100}")
_SEPARATORS: Final = "/-_.:"


@dataclass(frozen=True)
class Arrival:
    """A line of a receipt: the `line`-th, on a day of its site. `po_no` is empty where no purchase order was named."""

    po_no: str
    receipt_no: str
    line: int
    sku: str
    day: date


@dataclass(frozen=True)
class LotPattern:
    """How a tenant numbers lots. Two lines that it gives one number are of one lot."""

    text: str = USUAL

    def __post_init__(self) -> None:
        names = _PLACEHOLDER.findall(self.text)
        wrong = [name for name in names if name not in PLACEHOLDERS]
        if not names or wrong or not _PLAIN.fullmatch(self.text) or set("{}") & set(_PLACEHOLDER.sub("", self.text)):
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"a lot pattern is made of {known} and plain characters between them, not {self.text!r}")

    def lot_of(self, arrival: Arrival) -> str:
        """Make a number for the lot of a line: a hash of one that would be too long."""
        told = {**vars(arrival), "date": f"{arrival.day:%Y%m%d}"}
        lot = _PLACEHOLDER.sub(lambda found: str(told[found[1]]), self.text)
        if not arrival.po_no:
            lot = lot.strip(_SEPARATORS)
        return lot if len(lot) <= LONGEST_LOT else sha256(lot.encode()).hexdigest()[:32]
