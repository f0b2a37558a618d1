"""Shipments and their parcels as they stand: what they hold, how far they are, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from domain.carriers import TrackingStatus
from domain.messages import OfOrder
from domain.packing import Content


@dataclass(frozen=True)
class ShipmentName(OfOrder):
    """What a shipment is called: its number, in its order."""

    tenant: str
    order_ref: str
    shipment_no: str


@dataclass(frozen=True)
class NewShipment(ShipmentName):
    """A shipment that is made."""

    site: str
    carrier: str
    service_level: str


@dataclass(frozen=True)
class Shipment(NewShipment):
    """A shipment of an order. `proof_of_delivery` is who signed, where and when, as the carrier told."""

    tracking_status: str
    handed_over_at: datetime | None
    handover_evidence: str | None
    delivered_at: datetime | None
    proof_of_delivery: dict[str, Any] | None
    dissolved_at: datetime | None
    created_at: datetime

    @property
    def is_here(self) -> bool:
        """Say whether it is made and has not left."""
        return self.handed_over_at is None and self.dissolved_at is None


@dataclass(frozen=True)
class Loss:
    """Why a parcel will not arrive, whether what it held is wanted again, and what was written off, unit by unit."""

    reason: str
    resend: bool
    units: tuple[Content, ...]

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what is stored of a loss."""
        units = tuple(map(_unit, document["lines"]))
        return cls(document["reason"], document["resend"], units)

    @property
    def document(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"reason": self.reason, "resend": self.resend, "lines": [_line_of(unit) for unit in self.units]}


def _unit(line: Mapping[str, Any]) -> Content:
    named = (line["line_no"], line["sku"], line["site"])
    return Content.of_unit(named, line["quantity"], line["lot"], line["serial_number"])


def _line_of(unit: Content) -> dict[str, Any]:
    named = {name: value for name, value in unit.document.items() if name != "serial_numbers"}
    return {**named, "serial_number": "".join(unit.serial_numbers)}


@dataclass(frozen=True)
class Parcel(ShipmentName):
    """A parcel of a shipment, without its label."""

    parcel_no: int
    weight_g: int
    length_mm: int | None
    width_mm: int | None
    height_mm: int | None
    lines: tuple[Content, ...]
    packing: int
    tracking_number: str | None
    label_media_type: str | None
    tracking_status: TrackingStatus
    last_heard_at: datetime | None
    delivered_at: datetime | None
    lost_at: datetime | None
    loss: Loss | None
    came_back_at: datetime | None
    intercepted_at: datetime | None

    @property
    def is_underway(self) -> bool:
        """Say whether it may still arrive: it holds something, and was not delivered, lost, or taken back."""
        ended = (self.delivered_at, self.lost_at, self.came_back_at)
        return bool(self.lines) and not any(ended)

    @property
    def is_sent_back(self) -> bool:
        """Say whether its carrier sends it back."""
        return self.tracking_status is TrackingStatus.RETURN_TO_SENDER


def contents_of(boxes: Iterable[Parcel]) -> list[Content]:
    """Return what parcels hold."""
    return [content for box in boxes for content in box.lines]


def of_shipment(boxes: Iterable[Parcel], shipment_no: str) -> list[Parcel]:
    """Return those of an order's parcels that are a shipment's."""
    return [box for box in boxes if box.shipment_no == shipment_no]
