"""What an expression is about and what it gives: the values of JSON, and times and days. No number is ever a float."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timezone
from decimal import Decimal, InvalidOperation
from enum import Enum
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias

from domain.characters import is_blank

Value: TypeAlias = "bool | Decimal | str | datetime | date | list[Value] | Mapping[str, Value] | None"


class Missing(Enum):
    """What isn't there: neither a value nor null. It stands in no list and in no tree."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
Result: TypeAlias = "Value | Missing"

MOST_DIGITS: Final = 60
"""Of a number, and how far its last digit may be from the decimal point."""
MOST_DEPTH: Final = 64
"""Of lists and trees in each other."""
_LONGEST_NUMBER: Final = 140

_KINDS: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "boolean",
    Decimal: "number",
    str: "text",
    datetime: "time",
    date: "day",
    list: "list",
    dict: "tree",
    Missing: "missing",
}
KINDS: Final = frozenset(_KINDS.values())
_SHOWN: Final = {"null": "null", "boolean": "yes/no", "missing": "nothing"}


class NotJson(ValueError):  # noqa: N818 - it says what the content is
    """It isn't JSON, or none that keeps to the bounds. Its words quote nothing of the content."""


def kind_of(value: Result) -> str:
    """Return the kind: `null`, `boolean`, `number`, `text`, `time`, `day`, `list`, `tree` or `missing`."""
    kind = _KINDS.get(type(value))
    return kind if kind is not None else _kind_of_another_class(value)


def _kind_of_another_class(value: Result) -> str:
    if isinstance(value, Mapping):
        return "tree"
    for known, kind in _KINDS.items():  # a time comes before a day, which it also is
        if isinstance(value, known):
            return kind
    raise TypeError(f"{type(value).__name__} is no value of a mapping")


def shown(kind: str) -> str:
    """Return a kind in words for a person: `a number`, `yes/no`, `nothing`."""
    return _SHOWN.get(kind, f"a {kind}")


def is_there(value: Result) -> bool:
    """Say whether there is something: not missing, not null, and no text without anything that can be seen."""
    if isinstance(value, str):
        return begins_visibly(value) or not is_blank(value)
    return value is not None and value is not MISSING


def begins_visibly(text: str) -> bool:
    """Say whether a text begins with a plain character that can be seen, so that no other one needs to be looked at."""
    return "!" <= text[:1] <= "~"


def present(names: Mapping[str, Result]) -> dict[str, Value]:
    """Return the names that stand for something: what is missing stands in no tree."""
    return {name: value for name, value in names.items() if not isinstance(value, Missing)}


