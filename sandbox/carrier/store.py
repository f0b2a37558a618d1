"""What the carrier remembers: shipments, their parcels, and the scans of them. Callbacks are in `callback_store`.

Every function takes an open connection and runs in the caller's transaction.
"""

from __future__ import annotations

import base64
import json
import time
from sqlite3 import Connection, Row
from typing import Any

from sandbox.carrier.errors import CarrierError
from sandbox.carrier.labels import MEDIA_TYPE, label
from sandbox.carrier.words import BEFORE_PICKUP, FINAL, JOURNEY, TOO_LATE, Scan, ShipmentOrder, Status
from sandbox.times import now_text

# No unique index on the reference: two posts are two bookings, and both are charged.
SCHEMA = """
CREATE TABLE IF NOT EXISTS shipments (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    reference TEXT NOT NULL,
    service   TEXT NOT NULL,
    ship_from TEXT NOT NULL,
    ship_to   TEXT NOT NULL,
    status    TEXT NOT NULL DEFAULT 'booked' CHECK (status IN ('booked', 'voided')),
    booked_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS shipments_by_reference ON shipments (reference);
CREATE TABLE IF NOT EXISTS parcels (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    shipment_id     INTEGER NOT NULL REFERENCES shipments (id),
    parcel_no       INTEGER NOT NULL,
    tracking_number TEXT UNIQUE,
    weight_g        INTEGER NOT NULL,
    steps_done      INTEGER NOT NULL DEFAULT 0,  -- how far along its journey the fast clock has taken it
    next_scan_at    REAL                         -- null: the carrier has not got it, or is done with it
);
CREATE INDEX IF NOT EXISTS parcels_by_next_scan ON parcels (next_scan_at) WHERE next_scan_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id        TEXT NOT NULL UNIQUE,
    tracking_number TEXT NOT NULL REFERENCES parcels (tracking_number),
    status          TEXT NOT NULL,
    occurred_at     TEXT NOT NULL,
    location        TEXT,
    signed_by       TEXT
);
CREATE INDEX IF NOT EXISTS events_by_parcel ON events (tracking_number);
CREATE TABLE IF NOT EXISTS intercepts (
    tracking_number TEXT PRIMARY KEY REFERENCES parcels (tracking_number),
    reference       TEXT NOT NULL,
    asked_at        TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS intercepts_by_reference ON intercepts (reference);
"""
_NOT_FOUND, _CONFLICT = 404, 409
_NUMBERS_PER_SEED = 1_000_000


# Shipments: book and void


def book(connection: Connection, order: ShipmentOrder, *, seed: int, collect_at: float | None) -> dict[str, Any]:
    """Book a shipment and number its parcels. `collect_at` says when the carrier comes by itself, if it does."""
    shipment = connection.execute(
        "INSERT INTO shipments (reference, service, ship_from, ship_to, booked_at) VALUES (?, ?, ?, ?, ?)",
        (
            order.reference,
            order.service,
            order.ship_from.model_dump_json(),
            order.ship_to.model_dump_json(),
            now_text(),
        ),
    ).lastrowid
    for parcel in order.parcels:
        row_id = connection.execute(
            "INSERT INTO parcels (shipment_id, parcel_no, weight_g, next_scan_at) VALUES (?, ?, ?, ?)",
            (shipment, parcel.parcel_no, parcel.weight_g, collect_at),
        ).lastrowid
        assert row_id is not None
        number = f"SBX{seed * _NUMBERS_PER_SEED + row_id:09d}"
        connection.execute("UPDATE parcels SET tracking_number = ? WHERE id = ?", (number, row_id))
    return _shipment(connection, connection.execute("SELECT * FROM shipments WHERE id = ?", (shipment,)).fetchone())


def void(connection: Connection, shipment_id: str) -> dict[str, Any]:
    """Take a booking back; again is fine. Not once a parcel of it was seen by the carrier."""
    row = connection.execute("SELECT * FROM shipments WHERE id = ?", (_row_id(shipment_id),)).fetchone()
    if row is None:
        raise CarrierError(_NOT_FOUND, "not_found", f"There is no shipment {shipment_id}.")
    if any(_was_picked_up(connection, parcel["tracking_number"]) for parcel in _parcel_rows(connection, row["id"])):
        raise CarrierError(_CONFLICT, "already_shipped", f"Shipment {shipment_id} is on its way.")
    connection.execute("UPDATE shipments SET status = 'voided' WHERE id = ?", (row["id"],))
    connection.execute("UPDATE parcels SET next_scan_at = NULL WHERE shipment_id = ?", (row["id"],))
    return {"shipment_id": shipment_id, "reference": row["reference"], "status": "voided"}


