"""Prepared statements, written down as calls with their arguments: several go in one message (`sessions`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_PARAMETER: Final = re.compile(r"%s::(\w+(?:\[\])?)")


@dataclass(frozen=True)
class Statement:
    """A statement with parameters, each written `%s::type`."""

    name: str
    text: str
    preparation: str = field(init=False)

    def __post_init__(self) -> None:
        types = _PARAMETER.findall(self.text)
        taking = f" ({', '.join(types)})" if types else ""
        numbers = iter(range(1, len(types) + 1))
        text = _PARAMETER.sub(lambda _: f"${next(numbers)}", self.text)
        object.__setattr__(self, "preparation", f"prepare ledger_{self.name}{taking} as {text}")

    def call(self, *arguments: str) -> str:
        """Write a call down, with its arguments as literals."""
        if not arguments:
            return f"execute ledger_{self.name}"
        written = "', '".join([argument.replace("'", "''") for argument in arguments])
        return f"execute ledger_{self.name}('{written}')"
