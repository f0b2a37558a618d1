"""The writer's connections: calls of prepared statements go several in one message, a batch in one or two.

psycopg's own pipeline does the same on the wire, but wakes the event loop for every statement, which takes longer than
the statement. Prepared statements live as long as their connection, so the writer's must reach PostgreSQL itself, or a
pooler in session mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from weakref import WeakSet

import psycopg
from psycopg.errors import InvalidSqlStatementName
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stockbridge.domain.errors import InvariantViolated
from stockbridge.ledger import queries
from stockbridge.ledger.clock import Clock, stopwatch

Driver = psycopg.AsyncConnection[Any]
Rows = list[tuple[Any, ...]]

BEGIN: Final = "begin isolation level read committed"
COMMIT: Final = "commit"

_prepared: Final[WeakSet[Driver]] = WeakSet()


@dataclass(eq=False)
class Session:
    """A connection of the writer's. It may have `begun` a transaction ahead of what will be done in it."""

    connection: AsyncConnection
    driver: Driver
    clock: Clock
    begun: bool = False
    _asked: int = 0
    _answered: int = 0

    @classmethod
    async def open(cls, engine: AsyncEngine, clock: Clock) -> Session:
        """Take a connection of the engine's pool."""
        connection = await engine.connect()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        return cls(connection, driver, clock)

    async def begin(self, calls: Sequence[str]) -> list[Rows]:
        """Begin a transaction, unless it has begun, with calls in one message; return the rows of each.

        The statements are prepared first, once on a connection; and again where psycopg deallocated them with its own,
        as it does after somebody's rollback.
        """
        if self.begun:
            return await self.run(calls)
        if self.driver not in _prepared:
            await self._prepare()
        try:
            _, *rows = await self.run([BEGIN, *calls])
        except InvalidSqlStatementName:
            await self.driver.rollback()
            await self._prepare()
            _, *rows = await self.run([BEGIN, *calls])
        self.begun = True
        return rows

    async def commit(self, calls: Sequence[str], then: Sequence[str] = ()) -> list[Rows]:
        """Make the last calls of a transaction and commit; `then`, in the same message, begin the next one with calls.

        Returns the rows of the calls of the next one.
        """
        beginning = [BEGIN, *then] if then else []
        rows = await self.run([*calls, COMMIT, *beginning])
        self.begun = bool(then)
        return rows[len(rows) - len(then) :]

    async def run(self, calls: Sequence[str]) -> list[Rows]:
        """Send calls in one message, in the transaction that was begun, and return the rows of each."""
        message = ";\n".join(calls)
        if "\0" in message:
            raise InvariantViolated("a text with a NUL character was let through to the ledger")
        self._asked = stopwatch()
        cursor = await self.driver.execute(message, prepare=False)
        self._answered = stopwatch()
        rows: list[Rows] = []
        while True:
            rows.append(await cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else [])
            if not cursor.nextset():
                return rows

    def hear(self, said: datetime) -> None:
        """Let the clock know what PostgreSQL said of the time in the last answer."""
        self.clock.hear(said, self._asked, self._answered)

    async def leave(self) -> None:
        """End what was begun ahead, and give the connection back."""
        try:
            if self.begun:
                await self.commit([])
        finally:
            await self.connection.close()

    async def _prepare(self) -> None:
        deallocation = "deallocate all" if self.driver in _prepared else ""
        preparations = [deallocation, *(statement.preparation for statement in queries.ALL)]
        await self.driver.execute(";\n".join(preparations), prepare=False)
        _prepared.add(self.driver)
