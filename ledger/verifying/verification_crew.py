"""Several connections that see one and the same snapshot of the ledger, at work on its parts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

import psycopg
from psycopg import Connection, IsolationLevel, sql

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")

SETTINGS: Final = {
    "client_encoding": "UTF8",
    "work_mem": "64MB",
    # A part is small, and the next one is checked by another connection at the same time.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # A plan is for the part's own keys: of a range without an end, say.
    "plan_cache_mode": "force_custom_plan",
    # A part is joined by hash or by order. Where a lookup for each row is better, the query says so: before the tables
    # are analyzed, the planner takes every part for a row or two.
    "enable_nestloop": "off",
    # We are idle while all connections are at work, and a part takes as long as it takes.
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}


class Crew:
    """So many connections on one read-only snapshot, each in a thread; and one more, to see what there is to do."""

    def __init__(self, database_url: str, lead: Connection, workers: int) -> None:
        self.lead = lead
        self._url = database_url
        self._workers = workers
        self._snapshot = str((lead.execute("select pg_export_snapshot()").fetchone() or [""])[0])
        self._hands: list[Connection] = []
        self._idle: list[Connection] = []

    def work(
        self, parts: Iterable[_Part], check: Callable[[Connection, _Part], _Result]
    ) -> Generator[tuple[_Part, _Result], None, None]:
        """Check parts as they come, some at once; yield each with its result when it is done.

        When the caller has had enough, or is interrupted, what is being checked is broken off.
        """
        at_work: dict[Future[_Result], _Part] = {}
        with ThreadPoolExecutor(self._workers, "verify") as threads:
            try:
                for part in parts:
                    at_work[threads.submit(self._lend, check, part)] = part
                    if len(at_work) > self._workers:
                        yield from _done(at_work)
                while at_work:
                    yield from _done(at_work)
            finally:
                self._break_off(at_work)

    def _lend(self, check: Callable[[Connection, _Part], _Result], part: _Part) -> _Result:
        connection = self._idle.pop() if self._idle else self._join()
        try:
            return check(connection, part)
        finally:
            self._idle.append(connection)

    def _join(self) -> Connection:
        """Open one more connection on the same snapshot."""
        connection = _connect(self._url)
        self._hands.append(connection)
        connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(self._snapshot)))
        _settle(connection)
        return connection

    def _break_off(self, at_work: dict[Future[_Result], _Part]) -> None:
        for future in at_work:
            future.cancel()
        if any(future.running() for future in at_work):
            for connection in self._hands:
                with suppress(psycopg.Error):
                    connection.cancel_safe()

    def leave(self) -> None:
        """Close the connections."""
        for connection in self._hands:
            connection.close()


def _done(at_work: dict[Future[_Result], _Part]) -> Iterator[tuple[_Part, _Result]]:
    for future in wait(at_work, return_when=FIRST_COMPLETED).done:
        yield at_work.pop(future), future.result()


@contextmanager
def crew(database_url: str, workers: int) -> Iterator[Crew]:
    """Take a snapshot for so many connections. Those that are not needed are not opened."""
    with _connect(database_url) as lead:
        _settle(lead)
        hands = Crew(database_url, lead, workers)
        try:
            yield hands
        finally:
            hands.leave()


def _connect(database_url: str) -> Connection:
    connection = psycopg.connect(database_url)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _settle(connection: Connection) -> None:
    """Set what holds for this transaction, which is the connection's only one."""
    for name, value in SETTINGS.items():
        connection.execute(sql.SQL("set local {} = {}").format(sql.Identifier(name), sql.Literal(value)))


@contextmanager
def few_rows(connection: Connection) -> Iterator[None]:
    """Let joins look up each row: for statements about a few that are named."""
    connection.execute("set local enable_nestloop = on")
    yield
    connection.execute("set local enable_nestloop = off")
