"""What was corrected, with what was said in words about it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.reads import adjustments
from ledger.reads.adjustments import Adjusted, AdjustmentFilter
from records import people
from records.people import Words


@dataclass(frozen=True)
class AdjustmentTold:
    """An adjustment, and the words that came with it."""

    adjusted: Adjusted
    words: Words


async def read_adjustments(connection: AsyncConnection, tenant: str, wanted: AdjustmentFilter) -> list[AdjustmentTold]:
    """Return adjustments, as they were recorded."""
    rows = await adjustments.page(connection, tenant, wanted)
    words = await people.words_about(connection, tenant, (row.key for row in rows))
    return [AdjustmentTold(row, words.get(row.key, Words())) for row in rows]
