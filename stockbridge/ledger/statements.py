"""Prepared statements, several called in one message: a batch then costs PostgreSQL and us two round trips.

psycopg's own pipeline does the same on the wire, but wakes the event loop for every statement, which takes longer than
the statement. Prepared statements live as long as their connection, so the writer's must reach PostgreSQL itself, or a
pooler in session mode.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakSet

from psycopg import AsyncConnection
from psycopg.errors import InvalidSqlStatementName

from stockbridge.domain.errors import InvariantViolated

Driver = AsyncConnection[Any]
Rows = list[tuple[Any, ...]]

_PARAMETER: Final = re.compile(r"%s::(\w+(?:\[\])?)")

BEGIN: Final = "begin isolation level read committed"
COMMIT: Final = "commit"

_prepared: Final[WeakSet[Driver]] = WeakSet()


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


async def begin(driver: Driver, calls: Sequence[str], statements: Sequence[Statement]) -> list[Rows]:
    """Begin a transaction with calls in one message; return the rows of each.

    `statements` are prepared first, once on a connection; and again where psycopg deallocated them with its own, as it
    does after somebody's rollback.
    """
    if driver not in _prepared:
        await _prepare(driver, statements)
    try:
        _, *rows = await run(driver, [BEGIN, *calls])
    except InvalidSqlStatementName:
        await driver.rollback()
        await _prepare(driver, statements)
        _, *rows = await run(driver, [BEGIN, *calls])
    return rows


async def _prepare(driver: Driver, statements: Sequence[Statement]) -> None:
    deallocation = "deallocate all" if driver in _prepared else ""
    await driver.execute(";\n".join([deallocation, *(s.preparation for s in statements)]), prepare=False)
    _prepared.add(driver)


async def run(driver: Driver, calls: Sequence[str]) -> list[Rows]:
    """Send calls in one message, in the transaction that was begun, and return the rows of each."""
    message = ";\n".join(calls)
    if "\0" in message:
        raise InvariantViolated("a text with a NUL character was let through to the ledger")
    cursor = await driver.execute(message, prepare=False)
    rows: list[Rows] = []
    while True:
        rows.append(await cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else [])
        if not cursor.nextset():
            return rows
