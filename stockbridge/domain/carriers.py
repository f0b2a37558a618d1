"""What the hub says to carriers and hears from them; the partial order of tracking statuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TrackingStatus(StrEnum):
    """A parcel's status in our words, whatever the carrier calls it."""

    PENDING = "pending"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_PICKUP = "ready_for_pickup"
    DELIVERED = "delivered"
    ON_HOLD = "on_hold"
    DELIVERY_DELAYED = "delivery_delayed"
    DELIVERY_FAILED = "delivery_failed"
    RETURN_TO_SENDER = "return_to_sender"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Address:
    """Where a parcel comes from or goes to. `country` is ISO 3166-1 alpha-2."""

    name: str
    street: tuple[str, ...]
    postal_code: str
    city: str
    country: str
    company: str | None = None
    state: str | None = None
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class ParcelRequest:
    """One box to be labeled: grams and millimeters."""

    parcel_no: int
    weight_g: int
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None


@dataclass(frozen=True)
class BookingRequest:
    """A booking of one shipment. `reference` is ours, the same on every attempt; the carrier can be asked by it."""

    reference: str
    service_level: str
    ship_from: Address
    ship_to: Address
    parcels: tuple[ParcelRequest, ...]


@dataclass(frozen=True)
class LabeledParcel:
    """A parcel as the carrier booked it. `label` is the document itself."""

    parcel_no: int
    tracking_number: str
    label: bytes
    label_media_type: str


@dataclass(frozen=True)
class Booking:
    """The carrier's answer: its own id of the booking, to void it by, and the parcels with their numbers."""

    reference: str
    booking_id: str
    parcels: tuple[LabeledParcel, ...]


@dataclass(frozen=True)
class TrackingEvent:
    """One scan, as a callback or a poll tells it.

    `event_id` is the carrier's own, or derived from the content where there is none. `vendor_status` keeps the
    carrier's word. `occurred_at` is None where the carrier sent a time without an offset: none is invented.
    """

    event_id: str
    tracking_number: str
    status: TrackingStatus
    vendor_status: str
    occurred_at: datetime | None
    location: str | None = None
    signed_by: str | None = None
