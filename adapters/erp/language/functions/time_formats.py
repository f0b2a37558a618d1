"""Times and days as vendors write them: `%d.%m.%Y %H:%M` and the like, from a closed set, whatever the locale."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from adapters.erp.language.budget import CannotSay

LONGEST_FORMAT: Final = 64
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_READ: Final[Mapping[str, str]] = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2}+)",
    "b": rf"(?P<b>(?i:{'|'.join(_MONTHS)}))",
    "d": r"(?P<d>[0-9]{1,2}+)",
    "H": r"(?P<H>[0-9]{1,2}+)",
    "M": r"(?P<M>[0-9]{1,2}+)",
    "S": r"(?P<S>[0-9]{1,2}+)",
    "f": r"(?P<f>[0-9]{1,9}+)",
    "z": r"(?P<z>[Zz]|[+-][0-9]{2}:?[0-9]{2})",
    "%": "%",
}


def _offset(time: datetime) -> str:
    minutes = int((time.utcoffset() or timedelta()).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


_WRITE: Final[Mapping[str, Callable[[datetime], str]]] = {
    "Y": lambda time: f"{time.year:04}",
    "y": lambda time: f"{time.year % 100:02}",
    "m": lambda time: f"{time.month:02}",
    "b": lambda time: _MONTHS[time.month - 1],
    "d": lambda time: f"{time.day:02}",
    "H": lambda time: f"{time.hour:02}",
    "M": lambda time: f"{time.minute:02}",
    "S": lambda time: f"{time.second:02}",
    "f": lambda time: f"{time.microsecond:06}",
    "z": _offset,
    "%": lambda _: "%",
}
_OF_A_DAY: Final = frozenset("Yymbd%")
_DAY: Final = ({"Y", "y"}, {"m", "b"}, {"d"})


@dataclass(frozen=True)
class Told:
    """A time as it was told: the clock's hands, and the offset where there was one."""

    local: datetime
    offset: timezone | None


@lru_cache(maxsize=256)
def _parts(form: str) -> tuple[tuple[str, bool], ...]:
    """Return a format's parts, each with whether it is a directive."""
    if len(form) > LONGEST_FORMAT:
        raise CannotSay(f"a format of times has at most {LONGEST_FORMAT} characters")
    parts: list[tuple[str, bool]] = []
    rest = iter(form)
    for each in rest:
        if each != "%":
            parts.append((each, False))
            continue
        directive = next(rest, "")
        if directive not in _READ:
            raise CannotSay(f"a format of times has no `%{directive}`: there are {' '.join(f'%{x}' for x in _READ)}")
        parts.append((directive, True))
    return tuple(parts)


@lru_cache(maxsize=256)
def _pattern(form: str) -> re.Pattern[str]:
    directives = [part for part, is_directive in _parts(form) if is_directive and part != "%"]
    if len(set(directives)) != len(directives) or not all(len(each & set(directives)) == 1 for each in _DAY):
        raise CannotSay("a format of times has year, month and day, each once")
    return re.compile("".join(_READ[part] if is_one else re.escape(part) for part, is_one in _parts(form)))


def read(text: str, form: str) -> Told:
    """Read a time or a day. Raises `CannotSay` where it isn't of the format, or there is no such day or time."""
    found = _pattern(form).fullmatch(text.strip())
    if not found:
        raise CannotSay(f"it is not of the format {form}")
    return _told(found.groupdict())


_USUAL: Final = re.compile(
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[Tt ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r" ?(?P<z>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def read_usual(text: str) -> Told | None:
    """Read a time or a day as RFC 3339 and ISO 8601 write it, None where it is something else."""
    found = _USUAL.fullmatch(text.strip())
    return _told(found.groupdict()) if found else None


def _told(parts: Mapping[str, str | None]) -> Told:
    year = int(parts.get("Y") or f"20{parts['y']}")
    named = parts.get("b")
    month = _MONTHS.index(named.capitalize()) + 1 if named else int(parts["m"] or 0)
    hour, minute, second = (int(parts.get(part) or 0) for part in "HMS")
    micros = int((parts.get("f") or "").ljust(6, "0")[:6])
    try:
        local = datetime(year, month, int(parts["d"] or 0), hour, minute, second, micros)  # noqa: DTZ001 - as told
        return Told(local, _zone(parts.get("z")))
    except ValueError:
        raise CannotSay("there is no such day or time") from None


def _zone(offset: str | None) -> timezone | None:
    if offset is None:
        return None
    if offset in "Zz":
        return UTC
    away = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-away if offset[0] == "-" else away) if away else UTC


def write(time: datetime, form: str) -> str:
    """Write a time as its own clock shows it. Raises `CannotSay` for a directive that there isn't."""
    return "".join(_WRITE[part](time) if is_directive else part for part, is_directive in _parts(form))


def write_day(day: date, form: str) -> str:
    """Write a day. Raises `CannotSay` for a directive that a day has not."""
    if odd := next((part for part, is_directive in _parts(form) if is_directive and part not in _OF_A_DAY), None):
        raise CannotSay(f"a day has no `%{odd}`")
    return write(datetime(day.year, day.month, day.day), form)  # noqa: DTZ001 - only the day is written
