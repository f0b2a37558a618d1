"""What the reads answer with: balances, totals, entries, postings, stock levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.stock import StockStatus, StreamKey

DEFAULT_LIMIT: Final = 100


class Basis(StrEnum):
    """Which of its two times places a movement before or after an instant."""

    RECORDED = "recorded"
    OCCURRED = "occurred"


@dataclass(frozen=True, kw_only=True)
class BalanceQuery:
    """Which balances are wanted; None is any.

    `locations` are the ids that the caller resolved a subtree to. Virtual locations (`customer/SO-1`) answer only
    where they are named there. Without `as_of` the newest state is read; `basis` then means nothing. `days` says which
    day it is at each site then: what its lots expire by. `cursor` is the `next` of the page before.
    """

    tenant: str
    sku: str | None = None
    site: str | None = None
    locations: tuple[str, ...] | None = None
    lot: str | None = None
    stock_status: StockStatus | None = None
    as_of: datetime | None = None
    basis: Basis = Basis.RECORDED
    days: Mapping[str, date] = field(default_factory=dict)
    cursor: str | None = None
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class Balance:
    """What a stream holds. `seq` is that of the entry which made it so."""

    stream_id: UUID
    key: StreamKey
    on_hand: int
    reserved: int
    seq: int
    expires_on: date | None = None
    expired: bool = False

    @property
    def available(self) -> int:
        """What may still be promised: only stock in the status `available` that has not expired."""
        usable = self.key.stock_status is StockStatus.AVAILABLE and not self.expired
        return self.on_hand - self.reserved if usable else 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all pages. `in_transit` counts what is underway though its virtual locations are not listed."""

    on_hand: int
    reserved: int
    available: int
    in_transit: int
    quarantined: int
    expired: int = 0


@dataclass(frozen=True, slots=True)
class BalancePage:
    """Balances by sku, location, lot, serial number and status. `next` is the cursor of the next page, or None."""

    items: tuple[Balance, ...]
    totals: Totals
    next: str | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry, with what its posting says of it. `order_ref` and `line_no` are None where it is for no order."""

    stream_id: UUID
    location_id: str
    sku: str
    lot: str
    serial_number: str
    seq: int
    posting_id: UUID
    reason: str
    order_ref: str | None
    line_no: int | None
    on_hand_delta: int
    reserved_delta: int
    on_hand: int
    reserved: int
    occurred_at: datetime
    recorded_at: datetime
    evidence: str
    actor: str
    key: str
    reason_code: str | None
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries of one stream by number. `next` is the `after_seq` of the next page, or None."""

    stream_id: UUID
    key: StreamKey
    items: tuple[EntryView, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class PostingView:
    """A posting that touched an order: its entries for that order, and those for no order at all."""

    posting_id: UUID
    key: str
    reason: str
    reason_code: str | None
    actor: str
    evidence: str
    occurred_at: datetime
    recorded_at: datetime
    entries: tuple[EntryView, ...]


@dataclass(frozen=True, slots=True)
class StockLevel:
    """What a site has of a sku, what of it is promised, and what is waited for."""

    sku: str
    on_hand: int
    reserved: int
    available: int
    backordered: int
    in_transit: int
    quarantined: int
    expired: int
