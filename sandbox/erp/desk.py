"""What the ERP does with each operation, and when it refuses.

It refuses in the three ways that real ERPs do: by a result code in a good answer, by a fault, and by a fault under
HTTP 200. Which one a caller meets depends on who wrote that corner of the ERP, so a client must know all three.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import Any

from sandbox.database import Database
from sandbox.erp import store
from sandbox.erp.soap import E, SoapFaultError

_REPORTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "AcknowledgeOrder": lambda message: "accepted" if message["accepted"] else "refused",
    "ReportReservation": lambda message: str(message["kind"]),
    "ReportAmendment": lambda _: "amended",
    "ReportShipment": lambda _: "shipped",
    "ReportDelivery": lambda _: "delivered",
    "ReportCancellation": lambda _: "cancelled",
    "ReportReturn": lambda _: "returned",
}
"""The operations that make a document, and the kind of document that each makes."""

_MOVES = {"shipped": -1, "returned": +1}
_BOOKS_OPENED = datetime(2000, 1, 1, tzinfo=UTC)
_FARTHEST_AHEAD = timedelta(days=1)
_ITEM_ELEMENTS = (
    ("Sku", "sku"),
    ("Description", "description"),
    ("BaseUom", "base_uom"),
    ("Packagings", "packagings"),
    ("Tracking", "tracking"),
    ("ShelfLifeDays", "shelf_life_days"),
    ("WeightGrams", "weight_g"),
    ("LengthMm", "length_mm"),
    ("WidthMm", "width_mm"),
    ("HeightMm", "height_mm"),
)
_LINE_ELEMENTS = (
    ("LineNo", "line_no"),
    ("Sku", "sku"),
    ("Quantity", "quantity"),
    ("Ordered", "ordered"),
    ("Uom", "uom"),
    ("Lot", "lot"),
    ("MainLineNo", "main_line_no"),
)
_LINE_ORDER = ("LineNo", "Sku", "Quantity", "Ordered", "Uom", "Lot", "SerialNumbers", "MainLineNo")


class ResultRefusedError(Exception):
    """A refusal by result code. `text` may be empty: not every programmer of the ERP cared."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class OrderDesk:
    """The ERP's own side of the SOAP service."""

    database: Database
    refuses_unknown_orders: bool

    async def perform(self, operation: str, message: dict[str, Any]) -> Any:
        """Do what is asked, in one transaction, and give the element of the answer that says so."""
        if operation in _REPORTS:
            return await self.database.run(lambda connection: self._book(connection, operation, message))
        return await self.database.run(lambda connection: _QUERIES[operation](connection, message))

    def _book(self, connection: Connection, operation: str, message: dict[str, Any]) -> Any:
        self._check_order(connection, operation, message)
        _check_period(message)
        kind = _REPORTS[operation](message)
        document_no = store.add_document(connection, kind, message)
        for line in message["lines"]:
            if kind in _MOVES:
                store.move_stock(connection, line["sku"], _MOVES[kind] * line["quantity"])
        return E("DocumentNo", document_no)

    def _check_order(self, connection: Connection, operation: str, message: dict[str, Any]) -> None:
        known = store.line_numbers_of(connection, message["order_no"])
        if known is None:
            if self.refuses_unknown_orders:
                raise ResultRefusedError("40", "UNKNOWN_ORDER" if operation == "AcknowledgeOrder" else "")
            return
        strange = sorted({line.get("main_line_no", line["line_no"]) for line in message["lines"]} - known)
        if strange:
            text = f"Order {message['order_no']} has no line {strange[0]}."
            raise SoapFaultError("Client.Business", text, business="UNKNOWN_LINE")


def _check_period(message: dict[str, Any]) -> None:
    """Refuse what would be posted into a period that is closed, or not open yet: a fault, but under HTTP 200."""
    if not _is_open(message["occurred_at"]):
        text = f"No open posting period for {message['occurred_at']}."
        raise SoapFaultError("Client.Business", text, http_status=200, business="PERIOD_CLOSED")


def _is_open(occurred_at: str) -> bool:
    try:
        instant = datetime.fromisoformat(occurred_at.strip())
    except ValueError:  # the schema allows years and hours that no calendar here has
        return False
    return _BOOKS_OPENED <= instant <= datetime.now(UTC) + _FARTHEST_AHEAD


def _find_documents(connection: Connection, query: dict[str, Any]) -> Any:
    found = store.documents(connection, reference=query["reference"])
    return E("Documents", *(_document_element(document) for document in found))


def _document_element(document: store.Document) -> Any:
    return E(
        "Document",
        E("DocumentNo", document.document_no),
        E("Reference", document.reference),
        E("Kind", document.kind),
        E("OrderNo", document.order_no),
        E("CreatedAt", document.created_at),
        E("Revision", str(document.revision)),
        *([E("ShipmentNo", shipment_no)] if (shipment_no := document.payload.get("shipment_no")) else ()),
        E("Lines", *map(_line_element, document.payload["lines"])),
    )


def _line_element(line: dict[str, Any]) -> Any:
    """Write a line as it was told."""
    numbers = [E("SerialNumber", number) for number in line.get("serial_numbers", ())]
    parts = {
        **{name: E(name, str(line[key])) for name, key in _LINE_ELEMENTS if key in line},
        **({"SerialNumbers": E("SerialNumbers", *numbers)} if numbers else {}),
    }
    return E("Line", *(parts[name] for name in _LINE_ORDER if name in parts))


def _get_item(connection: Connection, query: dict[str, Any]) -> Any:
    item = store.item(connection, query["sku"])
    if item is None:
        raise ResultRefusedError("44", "UNKNOWN_ITEM")
    return E("Item", *(_item_element(name, item[key]) for name, key in _ITEM_ELEMENTS if item.get(key) is not None))


def _item_element(name: str, value: Any) -> Any:
    if name == "Packagings":
        return E(name, *(_packaging_element(packaging) for packaging in value))
    return E(name, str(value))


def _packaging_element(packaging: dict[str, Any]) -> Any:
    gtin = [] if packaging.get("gtin") is None else [E("Gtin", packaging["gtin"])]
    return E("Packaging", E("Uom", packaging["uom"]), E("Factor", str(packaging["factor"])), *gtin)


def _get_stock(connection: Connection, query: dict[str, Any]) -> Any:
    rows = store.stock(connection, query.get("sku"))
    if not rows and "sku" in query:
        raise ResultRefusedError("44", "UNKNOWN_ITEM")
    return E("Positions", *(_position_element(row) for row in rows))


def _position_element(row: dict[str, Any]) -> Any:
    return E("Position", E("Sku", row["sku"]), E("OnHand", str(row["on_hand"])), E("Uom", row["uom"]))


_QUERIES: dict[str, Callable[[Connection, dict[str, Any]], Any]] = {
    "FindDocuments": _find_documents,
    "GetItem": _get_item,
    "GetStock": _get_stock,
}
