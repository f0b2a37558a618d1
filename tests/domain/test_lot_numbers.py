"""Lots that get a number of ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from domain.lot_numbers import Arrival, LotPattern

ARRIVAL = Arrival("PO-88", "GR-1", 2, "WINE", date(2026, 11, 30))


def test_without_a_pattern_of_its_own_a_tenant_has_the_usual_one() -> None:
    assert LotPattern().lot_of(ARRIVAL) == "PO-88/GR-1/2"


def test_every_placeholder_is_filled_in() -> None:
    assert LotPattern("{sku}.{date}.{po_no}.{receipt_no}.{line}").lot_of(ARRIVAL) == "WINE.20261130.PO-88.GR-1.2"


def test_without_a_purchase_order_nothing_stands_where_its_number_would() -> None:
    assert LotPattern().lot_of(replace(ARRIVAL, po_no="")) == "GR-1/2"
    assert LotPattern("{date}-{line}-{po_no}").lot_of(replace(ARRIVAL, po_no="")) == "20261130-2"


def test_a_number_that_would_be_too_long_is_a_hash_of_it_and_still_its_own() -> None:
    long = replace(ARRIVAL, receipt_no="R" * 64)
    first, second = (LotPattern().lot_of(replace(long, line=line)) for line in (1, 2))
    assert (len(first), first != second) == (32, True)
