"""Stock keys: streams, pools, places, and the canonical identity that names them.

Ids are derived from identities, so two writers that meet the same bucket for the first time name it alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Final
from uuid import UUID

LONGEST_LOT: Final = 64
"""Characters in a lot number."""


class StockStatus(StrEnum):
    """What may be done with stock. Only `available` stock can be reserved."""

    AVAILABLE = "available"
    QUARANTINED = "quarantined"
    DAMAGED = "damaged"
    INSPECTION = "inspection"


_FROM_BEST: Final = (
    StockStatus.AVAILABLE,
    StockStatus.INSPECTION,
    StockStatus.QUARANTINED,
    StockStatus.DAMAGED,
)


def worse_of(one: StockStatus, other: StockStatus) -> StockStatus:
    """Return the status that says more against selling."""
    return max(one, other, key=_FROM_BEST.index)


class PlaceKind(StrEnum):
    """What a location is to the ledger. The last four are virtual: the world outside is a place too."""

    STORAGE = "storage"
    STAGING = "staging"
    SUPPLIER = "supplier"
    ADJUSTMENT = "adjustment"
    TRANSIT = "transit"
    CUSTOMER = "customer"


PHYSICAL = frozenset({PlaceKind.STORAGE, PlaceKind.STAGING})
MAY_GO_NEGATIVE = frozenset({PlaceKind.SUPPLIER, PlaceKind.ADJUSTMENT})


class Evidence(StrEnum):
    """How we know of a movement."""

    SCANNED = "scanned"
    CONFIRMED = "confirmed"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class Place:
    """A location, and the site whose pool its stock belongs to.

    Whoever brings stock there says more of it: `keeps` is what stock becomes that is put there, where it is better;
    `limited_by` names those of it and of what it lies in that take so many units and no more. Neither is what it is.
    """

    location_id: str
    site: str
    kind: PlaceKind = PlaceKind.STORAGE
    keeps: StockStatus = field(default=StockStatus.AVAILABLE, compare=False)
    limited_by: tuple[str, ...] = field(default=(), compare=False)


def supplier(site: str) -> Place:
    """Where receipts come from. May go negative."""
    return Place(f"supplier/{site}", site, PlaceKind.SUPPLIER)


def adjustment(site: str) -> Place:
    """Where counts, losses and finds go to and come from. May go negative."""
    return Place(f"adjustment/{site}", site, PlaceKind.ADJUSTMENT)


def transit(shipment_no: str, site: str) -> Place:
    """Where goods are between the dock and the customer's door."""
    return Place(f"transit/{shipment_no}", site, PlaceKind.TRANSIT)


def transfer(transfer_no: str, site: str) -> Place:
    """Where goods are between two sites; they belong to the one that sent them."""
    return Place(f"transit/transfer/{transfer_no}", site, PlaceKind.TRANSIT)


def customer(order_ref: str, site: str) -> Place:
    """Where delivered goods are, so that nobody can return more than was delivered."""
    return Place(f"customer/{order_ref}", site, PlaceKind.CUSTOMER)


LotKey = tuple[str, str, str]
"""A lot: tenant, sku, lot."""


@dataclass(frozen=True, order=True)
class PoolKey:
    """All streams of a sku at a site of a tenant: the unit of locking, allocation and the backorder queue."""

    tenant: str
    site: str
    sku: str

    @cached_property
    def pool_id(self) -> UUID:
        """The pool's id, derived from its identity."""
        return pool_id_of(self.tenant, self.site, self.sku)


pool_key: Final = lru_cache(maxsize=1 << 17)(PoolKey)
"""Make a pool's key, or return the one that was made before, with its id."""


@lru_cache(maxsize=1 << 17)
def pool_id_of(tenant: str, site: str, sku: str) -> UUID:
    """Derive a pool's id from its identity."""
    return UUID(bytes=sha256(f"pool\n{tenant}\n{site}\n{sku}".encode()).digest()[:16])


@dataclass(frozen=True)
class StreamKey:
    """One stock bucket. `lot` and `serial_number` are empty where the sku has none."""

    tenant: str
    sku: str
    place: Place
    lot: str = ""
    serial_number: str = ""
    stock_status: StockStatus = StockStatus.AVAILABLE

    @cached_property
    def identity_hash(self) -> bytes:
        """SHA-256 of the canonical identity (docs/canonical-form.md). The first entry chains to it."""
        place = self.place
        form = (
            f"stream\n{self.tenant}\n{self.sku}\n{place.site}\n{place.location_id}\n{place.kind.value}\n"
            f"{self.lot}\n{self.serial_number}\n{self.stock_status.value}"
        )
        return sha256(form.encode()).digest()

    @cached_property
    def stream_id(self) -> UUID:
        """The stream's id: the first half of its identity hash."""
        return UUID(bytes=self.identity_hash[:16])

    @property
    def as_kept(self) -> StreamKey:
        """The bucket that such stock comes to here: a place makes nothing better than it is."""
        status = worse_of(self.stock_status, self.place.keeps)
        return self if status is self.stock_status else replace(self, stock_status=status)

    @cached_property
    def pool(self) -> PoolKey:
        """The pool that the stream belongs to."""
        return pool_key(self.tenant, self.place.site, self.sku)
