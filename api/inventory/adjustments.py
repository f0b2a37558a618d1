"""What was corrected: before, after, by whom, when, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from api.door.auth import Caller, behind_the_door
from api.door.openapi import REFUSALS
from api.door.paging import Cursor, Limit, Page, Utc, bad_cursor, cut, instant_of, position
from api.door.services import Services
from api.inventory.ledger import StreamView, stream_view
from domain.commands import Instant, Key
from ledger.reads import adjustments
from ledger.reads.adjustments import AdjustmentFilter
from queries.inventory.adjustments import AdjustmentTold, read_adjustments
from records import catalog

router = behind_the_door("/api/inventory", "stock")


class AdjustedView(BaseModel):
    """An adjustment, in base units: what the ledger had `before` it and has had `after` it."""

    adjustment_no: str
    posting_id: UUID
    stream: StreamView
    before: int
    after: int
    delta: int
    actor: str
    evidence: str
    occurred_at: Utc
    recorded_at: Utc
    reason: Annotated[str | None, Field(description="A code or free text; null of what an older build recorded")]
    reason_code: Annotated[str | None, Field(description="The reason where it is a code")]
    note: str | None


@router.get("/adjustments", responses=REFUSALS)
async def list_adjustments(
    services: Services,
    caller: Caller,
    sku: Annotated[Key | None, Query()] = None,
    site: Annotated[Key | None, Query()] = None,
    location: Annotated[Key | None, Query(description="A location with all below it")] = None,
    since: Annotated[Instant | None, Query(description="Recorded at or after")] = None,
    until: Annotated[Instant | None, Query(description="Recorded before")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AdjustedView]:
    """List what was corrected by counts and known differences, as it was recorded; counts that agreed, too."""
    async with services.reading() as connection:
        below = await catalog.subtree(connection, caller.tenant, location) if location else None
        wanted = AdjustmentFilter(sku, site, below, since, until, _after(cursor), limit + 1)
        rows = await read_adjustments(connection, caller.tenant, wanted)
    kept, following = cut(rows, limit, lambda told: [told.adjusted.recorded_at.isoformat(), told.adjusted.posting_id])
    return Page(items=[_view(told) for told in kept], next=following)


def _after(cursor: str | None) -> tuple[datetime, UUID]:
    after = position(cursor, 2)
    if after is None:
        return adjustments.BEGINNING
    try:
        return instant_of(after[0]), UUID(after[1])
    except ValueError:
        raise bad_cursor() from None


def _view(told: AdjustmentTold) -> AdjustedView:
    row, words = told.adjusted, told.words
    code = row.reason_code or None
    return AdjustedView(
        adjustment_no=row.key.partition("/")[2],
        posting_id=row.posting_id,
        stream=stream_view(row.stream),
        before=row.on_hand - row.delta,
        after=row.on_hand,
        delta=row.delta,
        actor=row.actor,
        evidence=row.evidence,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        reason=words.reason or code,
        reason_code=code,
        note=words.note,
    )