def shipments(connection: Connection, reference: str | None = None) -> list[dict[str, Any]]:
    """List shipments, voided ones too, the oldest first."""
    rows = connection.execute("SELECT * FROM shipments WHERE ?1 IS NULL OR reference = ?1 ORDER BY id", (reference,))
    return [_shipment(connection, row) for row in rows.fetchall()]


def _shipment(connection: Connection, row: Row) -> dict[str, Any]:
    ship_to = json.loads(row["ship_to"])
    receiver = _label_address(ship_to)
    return {
        "shipment_id": _shipment_id(row["id"]),
        "reference": row["reference"],
        "service": row["service"],
        "ship_to": ship_to,
        "status": row["status"],
        "booked_at": row["booked_at"],
        "parcels": [
            {
                "parcel_no": parcel["parcel_no"],
                "tracking_number": parcel["tracking_number"],
                "weight_g": parcel["weight_g"],
                "label_base64": base64.b64encode(label(parcel["tracking_number"], row["reference"], receiver)).decode(),
                "label_media_type": MEDIA_TYPE,
            }
            for parcel in _parcel_rows(connection, row["id"])
        ],
    }


def _label_address(address: dict[str, Any]) -> list[str]:
    place = f"{address['country_code']}-{address['postal_code']} {address['city']}"
    return [line for line in (address["name"], address["company"], *address["street_lines"], place) if line]


def _parcel_rows(connection: Connection, shipment: int) -> list[Row]:
    return connection.execute("SELECT * FROM parcels WHERE shipment_id = ? ORDER BY id", (shipment,)).fetchall()


def _was_picked_up(connection: Connection, tracking_number: str) -> bool:
    rows = connection.execute("SELECT status FROM events WHERE tracking_number = ?", (tracking_number,))
    return any(row["status"] not in BEFORE_PICKUP for row in rows)


def _shipment_id(row_id: int) -> str:
    return f"SHP-{row_id:06d}"


def _row_id(shipment_id: str) -> int | None:
    number = shipment_id.removeprefix("SHP-")
    return int(number) if number.isascii() and number.isdigit() else None


# Parcels: give to the carrier, scan, track


def collect(connection: Connection, tracking_number: str) -> bool:
    """Give a parcel to the carrier: its first scan is due at once. False if it was given already."""
    parcel = _parcel(connection, tracking_number)
    if parcel["status"] == "voided":
        raise CarrierError(_CONFLICT, "voided", f"The label of {tracking_number} was voided.")
    if _is_given(connection, parcel):
        return False
    connection.execute("UPDATE parcels SET next_scan_at = ? WHERE tracking_number = ?", (time.time(), tracking_number))
    return True


def _is_given(connection: Connection, parcel: Row) -> bool:
    due = parcel["next_scan_at"] is not None and parcel["next_scan_at"] <= time.time()
    scans = events(connection, parcel["tracking_number"])
    return due or parcel["steps_done"] > 0 or any(scan["status"] in FINAL for scan in scans)


def collect_all(connection: Connection) -> list[str]:
    """Give the carrier every parcel that it has not got and whose label is good."""
    rows = connection.execute(
        """
        SELECT tracking_number FROM parcels JOIN shipments ON shipments.id = shipment_id
        WHERE status = 'booked' AND steps_done = 0 AND next_scan_at IS NULL ORDER BY parcels.id
        """
    ).fetchall()
    return [row["tracking_number"] for row in rows if collect(connection, row["tracking_number"])]


def add_event(connection: Connection, tracking_number: str, scan: Scan) -> dict[str, Any]:
    """Record one scan of a parcel; a final one takes it off the fast clock."""
    _parcel(connection, tracking_number)
    count = connection.execute("SELECT count(*) FROM events WHERE tracking_number = ?", (tracking_number,)).fetchone()
    event = {
        "event_id": f"{tracking_number}-{count[0] + 1:03d}",
        "tracking_number": tracking_number,
        "status": scan.status,
        "occurred_at": scan.occurred_at.isoformat(timespec="milliseconds"),
        "location": scan.location,
        "signed_by": scan.signed_by,
    }
    connection.execute(
        """
        INSERT INTO events (event_id, tracking_number, status, occurred_at, location, signed_by)
        VALUES (:event_id, :tracking_number, :status, :occurred_at, :location, :signed_by)
        """,
        event,
    )
    if scan.status in FINAL:
        connection.execute("UPDATE parcels SET next_scan_at = NULL WHERE tracking_number = ?", (tracking_number,))
    return event


def events(connection: Connection, tracking_number: str) -> list[dict[str, Any]]:
    """List the scans of a parcel as they came in; none for a number that nobody knows."""
    rows = connection.execute(
        """
        SELECT event_id, status, occurred_at, location, signed_by FROM events
        WHERE tracking_number = ? ORDER BY id
        """,
        (tracking_number,),
    )
    return [dict(row) for row in rows]


