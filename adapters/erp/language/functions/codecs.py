"""Functions that write a value as one text, and the values of systems that have types which JSON has not."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, cast

from adapters.erp.language.budget import Budget, CannotSay
from adapters.erp.language.functions.function import ANYTHING, TEXT, Argument, Call, Example, Function
from adapters.erp.language.functions.numbers import EXACT, bounded
from adapters.erp.language.tryton import CLASS, DAY, TIME, written
from adapters.erp.language.values import MOST_DEPTH, Result, Value, json_text

_LONGEST_NUMBER: Final = 140


def _json(call: Call) -> Result:
    call.budget.writes_whole(call.value)
    return json_text(cast("Value", call.value))


def _check_depth(depth: int) -> None:
    if depth > MOST_DEPTH:
        raise CannotSay(f"it has more than {MOST_DEPTH} levels")


def _bytes(call: Call) -> bytes:
    try:
        return call.text.encode()
    except UnicodeEncodeError:
        raise CannotSay("half of a character can't be written as bytes") from None


# -- Tryton -----------------------------------------------------------------------------------------------------------


def _typed(call: Call) -> Result:
    return _with_types(cast("Value", call.value), call.budget, 0)


def _with_types(value: Value, budget: Budget, depth: int) -> Value:
    budget.step()
    _check_depth(depth)
    if isinstance(value, list):
        budget.makes(len(value))
        return [_with_types(item, budget, depth + 1) for item in value]
    if isinstance(value, Mapping):
        budget.makes(len(value))
        return {name: _with_types(inner, budget, depth + 1) for name, inner in value.items()}
    try:
        return written(value)
    except OverflowError:
        raise CannotSay("there is no such day or time") from None


def _untyped(call: Call) -> Result:
    return _without_types(cast("Value", call.value), call.budget, 0)


def _without_types(value: Value, budget: Budget, depth: int) -> Value:
    budget.step()
    _check_depth(depth)
    if isinstance(value, list):
        budget.makes(len(value))
        return [_without_types(item, budget, depth + 1) for item in value]
    if not isinstance(value, Mapping):
        return value
    if CLASS in value:
        return _of_class(value)
    budget.makes(len(value))
    return {name: _without_types(inner, budget, depth + 1) for name, inner in value.items()}


def _of_class(typed: Mapping[str, Value]) -> Value:
    name = typed[CLASS]
    read = _CLASSES.get(name) if isinstance(name, str) else None
    if read is None:
        raise CannotSay(f"it has a `{CLASS}` that isn't known")
    try:
        return read(typed)
    except (KeyError, TypeError, ValueError, OverflowError, InvalidOperation):
        raise CannotSay(f"it has a `{CLASS}` without what belongs to it") from None


def _whole(typed: Mapping[str, Value], part: str, default: int | None = None) -> int:
    number = typed[part] if default is None else typed.get(part, Decimal(default))
    if not isinstance(number, Decimal) or number != number.to_integral_value():
        raise ValueError(part)
    return int(number)


def _read_decimal(typed: Mapping[str, Value]) -> Value:
    text = typed["decimal"]
    if not isinstance(text, str) or len(text) > _LONGEST_NUMBER:
        raise ValueError(text)
    return bounded(Decimal(text))


def _read_datetime(typed: Mapping[str, Value]) -> Value:
    hands = (_whole(typed, part, 0) for part in TIME[3:])
    return datetime(*(_whole(typed, part) for part in DAY), *hands, tzinfo=UTC)  # type: ignore[arg-type, misc]


def _read_date(typed: Mapping[str, Value]) -> Value:
    return date(*(_whole(typed, part) for part in DAY))


def _read_time(typed: Mapping[str, Value]) -> Value:
    return ":".join(f"{_whole(typed, part, 0):02}" for part in ("hour", "minute", "second"))


def _read_timedelta(typed: Mapping[str, Value]) -> Value:
    seconds = typed["seconds"]
    if not isinstance(seconds, Decimal):
        raise TypeError(seconds)
    return bounded(EXACT.plus(seconds))


def _read_bytes(typed: Mapping[str, Value]) -> Value:
    text = typed["base64"]
    if not isinstance(text, str):
        raise TypeError(text)
    return text


_CLASSES: Final[Mapping[str, Callable[[Mapping[str, Value]], Value]]] = {
    "Decimal": _read_decimal,
    "bytes": _read_bytes,
    "date": _read_date,
    "datetime": _read_datetime,
    "time": _read_time,
    "timedelta": _read_timedelta,
}


def _unb64(call: Call) -> Result:
    call.budget.writes(len(call.text))
    try:
        return base64.b64decode(call.text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise CannotSay("it is no text as base64") from None


_SYSTEM: Final = (Argument("system", TEXT, words=frozenset({"tryton"})),)

CODECS: Final = (
    Function(
        "json",
        "Writes a value as JSON.",
        ANYTHING,
        TEXT,
        Example("context | json", {"context": {"company": 1}}, '"{\\"company\\": 1}"'),
        _json,
    ),
    Function(
        "b64",
        "Writes the bytes of a text, in UTF-8, as base64.",
        TEXT,
        TEXT,
        Example("key | b64", {"key": "a:b?"}, '"YTpiPw=="'),
        lambda call: call.wrote(base64.b64encode(_bytes(call)).decode()),
    ),
    Function(
        "b64url",
        "Writes the bytes of a text, in UTF-8, as base64 of which a URL changes nothing.",
        TEXT,
        TEXT,
        Example("key | b64url", {"key": "a:b?>"}, '"YTpiPz4="'),
        lambda call: call.wrote(base64.urlsafe_b64encode(_bytes(call)).decode()),
    ),
    Function(
        "unb64",
        "Reads the text of which base64 has the bytes, in UTF-8.",
        TEXT,
        TEXT,
        Example("row.note | unb64", {"row": {"note": "YTpiPw=="}}, '"a:b?"'),
        _unb64,
    ),
    Function(
        "typed",
        "Marks fractions, times and days as a system's JSON marks them, in all that is inside of a value.",
        ANYTHING,
        ANYTHING,
        Example(
            "[row.price | decimal, 2] | typed('tryton')",
            {"row": {"price": "1.10"}},
            '[{"__class__": "Decimal", "decimal": "1.10"}, 2]',
        ),
        _typed,
        _SYSTEM,
    ),
    Function(
        "untyped",
        "Reads fractions, times and days as a system's JSON marks them, in all that is inside of a value.",
        ANYTHING,
        ANYTHING,
        Example(
            "answer | untyped('tryton') | all('price')",
            {"answer": [{"price": {"__class__": "Decimal", "decimal": "1.10"}}]},
            "[1.10]",
        ),
        _untyped,
        _SYSTEM,
    ),
)
