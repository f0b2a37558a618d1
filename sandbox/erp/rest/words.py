"""How this ERP writes amounts and times, and how it says no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import StringConstraints

_AMOUNT: Final = r"^\d{1,12}(,\d{1,3})?$"
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

Amount = Annotated[str, StringConstraints(pattern=_AMOUNT)]
"""A quantity or a price: a text with a decimal comma, no sign and no dots."""

Unit = Literal["ST", "KAR", "PAL"]
"""Pieces, cartons, pallets."""

OrderState = Literal["OFFEN", "FREIGEGEBEN", "TEILGELIEFERT", "GELIEFERT", "STORNO"]
"""Entered, released for delivery, in part delivered, all delivered or canceled, all canceled."""


class RefusedError(Exception):
    """A request that this ERP does not do."""

    def __init__(self, code: str, text: str, *, status: int = 422) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status


def number(amount: str) -> Decimal:
    """Read an amount."""
    return Decimal(amount.replace(",", "."))


def amount(value: Decimal) -> str:
    """Write a number with the three decimals that every quantity here has."""
    return f"{value:.3f}".replace(".", ",")


@dataclass(frozen=True)
class LocalClock:
    """The ERP's clock. It hangs on a wall: its times have no offset, and an hour in autumn comes twice."""

    zone: ZoneInfo

    def now(self) -> int:
        """Tell the present second, since the epoch."""
        return int(datetime.now(UTC).timestamp())

    def text(self, second: int) -> str:
        """Write a moment as the clock on the wall has it."""
        return datetime.fromtimestamp(second, self.zone).strftime("%Y-%m-%dT%H:%M:%S")

    def second(self, text: str) -> int:
        """Read a time off the wall: the first, where the hour comes twice. An offset is refused."""
        if not _LOCAL.fullmatch(text):
            raise RefusedError("ZEIT", f"Keine Ortszeit JJJJ-MM-TTThh:mm:ss: {text}")
        try:
            return int(datetime.fromisoformat(text).replace(tzinfo=self.zone).timestamp())
        except ValueError as error:
            raise RefusedError("ZEIT", f"Keine Ortszeit: {text}") from error
