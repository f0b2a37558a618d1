"""A shipment with its parcels, as it stands: what is decided about it, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from domain.carriers import TrackingStatus, advances
from domain.errors import Kind, Rejected
from domain.packing import Content, quantities
from domain.shipping.parcels import Parcel, Shipment
from domain.shipping.tracking import slowest


@dataclass(frozen=True)
class ShipmentState:
    """A shipment and its parcels."""

    shipment: Shipment
    parcels: tuple[Parcel, ...]

    def parcel(self, parcel_no: int) -> Parcel | None:
        """Return a parcel by its number."""
        return next((box for box in self.parcels if box.parcel_no == parcel_no), None)

    def others(self, than: Parcel) -> tuple[Parcel, ...]:
        """Return the other parcels."""
        return tuple(box for box in self.parcels if box.parcel_no != than.parcel_no)

    def with_parcel(self, parcel_no: int, **changed: Any) -> Self:
        """Return it with one of its parcels changed."""
        boxes = (replace(box, **changed) if box.parcel_no == parcel_no else box for box in self.parcels)
        return replace(self, parcels=tuple(boxes))

    def with_status(self) -> Self:
        """Return it as far as its slowest parcel is."""
        return replace(self, shipment=replace(self.shipment, tracking_status=slowest(self.parcels)))

    @property
    def has_left(self) -> bool:
        """Say whether it is known to have left."""
        return self.shipment.handed_over_at is not None

    @property
    def underway(self) -> list[Parcel]:
        """Return the parcels that may still arrive."""
        return [box for box in self.parcels if box.is_underway]

    @property
    def arrived(self) -> list[Parcel]:
        """Return the parcels that have arrived."""
        return [box for box in self.parcels if box.delivered_at is not None]

    @property
    def has_arrived(self) -> bool:
        """Say whether something of it has arrived, and nothing of it is underway any more."""
        return bool(self.arrived) and not self.underway

    def left(self, at: datetime, evidence: str, goods: Iterable[list[Content]]) -> Self:
        """Return it after its goods issue; `goods` are what left in each parcel, as the ledger has it."""
        now = replace(self.shipment, handed_over_at=at, handover_evidence=evidence)
        boxes = tuple(_known_to_hold(box, rows) for box, rows in zip(self.parcels, goods, strict=True))
        return replace(self, shipment=now, parcels=boxes)

    def delivered(self, parcel_no: int, at: datetime, goods: list[Content]) -> Self:
        """Return it after a parcel arrived; `goods` are what arrived in it, as the ledger has it."""
        now = self.with_parcel(parcel_no, delivered_at=at)
        boxes = tuple(_known_to_hold(box, goods) if box.parcel_no == parcel_no else box for box in now.parcels)
        return replace(now, parcels=boxes)

    def found(self, parcel_no: int, at: datetime) -> Self:
        """Return it after a parcel arrived that was lost."""
        return self.with_parcel(parcel_no, delivered_at=at, lost_at=None, loss=None)


def existing(state: ShipmentState | None, shipment_no: str) -> ShipmentState:
    """Return a shipment that a command names. Raises `Rejected` where there is none, or none any more."""
    if state is None:
        raise Rejected("unknown_shipment", f"The order has no shipment {shipment_no}.", kind=Kind.UNKNOWN)
    if state.shipment.dissolved_at:
        raise Rejected("shipment_cancelled", f"Shipment {shipment_no} was cancelled.", kind=Kind.CONFLICT)
    return state


def _known_to_hold(box: Parcel, rows: list[Content]) -> Parcel:
    """Return a parcel with what was posted for it, unless part of it had gone before."""
    return replace(box, lines=tuple(rows)) if quantities(rows) == quantities(box.lines) else box


@dataclass(frozen=True)
class Advanced:
    """What became of a shipment by a scan of one of its parcels, in words too; nothing where that was behind."""

    state: ShipmentState
    words: str
    is_news: bool


def advance(state: ShipmentState, box: Parcel, status: TrackingStatus) -> Advanced:
    """Move one of its parcels to a status, if that is further than it is."""
    before = box.tracking_status
    if not advances(before, status):
        return Advanced(state, f"nothing: {before} is further", is_news=False)
    return Advanced(
        state.with_parcel(box.parcel_no, tracking_status=status).with_status(), f"{before} -> {status}", is_news=True
    )
