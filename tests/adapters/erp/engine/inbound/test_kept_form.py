"""What an ERP said is the same now and when it is read from where it was kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.erp.language.budget import CannotSay
from adapters.erp.language.values import Value, from_json, is_bounded, to_json
from adapters.erp.mapping.kept_form import kept

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OFFSETS = st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)) if minutes else UTC)
LEAVES = (
    st.none()
    | st.booleans()
    | TEXTS
    | st.decimals(allow_nan=False, allow_infinity=False).filter(is_bounded)
    | st.dates()
    | st.datetimes(timezones=OFFSETS)
)
VALUES = st.recursive(
    LEAVES, lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4), max_leaves=20
)


@given(VALUES)
def test_it_comes_back_equal(value: Value) -> None:
    assert from_json(to_json(kept(value))) == kept(value)


@given(VALUES)
def test_it_says_what_was_said(value: Value) -> None:
    assert kept(value) == from_json(to_json(value))


def test_times_and_days_are_texts() -> None:
    value: Value = {"at": datetime(2026, 1, 5, 12, tzinfo=UTC), "on": [date(2026, 1, 5)], "price": Decimal("1.10")}
    assert kept(value) == {"at": "2026-01-05T12:00:00Z", "on": ["2026-01-05"], "price": Decimal("1.10")}


def test_what_is_too_deep_to_be_read_again_is_refused() -> None:
    value: Value = []
    for _ in range(62):
        value = [value]
    assert from_json(to_json({"row": kept(value)})) == {"row": value}
    with pytest.raises(CannotSay, match="levels"):
        kept([value])
