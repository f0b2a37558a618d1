"""The writer's connections: calls of prepared statements go several in one pipeline, a batch in one or two.

psycopg's own pipeline does the same on the wire, with a cursor for every statement, which takes longer than the
statement; so this one is libpq's. Prepared statements live as long as their connection, so the writer's must reach
PostgreSQL itself, or a pooler in session mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from weakref import WeakSet

import psycopg
from psycopg import abc, adapt, generators
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger import queries
from ledger.clock import Clock, stopwatch
from ledger.statements import Call, Statement

Driver = psycopg.AsyncConnection[Any]
Rows = list[tuple[Any, ...]]

BEGIN: Final = Statement("begin", "begin isolation level read committed")
COMMIT: Final = Statement("commit", "commit")

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

    async def begin(self, calls: Sequence[Call]) -> list[Rows]:
        """Begin a transaction, unless it has begun, with calls in one pipeline; return the rows of each.

        The statements are prepared first, once on a connection; and again where psycopg deallocated them with its own,
        as it does after somebody's rollback.
        """
        if self.begun:
            return await self.run(calls)
        if self.driver not in _prepared:
            await self._prepare()
        try:
            _, *rows = await self.run([BEGIN.call(), *calls])
        except InvalidSqlStatementName:
            await self.driver.rollback()
            await self._prepare()
            _, *rows = await self.run([BEGIN.call(), *calls])
        self.begun = True
        return rows

    async def commit(self, calls: Sequence[Call], then: Sequence[Call] = ()) -> list[Rows]:
        """Make the last calls of a transaction and commit; `then`, in the same pipeline, begin the next one with calls.

        Returns the rows of the calls of the next one.
        """
        beginning = [BEGIN.call(), *then] if then else []
        rows = await self.run([*calls, COMMIT.call(), *beginning])
        self.begun = bool(then)
        return rows[len(rows) - len(then) :]

    async def run(self, calls: Sequence[Call]) -> list[Rows]:
        """Send calls at once, in the transaction that was begun, and return the rows of each."""

        def send(pgconn: PGconn) -> None:
            for call in calls:
                pgconn.send_query_prepared(call.name, call.arguments)

        return await self._exchange(send, len(calls))

    async def _exchange(self, send: Callable[[PGconn], None], many: int) -> list[Rows]:
        """Send so many commands in one pipeline, and return the rows of each."""
        pgconn = self.driver.pgconn
        pgconn.enter_pipeline_mode()
        try:
            send(pgconn)
            pgconn.pipeline_sync()
            self._asked = stopwatch()
            answers = await self.driver.wait(_answers(pgconn, many))
            self._answered = stopwatch()
        finally:
            if pgconn.status == ConnStatus.OK:
                pgconn.exit_pipeline_mode()
        return [self._rows(answer) for answer in answers]

    @cached_property
    def _reading(self) -> abc.Transformer:
        return adapt.Transformer(self.driver)

    def _rows(self, answer: PGresult) -> Rows:
        """Read an answer. Raises what PostgreSQL says: the answers after an error are empty."""
        if answer.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(answer)
        if not answer.nfields:
            return []
        self._reading.set_pgresult(answer)
        return self._reading.load_rows(0, answer.ntuples, tuple)

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
        if self.driver in _prepared:
            await self.driver.execute("deallocate all", prepare=False)
        statements = [BEGIN, COMMIT, *queries.ALL]

        def send(pgconn: PGconn) -> None:
            for statement in statements:
                pgconn.send_prepare(statement.prepared_name, statement.prepared_text)

        await self._exchange(send, len(statements))
        _prepared.add(self.driver)


def _answers(pgconn: PGconn, many: int) -> abc.PQGen[list[PGresult]]:
    """Send what waits to be sent, return the answers of so many commands, and take that to the pipeline's end."""
    yield from generators.send(pgconn)
    answers: list[PGresult] = []
    for _ in range(many):
        answers += yield from generators.fetch_many(pgconn)
    yield from generators.fetch_many(pgconn)
    return answers