def is_bounded(number: Decimal) -> bool:
    """Say whether a number is finite, of at most 60 digits, the last of them at most 60 places from the point."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= MOST_DIGITS and len(number.as_tuple().digits) <= MOST_DIGITS


def plain(number: Decimal) -> str:
    """Write a number with all of its digits and without an exponent. Nought has no sign."""
    return format(number or number.copy_abs(), "f")


def rfc_3339(time: datetime) -> str:
    """Write a time with its offset: `Z` for UTC."""
    return time.replace(tzinfo=None).isoformat() + "Z" if time.tzinfo is UTC else time.isoformat()


def fixed(time: datetime) -> datetime:
    """Return a time with its offset instead of its zone: Python compares two times of one zone by their clocks' hands.

    Raises ValueError where it has no offset.
    """
    offset = time.utcoffset()
    if offset is None:
        raise ValueError("a time has no offset")
    return time.replace(tzinfo=timezone(offset) if offset else UTC, fold=0)


# -- JSON ------------------------------------------------------------------------------------------------------------


def from_json(content: bytes | str) -> Value:
    """Read JSON as it is: every digit is kept, and a mark that begins the file does no harm.

    Raises `NotJson`, also for a name that comes twice in an object, NaN and the like, more than 64 levels, and numbers
    that are not bounded.
    """
    try:
        text = content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError:
        raise NotJson("it isn't UTF-8") from None
    text = text.removeprefix("\ufeff")
    if _is_too_deep(text):
        raise NotJson(f"it has more than {MOST_DEPTH} levels")
    try:
        value: Value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(f"it isn't JSON: at character {error.pos}") from None
    return value


_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_DEEPER: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def _is_too_deep(text: str) -> bool:
    depth = 0
    if text.count("[") + text.count("{") > MOST_DEPTH:
        for found in _STRING_OR_BRACKET.finditer(text):
            depth += _DEEPER.get(found[0], 0)
            if depth > MOST_DEPTH:
                return True
    return False


def _read_number(text: str) -> Decimal:
    try:
        number = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        number = None
    if number is None or not is_bounded(number):
        raise NotJson(f"it has a number of more than {MOST_DIGITS} digits, or as far from the point")
    return number


def _no_constant(_: str) -> Decimal:
    raise NotJson("it has a number that is none, such as NaN")


def _without_twins(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise NotJson("it has a name twice in one object")
    return tree


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_twins, parse_float=_read_number, parse_int=_read_number, parse_constant=_no_constant
)


def to_json(value: Value) -> bytes:
    """Write JSON: numbers with all of their digits and no exponent, times as RFC 3339, days as ISO 8601."""
    return json_text(value).encode()


def json_text(value: Value) -> str:
    """Write JSON as `to_json` does, as text. Raises ValueError for more than 64 levels in each other."""
    pieces: list[str] = []
    _write(value, pieces.append, 0)
    text = "".join(pieces)
    return text if text.isascii() else _encodable(text)


def _write(value: Value, add: Callable[[str], None], depth: int) -> None:
    if depth > MOST_DEPTH:
        raise ValueError(f"a value has more than {MOST_DEPTH} levels")
    if isinstance(value, str):
        add(encode_basestring(value))
    elif isinstance(value, list):
        add("[")
        for place, item in enumerate(value):
            add(", " if place else "")
            _write(item, add, depth + 1)
        add("]")
    elif isinstance(value, Mapping):
        add("{")
        for place, (name, inner) in enumerate(value.items()):
            add(", " if place else "")
            add(encode_basestring(name) + ": ")
            _write(inner, add, depth + 1)
        add("}")
    else:
        add(_written(value))


def _written(value: bool | Decimal | date | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Decimal):
        return plain(value)
    return f'"{rfc_3339(value) if isinstance(value, datetime) else value.isoformat()}"'


_HALF: Final = re.compile("[\ud800-\udfff]")


def _encodable(text: str) -> str:
    """Write halves of characters, which only stand inside of JSON's texts, as their escapes."""
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


# -- our own objects -------------------------------------------------------------------------------------------------


def as_value(thing: Any) -> Value:
    """Return what we have as a value: dataclasses and mappings as trees, tuples as lists, whole numbers as Decimal.

    Raises TypeError for a float or another class, ValueError for a time without an offset or an unbounded number.
    """
    if isinstance(thing, Enum) and thing is not MISSING:
        return as_value(thing.value)
    if thing is None or isinstance(thing, bool):
        return thing
    if isinstance(thing, str):
        return str(thing)
    if isinstance(thing, int | Decimal):
        return _as_number(Decimal(thing))
    if isinstance(thing, date):
        return fixed(thing) if isinstance(thing, datetime) else thing
    return _as_many(thing)


def _as_many(thing: Any) -> Value:
    if isinstance(thing, Mapping):
        return {_as_name(name): as_value(inner) for name, inner in thing.items()}
    if isinstance(thing, list | tuple):
        return [as_value(item) for item in thing]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {each.name: as_value(getattr(thing, each.name)) for each in dataclasses.fields(thing)}
    raise TypeError(f"{type(thing).__name__} is no value of a mapping")


def _as_number(number: Decimal) -> Decimal:
    if not is_bounded(number):
        raise ValueError(f"a number has more than {MOST_DIGITS} digits, or is none")
    return number


def _as_name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a name in a tree is text, not {type(name).__name__}")
    return name
