"""How an ERP writes in JSON what JSON has no form for. Most write text; some have objects of their own for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from adapters.erp.language.tryton import CLASS, DAY, TIME, written
from adapters.erp.language.values import NotJson, Value, is_bounded

Codec = Literal["plain", "tryton"]


def decode(value: Value, codec: Codec) -> Value:
    """Return what was meant by what came. Raises `NotJson` where it can't have been meant."""
    return value if codec == "plain" else _from_tryton(value)


def encode(value: Value, codec: Codec) -> Value:
    """Return what JSON can say of a value. With `plain`, writing times and days is left to the writer."""
    return value if codec == "plain" else _to_tryton(value)


def _from_tryton(value: Value) -> Value:
    """Read Tryton's objects. Its times are in UTC. Those that we have no value for stay as they are."""
    if isinstance(value, list):
        return [_from_tryton(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    name = value.get(CLASS)
    read = _TRYTON.get(name) if isinstance(name, str) else None
    if read is None:
        return {key: _from_tryton(inner) for key, inner in value.items()}
    try:
        return read(value)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise NotJson(f"it has an object of Tryton's class {name} which is none") from None


def _decimal(fields: Mapping[str, Value]) -> Decimal:
    text = fields["decimal"]
    if not isinstance(text, str):
        raise TypeError
    number = Decimal(text)
    if not is_bounded(number):
        raise InvalidOperation
    return number


def _datetime(fields: Mapping[str, Value]) -> datetime:
    year, month, day, hour, minute, second, microsecond = (_whole(fields[name]) for name in TIME)
    return datetime(year, month, day, hour, minute, second, microsecond, UTC)


def _date(fields: Mapping[str, Value]) -> date:
    return date(*(_whole(fields[name]) for name in DAY))


_TRYTON: Final[Mapping[str, Callable[[Mapping[str, Value]], Value]]] = {
    "Decimal": _decimal,
    "datetime": _datetime,
    "date": _date,
}


def _whole(value: Value) -> int:
    if not isinstance(value, Decimal) or value != value.to_integral_value():
        raise TypeError
    return int(value)


def _to_tryton(value: Value) -> Value:
    """Write Tryton's objects."""
    if isinstance(value, list):
        return [_to_tryton(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _to_tryton(inner) for key, inner in value.items()}
    return written(value)
