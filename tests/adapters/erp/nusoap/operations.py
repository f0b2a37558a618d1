"""What each operation does with the books, and when it refuses: in three ways, as the corner of the ERP has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.adapters.erp.nusoap import books, wire
from tests.adapters.erp.nusoap.answers import told_order, told_product, told_shipment, told_third_party
from tests.adapters.erp.nusoap.books import Books, Order
from tests.adapters.erp.nusoap.wire import Value

READS = frozenset({"getOrder", "getOrdersForThirdParty", "getThirdParty", "getProductOrService", "findShipment"})
WRITES = frozenset({"createOrder", "updateOrder", "createShipment", "updateShipment"})
_SETTABLE = {str(status) for status in (books.CANCELED, books.DRAFT, books.VALIDATED, books.CLOSED)}


class KoError(Exception):
    """A refusal inside a good answer. The label may be empty."""

    def __init__(self, code: str, label: str) -> None:
        super().__init__(f"{code} {label}")
        self.code = code
        self.label = label


class FaultError(Exception):
    """A refusal by fault, under any status."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


@dataclass
class Desk:
    """The operations on the books. `dropped` are the fields of a struct that go without a word."""

    books: Books
    dropped: dict[str, set[str]] = field(default_factory=lambda: {"order": {"ref_client"}, "shipment": set()})

    def perform(self, operation: str, arguments: Mapping[str, Value]) -> dict[str, Value]:
        """Do it, and give the values of the answer. Raises KoError or FaultError."""
        try:
            return _DEEDS[operation](self, arguments)
        except books.EntryFailedError as error:
            raise KoError("KO", str(error)) from error

    def get_order(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        return {"order": told_order(_one_of(self.books.orders, arguments))}

    def get_orders_for_third_party(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        orders = [x for x in list(self.books.orders.values()) if str(x.third_party.id) == arguments["idthirdparty"]]
        return {"orders": [told_order(order) for order in orders]}

    def get_third_party(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        return {"thirdparty": told_third_party(_one_of(self.books.third_parties, arguments))}

    def get_product(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        return {"product": told_product(_one_of(self.books.products, arguments))}

    def create_order(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        wanted = self._kept("order", arguments["order"])
        party = self.books.third_parties.get(_whole(wanted.get("thirdparty_id")))
        if party is None:
            raise KoError(
                "KO",
                "Cannot add or update a child row: a foreign key constraint fails (`order`, CONSTRAINT `fk_party`)",
            )
        lines = [self._line(row) for row in wire.rows_in(wanted.get("lines"))]
        texts = ("ref_ext", "ref_client", "note_public", "date", "date_livraison")
        order = self.books.enter_order(party, lines, **{name: wanted.get(name) or "" for name in texts})
        return {"id": str(order.id), "ref": order.ref}

    def _line(self, row: Mapping[str, Value]) -> books.OrderLine:
        product = self.books.products.get(_whole(row.get("product_id")))
        if product is None:
            raise KoError("KO", "")
        price = _price(row.get("unitprice"))
        return self.books.order_line(product, str(row.get("qty") or "0"), price, row.get("desc") or "")

    def update_order(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        """Set the status. What else is sent is not looked at, and nothing is said of that."""
        wanted = arguments["order"] if isinstance(arguments["order"], dict) else {}
        order = _one_of(self.books.orders, {name: wanted.get(name) or "" for name in ("id", "ref", "ref_ext")})
        if order.status == books.CLOSED:
            raise FaultError(200, "Server", f"Order {order.ref} is closed.")
        if wanted.get("status") in _SETTABLE:
            order = self.books.set_status(order.id, _whole(wanted["status"]))
        return {"id": str(order.id), "ref": order.ref, "ref_ext": order.ref_ext}

    def find_shipment(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        order_id, ref_ext = arguments["order_id"], arguments["ref_ext"]
        if not order_id and not ref_ext:
            raise KoError("BAD_PARAMETERS", "One of order_id and ref_ext must be given.")
        found = [
            shipment
            for shipment in list(self.books.shipments.values())
            if order_id in {"", str(shipment.order_id)} and ref_ext in {"", shipment.ref_ext}
        ]
        return {"shipments": [told_shipment(shipment) for shipment in found]}

    def create_shipment(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        wanted = self._kept("shipment", arguments["shipment"])
        order = self.books.orders.get(_whole(wanted.get("order_id")))
        if order is None:
            raise KoError("NOT_FOUND", f"No order {wanted.get('order_id')}")
        if order.status in {books.CANCELED, books.DRAFT}:
            raise FaultError(200, "Server", f"Order {order.ref} is not open for shipping.")
        lines = [self._shipment_line(order, row) for row in wire.rows_in(wanted.get("lines"))]
        packages = [
            books.Package(_whole(row.get("number")), row.get("tracking_number") or "")
            for row in wire.rows_in(wanted.get("packages"))
        ]
        texts = ("ref_ext", "date_delivery", "shipping_method", "note_public")
        fields = {name: wanted.get(name) or "" for name in texts}
        shipment = self.books.add_shipment(order, lines, packages, **fields)
        return {"id": str(shipment.id), "ref": shipment.ref}

    def _shipment_line(self, order: Order, row: Mapping[str, Value]) -> books.ShipmentLine:
        line_id = _whole(row.get("order_line_id"))
        if line_id not in {line.id for line in order.lines}:
            raise KoError("KO", "")
        serials = tuple(wire.texts_in(row.get("serials")))
        return books.ShipmentLine(
            self.books.next_id(), line_id, str(row.get("qty") or "0"), row.get("batch") or "", serials
        )

    def update_shipment(self, arguments: Mapping[str, Value]) -> dict[str, Value]:
        """Close it: status 2. Closing what is closed is a refusal."""
        wanted = arguments["shipment"] if isinstance(arguments["shipment"], dict) else {}
        shipment = self.books.shipments.get(_whole(wanted.get("id")))
        if shipment is None:
            raise KoError("NOT_FOUND", f"No shipment {wanted.get('id')}")
        if shipment.status == books.IN_PROCESS:
            raise KoError("KO", "Already closed")
        if wanted.get("status") == str(books.IN_PROCESS):
            shipment = self.books.close_shipment(shipment)
        return {"id": str(shipment.id), "ref": shipment.ref}

    def _kept(self, table: str, struct: Value) -> dict[str, Value]:
        """Give the fields that this ERP looks at; the others go without a word."""
        fields = struct if isinstance(struct, dict) else {}
        return {name: value for name, value in fields.items() if name not in self.dropped[table]}


_DEEDS: dict[str, Callable[[Desk, Mapping[str, Value]], dict[str, Value]]] = {
    "getOrder": Desk.get_order,
    "getOrdersForThirdParty": Desk.get_orders_for_third_party,
    "getThirdParty": Desk.get_third_party,
    "getProductOrService": Desk.get_product,
    "createOrder": Desk.create_order,
    "updateOrder": Desk.update_order,
    "findShipment": Desk.find_shipment,
    "createShipment": Desk.create_shipment,
    "updateShipment": Desk.update_shipment,
}


def _whole(text: Value) -> int:
    """Make a number of a text as PHP does: what is none is 0."""
    return int(text) if isinstance(text, str) and text.lstrip("-").isdecimal() else 0


def _price(text: Value) -> float:
    return float(text) if isinstance(text, str) and text.replace(".", "", 1).isdecimal() else 0.0


def _one_of(table: Mapping[int, Any], arguments: Mapping[str, Value]) -> Any:
    """Find by the one name that is given. Of several rows with one outside reference, the first is all there is."""
    id_, ref, ref_ext = (arguments[name] or "" for name in ("id", "ref", "ref_ext"))
    if sum(map(bool, (id_, ref, ref_ext))) != 1:
        raise KoError("BAD_PARAMETERS", "Exactly one of id, ref and ref_ext must be given.")
    for row in list(table.values()):
        if row.id == _whole(id_) or (ref and row.ref == ref) or (ref_ext and getattr(row, "ref_ext", "") == ref_ext):
            return row
    raise KoError("NOT_FOUND", f"Nothing found for id={id_} nor ref={ref} nor ref_ext={ref_ext}")
