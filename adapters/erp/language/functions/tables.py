"""Functions of the mapping's own tables: our word for theirs, and theirs for ours."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapters.erp.language.budget import CannotSay
from adapters.erp.language.functions.function import TEXT, Argument, Call, Example, Function, kinds
from adapters.erp.language.values import Result, plain

_LONGEST_SHOWN: Final = 60
_ROWS_IN_A_STEP: Final = 16


def _table(call: Call) -> Mapping[str, str]:
    name: str = call.argument(0)
    if name not in call.tables:
        raise CannotSay(f"there is no table `{_short(name)}`")
    return call.tables[name]


def _word(call: Call) -> str:
    value = call.value
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else call.text


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST_SHOWN else word[:_LONGEST_SHOWN] + "..."


def _ours(call: Call) -> Result:
    table, word = _table(call), _word(call)
    if word not in table:
        raise CannotSay(f"the table `{call.argument(0)}` has no row for `{_short(word)}`")
    return table[word]


def _theirs(call: Call) -> Result:
    table, word = _table(call), _word(call)
    call.budget.step(len(table) // _ROWS_IN_A_STEP)
    rows = [left for left, right in table.items() if right == word]
    if not rows:
        raise CannotSay(f"the table `{call.argument(0)}` has no row that gives `{_short(word)}`")
    if len(rows) > 1:
        raise CannotSay(f"the table `{call.argument(0)}` has {len(rows)} rows that give `{_short(word)}`")
    return rows[0]


_NAME: Final = (Argument("name of the table", TEXT),)
_UNITS: Final = {"units": {"u": "EA", "m": "M"}}

TABLES: Final = (
    Function(
        "table",
        "Gives what a table of the mapping has on its right side; a word without a row is refused.",
        kinds("text", "number", "boolean"),
        TEXT,
        Example("line.unit | table('units')", {"line": {"unit": "u"}}, '"EA"', _UNITS),
        _ours,
        _NAME,
    ),
    Function(
        "untable",
        "Gives what a table of the mapping has on its left side; a word with no row, or with several, is refused.",
        kinds("text", "number", "boolean"),
        TEXT,
        Example("line.uom | untable('units')", {"line": {"uom": "EA"}}, '"u"', _UNITS),
        _theirs,
        _NAME,
    ),
)
