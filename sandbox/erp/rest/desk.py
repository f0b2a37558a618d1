"""What this ERP tells of its records, and what its documents do to its orders."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from sqlite3 import Connection
from typing import Any

from sandbox.database import Database
from sandbox.erp.rest import store
from sandbox.erp.rest.forms import KINDS, Form, Position
from sandbox.erp.rest.store import Document, Record, RecordKind, Search
from sandbox.erp.rest.words import LocalClock, RefusedError, amount, number

_FIRST_DOCUMENT_NO = 500_001
_FARTHEST_AHEAD_S = 86_400
_NEEDS_A_RELEASED_ORDER = frozenset({"reservations", "deliveries"})
_COUNTED = {"deliveries": "delivered", "cancellations": "cancelled"}
"""Which of a position's quantities a document adds to."""


@dataclass(frozen=True)
class Desk:
    """The ERP's side of its REST service."""

    database: Database
    clock: LocalClock

    async def listed(self, kind: RecordKind, wanted: Search) -> tuple[list[dict[str, Any]], int]:
        """Give a page of records, and how many there are in all."""
        page = await self.database.run(lambda connection: store.search(connection, kind, wanted))
        return [self.told(record) for record in page.records], page.total

    async def one(self, kind: RecordKind, no: str) -> dict[str, Any]:
        """Give a record."""
        return self.told(await self.database.run(lambda connection: known(connection, kind, no)))

    def told(self, record: Record) -> dict[str, Any]:
        """Write a record as a caller sees it."""
        return {"no": record.no, **record.body, "changed": self.clock.text(record.changed)}

    async def documents(self, *, our_ref: str | None = None, order_no: str | None = None) -> list[dict[str, Any]]:
        """Give documents, whole."""
        found = await self.database.run(
            lambda connection: store.documents(connection, our_ref=our_ref, order_no=order_no)
        )
        return [self._head(document) | document.body for document in found]

    async def book(self, order_no: str, collection: str, form: Form) -> dict[str, Any]:
        """Make a document of an order, in one transaction with what it changes of the order."""
        return self._head(
            await self.database.run(lambda connection: self._book(connection, order_no, collection, form))
        )

    def _book(self, connection: Connection, order_no: str, collection: str, form: Form) -> Document:
        order = known(connection, "order", order_no)
        self._check_date(form.date)
        _check_state(order, collection)
        told = [_checked(connection, order, position, collection) for position in form.positions]
        positions = {position["id"]: position for position in order.body["positions"]}
        if counted := _COUNTED.get(collection):
            for position_id, pieces in told:
                position = positions[position_id]
                position[counted] = amount(number(position[counted]) + pieces)
        now = self.clock.now()
        body = order.body | {"state": state_of(order.body)}
        store.put(connection, "order", Record(order_no, now, body))
        document = self._document(connection, order_no, collection, form, now)
        store.add_document(connection, document)
        return document

    def _document(self, connection: Connection, order_no: str, collection: str, form: Form, made: int) -> Document:
        kind = KINDS[collection]
        no = store.next_number(connection, kind.prefix, _FIRST_DOCUMENT_NO)
        body = form.model_dump(exclude={"our_ref"})
        return Document(f"{kind.prefix}-{no}", kind.name, form.our_ref, order_no, made, body)

    def _head(self, document: Document) -> dict[str, Any]:
        return {
            "no": document.no,
            "kind": document.kind,
            "our_ref": document.our_ref,
            "order": document.order_no,
            "made": self.clock.text(document.made),
        }

    def _check_date(self, date: str) -> None:
        if self.clock.second(date) > self.clock.now() + _FARTHEST_AHEAD_S:
            raise RefusedError("PERIODE", f"Buchungsperiode nicht offen: {date}")


def known(connection: Connection, kind: RecordKind, no: str) -> Record:
    """Look up a record; one that there is not is refused."""
    record = store.get(connection, kind, no)
    if record is None:
        name = {"order": "Auftrag", "item": "Artikel", "customer": "Kunde"}[kind]
        raise RefusedError("UNBEKANNT", f"{name} {no} ist nicht angelegt.", status=404)
    return record


def state_of(order: dict[str, Any]) -> str:
    """Tell an order's state by what its positions have come to; what no document touched stays as a clerk set it."""
    delivered = any(number(position["delivered"]) for position in order["positions"])
    open_ = any(left_of(position) > 0 for position in order["positions"])
    if not open_:
        return "GELIEFERT" if delivered else "STORNO"
    return "TEILGELIEFERT" if delivered and order["state"] == "FREIGEGEBEN" else str(order["state"])


def left_of(position: dict[str, Any]) -> Decimal:
    """Tell how many pieces of a position are still to come."""
    ordered, delivered, canceled = (number(position[name]) for name in ("base_quantity", "delivered", "cancelled"))
    return ordered - delivered - canceled


def pieces_in(item: Record, quantity: str, unit: str) -> Decimal:
    """Tell how many pieces an amount of an item is; a unit that it does not come in is refused."""
    factors: dict[str, Decimal] = {"ST": Decimal(1)} | {
        each["unit"]: number(each["contains"]) for each in item.body["packagings"]
    }
    if unit not in factors:
        raise RefusedError("EINHEIT", f"Artikel {item.no} gibt es nicht in {unit}.")
    return number(quantity) * factors[unit]


def _check_state(order: Record, collection: str) -> None:
    if collection not in _NEEDS_A_RELEASED_ORDER:
        return
    if order.body["state"] == "STORNO":
        raise RefusedError("STORNIERT", f"Auftrag {order.no} ist storniert.")
    if order.body["state"] == "OFFEN":
        raise RefusedError("NICHT_FREIGEGEBEN", f"Auftrag {order.no} ist nicht freigegeben.")


def _checked(connection: Connection, order: Record, position: Position, collection: str) -> tuple[str, Decimal]:
    """Hold a position against the order and the item's master record. Gives its id, and how many pieces it is."""
    ordered = next((each for each in order.body["positions"] if each["id"] == position.id), None)
    if ordered is None:
        raise RefusedError("POSITION", f"Auftrag {order.no} hat keine Position {position.id}.")
    item = known(connection, "item", ordered["item"])
    pieces = pieces_in(item, position.quantity, position.unit)
    if collection in {"deliveries", "returns"}:
        _check_tracking(item, position, pieces)
    return position.id, pieces


def _check_tracking(item: Record, position: Position, pieces: Decimal) -> None:
    tracking = item.body["tracking"]
    of_lots = sum((number(lot.quantity) for lot in position.lots), Decimal(0))
    if tracking == "CHARGE" and of_lots != number(position.quantity):
        raise RefusedError("CHARGE", f"Position {position.id}: Chargen ergeben nicht {position.quantity}.")
    if tracking == "SERIE" and len(set(position.serials)) != pieces:
        raise RefusedError("SERIE", f"Position {position.id}: Seriennummern ergeben nicht {amount(pieces)}.")
