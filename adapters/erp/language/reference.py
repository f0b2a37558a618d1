"""The page of the language's functions (`docs/erp/functions.md`), written from what they say of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from adapters.erp.language.functions import FUNCTIONS, Argument, Function
from adapters.erp.language.functions.codecs import CODECS
from adapters.erp.language.functions.function import NOTHING
from adapters.erp.language.functions.lists import LISTS
from adapters.erp.language.functions.numbers import NUMBERS
from adapters.erp.language.functions.tables import TABLES
from adapters.erp.language.functions.texts import TEXTS
from adapters.erp.language.functions.times import TIMES
from adapters.erp.language.values import shown

_SUBJECTS: Final[Mapping[str, tuple[Function, ...]]] = {
    "Texts": TEXTS,
    "Numbers": NUMBERS,
    "Times and days": TIMES,
    "Tables": TABLES,
    "Lists": LISTS,
    "Codes": CODECS,
}

_HEAD: Final = f"""\
# The functions of a mapping file

Written by `stockbridge erp functions`; a test compares. What stands before `|` goes into a function, and what it gives
goes on. There are {len(FUNCTIONS)}. Nothing (null, or what isn't there) goes through, unless a function takes it.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *(line for name, functions in _SUBJECTS.items() for line in _section(name, functions))])


def _section(name: str, functions: tuple[Function, ...]) -> Iterator[str]:
    yield f"## {name}\n"
    yield "| function | takes | gives | meaning | example |"
    yield "|---|---|---|---|---|"
    for function in sorted(functions, key=lambda function: function.name):
        cells = (
            _called(function),
            _kinds(function.takes),
            _kinds(function.gives),
            function.meaning,
            _example(function),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _called(function: Function) -> str:
    inside = ", ".join(map(_argument, function.arguments))
    return f"`{function.name}({inside})`" if inside else f"`{function.name}`"


def _argument(argument: Argument) -> str:
    words = f": {' '.join(sorted(argument.words))}" if argument.words else ""
    return f"[{argument.name}{words}]" if argument.optional else f"{argument.name}{words}"


def _kinds(kinds: frozenset[str]) -> str:
    return "anything" if len(kinds) > 6 else ", ".join(shown(kind) for kind in sorted(kinds - NOTHING))  # noqa: PLR2004


def _example(function: Function) -> str:
    told = function.example
    given = "".join(f", {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in told.given.items())
    return f"`{told.expression}`{' where ' + given[2:] if given else ''}: `{told.result}`"
