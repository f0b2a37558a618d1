"""The lines of a push, as it is kept: in base units, on their terms, with those that they bring along."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.allocation import AllocationPolicy


@dataclass(frozen=True)
class WantedLine:
    """A line of a revision as the ledger takes it. It keeps the factor that it was accepted with."""

    line_no: int
    sku: str
    site: str
    ordered: int
    uom: str
    factor: int = 1
    lot: str = ""
    allocation_policy: str = AllocationPolicy.FIRST_EXPIRY_FIRST.value
    least_expiry: date | None = None
    allow_expired: bool = False

    def as_row(self) -> dict[str, Any]:
        """Write it down. A worker of a build that knows of no expired stock must not meet it in what it can decide."""
        told = {**vars(self), "least_expiry": self.least_expiry and self.least_expiry.isoformat()}
        return {name: value for name, value in told.items() if name != "allow_expired" or value}
