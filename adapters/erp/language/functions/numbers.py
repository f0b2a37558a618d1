"""Functions of numbers, which are decimal and exact."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Final, cast

from adapters.erp.language.budget import CannotSay
from adapters.erp.language.functions.function import NUMBER, TEXT, Argument, Call, Example, Function, kinds
from adapters.erp.language.values import MISSING, MOST_DIGITS, Result, is_bounded, is_there

EXACT: Final = Context(prec=4 * MOST_DIGITS)
"""Room for every digit of what two bounded numbers make."""
_MOST_PLACES: Final = 30
_LARGEST_LINE_NO: Final = 2**31 - 1
_LONGEST: Final = 140


def bounded(number: Decimal) -> Decimal:
    """Return a number that is a result. Raises `CannotSay` for one of more than 60 digits."""
    if not is_bounded(number):
        raise CannotSay(f"a number has more than {MOST_DIGITS} digits")
    return number


@lru_cache(maxsize=64)
def _pattern(mark: str, group: str | None) -> re.Pattern[str]:
    grouped = f"[0-9]{{1,3}}(?:{re.escape(group)}[0-9]{{3}})+|" if group else ""
    return re.compile(rf"(?P<whole>{grouped}[0-9]+)(?:{re.escape(mark)}(?P<rest>[0-9]+))?")


def read_number(text: str, mark: str = ".", group: str | None = None) -> Decimal:
    """Read a number with its sign at either end. Raises `CannotSay` for anything else."""
    told = text.strip().replace("\u00a0", " ").replace("\u202f", " ") if len(text) <= _LONGEST else ""
    minus = told.startswith("-") or told.endswith("-")
    digits = told[1:] if told.startswith("-") else told.removesuffix("-")
    found = _pattern(mark, group).fullmatch(digits.strip())
    if not found:
        raise CannotSay(
            f"it is no number with `{mark}` before its fraction" + (f" and `{group}` in it" if group else "")
        )
    whole = found["whole"].replace(group, "") if group else found["whole"]
    number = Decimal(f"{whole}.{found['rest']}" if found["rest"] else whole)
    return bounded(number.copy_negate() if minus and number else number)


def _number(call: Call) -> Decimal | None:
    """Return a number that was told as one or as text, None where that is blank."""
    if isinstance(call.value, Decimal):
        return call.value
    return read_number(call.text) if is_there(call.text) else None


def _decimal(call: Call) -> Result:
    if isinstance(call.value, Decimal):
        return call.value
    call.budget.step(len(call.text))
    if not is_there(call.text):
        return MISSING
    mark, group = call.argument(0) or ".", call.argument(1)
    if mark == group:
        raise CannotSay("`decimal`: the mark of a fraction can't be that of thousands too")
    return read_number(call.text, mark, group)


def whole(number: Decimal) -> Decimal:
    """Return a number without its fraction of noughts. Raises `CannotSay` where the fraction is another one."""
    integral = number.to_integral_value(context=EXACT)
    if integral != number:
        raise CannotSay("it has a fraction")
    return integral


def _whole(call: Call) -> Result:
    call.budget.step(len(call.text) if isinstance(call.value, str) else 1)
    number = _number(call)
    return MISSING if number is None else whole(number)


def _numbered(call: Call) -> Result:
    number = _whole(call)
    if isinstance(number, Decimal) and not 1 <= number <= _LARGEST_LINE_NO:
        raise CannotSay(f"a line's number is from 1 to {_LARGEST_LINE_NO}")
    return number


def _plain(call: Call) -> Result:
    number = cast("Decimal", call.value).normalize(EXACT)
    return number if cast("int", number.as_tuple().exponent) <= 0 else number.quantize(Decimal(1), context=EXACT)


def _rounded(call: Call) -> Result:
    places: Decimal = call.argument(0)
    if places != places.to_integral_value() or not 0 <= places <= _MOST_PLACES:
        raise CannotSay(f"`rounded`: places are a whole number from 0 to {_MOST_PLACES}")
    number = cast("Decimal", call.value)
    return bounded(number.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP, EXACT))


_MARK: Final = Argument("mark of the fraction", TEXT, optional=True, words=frozenset({".", ","}))
_GROUP: Final = Argument("mark of thousands", TEXT, optional=True, words=frozenset({".", ",", "'", "\u2019", " "}))
_NUMBER_OR_TEXT: Final = kinds("number", "text")
_NUMBER_IF_ANY: Final = kinds("number", "missing")

NUMBERS: Final = (
    Function(
        "decimal",
        "Reads a number from text, with the mark of its fraction and that of thousands; blank text is nothing.",
        _NUMBER_OR_TEXT,
        _NUMBER_IF_ANY,
        Example("row.price | decimal(',', '.')", {"row": {"price": "1.234,50"}}, "1234.50"),
        _decimal,
        (_MARK, _GROUP),
    ),
    Function(
        "whole",
        "Gives a whole number, and refuses any other; blank text is nothing.",
        _NUMBER_OR_TEXT,
        _NUMBER_IF_ANY,
        Example("row.qty | whole", {"row": {"qty": "2.00"}}, "2"),
        _whole,
    ),
    Function(
        "numbered",
        "Makes a line's number of the line's own id: a whole number from 1 on.",
        _NUMBER_OR_TEXT,
        _NUMBER_IF_ANY,
        Example("line.id | numbered", {"line": {"id": "00010"}}, "10"),
        _numbered,
    ),
    Function(
        "plain",
        "Takes needless noughts off the end of a fraction.",
        NUMBER,
        NUMBER,
        Example("row.qty | decimal | plain", {"row": {"qty": "2.50"}}, "2.5"),
        _plain,
    ),
    Function(
        "rounded",
        "Rounds to so many places; a half is rounded away from nought.",
        NUMBER,
        NUMBER,
        Example("row.price | decimal | rounded(2)", {"row": {"price": "1.005"}}, "1.01"),
        _rounded,
        (Argument("places", NUMBER),),
    ),
    Function(
        "abs",
        "Takes the sign off a number.",
        NUMBER,
        NUMBER,
        Example("row.delta | abs", {"row": {"delta": -3}}, "3"),
        lambda call: cast("Decimal", call.value).copy_abs(),
    ),
)
