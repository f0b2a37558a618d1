"""What the hub says to carriers and hears from them; the partial order of tracking statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
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


# How far each status tells us that a parcel has come; a later one is above an earlier one. `latest` takes the higher
# of two, so any permutation or duplication of the same events ends in the same status.
#
# - `unknown` is the bottom: a word that we can't read proves nothing.
# - `cancelled` is just above `pending`: only what never left can be cancelled, and any scan of the parcel refutes it.
# - `delivery_delayed` and `on_hold` are above mere movement, so that a late scan doesn't hide them, and below what ends
#   them. A carrier can only hold or be late with what it has: adapters map a delay before the pick-up to `pending`.
# - `ready_for_pickup` is above `delivery_failed`: after a failed attempt the parcel often waits in a shop.
# - `delivered` is the top, above `return_to_sender`: it moved stock in the ledger, and facts stay. An adapter whose
#   carrier calls the arrival back at the sender "delivered" maps that to `return_to_sender`.
_LADDER = (
    TrackingStatus.UNKNOWN,
    TrackingStatus.PENDING,
    TrackingStatus.CANCELLED,
    TrackingStatus.PICKED_UP,
    TrackingStatus.IN_TRANSIT,
    TrackingStatus.DELIVERY_DELAYED,
    TrackingStatus.ON_HOLD,
    TrackingStatus.OUT_FOR_DELIVERY,
    TrackingStatus.DELIVERY_FAILED,
    TrackingStatus.READY_FOR_PICKUP,
    TrackingStatus.RETURN_TO_SENDER,
    TrackingStatus.DELIVERED,
)
_RANK = {status: rank for rank, status in enumerate(_LADDER)}

PHYSICAL = frozenset(_LADDER[_RANK[TrackingStatus.PICKED_UP] :])
"""The statuses that prove that the parcel left the building: all from `picked_up` up.

Closed upwards, so that whether a parcel left shows in its latest status alone, in whatever order the events came.
"""


GONE_WRONG = frozenset({TrackingStatus.CANCELLED, TrackingStatus.RETURN_TO_SENDER})
"""The statuses after which a parcel does not arrive unless a person does something, or a later status refutes them."""


def advances(known: TrackingStatus, new: TrackingStatus) -> bool:
    """Say whether an event with status `new` tells more than what is known. `unknown` never does."""
    return _RANK[new] > _RANK[known]


def latest(known: TrackingStatus, new: TrackingStatus) -> TrackingStatus:
    """Return the join of two statuses: the one that tells more. Commutative, associative and idempotent."""
    return new if advances(known, new) else known


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

    def reads_as(self, other: Address) -> bool:
        """Say whether two are the same on a label: what is empty is not there."""
        return all((mine or None) == (its or None) for mine, its in zip(astuple(self), astuple(other), strict=True))


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
class BookedTerms:
    """What a carrier says a booking was for: the service, where to, and how heavy each parcel is, by its number."""

    service_level: str
    ship_to: Address
    weights_g: Mapping[int, int]


@dataclass(frozen=True)
class Booking:
    """The carrier's answer: its own id of the booking, to void it by, and the parcels with their numbers.

    `terms` are None where the carrier does not tell them.
    """

    reference: str
    booking_id: str
    parcels: tuple[LabeledParcel, ...]
    terms: BookedTerms | None = field(default=None, compare=False)

    def is_of(self, request: BookingRequest) -> bool:
        """Say whether it is what a request asks for, as far as the carrier tells: it may be of another life."""
        booked = {parcel.parcel_no for parcel in self.parcels}
        wanted = {parcel.parcel_no: parcel.weight_g for parcel in request.parcels}
        if booked != wanted.keys() or self.terms is None:
            return booked == wanted.keys()
        told = (self.terms.service_level, self.terms.weights_g)
        return told == (request.service_level, wanted) and self.terms.ship_to.reads_as(request.ship_to)


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
