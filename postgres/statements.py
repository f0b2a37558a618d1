"""PostgreSQL by its driver: for the statements that every order passes by, many times in its life.

SQLAlchemy takes 0.3 ms of processor time for a statement that psycopg takes 0.1 for (decision 0021). These run on
SQLAlchemy's connections, in their transactions, beside its own statements; and are written with it where they can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, LiteralString, Self, cast
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection as AsyncDriver
from psycopg import AsyncCursor, Error, InterfaceError, OperationalError
from psycopg import Connection as Driver
from psycopg.sql import SQL, Composable
from psycopg.types.json import Jsonb
from sqlalchemy import URL, Connection, QueuePool, Table, bindparam, event, insert, make_url, update
from sqlalchemy import exc as sqlalchemy_errors
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import Select

Row = tuple[Any, ...]
Mapped = dict[str, Any]

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]


_ALONE: Final[WeakKeyDictionary[AsyncEngine, AsyncEngine]] = WeakKeyDictionary()


def alone(engine: AsyncEngine) -> AsyncEngine:
    """Return the engine for statements that each stand alone; there is one beside each engine, and it ends with it.

    It has as many connections as the engine, of its own. SQLAlchemy can have an engine's connection stand alone, too:
    it switches it and back at each use, and rolls back what was never begun, which takes twice as long as a statement.
    """
    if engine not in _ALONE:
        beside = create_async_engine(
            engine.url,
            isolation_level="AUTOCOMMIT",
            pool_size=cast("QueuePool", engine.pool).size(),
            max_overflow=0,
            pool_use_lifo=True,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "engine_disposed", lambda _: beside.sync_engine.dispose())
        _ALONE[engine] = beside
    return _ALONE[engine]


# -- how long we wait ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patience:
    """How long PostgreSQL works on a statement, waits for a lock, and for what comes next in a transaction."""

    statement_s: float
    lock_s: float
    idle_s: float

    def on(self, url: str | URL) -> URL:
        """Say so in an address: every connection begins with it, at no cost for a request. What it says itself stands.

        What is made from an engine's address keeps it, `alone` too.
        """
        given = make_url(url)
        said = given.query.get("options", "")
        own = " ".join([said] if isinstance(said, str) else said)
        limits = (
            ("statement_timeout", self.statement_s),
            ("lock_timeout", self.lock_s),
            ("idle_in_transaction_session_timeout", self.idle_s),
        )
        ours = " ".join(f"-c {name}={seconds * 1000:.0f}" for name, seconds in limits)
        return given.update_query_dict({"options": f"{ours} {own}".rstrip()})


@asynccontextmanager
async def with_more_time(connection: AsyncConnection, statement_s: float) -> AsyncIterator[None]:
    """Let statements on a connection that stand alone take longer: reports, of which there are few."""
    await connection.exec_driver_sql(f"set statement_timeout = {statement_s * 1000:.0f}")
    try:
        yield
    except BaseException:
        await connection.invalidate()
        raise
    await connection.exec_driver_sql("reset statement_timeout")


# -- what PostgreSQL can't do now ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outage:
    """Why PostgreSQL can't do now what it was asked, in our words; and when to ask again."""

    words: str
    retry_after_s: int = 1


_AWAY: Final = Outage("PostgreSQL can't be reached.")
_FULL: Final = Outage("PostgreSQL's disk is full. It goes on by itself when there is room.", 10)
_SHORT: Final = Outage("PostgreSQL is short of memory, or of connections.", 2)
_SLOW: Final = Outage("PostgreSQL took longer than it may. Ask for less.", 2)

_OUTAGES: Final = {
    "25006": Outage("PostgreSQL only lets us read just now.", 5),
    "25P03": _SLOW,  # idle_in_transaction_session_timeout
    "25P04": _SLOW,  # transaction_timeout
    "40001": Outage("Somebody else wrote at the same time."),
    "40P01": Outage("Somebody else wrote at the same time."),
    "53100": _FULL,
    "53200": _SHORT,
    "53300": _SHORT,
    "53400": _FULL,  # configuration_limit_exceeded: temp_file_limit
    "55P03": _SLOW,  # lock_not_available
    "57014": _SLOW,  # query_canceled: statement_timeout
    "58030": Outage("PostgreSQL can't read or write its files.", 10),
}
_OUTAGES_BY_CLASS: Final = {
    "08": _AWAY,
    "53": _SHORT,
    "57": Outage("PostgreSQL is stopping or starting.", 2),
    "58": Outage("PostgreSQL can't reach its files.", 10),
}
"""By SQLSTATE, and by its first two characters. All else that PostgreSQL says is a refusal, or our own mistake."""


