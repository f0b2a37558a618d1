"""What the ERP knows, what its clerks do, and how it calls out in the middle of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx

CANCELED, DRAFT, VALIDATED, IN_PROCESS, CLOSED = -1, 0, 1, 2, 3
_TRIGGERS = {CANCELED: "ORDER_CANCEL", DRAFT: "ORDER_UNVALIDATE", VALIDATED: "ORDER_VALIDATE", CLOSED: "ORDER_CLOSE"}
_LONGEST_CALL_S = 5.0


class EntryFailedError(Exception):
    """The clerk's work is lost: the receiver of the ERP's own call did not take it."""


@dataclass(frozen=True)
class Hook:
    """Where the ERP calls out to. `blocking` loses the ERP's own work where nobody takes the call."""

    url: str
    blocking: bool = True


@dataclass(frozen=True)
class Packaging:
    unit: str
    factor: int
    barcode: str = ""


@dataclass(frozen=True)
class Product:
    id: int
    ref: str
    label: str
    barcode: str = ""
    tobatch: int = 0  # 1 is by lot, 2 is by serial number
    packagings: tuple[Packaging, ...] = ()
    modified: datetime | None = None


@dataclass(frozen=True)
class ThirdParty:
    id: int
    ref: str
    address: str
    zip: str
    town: str
    country_code: str


@dataclass(frozen=True)
class OrderLine:
    id: int
    product: Product
    qty: str
    unitprice: float = 0.0
    desc: str = ""


@dataclass(frozen=True)
class Order:
    id: int
    ref: str
    third_party: ThirdParty
    lines: tuple[OrderLine, ...]
    created: datetime
    modified: datetime
    status: int = DRAFT
    ref_ext: str = ""
    ref_client: str = ""
    note_public: str = ""
    date: str = ""
    date_livraison: str = ""
    validated: datetime | None = None


@dataclass(frozen=True)
class ShipmentLine:
    id: int
    order_line_id: int
    qty: str
    batch: str = ""
    serials: tuple[str, ...] = ()


@dataclass(frozen=True)
class Package:
    number: int
    tracking_number: str


