"""How Tryton writes in JSON what JSON has no form for: https://docs.tryton.org, trytond/protocols/jsonrpc.py."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, cast

from adapters.erp.language.values import Value, plain

CLASS: Final = "__class__"
DAY: Final = ("year", "month", "day")
TIME: Final = (*DAY, "hour", "minute", "second", "microsecond")


def written(value: Value) -> Value:
    """Return a number with decimal places, a time or a day as Tryton has it; anything else as it is.

    A number without decimal places stays one: it may be an id. Raises `OverflowError` for a time that has none in UTC.
    """
    if isinstance(value, Decimal):
        places = -cast("int", value.as_tuple().exponent)
        return {CLASS: "Decimal", "decimal": plain(value)} if places > 0 else value
    if isinstance(value, datetime):
        return _object("datetime", value.astimezone(UTC), TIME)
    return _object("date", value, DAY) if isinstance(value, date) else value


def _object(name: str, time: date, parts: tuple[str, ...]) -> Value:
    return {CLASS: name, **{part: Decimal(getattr(time, part)) for part in parts}}
