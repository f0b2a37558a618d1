"""What was corrected by counts and known differences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock import StreamKey
from ledger.reading import key_of
from postgres.statements import Query

BEGINNING: Final = (datetime(1, 1, 2, tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True)
class Adjusted:
    """A stream as an adjustment found it and left it. `reason_code` is empty where it was told in words, or before."""

    posting_id: UUID
    key: str
    stream: StreamKey
    delta: int
    on_hand: int
    reason_code: str
    actor: str
    evidence: str
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class AdjustmentFilter:
    """Which are wanted; None is any. `after` is the position of the last one on the page before."""

    sku: str | None = None
    site: str | None = None
    location_ids: list[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, UUID] = BEGINNING
    limit: int = 100


# A count that found as much as there was has no entries, and maybe no stream: the answer says what it was of. Those of
# before are found by their stream.
_ADJUSTED: Final = Query(
    """
    with adjusted as (
      select posting_id, tenant, idempotency_key, actor, evidence, occurred_at, recorded_at, answer::json as answer
      from ledger.posting
      where tenant = %(tenant)s and reason = 'adjustment' and (recorded_at, posting_id) > (%(time)s, %(posting_id)s)
        and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
        and (%(until)s::timestamptz is null or recorded_at < %(until)s)
    ), known as (
      select p.tenant, coalesce(p.answer ->> 'sku', s.sku) as sku, coalesce(p.answer ->> 'site', s.site) as site,
        coalesce(p.answer ->> 'location_id', s.location_id) as location_id,
        coalesce(p.answer ->> 'kind', s.kind) as kind, coalesce(p.answer ->> 'lot', s.lot) as lot,
        coalesce(p.answer ->> 'serial_number', s.serial_number) as serial_number,
        coalesce(p.answer ->> 'stock_status', s.stock_status) as stock_status,
        p.posting_id, p.idempotency_key, (p.answer ->> 'delta')::bigint,
        (p.answer ->> 'on_hand')::bigint, coalesce(p.answer ->> 'reason_code', ''), p.actor, p.evidence, p.occurred_at,
        p.recorded_at
      from adjusted p left join ledger.stream s on s.stream_id = (p.answer ->> 'stream_id')::uuid
    )
    select * from known
    where sku is not null and (%(sku)s::text is null or sku = %(sku)s) and (%(site)s::text is null or site = %(site)s)
      and (%(location_ids)s::text[] is null or location_id = any(%(location_ids)s))
    order by recorded_at, posting_id limit %(limit)s
    """
)

_STREAM_WIDTH: Final = 8


async def page(connection: AsyncConnection, tenant: str, wanted: AdjustmentFilter) -> list[Adjusted]:
    """Return adjustments as they were recorded."""
    rows = await _ADJUSTED.rows(
        connection,
        tenant=tenant,
        sku=wanted.sku,
        site=wanted.site,
        location_ids=wanted.location_ids,
        since=wanted.since,
        until=wanted.until,
        time=wanted.after[0],
        posting_id=wanted.after[1],
        limit=wanted.limit,
    )
    return [_adjusted(*row[_STREAM_WIDTH:], stream=key_of(row[:_STREAM_WIDTH])) for row in rows]


def _adjusted(
    posting_id: UUID,
    key: str,
    delta: int,
    on_hand: int,
    reason_code: str,
    actor: str,
    evidence: str,
    occurred_at: datetime,
    recorded_at: datetime,
    *,
    stream: StreamKey,
) -> Adjusted:
    return Adjusted(posting_id, key, stream, delta, on_hand, reason_code, actor, evidence, occurred_at, recorded_at)


# A count that found as much as there was has no entries: its answer says what it was of.
_IS_OF: Final = Query(
    """
    select exists (
      select from ledger.posting p
      where p.tenant = %(tenant)s and p.idempotency_key = any(%(keys)s) and (
        (p.answer::json ->> 'sku' = %(sku)s and p.answer::json ->> 'site' = %(site)s)
        or exists (
          select from ledger.entry e join ledger.stream s using (stream_id)
          where e.posting_id = p.posting_id and s.sku = %(sku)s and s.site = %(site)s
        )
      )
    )
    """
)


async def is_of(connection: AsyncConnection, tenant: str, number: str, sku: str, site: str) -> bool:
    """Say whether an adjustment, or a count of what a picker missed, was posted of a sku at a site."""
    keys = [f"adjustment/{number}", f"count/{number}"]
    ((found,),) = await _IS_OF.rows(connection, tenant=tenant, keys=keys, sku=sku, site=site)
    return bool(found)