def outage_of(error: BaseException | None) -> Outage | None:
    """Tell a PostgreSQL that can't do it now from one that refuses: None for the latter, and for any other error.

    What has no SQLSTATE was said by the driver, of a connection that broke or could not be made.
    """
    cause = error.orig if isinstance(error, sqlalchemy_errors.DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    if state:
        if found := _OUTAGES.get(state) or _OUTAGES_BY_CLASS.get(state[:2]):
            return found
        return _AWAY if isinstance(cause, OperationalError) else None
    away = (OperationalError, InterfaceError, ConnectionError, TimeoutError)
    wrapped = (sqlalchemy_errors.OperationalError, sqlalchemy_errors.InterfaceError, sqlalchemy_errors.TimeoutError)
    return _AWAY if isinstance(cause, away) or isinstance(error, wrapped) else None


# -- statements ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """A statement with named parameters, `%(tenant)s`. What it returns is read by position, or by `columns`.

    The parameters in `documents` are written as JSON; `constants` are given each time.
    """

    sql: str
    columns: tuple[str, ...] = ()
    documents: frozenset[str] = frozenset()
    constants: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, statement: Select[Any] | UpdateBase) -> Self:
        """Compile one of SQLAlchemy's statements, once: what is not `bindparam` is part of it."""
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        documents = {name for name, bound in compiled.binds.items() if isinstance(bound.type, JSONB)}
        columns = statement.selected_columns.keys() if isinstance(statement, Select) else ()
        constants = tuple((name, bound.value) for name, bound in compiled.binds.items() if not bound.required)
        return cls(str(compiled), tuple(columns), frozenset(documents), constants)

    async def rows(self, connection: AsyncConnection, **given: Any) -> list[Row]:
        """Run it, and return its rows."""
        cursor = await self._run(connection, given)
        return await cursor.fetchall()

    async def row(self, connection: AsyncConnection, **given: Any) -> Row | None:
        """Run it, and return its first row, if there is one."""
        cursor = await self._run(connection, given)
        return await cursor.fetchone()

    async def mappings(self, connection: AsyncConnection, **given: Any) -> list[Mapped]:
        """Run it, and return its rows by the names of their columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in await self.rows(connection, **given)]

    async def mapping(self, connection: AsyncConnection, **given: Any) -> Mapped | None:
        """Run it, and return its first row, if there is one, by the names of its columns."""
        row = await self.row(connection, **given)
        return None if row is None else dict(zip(self.columns, row, strict=True))

    async def run(self, connection: AsyncConnection, **given: Any) -> int:
        """Run it, and return how many rows it was about."""
        return (await self._run(connection, given)).rowcount

    async def _run(self, connection: AsyncConnection, given: Mapped) -> AsyncCursor[Row]:
        driver: AsyncDriver[Row] = _driver_of(connection.sync_connection)
        try:
            return await driver.execute(self.sql, self._adapted(given))
        except Error:
            if driver.closed:
                await connection.exec_driver_sql("select")  # so that SQLAlchemy learns of it, and makes its pool anew
            raise
        except asyncio.CancelledError:
            if driver.closed:
                await connection.invalidate()  # psycopg closes what it was called away from twice
            raise

    def at_once(self, connection: Connection, **given: Any) -> list[Row]:
        """Run it on a thread's connection, and return its rows, if it has any."""
        driver: Driver[Row] = _driver_of(connection)
        try:
            cursor = driver.execute(self.sql, self._adapted(given))
        except Error:
            if driver.closed:
                connection.exec_driver_sql("select")
            raise
        return cursor.fetchall() if cursor.rownumber is not None else []

    def _adapted(self, given: Mapped) -> Mapped:
        given.update(self.constants)
        for name in self.documents:
            if given[name] is not None:
                given[name] = Jsonb(given[name])
        return given


def _driver_of(connection: Connection | None) -> Any:
    if connection is None:
        raise RuntimeError("the connection is not open")
    return connection.connection.driver_connection


@cache
def adding(table: Table, fields: tuple[str, ...]) -> Query:
    """Return what inserts a row with these fields."""
    return Query.of(insert(table).values({name: bindparam(name) for name in fields}))


@cache
def _changing(table: Table, key: tuple[tuple[str, bool], ...], fields: tuple[str, ...]) -> Query:
    """Return what changes these fields of the rows that a key names; of each part, whether it is null."""
    found = [table.c[name].is_(None) if is_null else table.c[name] == bindparam(name) for name, is_null in key]
    return Query.of(update(table).where(*found).values({name: bindparam(f"new_{name}") for name in fields}))


async def change(connection: AsyncConnection, table: Table, key: Mapped, fields: Mapped) -> int:
    """Change fields of the rows that a key names; return how many there were. None in a key means that it is null."""
    query = _changing(table, tuple((name, value is None) for name, value in key.items()), tuple(fields))
    named = {name: value for name, value in key.items() if value is not None}
    return await query.run(connection, **named, **{f"new_{name}": value for name, value in fields.items()})


def composed(template: LiteralString, **parts: Composable) -> str:
    """Write a statement with parts that others have too. A part is SQL of our own: values are parameters."""
    return SQL(template).format(**parts).as_string()


def listed(columns: Collection[str], of: str = "") -> str:
    """Write columns for a statement."""
    return ", ".join(f"{of}{name}" for name in columns)
