"""What was said to an order, as the inbox keeps it: checked, with its lines in base units, people's data under ids.

It is read leniently: builds before this one kept less, and a later one may keep more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.attention import Flag
from domain.packing import Content
from domain.wanted_lines import WantedLine


@dataclass(frozen=True)
class CancelledLine:
    """What of a line is cancelled; all that has not left where no quantity is said."""

    line_no: int
    sku: str
    site: str
    quantity: int | None


@dataclass(frozen=True)
class HandledLine(Content):
    """What somebody did to goods of a line, where that was, and in which condition they are."""

    location_id: str | None = None
    condition: str | None = None


@dataclass(frozen=True)
class PushedLine:
    """A line as the ERP said it: null for its unit is the base unit of that day."""

    line_no: int
    sku: str
    uom: str | None = None


@dataclass(frozen=True)
class Original:
    """The order in whose place another one is sent, and the return that it is for."""

    order_no: str
    return_no: str | None = None


def for_return(return_no: str | None) -> str:
    """Tell of the return that a replacement is for, if any."""
    return f", for return {return_no}" if return_no else ""


@dataclass(frozen=True)
class Box:
    """A box that was packed: grams and millimeters, as far as the packer said."""

    weight_g: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None


class Kept(BaseModel):
    """What the inbox keeps of a command.

    `device` is what scanned it, `reason` is in the words of whoever said it, `batch_no` of an act for many orders.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    occurred_at: datetime | None = None
    device: str | None = None
    reason: str | None = None
    batch_no: str | None = None

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return "What a newer build was told"


class KeptPush(Kept):
    """A revision of an order."""

    source: str
    order_no: str
    revision: int
    site: str
    priority: int
    shortage_policy: str
    customer_no: str | None = None
    requested_delivery: date | None = None
    carrier: str
    service_level: str
    address_id: UUID
    note_id: UUID | None = None
    ordered_at: datetime
    ship_complete: bool = False
    backorder_until: datetime | None = None
    replaces: Original | None = None
    lines: tuple[PushedLine, ...] = ()
    resolved: tuple[WantedLine, ...] = ()
    kits: tuple[WantedLine, ...] = ()

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        original = self.replaces
        instead = f" in place of {original.order_no}{for_return(original.return_no)}" if original else ""
        return f"Revision {self.revision} pushed{instead}"


class KeptCancel(Kept):
    """A cancellation, of lines or of all that has not left."""

    cancel_no: str
    reason: str
    resolved: tuple[CancelledLine, ...] | None = None

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return f"Cancel {self.cancel_no} ({self.reason})"


class KeptPick(Kept):
    """A pick."""

    pick_no: str
    short: bool = False
    resolved: tuple[HandledLine, ...]

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return f"Pick {self.pick_no}{' (short)' if self.short else ''}"


class KeptPutBack(Kept):
    """A put-back."""

    put_back_no: str
    resolved: tuple[HandledLine, ...]

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return f"Put-back {self.put_back_no}"


class KeptShip(Kept):
    """A shipment that is asked for; `resolved` has what is in each of its parcels, none for all that is picked."""

    shipment_no: str
    handed_over: bool = False
    parcels: tuple[Box, ...] | None = None
    resolved: tuple[tuple[HandledLine, ...], ...] = ()

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return f"Shipment {self.shipment_no} asked for"


class KeptHandOver(Kept):
    """A hand-over of a shipment."""

    handover_no: str
    shipment_no: str

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return f"Hand-over {self.handover_no} of {self.shipment_no}"


class KeptIntercept(Kept):
    """Parcels that are wanted back; without a number, all that are underway."""

    intercept_no: str
    shipment_no: str
    parcel_no: int | None = None
    by: str

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return f"{self.by}: intercept {self.intercept_no} of {self.shipment_no} ({self.reason})"


class KeptLoss(Kept):
    """Parcels that will not arrive; with `resolved`, what of one of them will not."""

    loss_no: str
    shipment_no: str
    parcel_no: int | None = None
    reason: Literal["lost", "damaged"]
    resend: bool = False
    resolved: tuple[HandledLine, ...] | None = None

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        return f"Loss {self.loss_no} of {self.shipment_no} ({self.reason})"


class KeptReturn(Kept):
    """Goods that came back."""

    return_no: str
    authorization_no: str | None = None
    location_id: str
    resend: bool = False
    resolved: tuple[HandledLine, ...]

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        number = self.authorization_no
        return f"Return {self.return_no}{f' by authorization {number}' if number else ''}"


class KeptAct(Kept):
    """What a person decided, or a deadline (`backorder_until`). Of a batch, `flag` is what its sender had seen."""

    act_no: str
    verb: str
    by: str
    target: str | None = None
    address_id: str | None = None
    flag: Flag | None = None
    backorder_until: datetime | None = None

    @property
    def was_for_a_flag(self) -> bool:
        """Say whether it is only for an order that is flagged for what its sender saw, or that needed nobody then."""
        return "flag" in self.model_fields_set

    @property
    def words(self) -> str:
        """Return what was said, for a timeline."""
        batch = f" in batch {self.batch_no}" if self.batch_no else ""
        return f"{self.by}: {self.verb.replace('_', ' ')} ({self.reason}){batch}"
