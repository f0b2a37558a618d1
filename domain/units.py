"""Units of measure at the edge: from a packaging to whole base units. The ledger counts in nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from domain.errors import Rejected

MOST: Final = 10**15
"""The largest quantity in base units that is believed."""


MOST_DECIMALS: Final = 9
"""As many decimals as a quantity may be asked with."""


@dataclass(frozen=True)
class Packaging:
    """A packaging: it holds `factor` of another one, `of`; or of the base unit."""

    uom: str
    factor: int
    of: str | None = None


def unpacked(base_uom: str, packagings: Iterable[Packaging]) -> dict[str, int]:
    """Return how many base units each unit holds, through all that lies between.

    What is packed of itself, or of what is not there, is left out.
    """
    held = {base_uom: 1}
    packed = list(packagings)
    while ready := [packaging for packaging in packed if (packaging.of or base_uom) in held]:
        held |= {packaging.uom: packaging.factor * held[packaging.of or base_uom] for packaging in ready}
        packed = [packaging for packaging in packed if packaging not in ready]
    return held


@dataclass(frozen=True)
class ProductUnits:
    """A product's units: how many base units each packaging holds."""

    sku: str
    base_uom: str
    factors: Mapping[str, int] = field(default_factory=dict)

    def factor(self, uom: str | None) -> int:
        """Return how many base units one `uom` is. Raises `Rejected` with code `unknown_uom`."""
        if uom is None or uom == self.base_uom:
            return 1
        if uom not in self.factors:
            known = ", ".join(sorted({self.base_uom, *self.factors}))
            raise Rejected("unknown_uom", f"{self.sku} has no packaging {uom}; it has {known}")
        return self.factors[uom]


def from_base(quantity: int, factor: int) -> str | None:
    """Write a quantity of base units in a packaging's own unit; None where that can't be said exactly."""
    exact = round(Decimal(quantity) / factor, MOST_DECIMALS)
    return format(exact.normalize(), "f") if exact * factor == quantity else None


def to_base(quantity: int | str, factor: int, *, zero_allowed: bool = False) -> int:
    """Turn a quantity in a packaging into base units.

    Raises `Rejected`: `malformed_quantity`, `quantity_not_positive`, `fractional_quantity` (not whole in base units)
    or `quantity_too_large`.
    """
    try:
        exact = Decimal(quantity) * factor
    except InvalidOperation:
        raise Rejected("malformed_quantity", f"{quantity!r} is not a number") from None
    if not exact.is_finite():
        raise Rejected("malformed_quantity", f"{quantity!r} is not a number")
    if exact < 0 or (exact == 0 and not zero_allowed):
        raise Rejected("quantity_not_positive", f"{quantity} is not more than zero")
    if exact > MOST:
        raise Rejected("quantity_too_large", f"{quantity} is more than can be believed")
    if exact != exact.to_integral_value():
        raise Rejected("fractional_quantity", f"{quantity} of {factor} is not whole in base units")
    return int(exact)