@dataclass(frozen=True)
class Shipment:
    id: int
    ref: str
    order_id: int
    lines: tuple[ShipmentLine, ...]
    packages: tuple[Package, ...]
    ref_ext: str = ""
    status: int = VALIDATED
    date_delivery: str = ""
    shipping_method: str = ""
    note_public: str = ""


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class Books:
    """The ERP's tables. A row is replaced when it changes; only `committing` writes what the hook hears of."""

    hook: Hook | None = None
    now: Callable[[], datetime] = _now
    products: dict[int, Product] = field(default_factory=dict)
    third_parties: dict[int, ThirdParty] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    shipments: dict[int, Shipment] = field(default_factory=dict)
    called_out: list[dict[str, Any]] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _refs: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # What clerks do

    def add_product(
        self, ref: str, label: str = "", *, barcode: str = "", tobatch: int = 0, packagings: Sequence[Packaging] = ()
    ) -> Product:
        product = Product(self.next_id(), ref, label or ref, barcode, tobatch, tuple(packagings), self.now())
        self.products[product.id] = product
        return product

    def add_third_party(
        self,
        ref: str,
        *,
        address: str = "Kehrwieder 2",
        zip: str = "20457",
        town: str = "Hamburg",
        country_code: str = "DE",
    ) -> ThirdParty:
        party = ThirdParty(self.next_id(), ref, address, zip, town, country_code)
        self.third_parties[party.id] = party
        return party

    def order_line(self, product: Product, qty: str, unitprice: float = 0.0, desc: str = "") -> OrderLine:
        return OrderLine(self.next_id(), product, qty, unitprice, desc)

    def enter_order(self, third_party: ThirdParty, lines: Sequence[OrderLine], **fields: str) -> Order:
        """Enter a draft. The hook hears of it under a number that is not its own yet."""
        id_, now = self.next_id(), self.now()
        order = Order(id_, f"(PROV{id_})", third_party, tuple(lines), now, now, **fields)
        with self._committing("ORDER_CREATE", _pushed_order(order)):
            self.orders[id_] = order
        return order

    def set_status(self, order_id: int, status: int) -> Order:
        """Validate, close, cancel or reopen. A draft gets its number by being validated."""
        before = self.orders[order_id]
        now = self.now()
        changes: dict[str, Any] = {"status": status, "modified": now}
        if before.ref.startswith("(PROV") and status == VALIDATED:
            changes |= {"ref": f"SO{now:%y%m}-{next(self._refs):04}", "validated": now}
        with self._committing(_TRIGGERS[status], _pushed_order(before, newref=changes.get("ref", before.ref))):
            after = replace(self.orders[order_id], **changes)
            self.orders[order_id] = after
        return after

    def change_lines(self, order_id: int, lines: Sequence[OrderLine]) -> Order:
        before = self.orders[order_id]
        with self._committing("ORDER_MODIFY", _pushed_order(before)):
            after = replace(self.orders[order_id], lines=tuple(lines), modified=self.now())
            self.orders[order_id] = after
        return after

    def delete_order(self, order_id: int) -> None:
        """Delete it, as one can a draft: nothing tells of it."""
        del self.orders[order_id]

    def add_shipment(
        self, order: Order, lines: Sequence[ShipmentLine], packages: Sequence[Package], **fields: str
    ) -> Shipment:
        id_ = self.next_id()
        shipment = Shipment(
            id_, f"SH{self.now():%y%m}-{next(self._refs):04}", order.id, tuple(lines), tuple(packages), **fields
        )
        pushed = {"id": id_, "ref": f"(PROV{id_})", "newref": shipment.ref, "status": "0", "origin_id": str(order.id)}
        with self._committing("SHIPPING_VALIDATE", pushed):
            self.shipments[id_] = shipment
            self.orders[order.id] = replace(self.orders[order.id], status=IN_PROCESS, modified=self.now())
        return shipment

    def close_shipment(self, shipment: Shipment) -> Shipment:
        closed = replace(shipment, status=IN_PROCESS)
        pushed = {"id": shipment.id, "ref": shipment.ref, "status": "1", "origin_id": str(shipment.order_id)}
        with self._committing("SHIPPING_CLOSED", pushed):
            self.shipments[shipment.id] = closed
        return closed

    # The machine

    def next_id(self) -> int:
        with self._lock:
            return next(self._ids)

    @contextmanager
    def _committing(self, trigger: str, pushed: dict[str, Any]) -> Iterator[None]:
        """Call out, wait for the answer, and only then commit: a receiver that asks back sees the row of before."""
        if self.hook is not None:
            message = {"triggercode": trigger, "object": pushed}
            self.called_out.append(message)
            _call(self.hook, message)
        with self._lock:
            yield


def _call(hook: Hook, message: dict[str, Any]) -> None:
    """Send it once, unsigned."""
    try:
        with httpx.Client(trust_env=False, timeout=_LONGEST_CALL_S) as client:
            answer = client.post(hook.url, json=message, headers={"User-Agent": "ERP geturl function"})
        failed = None if answer.is_success else f"it answered {answer.status_code}"
    except httpx.TransportError as error:
        failed = repr(error)
    if failed and hook.blocking:
        raise EntryFailedError(f"{message['triggercode']} was not taken: {failed}")


def _pushed_order(order: Order, newref: str | None = None) -> dict[str, Any]:
    """Give the order as the row still is, with some of the rest that a PHP object drags along."""
    return {
        "module": None,
        "id": str(order.id),
        "entity": "1",
        "element": "commande",
        "array_options": [],
        "ref": order.ref,
        "ref_ext": order.ref_ext,
        "newref": newref,
        "statut": str(order.status),
        "status": str(order.status),
        "socid": str(order.third_party.id),
        "note_public": order.note_public,
        "lines": [
            {"id": str(line.id), "fk_product": str(line.product.id), "product_ref": line.product.ref, "qty": line.qty}
            for line in order.lines
        ],
    }
