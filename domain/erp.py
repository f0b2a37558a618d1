"""What the ERP is told of an order: one message a step, numbered in the order's own feed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict

from domain.characters import for_xml

ErpMessageKind = Literal[
    "accepted", "refused", "reserved", "backordered", "amended", "shipped", "delivered", "cancelled", "returned"
]

ERP_MESSAGE_KINDS: Final[frozenset[str]] = frozenset(get_args(ErpMessageKind))

Said = tuple[ErpMessageKind, Mapping[str, Any]]
"""What the ERP is to hear, and what of it."""


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


class Telling(BaseModel):
    """What a message of the feed tells, as it is kept until it is told."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    revision: int
    occurred_at: datetime | None = None
    lines: tuple[ErpLine, ...] = ()
    shipment_no: str | None = None
    carrier: str | None = None
    signed_by: str | None = None
    reason: str | None = None
    replaces: str | None = None


@dataclass(frozen=True)
class ErpContent:
    """What a parcel holds of a line, or of one lot of it, in base units."""

    line_no: int
    quantity: int
    lot: str | None = None
    serial_numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErpParcel:
    """A parcel that left, as the ERP's delivery note names it. What is in it is left out where nobody knows."""

    parcel_no: int
    tracking_number: str
    lines: tuple[ErpContent, ...] = ()


@dataclass(frozen=True)
class ErpMessage:
    """One message of an order's feed to its ERP.

    `reference` is ours, the same on every attempt: the ERP keeps it on the document it makes, and can be asked by it.
    `order_no` is the ERP's own number; `occurred_at` is RFC 3339 with an offset. `signed_by` comes with `delivered`,
    `replaces` (the order in whose place this one is sent) with what a first push is answered. It is `repeated` where an
    earlier attempt may have been carried out.
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
    repeated: bool = False


@dataclass(frozen=True)
class ErpReceipt:
    """The ERP's proof that it has our message: the document that it made, under our reference.

    It made none where it is told nothing of such a message. `document` is what the ERP says is in it, where it was
    asked for it.
    """

    reference: str
    document_no: str | None
    document: ErpDocument | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ErpDocument:
    """What the ERP made of a message of ours, as far as it tells: an ERP may not tell all of it."""

    kind: str
    made_at: datetime
    revision: int | None = None
    shipment_no: str | None = None
    lines: tuple[ErpLine, ...] | None = None

    def tells(self, message: ErpMessage) -> bool:
        """Say whether it is what a message tells, as far as the ERP says."""
        about = self.shipment_no is None or self.shipment_no == message.shipment_no
        same_revision = message.kind not in _OF_A_REVISION or self.revision in {None, message.revision}
        if not (self.kind == message.kind and about and same_revision):
            return False
        return self.lines is None or _content(self.lines, message) == _content(message.lines, message)

    def contradicts(self, message: ErpMessage) -> bool:
        """Say whether it tells of the same goods' one way as a message, and something else of them."""
        about = self.kind == message.kind and self.shipment_no is not None and self.shipment_no == message.shipment_no
        return about and message.kind in _OF_A_SHIPMENT and not self.tells(message)


_OF_A_REVISION: Final = frozenset({"accepted", "amended", "refused"})
_OF_A_SHIPMENT: Final = frozenset({"shipped", "delivered"})
"""What is told once of a shipment: twice would move the ERP's own stock twice."""
_OF_GOODS: Final = _OF_A_SHIPMENT | {"returned"}
"""Told of these is what moved; of the others, how an order stands, which the next one puts right."""

_Content = list[tuple[object, ...]]


def _content(lines: Sequence[ErpLine], message: ErpMessage) -> _Content:
    """Return what lines say, of a message of that kind; their names as an ERP may have been told them."""
    if message.kind in _OF_GOODS:
        return sorted(
            (x.line_no, x.sku, x.quantity, for_xml(x.lot or ""), tuple(sorted(map(for_xml, x.serial_numbers))))
            for x in lines
        )
    return sorted((x.line_no, x.sku, x.quantity, x.ordered) for x in lines)


def told_before(message: ErpMessage, found: Sequence[ErpReceipt], known: Collection[str]) -> ErpReceipt | None:
    """Return the receipt by which the ERP has heard a message in a life that was forgotten.

    `found` is all that the ERP has of the order since then, `known` the numbers of the documents that are others'. How
    an order stands is not taken as told where the ERP has heard something else of that kind since: the latest counts.
    """
    told = [receipt for receipt in found if receipt.document and receipt.document.tells(message)]
    free = [receipt for receipt in told if receipt.document_no not in known]
    if message.kind in _OF_GOODS:
        return next(iter(free), None)
    since = [
        x.document.made_at for x in found if x.document and x.document_no in known and x.document.kind == message.kind
    ]
    return next((x for x in free if x.document and all(made <= x.document.made_at for made in since)), None)
