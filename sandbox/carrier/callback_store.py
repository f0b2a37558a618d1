"""The callbacks that the carrier owes its clients, and what became of each.

States: pending -> delivered | given_up; held (out of order, on demand) -> pending; dropped (never sent, on demand).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from sandbox.times import now_text

SCHEMA = """
CREATE TABLE IF NOT EXISTS callbacks (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id        TEXT NOT NULL,  -- not unique: a duplicate is a second row
    tracking_number TEXT NOT NULL,
    status          TEXT NOT NULL,
    body            BLOB NOT NULL,  -- the very bytes that are signed and sent
    state           TEXT NOT NULL CHECK (state IN ('pending', 'held', 'delivered', 'given_up', 'dropped')),
    forged          INTEGER NOT NULL,
    lane            TEXT NOT NULL,  -- callbacks of one lane go one after the other, by rank
    rank            INTEGER NOT NULL,
    tries           INTEGER NOT NULL DEFAULT 0,
    next_try_at     REAL NOT NULL DEFAULT 0,
    last_status     INTEGER,
    last_error      TEXT,
    last_try_at     TEXT
);
CREATE INDEX IF NOT EXISTS callbacks_open ON callbacks (next_try_at) WHERE state = 'pending';
"""
_LAST_RANK = "SELECT coalesce(max(rank), 0) FROM callbacks"


@dataclass(frozen=True)
class Plan:
    """What is to become of the callback of one scan."""

    copies: int = 1
    dropped: bool = False
    held: bool = False
    forged: bool = False

    @property
    def first_state(self) -> str:
        """The state that the callback starts in."""
        if self.dropped:
            return "dropped"
        return "held" if self.held else "pending"


@dataclass(frozen=True)
class Callback:
    """One callback that is due."""

    id: int
    body: bytes
    forged: bool
    lane: str
    tries: int


@dataclass(frozen=True)
class Outcome:
    """How one try went. `next_try_at` is None when there is none."""

    state: str
    status: int | None
    error: str | None
    next_try_at: float = 0


def owe(connection: Connection, event: dict[str, Any], plan: Plan) -> None:
    """Note the callback of a scan, as often as planned."""
    body = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    for _ in range(plan.copies):
        rank = connection.execute(_LAST_RANK).fetchone()[0] + 1
        connection.execute(
            """
            INSERT INTO callbacks (event_id, tracking_number, status, body, state, forged, lane, rank)
            VALUES (:event_id, :tracking_number, :status, :body, :state, :forged, :tracking_number, :rank)
            """,
            {**event, "body": body, "state": plan.first_state, "forged": plan.forged, "rank": rank},
        )


def release_held(connection: Connection) -> None:
    """Let go of what was held, the last first, all in one lane so that it arrives in just that order."""
    rank = connection.execute(_LAST_RANK).fetchone()[0]
    held = connection.execute("SELECT id FROM callbacks WHERE state = 'held' ORDER BY rank DESC").fetchall()
    for place, row in enumerate(held, start=1):
        connection.execute(
            "UPDATE callbacks SET state = 'pending', lane = ?, rank = ? WHERE id = ?",
            (f"released after {rank}", rank + place, row["id"]),
        )


def due(connection: Connection, now: float) -> list[Callback]:
    """List what is to be sent now, in order."""
    rows = connection.execute(
        """
        SELECT id, body, forged, lane, tries FROM callbacks
        WHERE state = 'pending' AND next_try_at <= ? ORDER BY rank LIMIT 500
        """,
        (now,),
    )
    return [Callback(row["id"], row["body"], bool(row["forged"]), row["lane"], row["tries"]) for row in rows]


def next_due_at(connection: Connection) -> float | None:
    """Tell when the next one is due."""
    at: float | None = connection.execute("SELECT min(next_try_at) FROM callbacks WHERE state = 'pending'").fetchone()[
        0
    ]
    return at


def note(connection: Connection, callback: Callback, outcome: Outcome) -> None:
    """Note how a try went."""
    connection.execute(
        """
        UPDATE callbacks SET state = ?, tries = tries + 1, next_try_at = ?, last_status = ?, last_error = ?,
            last_try_at = ? WHERE id = ?
        """,
        (outcome.state, outcome.next_try_at, outcome.status, outcome.error, now_text(), callback.id),
    )


def callbacks(connection: Connection) -> list[dict[str, Any]]:
    """List every callback, as it was owed, with what became of it."""
    rows = connection.execute(
        """
        SELECT id AS callback_id, event_id, tracking_number, status, state, tries, last_status, last_error,
            last_try_at, body FROM callbacks ORDER BY id
        """
    )
    return [{**dict(row), "body": json.loads(row["body"])} for row in rows]
