"""What the ERP is told of an order: one message a step, numbered in the order's own feed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ErpMessageKind = Literal[
    "accepted", "refused", "reserved", "backordered", "amended", "shipped", "delivered", "cancelled", "returned"
]


@dataclass(frozen=True)
class ErpLine:
    """One order line as the message tells it, or what it says of one lot of it. `quantity` is what it is about.

    `ordered` is the line's whole ordered quantity, so that the ERP can check its own document against it; both are in
    base units, and `uom` names that. `line_quantity` is `quantity` in the line's own unit, `line_uom`, a plain decimal.
    A line that the ERP did not push came along with one that it did: `main_line_no`.
    """

    line_no: int
    sku: str
    quantity: int
    ordered: int
    uom: str
    lot: str | None = None
    serial_numbers: tuple[str, ...] = ()
    main_line_no: int | None = None
    line_quantity: str | None = None
    line_uom: str | None = None


@dataclass(frozen=True)
class ErpParcel:
    """A parcel that left, as the ERP's delivery note names it."""

    parcel_no: int
    tracking_number: str


@dataclass(frozen=True)
class ErpMessage:
    """One message of an order's feed to its ERP.

    `reference` is ours, the same on every attempt: the ERP keeps it on the document it makes, and can be asked by it.
    `order_no` is the ERP's own number; `occurred_at` is RFC 3339 with an offset. `signed_by` comes with `delivered`,
    `replaces` (the order in whose place this one is sent) with what a first push is answered.
    """

    reference: str
    order_no: str
    number: int
    kind: ErpMessageKind
    revision: int
    occurred_at: str
    lines: tuple[ErpLine, ...] = ()
    shipment_no: str | None = None
    carrier: str | None = None
    parcels: tuple[ErpParcel, ...] = field(default=())
    signed_by: str | None = None
    reason: str | None = None
    replaces: str | None = None


@dataclass(frozen=True)
class ErpReceipt:
    """The ERP's proof that it has our message: the document that it made, under our reference."""

    reference: str
    document_no: str
