"""The carrier's vocabulary, and the shapes of what it takes. Its booking words are its own, not the hub's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Status = Literal[
    "pending",
    "picked_up",
    "in_transit",
    "out_for_delivery",
    "ready_for_pickup",
    "delivered",
    "on_hold",
    "delivery_delayed",
    "delivery_failed",
    "return_to_sender",
    "cancelled",
    "unknown",
]
STATUSES: frozenset[str] = frozenset(get_args(Status))
BEFORE_PICKUP: frozenset[str] = frozenset({"pending", "cancelled", "unknown"})
"""Scans that do not prove that the carrier has the parcel."""
FINAL: frozenset[str] = frozenset({"delivered", "return_to_sender", "cancelled"})
"""After one of these the fast clock leaves a parcel alone."""
TOO_LATE: frozenset[str] = frozenset({"out_for_delivery", "delivered", "cancelled"})
"""After one of these a parcel can't be intercepted, unless it was scanned as something else since."""
JOURNEY: tuple[Status, ...] = ("picked_up", "in_transit", "out_for_delivery", "delivered")
"""What happens to a parcel that nobody interferes with."""


class Address(BaseModel):
    """An address as the carrier writes it. All may be missing here: what must be there is a business rule."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    company: str | None = None
    street_lines: list[str] = []
    postal_code: str | None = None
    city: str | None = None
    state: str | None = None
    country_code: str | None = None
    phone: str | None = None
    email: str | None = None


class ParcelOrder(BaseModel):
    """One box to be booked."""

    model_config = ConfigDict(extra="forbid")

    parcel_no: int = Field(ge=1)
    weight_g: int
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None


class ShipmentOrder(BaseModel):
    """A booking as a client asks for it. `reference` is the client's, and is not checked for having been used."""

    model_config = ConfigDict(extra="forbid")

    reference: str = Field(min_length=1, max_length=255)
    service: str = Field(min_length=1, max_length=64)
    ship_from: Address
    ship_to: Address
    parcels: list[ParcelOrder] = Field(min_length=1, max_length=99)


class InterceptOrder(BaseModel):
    """A parcel is to be stopped and sent back. `reference` is the client's, to be asked by."""

    model_config = ConfigDict(extra="forbid")

    reference: str = Field(min_length=1, max_length=255)


class Scan(BaseModel):
    """One scan of a parcel. `occurred_at` left out is now."""

    model_config = ConfigDict(extra="forbid")

    status: Status
    occurred_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    location: str | None = None
    signed_by: str | None = None
