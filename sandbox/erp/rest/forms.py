"""The documents that can be made of an order, and what each must say. What is not in the form is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sandbox.erp.rest.words import Amount, Unit

Key = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=2000)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Lot(_Form):
    """So much of a position is of this lot, in the position's unit."""

    lot: Key
    quantity: Amount


class Position(_Form):
    """So much of an order's position, named by the ERP's own id of it. The same position may come several times."""

    id: Key
    quantity: Amount
    unit: Unit
    lots: list[Lot] = []
    serials: list[Key] = []


class Parcel(_Form):
    """A parcel of a delivery."""

    no: Key
    tracking: Key


class Form(_Form):
    """What every document says. `date` is local time; `our_ref` is the caller's own name for the document."""

    our_ref: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    date: str
    positions: list[Position] = Field(default=[], max_length=2000)
    text: Text = ""


class Confirmation(Form):
    """The order is taken, refused, or taken as changed."""

    decision: Literal["ANNAHME", "ABLEHNUNG", "AENDERUNG"]


class Reservation(Form):
    """Goods are held for the order, or are waited for."""

    state: Literal["RESERVIERT", "RUECKSTAND"]


class Delivery(Form):
    """The delivery note: what left, in which parcels."""

    shipment: Key
    carrier: Key
    parcels: list[Parcel] = Field(min_length=1)


class Proof(Form):
    """A shipment has arrived."""

    shipment: Key
    signed_by: Text = ""


class Cancellation(Form):
    """So much of the order does not come."""


class Return(Form):
    """So much has come back."""


@dataclass(frozen=True)
class DocumentKind:
    """What a document is called, how its number begins, and the form that it is made by."""

    name: str
    prefix: str
    form: type[Form]


KINDS: Final[dict[str, DocumentKind]] = {
    "confirmations": DocumentKind("AUFTRAGSBESTAETIGUNG", "AB", Confirmation),
    "reservations": DocumentKind("RESERVIERUNG", "RV", Reservation),
    "deliveries": DocumentKind("LIEFERSCHEIN", "LS", Delivery),
    "proofs": DocumentKind("ABLIEFERNACHWEIS", "AN", Proof),
    "cancellations": DocumentKind("STORNOBELEG", "ST", Cancellation),
    "returns": DocumentKind("RETOURE", "RT", Return),
}
"""The collections of an order, each with the kind of document in it."""
