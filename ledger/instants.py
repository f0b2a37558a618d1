"""Reading as of an instant: waiting until that past is settled."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Rejected, Unavailable

PATIENCE_S: Final = 5.0
_FIRST_LOOK_S: Final = 0.002
_LONGEST_LOOK_S: Final = 0.1

# A writer announces itself by a lock on the pools' table before it reads the clock. So whoever may still commit
# something recorded at or before an instant that has passed holds such a lock now. (A snapshot's list of running
# transactions would not do: it leaves out those that began after the last one that ended.)
_WRITING: Final = text(
    """
    select clock_timestamp() < :instant,
           array(select virtualtransaction from pg_locks
                 where locktype = 'relation' and relation = 'ledger.pool'::regclass and mode = 'RowShareLock'
                   and database = (select oid from pg_database where datname = current_database())
                   and granted and pid is distinct from pg_backend_pid())
    """
)


async def wait_until_settled(connection: AsyncConnection, instant: datetime, *, await_writers: bool = True) -> None:
    """Return when nothing recorded at or before `instant` can still be committed.

    The next statement on the connection (READ COMMITTED) then sees the instant whole. Raises `Rejected` with code
    `as_of_in_future` for an instant later than the database's clock, `Unavailable` if a writer doesn't end.
    """
    in_future, writing = await _look(connection, instant)
    if in_future:
        raise Rejected("as_of_in_future", "as_of is later than now: what will be then is not known yet.")
    if await_writers:
        await _wait_for(connection, instant, writing)


async def _wait_for(connection: AsyncConnection, instant: datetime, writing: frozenset[str]) -> None:
    patience, pause = PATIENCE_S, _FIRST_LOOK_S
    while writing:
        if patience <= 0:
            raise Unavailable("A transaction that began before as_of has not ended yet.")
        await asyncio.sleep(pause)
        patience, pause = patience - pause, min(2 * pause, _LONGEST_LOOK_S)
        writing &= (await _look(connection, instant))[1]


async def _look(connection: AsyncConnection, instant: datetime) -> tuple[bool, frozenset[str]]:
    in_future, writing = (await connection.execute(_WRITING, {"instant": instant})).one()
    return in_future, frozenset(writing)
