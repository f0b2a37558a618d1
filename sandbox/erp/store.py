"""What the ERP remembers: the orders that it pushed, the documents that it made, its items, and its idea of stock.

Every function takes an open connection and runs in the caller's transaction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Connection, Row
from typing import Any

from sandbox.times import now_text

# No unique index on the reference: this ERP makes a second document for a repeated message, as real ones do.
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    order_no  TEXT NOT NULL,
    revision  INTEGER NOT NULL,
    body      TEXT NOT NULL,
    pushed_at TEXT NOT NULL,
    PRIMARY KEY (order_no, revision)
);
CREATE TABLE IF NOT EXISTS documents (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    reference  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    order_no   TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    payload    TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS documents_by_reference ON documents (reference);
CREATE INDEX IF NOT EXISTS documents_by_order ON documents (order_no);
CREATE TABLE IF NOT EXISTS items (
    sku     TEXT PRIMARY KEY,
    body    TEXT NOT NULL,
    uom     TEXT NOT NULL,
    on_hand INTEGER NOT NULL
);
"""
_FIRST_DOCUMENT_NO = 4_500_000_000


@dataclass(frozen=True)
class Document:
    """A message that the ERP accepted, booked under a number of its own."""

    document_no: str
    reference: str
    kind: str
    order_no: str
    revision: int
    payload: dict[str, Any]
    created_at: str


def keep_order(connection: Connection, order: dict[str, Any]) -> None:
    """Keep an order as it is about to be pushed; the same revision again replaces it, as a clerk's correction does."""
    connection.execute(
        "INSERT OR REPLACE INTO orders (order_no, revision, body, pushed_at) VALUES (?, ?, ?, ?)",
        (order["order_no"], order["revision"], json.dumps(order), now_text()),
    )


def orders(connection: Connection) -> list[dict[str, Any]]:
    """List every revision pushed."""
    rows = connection.execute("SELECT * FROM orders ORDER BY pushed_at, order_no, revision")
    return [{**dict(row), "body": json.loads(row["body"])} for row in rows]


def line_numbers_of(connection: Connection, order_no: str) -> set[int] | None:
    """Name the lines that any revision of an order ever had; None if the order is not ours."""
    rows = connection.execute("SELECT body FROM orders WHERE order_no = ?", (order_no,)).fetchall()
    if not rows:
        return None
    return {line["line_no"] for row in rows for line in json.loads(row["body"]).get("lines", ())}


def add_document(connection: Connection, kind: str, message: dict[str, Any]) -> str:
    """Book a message, whether or not its reference is known already. Answers with the document's number."""
    cursor = connection.execute(
        "INSERT INTO documents (reference, kind, order_no, revision, payload, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (message["reference"], kind, message["order_no"], message["revision"], json.dumps(message), now_text()),
    )
    assert cursor.lastrowid is not None
    return _document_no(cursor.lastrowid)


def documents(connection: Connection, *, reference: str | None = None, order_no: str | None = None) -> list[Document]:
    """List documents in the order of their making."""
    rows = connection.execute(
        "SELECT * FROM documents WHERE (?1 IS NULL OR reference = ?1) AND (?2 IS NULL OR order_no = ?2) ORDER BY id",
        (reference, order_no),
    )
    return [_document(row) for row in rows]


def _document(row: Row) -> Document:
    return Document(
        document_no=_document_no(row["id"]),
        reference=row["reference"],
        kind=row["kind"],
        order_no=row["order_no"],
        revision=row["revision"],
        payload=json.loads(row["payload"]),
        created_at=row["created_at"],
    )


def _document_no(row_id: int) -> str:
    return str(_FIRST_DOCUMENT_NO + row_id)


def put_item(connection: Connection, item: dict[str, Any], on_hand: int | None) -> None:
    """Keep an item's master record; `on_hand` None leaves the stock of a known item as it is."""
    connection.execute(
        """
        INSERT INTO items (sku, body, uom, on_hand) VALUES (?1, ?2, ?3, coalesce(?4, 0))
        ON CONFLICT (sku) DO UPDATE SET body = ?2, uom = ?3, on_hand = coalesce(?4, on_hand)
        """,
        (item["sku"], json.dumps(item), item["base_uom"], on_hand),
    )


def item(connection: Connection, sku: str) -> dict[str, Any] | None:
    """Look up an item's master record."""
    row = connection.execute("SELECT body FROM items WHERE sku = ?", (sku,)).fetchone()
    return None if row is None else dict(json.loads(row["body"]))


def move_stock(connection: Connection, sku: str, delta: int) -> None:
    """Book a goods movement into the ERP's own idea of stock, which may well go below zero."""
    connection.execute("UPDATE items SET on_hand = on_hand + ? WHERE sku = ?", (delta, sku))


def stock(connection: Connection, sku: str | None = None) -> list[dict[str, Any]]:
    """Tell the stock as the ERP believes it to be."""
    rows = connection.execute("SELECT sku, on_hand, uom FROM items WHERE ?1 IS NULL OR sku = ?1 ORDER BY sku", (sku,))
    return [dict(row) for row in rows]
