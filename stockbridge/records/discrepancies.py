"""Differences between what we knew and what turned out to be."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.records.tables import discrepancy

_WORDS = {
    "expired_issue": "goods left that had expired, for an order that does not allow it",
    "guessed_units": "goods moved of which nobody said which of several lots or serial numbers they are",
    "unaccounted_issue": "goods left that the ledger never had at the site",
}
OVER_CAPACITY: Final = "over_capacity"


async def add(
    connection: AsyncConnection,
    tenant: str,
    kind: str,
    sku: str,
    site: str,
    quantity: int,
    posting_id: UUID | None,
    detail: str | None = None,
) -> None:
    """Write a discrepancy down, for a person to look into."""
    await connection.execute(
        insert(discrepancy).values(
            tenant=tenant,
            kind=kind,
            sku=sku,
            site=site,
            quantity=quantity,
            detail=_WORDS[kind] if detail is None else detail,
            posting_id=posting_id,
        )
    )


async def by_kind(connection: AsyncConnection, tenant: str) -> dict[str, int]:
    """Count a tenant's discrepancies by kind."""
    query = (
        select(discrepancy.c.kind, func.count())
        .where(discrepancy.c.tenant == tenant)
        .group_by(discrepancy.c.kind)
        .order_by(discrepancy.c.kind)
    )
    return {kind: int(count) for kind, count in await connection.execute(query)}
