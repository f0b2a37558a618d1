"""GTINs: the numbers in barcodes that name a product in one of its packagings."""

from __future__ import annotations

from typing import Final

from biip.checksums import gs1_standard_check_digit

LENGTHS: Final = (8, 12, 13, 14)
"""GTIN-8, GTIN-12 (UPC-A), GTIN-13 (EAN-13), GTIN-14 (ITF-14, and in GS1 element strings)."""


def expected_check_digit(gtin: str) -> str:
    """Return the digit that a GTIN must end with, which tells a misread or mistyped one."""
    return str(gs1_standard_check_digit(gtin[:-1]))


def in_full(gtin: str) -> str:
    """Return a GTIN in 14 digits: so they are compared."""
    return gtin.zfill(LENGTHS[-1])


def spellings(gtin: str) -> list[str]:
    """Return all ways to write a GTIN: a shorter one is the same in a longer field, filled up with zeros at its left.

    Source: GS1 General Specifications, on data fields of 14 digits.
    """
    bare = gtin.lstrip("0")
    return [bare.zfill(length) for length in LENGTHS if len(bare) <= length]
