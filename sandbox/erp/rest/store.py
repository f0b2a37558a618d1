"""What this ERP remembers: records with the second of their last change, and the documents of its orders.

Every function takes an open connection and runs in the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from sqlite3 import Connection, Row
from typing import Any, Literal

# No unique index on the reference here either: a repeated message makes a second document.
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    kind    TEXT NOT NULL,
    no      TEXT NOT NULL,
    state   TEXT NOT NULL,
    changed INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (kind, no)
);
CREATE INDEX IF NOT EXISTS records_by_change ON records (kind, changed, no);
CREATE TABLE IF NOT EXISTS documents (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    no       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    our_ref  TEXT NOT NULL,
    order_no TEXT NOT NULL,
    made     INTEGER NOT NULL,
    body     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS documents_by_reference ON documents (our_ref);
CREATE INDEX IF NOT EXISTS documents_by_order ON documents (order_no);
CREATE TABLE IF NOT EXISTS numbers (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
);
"""

RecordKind = Literal["order", "item", "customer"]


@dataclass(frozen=True)
class Record:
    """An order, an item or a customer, as it is now: what it was before, nobody knows."""

    no: str
    changed: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Document:
    """A document of an order, with what it was told. `made` is a second since the epoch."""

    no: str
    kind: str
    our_ref: str
    order_no: str
    made: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A page of a list, and how many rows the whole list has."""

    records: list[Record]
    total: int


@dataclass(frozen=True)
class Search:
    """Which records, and which page of them. `since` is a second; no `states` are any."""

    since: int = 0
    states: Collection[str] = ()
    page: int = 1
    rows: int = 100


def put(connection: Connection, kind: RecordKind, record: Record) -> None:
    """Keep a record, in the place of what was there."""
    connection.execute(
        "INSERT OR REPLACE INTO records (kind, no, state, changed, body) VALUES (?, ?, ?, ?, ?)",
        (kind, record.no, record.body.get("state", ""), record.changed, json.dumps(record.body)),
    )


def get(connection: Connection, kind: RecordKind, no: str) -> Record | None:
    """Look up a record."""
    row = connection.execute("SELECT * FROM records WHERE kind = ? AND no = ?", (kind, no)).fetchone()
    return None if row is None else _record(row)


def remove(connection: Connection, kind: RecordKind, no: str) -> bool:
    """Delete a record without a trace; tells whether there was one."""
    return connection.execute("DELETE FROM records WHERE kind = ? AND no = ?", (kind, no)).rowcount > 0


def search(connection: Connection, kind: RecordKind, wanted: Search) -> Page:
    """List records by their last change, a page of them. What changes meanwhile moves to the end."""
    states = json.dumps(sorted(wanted.states))
    fits = "kind = ? AND changed >= ? AND (? = '[]' OR state IN (SELECT value FROM json_each(?)))"
    values = (kind, wanted.since, states, states)
    total = connection.execute(f"SELECT count(*) FROM records WHERE {fits}", values).fetchone()[0]  # noqa: S608  # ours
    rows = connection.execute(
        f"SELECT * FROM records WHERE {fits} ORDER BY changed, no LIMIT ? OFFSET ?",  # noqa: S608  # ours
        (*values, wanted.rows, (wanted.page - 1) * wanted.rows),
    )
    return Page([_record(row) for row in rows], total)


def _record(row: Row) -> Record:
    return Record(row["no"], row["changed"], json.loads(row["body"]))


def next_number(connection: Connection, name: str, first: int) -> int:
    """Draw the next number of a range."""
    row = connection.execute(
        """
        INSERT INTO numbers (name, last) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET last = last + 1
        RETURNING last
        """,
        (name, first),
    ).fetchone()
    return int(row["last"])


def add_document(connection: Connection, document: Document) -> None:
    """Book a document, whether or not its reference is known already."""
    connection.execute(
        "INSERT INTO documents (no, kind, our_ref, order_no, made, body) VALUES (?, ?, ?, ?, ?, ?)",
        (
            document.no,
            document.kind,
            document.our_ref,
            document.order_no,
            document.made,
            json.dumps(document.body),
        ),
    )


def documents(connection: Connection, *, our_ref: str | None = None, order_no: str | None = None) -> list[Document]:
    """List documents in the order of their making."""
    rows = connection.execute(
        "SELECT * FROM documents WHERE (?1 IS NULL OR our_ref = ?1) AND (?2 IS NULL OR order_no = ?2) ORDER BY id",
        (our_ref, order_no),
    )
    return [_document(row) for row in rows]


def _document(row: Row) -> Document:
    body = json.loads(row["body"])
    return Document(row["no"], row["kind"], row["our_ref"], row["order_no"], row["made"], body)
