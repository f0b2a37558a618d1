"""Prepared statements, written down as calls with their arguments: several go in one pipeline (`sessions`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple

from domain.errors import InvariantViolated

_PARAMETER: Final = re.compile(r"%s::")


class Call(NamedTuple):
    """A prepared statement by its name, and its arguments as PostgreSQL reads them."""

    name: bytes
    arguments: Sequence[bytes]


@dataclass(frozen=True)
class Statement:
    """A statement with parameters, each written `%s::type`. `prepared_text` numbers them."""

    name: str
    text: str
    prepared_name: bytes = field(init=False)
    prepared_text: bytes = field(init=False)

    def __post_init__(self) -> None:
        numbers = count(1)
        text = _PARAMETER.sub(lambda _: f"${next(numbers)}::", self.text)
        object.__setattr__(self, "prepared_name", f"ledger_{self.name}".encode())
        object.__setattr__(self, "prepared_text", text.encode())

    def call(self, *arguments: str) -> Call:
        """Write a call down, with its arguments as literals."""
        encoded = [argument.encode() for argument in arguments]
        for argument in encoded:
            if b"\0" in argument:  # libpq would stop reading there
                raise InvariantViolated("a text with a NUL character was let through to the ledger")
        return Call(self.prepared_name, encoded)
