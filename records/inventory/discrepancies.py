"""Differences between what we knew and what turned out to be, and what a person found out about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from records.tables import discrepancy, orders

OVER_CAPACITY: Final = "over_capacity"
Kind = Literal["expired_issue", "guessed_units", "over_capacity", "unaccounted_issue"]

WORDS: Final[Mapping[Kind, str]] = {
    "expired_issue": "goods left that had expired, for an order that does not allow it",
    "guessed_units": "goods moved of which nobody said which of several lots or serial numbers they are",
    "unaccounted_issue": "goods left that the ledger never had at the site",
}
"""What happened. Of what is over a capacity, its own numbers say it."""


@dataclass(frozen=True)
class Found:
    """A difference that turned up. `order_ref` is the order's that the posting is about, if it is about one."""

    tenant: str
    kind: Kind
    order_ref: str | None
    sku: str
    site: str
    quantity: int
    detail: str
    posting_id: UUID | None


@dataclass(frozen=True)
class _Numbered:
    discrepancy_id: int


@dataclass(frozen=True)
class DiscrepancyRow(Found, _Numbered):  # its number is its first field, as it is its table's first column
    """A difference, and what a person found out about it; all of `resolved_at` on is null while nobody has."""

    created_at: datetime
    resolved_at: datetime | None
    settlement_no: str | None
    settled_by: str | None
    reason_code: str | None
    adjustment_no: str | None
    digest: bytes | None


async def add(connection: AsyncConnection, found: Found) -> None:
    """Write a discrepancy down, for a person to look into."""
    await connection.execute(insert(discrepancy).values(vars(found)))


async def by_kind(connection: AsyncConnection, tenant: str) -> dict[str, int]:
    """Count a tenant's discrepancies by kind."""
    query = (
        select(discrepancy.c.kind, func.count())
        .where(discrepancy.c.tenant == tenant)
        .group_by(discrepancy.c.kind)
        .order_by(discrepancy.c.kind)
    )
    return {kind: int(count) for kind, count in await connection.execute(query)}


@dataclass(frozen=True)
class DiscrepancyFilter:
    """Which are wanted; None is any. `after` is the last one on the page before."""

    kind: Kind | None = None
    site: str | None = None
    sku: str | None = None
    order_no: str | None = None
    settled: bool | None = None
    after: int = 0
    limit: int = 100


async def page(connection: AsyncConnection, tenant: str, wanted: DiscrepancyFilter) -> list[DiscrepancyRow]:
    """Return discrepancies, the oldest first."""
    known = discrepancy.c
    asked = ((known.kind, wanted.kind), (known.site, wanted.site), (known.sku, wanted.sku))
    conditions = [known.tenant == tenant, known.discrepancy_id > wanted.after]
    conditions += [column == value for column, value in asked if value is not None]
    if wanted.order_no is not None:
        named = select(orders.c.order_ref).where(orders.c.tenant == tenant, orders.c.order_no == wanted.order_no)
        conditions.append(known.order_ref.in_(named))
    if wanted.settled is not None:
        conditions.append(known.resolved_at.is_not(None) if wanted.settled else known.resolved_at.is_(None))
    query = select(discrepancy).where(*conditions).order_by(known.discrepancy_id).limit(wanted.limit)
    return [DiscrepancyRow(*row) for row in await connection.execute(query)]


async def lock(connection: AsyncConnection, tenant: str, discrepancy_id: int) -> DiscrepancyRow | None:
    """Return a discrepancy, which nobody else settles meanwhile."""
    query = select(discrepancy).where(discrepancy.c.tenant == tenant, discrepancy.c.discrepancy_id == discrepancy_id)
    found = (await connection.execute(query.with_for_update(key_share=True))).one_or_none()
    return DiscrepancyRow(*found) if found else None


@dataclass(frozen=True)
class Settled:
    """What a person found out. `digest` is of all that was said."""

    settlement_no: str
    settled_by: str
    reason_code: str | None
    adjustment_no: str | None
    digest: bytes


async def settle(connection: AsyncConnection, discrepancy_id: int, found_out: Settled) -> DiscrepancyRow:
    """Settle a discrepancy, which the caller has locked and which is open."""
    statement = (
        update(discrepancy)
        .where(discrepancy.c.discrepancy_id == discrepancy_id)
        .values(resolved_at=func.clock_timestamp(), **vars(found_out))
        .returning(discrepancy)
    )
    return DiscrepancyRow(*(await connection.execute(statement)).one())
