"""Reading as of an instant: waiting until that past is settled."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.errors import Rejected, Unavailable

PATIENCE_S: Final = 5.0
_FIRST_LOOK_S: Final = 0.002
_LONGEST_LOOK_S: Final = 0.1

# A writer has a transaction id from its first row lock on, and reads the clock after its last. So whoever may still
# commit something recorded at or before an instant that has passed is running now, with an id.
_RUNNING: Final = text(
    """
    select clock_timestamp() < :instant as in_future,
           array(select x::text from pg_snapshot_xip(pg_current_snapshot()) as x
                 where x is distinct from pg_current_xact_id_if_assigned()) as running
    """
)

_STILL_RUNNING: Final = text(
    """
    select array(select x from unnest(cast(:running as text[])) as x
                 where pg_xact_status(x::xid8) = 'in progress')
    """
)


async def wait_until_settled(connection: AsyncConnection, instant: datetime, *, await_writers: bool = True) -> None:
    """Return when nothing recorded at or before `instant` can still be committed.

    The next statement on the connection (READ COMMITTED) then sees the instant whole. Raises `Rejected` with code
    `as_of_in_future` for an instant later than the database's clock, `Unavailable` if a transaction doesn't end.
    """
    in_future, running = (await connection.execute(_RUNNING, {"instant": instant})).one()
    if in_future:
        raise Rejected("as_of_in_future", "as_of is later than now: what will be then is not known yet.")
    patience, look = PATIENCE_S, _FIRST_LOOK_S
    while await_writers and running:
        running = await connection.scalar(_STILL_RUNNING, {"running": running})
        if running and patience <= 0:
            raise Unavailable("A transaction that began before as_of has not ended yet.")
        if running:
            await asyncio.sleep(look)
            patience, look = patience - look, min(2 * look, _LONGEST_LOOK_S)
