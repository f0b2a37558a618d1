"""A small SQLite database on a thread of its own, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Database:
    """One connection, used by one thread only: work is done one piece after the other, each in one transaction."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in a transaction: committed when it returns, rolled back when it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_transaction, work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._connection:
            return work(self._connection)


@asynccontextmanager
async def open_database(path: Path | None, schema: str) -> AsyncIterator[Database]:
    """Open the database at `path`, or in memory, and make what is missing of its schema."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-sqlite") as thread:
        connection = await loop.run_in_executor(thread, _connect, path, schema)
        try:
            yield Database(connection, thread)
        finally:
            await loop.run_in_executor(thread, connection.close)


def _connect(path: Path | None, schema: str) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path or ":memory:")
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # survives a crash of the process, which is all that tests do
    connection.executescript(schema)
    return connection
