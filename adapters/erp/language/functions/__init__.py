"""Every function that an expression can pipe a value into, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.erp.language.functions.codecs import CODECS
from adapters.erp.language.functions.function import Argument, Call, Example, Function, Tables
from adapters.erp.language.functions.lists import LISTS
from adapters.erp.language.functions.numbers import NUMBERS
from adapters.erp.language.functions.tables import TABLES
from adapters.erp.language.functions.texts import TEXTS
from adapters.erp.language.functions.times import TIMES

__all__ = ["FUNCTIONS", "Argument", "Call", "Example", "Function", "Tables"]

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {function.name: function for function in (*TEXTS, *NUMBERS, *TIMES, *TABLES, *LISTS, *CODECS)}
)
