"""Functions of texts."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Final, cast

from adapters.erp.language.budget import CannotSay
from adapters.erp.language.comparing import contains
from adapters.erp.language.functions.function import (
    ANYTHING,
    BOOLEAN,
    LIST,
    NUMBER,
    TEXT,
    Argument,
    Call,
    Example,
    Function,
    kinds,
    words_of,
)
from adapters.erp.language.functions.keys import LONGEST_KEY, as_key, from_key
from adapters.erp.language.functions.quoting import DIALECTS, quoted
from adapters.erp.language.values import MISSING, Result, Value, plain, rfc_3339

MOST_CHARACTERS: Final = 1_000_000
"""That `cut` and `wrapped` can be told."""


_SHORTEST_PART: Final = 8
"""Characters of a word or a line in a step, on average: of shorter ones there are more in a text than it may have."""


def length_of(call: Call, fewest: int) -> int:
    """Return a number of characters that is said in the brackets."""
    said: Decimal = call.argument(0)
    if said != said.to_integral_value() or not fewest <= said <= MOST_CHARACTERS:
        raise CannotSay(f"a number of characters is a whole number from {fewest} to {MOST_CHARACTERS}")
    return int(said)


def _separator(call: Call) -> str:
    said: str = call.argument(0)
    if not said:
        raise CannotSay("what is between the parts can't be empty")
    call.budget.reads(call.text)
    return said


def _text(call: Call) -> Result:
    value = call.value
    if isinstance(value, Decimal):
        return call.wrote(plain(value))
    if isinstance(value, datetime):
        return call.wrote(rfc_3339(value))
    return call.wrote(value.isoformat()) if isinstance(value, date) else value


def _count_parts(call: Call) -> None:
    """Count what it takes to part a text, before there are so many parts."""
    call.budget.step(len(call.text) // _SHORTEST_PART)
    call.budget.writes(len(call.text))


def _lines(call: Call) -> Result:
    _count_parts(call)
    return call.made([line.strip() for line in call.text.splitlines() if line.strip()])


def _wrapped(call: Call) -> Result:
    most = length_of(call, 1)
    _count_parts(call)
    lines: list[Value] = []
    line = ""
    for word in call.text.split():
        call.budget.makes(len(word) // most)
        call.budget.step()
        if line and len(line) + 1 + len(word) <= most:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        whole = len(word) - 1 - (len(word) - 1) % most
        lines += (word[start : start + most] for start in range(0, whole, most))
        line = word[whole:]
    return call.made([*lines, line] if line else lines)


def _split(call: Call) -> Result:
    separator = _separator(call)
    call.budget.makes(call.text.count(separator) + 1)
    call.budget.writes(len(call.text))
    return list(call.text.split(separator))


def _join(call: Call) -> Result:
    words, between = words_of(call.items, "join", call.budget), cast("str", call.argument(0))
    call.budget.writes(sum(map(len, words)) + len(between) * max(len(words) - 1, 0))
    return between.join(words)


def _has(call: Call) -> Result:
    value, wanted = call.value, call.arguments[0]
    if isinstance(value, list):
        return contains(value, wanted, call.budget)
    if not isinstance(value, str):
        return False
    if not isinstance(wanted, str):
        raise CannotSay("`has`: of a text, only a text can be a part")
    call.budget.reads(value, wanted)
    return wanted in value


def _trim(call: Call) -> Result:
    call.budget.reads(call.text)
    return call.wrote(call.text.strip())


def _starts(call: Call) -> Result:
    return isinstance(call.value, str) and call.text.startswith(_end(call))


def _ends(call: Call) -> Result:
    return isinstance(call.value, str) and call.text.endswith(_end(call))


def _end(call: Call) -> str:
    said: str = call.argument(0)
    call.budget.reads(said)
    return said


def _after(call: Call) -> Result:
    _, found, rest = call.text.partition(_separator(call))
    return call.wrote(rest) if found else MISSING


def _before(call: Call) -> Result:
    rest, found, _ = call.text.partition(_separator(call))
    return call.wrote(rest) if found else MISSING


def _key(call: Call) -> Result:
    value = call.value
    if isinstance(value, Decimal):
        if value != value.to_integral_value():
            raise CannotSay("a number with a fraction is no key")
        value = plain(value.to_integral_value())
    return call.wrote(as_key(cast("str", value)))


def _unkey(call: Call) -> Result:
    return call.wrote(from_key(call.text[: LONGEST_KEY + 1]))


def _quoted(call: Call) -> Result:
    call.budget.reads(call.text)
    return call.wrote(quoted(call.text, call.argument(0)))


_PART: Final = (Argument("text", TEXT),)
_CHARACTERS: Final = (Argument("characters", NUMBER),)
_LINES: Final = "1 Long Street\n \n Back door "

TEXTS: Final = (
    Function(
        "text",
        "Writes a number plainly, a time as RFC 3339, a day as ISO 8601; text stays as it is.",
        kinds("text", "number", "time", "day"),
        TEXT,
        Example("row.qty | text", {"row": {"qty": 1200}}, '"1200"'),
        _text,
    ),
    Function(
        "upper",
        "Writes all letters as capitals.",
        TEXT,
        TEXT,
        Example("row.country | upper", {"row": {"country": "de"}}, '"DE"'),
        lambda call: call.wrote(call.text.upper()),
    ),
    Function(
        "lower",
        "Writes all letters small.",
        TEXT,
        TEXT,
        Example("row.mail | lower", {"row": {"mail": "A@B.example"}}, '"a@b.example"'),
        lambda call: call.wrote(call.text.lower()),
    ),
    Function(
        "trim",
        "Takes the blanks off both ends.",
        TEXT,
        TEXT,
        Example("row.city | trim", {"row": {"city": " Bonn "}}, '"Bonn"'),
        _trim,
    ),
    Function(
        "cut",
        "Keeps at most so many characters from the beginning.",
        TEXT,
        TEXT,
        Example("row.note | cut(5)", {"row": {"note": "fragile"}}, '"fragi"'),
        lambda call: call.wrote(call.text[: length_of(call, 0)]),
        _CHARACTERS,
    ),
    Function(
        "wrapped",
        "Splits at blanks into lines of at most so many characters; a longer word is split inside.",
        TEXT,
        LIST,
        Example("row.street | wrapped(8)", {"row": {"street": "1 Long Street"}}, '["1 Long", "Street"]'),
        _wrapped,
        _CHARACTERS,
    ),
    Function(
        "lines",
        "Gives the lines of a text, without those that are blank.",
        TEXT,
        LIST,
        Example("row.street | lines", {"row": {"street": _LINES}}, '["1 Long Street", "Back door"]'),
        _lines,
    ),
    Function(
        "split",
        "Gives the parts between a text that stands between them.",
        TEXT,
        LIST,
        Example("row.codes | split(';')", {"row": {"codes": "a;b"}}, '["a", "b"]'),
        _split,
        _PART,
    ),
    Function(
        "join",
        "Makes one text of a list of texts, with another one between them.",
        LIST,
        TEXT,
        Example("row.numbers | join(', ')", {"row": {"numbers": ["1Z1", "1Z2"]}}, '"1Z1, 1Z2"'),
        _join,
        _PART,
    ),
    Function(
        "has",
        "Says whether a text holds another one, or a list a value; nothing holds nothing.",
        kinds("text", "list", "null", "missing"),
        BOOLEAN,
        Example("body | has('foreign key')", {"body": "a foreign key constraint"}, "true"),
        _has,
        (Argument("part", ANYTHING),),
    ),
    Function(
        "starts",
        "Says whether a text begins with another one.",
        kinds("text", "null", "missing"),
        BOOLEAN,
        Example("row.ref | starts('SO')", {"row": {"ref": "SO-17"}}, "true"),
        _starts,
        _PART,
    ),
    Function(
        "ends",
        "Says whether a text ends with another one.",
        kinds("text", "null", "missing"),
        BOOLEAN,
        Example("row.ref | ends('-R')", {"row": {"ref": "SO-17"}}, "false"),
        _ends,
        _PART,
    ),
    Function(
        "after",
        "Gives what comes after the first place of a text; nothing where it isn't there.",
        TEXT,
        kinds("text", "missing"),
        Example("row.id | after(',')", {"row": {"id": "sale.line,17"}}, '"17"'),
        _after,
        _PART,
    ),
    Function(
        "before",
        "Gives what comes before the first place of a text; nothing where it isn't there.",
        TEXT,
        kinds("text", "missing"),
        Example("row.id | before(',')", {"row": {"id": "sale.line,17"}}, '"sale.line"'),
        _before,
        _PART,
    ),
    Function(
        "key",
        "Makes a key of ours, another one for each text: what a key can't hold is escaped (a blank is `~20`).",
        kinds("text", "number"),
        TEXT,
        Example("row.ref | key", {"row": {"ref": "SO 17/2"}}, '"SO~2017~2F2"'),
        _key,
    ),
    Function(
        "unkey",
        "Gives the text that `key` has made a key of.",
        TEXT,
        TEXT,
        Example("message.order_no | unkey", {"message": {"order_no": "SO~2017~2F2"}}, '"SO 17/2"'),
        _unkey,
    ),
    Function(
        "quoted",
        "Makes a text harmless between the quotes of a vendor's filter, which stand around it already.",
        TEXT,
        TEXT,
        Example("message.sku | quoted('sql')", {"message": {"sku": "5' pole"}}, "\"5'' pole\""),
        _quoted,
        (Argument("dialect", TEXT, words=frozenset(DIALECTS)),),
    ),
)