def _parcel(connection: Connection, tracking_number: str) -> Row:
    row: Row | None = connection.execute(
        """
        SELECT parcels.*, shipments.status, ship_from, ship_to
        FROM parcels JOIN shipments ON shipments.id = shipment_id WHERE tracking_number = ?
        """,
        (tracking_number,),
    ).fetchone()
    if row is None:
        raise CarrierError(_NOT_FOUND, "not_found", f"There is no parcel {tracking_number}.")
    return row


# Intercepts


def intercept(connection: Connection, tracking_number: str, reference: str) -> dict[str, Any]:
    """Promise to stop a parcel and to send it back; again is fine, and the first promise stands.

    Not once it is in the van for the last time, has arrived, or comes back anyway.
    """
    parcel = _parcel(connection, tracking_number)
    known = connection.execute("SELECT * FROM intercepts WHERE tracking_number = ?", (tracking_number,)).fetchone()
    if known is not None:
        return _intercept(known)
    _check_stoppable(connection, parcel)
    connection.execute(
        "INSERT INTO intercepts (tracking_number, reference, asked_at) VALUES (?, ?, ?)",
        (tracking_number, reference, now_text()),
    )
    if _was_picked_up(connection, tracking_number):
        connection.execute(
            "UPDATE parcels SET next_scan_at = coalesce(next_scan_at, ?) WHERE tracking_number = ?",
            (time.time(), tracking_number),
        )
    return intercepts(connection, reference)[0]


def _check_stoppable(connection: Connection, parcel: Row) -> None:
    number = parcel["tracking_number"]
    if parcel["status"] == "voided":
        raise CarrierError(_CONFLICT, "voided", f"The label of {number} was voided.")
    scans = events(connection, number)
    last = scans[-1]["status"] if scans else "pending"
    if any(scan["status"] == "return_to_sender" for scan in scans):
        raise CarrierError(_CONFLICT, "returning", f"Parcel {number} is on its way back already.")
    if last in TOO_LATE or any(scan["status"] == "delivered" for scan in scans):
        raise CarrierError(_CONFLICT, "too_late", f"Parcel {number} can't be stopped any more: {last}.")


def intercepts(connection: Connection, reference: str) -> list[dict[str, Any]]:
    """List what was promised under a reference."""
    rows = connection.execute("SELECT * FROM intercepts WHERE reference = ? ORDER BY tracking_number", (reference,))
    return [_intercept(row) for row in rows.fetchall()]


def _intercept(row: Row) -> dict[str, Any]:
    return {**dict(row), "status": "accepted"}


def _is_intercepted(connection: Connection, tracking_number: str) -> bool:
    query = "SELECT 1 FROM intercepts WHERE tracking_number = ?"
    return connection.execute(query, (tracking_number,)).fetchone() is not None


# The fast clock


def due_parcels(connection: Connection, now: float) -> list[str]:
    """Name the parcels whose next scan is due, the longest due first."""
    rows = connection.execute(
        "SELECT tracking_number FROM parcels WHERE next_scan_at <= ? ORDER BY next_scan_at, id LIMIT 500", (now,)
    )
    return [row["tracking_number"] for row in rows]


def next_due_at(connection: Connection) -> float | None:
    """Tell when the next scan is due."""
    at: float | None = connection.execute("SELECT min(next_scan_at) FROM parcels").fetchone()[0]
    return at


def next_scan(connection: Connection, tracking_number: str) -> Scan | None:
    """Tell the next scan of a parcel's journey. None if somebody took it off the clock meanwhile.

    One that is to be intercepted turns round once the carrier has it.
    """
    parcel = _parcel(connection, tracking_number)
    if parcel["next_scan_at"] is None:
        return None
    turns = _is_intercepted(connection, tracking_number) and _was_picked_up(connection, tracking_number)
    status: Status = "return_to_sender" if turns else JOURNEY[parcel["steps_done"]]
    return _scan_of(status, json.loads(parcel["ship_from"]), json.loads(parcel["ship_to"]))


def advance(connection: Connection, tracking_number: str, *, next_scan_at: float) -> bool:
    """Move a parcel one step along its journey, and off the clock after the last. False if it was off already."""
    cursor = connection.execute(
        """
        UPDATE parcels SET steps_done = steps_done + 1, next_scan_at = iif(steps_done + 1 < ?, ?, NULL)
        WHERE tracking_number = ? AND next_scan_at IS NOT NULL
        """,
        (len(JOURNEY), next_scan_at, tracking_number),
    )
    return cursor.rowcount == 1


def _scan_of(status: Status, ship_from: dict[str, Any], ship_to: dict[str, Any]) -> Scan:
    places = {"picked_up": ship_from["city"], "in_transit": "Sorting center", "return_to_sender": "Sorting center"}
    signed_by = ship_to["name"] if status == "delivered" else None
    return Scan(status=status, location=places.get(status, ship_to["city"]), signed_by=signed_by)
