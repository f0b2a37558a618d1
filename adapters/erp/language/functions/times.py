"""Functions of times, which always have an offset, and of days, which have none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, cast
from zoneinfo import ZoneInfo

from adapters.erp.language.budget import CannotSay
from adapters.erp.language.functions.function import NUMBER, TEXT, Argument, Call, Example, Function, kinds
from adapters.erp.language.functions.numbers import EXACT, read_number
from adapters.erp.language.functions.time_formats import Told, read, read_usual, write, write_day
from adapters.erp.language.values import MISSING, Result, fixed, is_there, rfc_3339

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCHS: Final = {"epoch": 1_000_000, "epoch_ms": 1000}
"""What a time may be counted in since 1970, and how many microseconds each is."""
_CHOICES: Final = {"earlier": min, "later": max}
_LONGEST: Final = 80


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CannotSay("there is no such time zone: they are called like Europe/Berlin") from None


def _time(call: Call) -> Result:
    if isinstance(call.value, datetime):
        return call.value
    said = cast("str | None", call.argument(0))
    if said in _EPOCHS:
        return _counted(call, _EPOCHS[said])
    if isinstance(call.value, Decimal):
        raise CannotSay("a number is a time only as `time('epoch')` or `time('epoch_ms')`")
    call.budget.step(len(call.text))
    if not is_there(call.text):
        return MISSING
    if said is None:
        return _with_offset(_usual(call.text))
    form, choice = _form_and_choice(call)
    told = read(_short(call.text), form) if form else _usual(call.text)
    return _with_offset(told) if told.offset else _in_zone(told.local, _zone(said), choice)


def _form_and_choice(call: Call) -> tuple[str | None, str | None]:
    second, third = call.argument(1), call.argument(2)
    if second in _CHOICES and third is None:
        return None, second
    if third is not None and third not in _CHOICES:
        raise CannotSay("`time`: of an hour that a clock shows twice, it is `earlier` or `later`")
    return second, third


def _short(text: str) -> str:
    if len(text) > _LONGEST:
        raise CannotSay("it is too long to be a time")
    return text


def _usual(text: str) -> Told:
    told = read_usual(_short(text))
    if told is None:
        raise CannotSay("it is not a time such as 2026-01-05T12:00:00Z")
    return told


def _with_offset(told: Told) -> datetime:
    if told.offset is None:
        raise CannotSay("it is a time without an offset: say its zone, as in `time('Europe/Berlin')`")
    return told.local.replace(tzinfo=told.offset)


def _in_zone(local: datetime, zone: ZoneInfo, choice: str | None) -> datetime:
    try:
        first, second = (fixed(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            return first
        if choice is not None:
            return _CHOICES[choice](first, second)
    except OverflowError:
        raise CannotSay("there is no such day or time") from None
    twice = first < second
    raise CannotSay(
        "clocks showed this time twice that day: say `earlier` or `later`"
        if twice
        else "clocks skipped this time that day: say `earlier` or `later`"
    )


def _counted(call: Call, microseconds: int) -> Result:
    value = call.value
    if not isinstance(value, Decimal):
        call.budget.step(len(call.text))
        if not is_there(call.text):
            return MISSING
        value = read_number(call.text)
    try:
        return _EPOCH + int(EXACT.multiply(value, Decimal(microseconds))) * _MICROSECOND
    except OverflowError:
        raise CannotSay("there is no such day or time") from None


def _at(call: Call) -> Result:
    zone, form = _zone(call.argument(0)), call.argument(1)
    try:
        local = fixed(cast("datetime", call.value).astimezone(zone))
    except OverflowError:
        raise CannotSay("there is no such day or time") from None
    return call.wrote(write(local, form) if form else rfc_3339(local))


def _since_1970(call: Call) -> Result:
    microseconds = (cast("datetime", call.value) - _EPOCH) // _MICROSECOND
    return Decimal(microseconds // _EPOCHS["epoch_ms" if call.argument(0) else "epoch"])


def _day(call: Call) -> Result:
    value = call.value
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    call.budget.step(len(call.text))
    if not is_there(call.text):
        return MISSING
    form = call.argument(0)
    told = read(_short(call.text), form) if form else read_usual(_short(call.text))
    if told is None:
        raise CannotSay("it is not a day such as 2026-01-05")
    return told.local.date()


_ZONE: Final = Argument("zone", TEXT)
_FORM: Final = Argument("format", TEXT, optional=True)

TIMES: Final = (
    Function(
        "time",
        "Reads a time: with its offset; counted, by `epoch` or `epoch_ms`; or as a zone's clocks show it, in a format.",
        kinds("text", "number", "time"),
        kinds("time", "missing"),
        Example(
            "row.at | time('Europe/Berlin', '%d.%m.%Y %H:%M')",
            {"row": {"at": "05.01.2026 13:00"}},
            '"2026-01-05T13:00:00+01:00"',
        ),
        _time,
        (
            Argument("zone, `epoch` or `epoch_ms`", TEXT, optional=True),
            Argument("format, or `earlier` or `later`", TEXT, optional=True),
            Argument("`earlier` or `later`", TEXT, optional=True),
        ),
    ),
    Function(
        "at",
        "Writes a time as clocks in a zone show it: with its offset, or in a format.",
        kinds("time"),
        TEXT,
        Example(
            "row.at | time | at('Europe/Berlin', '%Y-%m-%d %H:%M:%S')",
            {"row": {"at": "2026-01-05T12:00:00Z"}},
            '"2026-01-05 13:00:00"',
        ),
        _at,
        (_ZONE, _FORM),
    ),
    Function(
        "epoch",
        "Counts whole seconds since 1970, or with `ms` milliseconds.",
        kinds("time"),
        NUMBER,
        Example("row.at | time | epoch", {"row": {"at": "1970-01-02T00:00:00.9Z"}}, "86400"),
        _since_1970,
        (Argument("`ms`", TEXT, optional=True, words=frozenset({"ms"})),),
    ),
    Function(
        "day",
        "Reads a day, or takes that of a time by the time's own offset; blank text is nothing.",
        kinds("text", "time", "day"),
        kinds("day", "missing"),
        Example("row.due | day('%d/%m/%Y')", {"row": {"due": "5/1/2026"}}, '"2026-01-05"'),
        _day,
        (_FORM,),
    ),
    Function(
        "written",
        "Writes a day in a format.",
        kinds("day"),
        TEXT,
        Example("row.due | day | written('%d.%m.%Y')", {"row": {"due": "2026-01-05"}}, '"05.01.2026"'),
        lambda call: call.wrote(write_day(cast("date", call.value), call.argument(0))),
        (Argument("format", TEXT),),
    ),
)
