"""The ledger's own entries, with their hashes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel

from api.door.auth import Caller, behind_the_door
from api.door.openapi import REFUSALS
from api.door.paging import Limit, Utc
from api.door.services import Services
from domain.orders import order_no_of
from domain.refusals import not_found
from domain.stock import StockStatus, StreamKey
from queries.inventory.stream_entries import EntryTold, read_entries

router = behind_the_door("/api/ledger", "ledger")


class StreamView(BaseModel):
    """One stock bucket."""

    stream_id: UUID
    sku: str
    site: str
    location_id: str
    lot: str | None
    serial_number: str | None
    stock_status: StockStatus


class LedgerEntry(BaseModel):
    """One immutable row of a stream. `reason_code` is what who asked for it gave, or said in words (`reason_text`)."""

    seq: int
    posting_id: UUID
    reason: str
    reason_code: str | None
    reason_text: str | None
    note: str | None
    order_no: str | None
    line_no: int | None
    on_hand_delta: int
    reserved_delta: int
    on_hand: int
    reserved: int
    occurred_at: Utc
    recorded_at: Utc
    evidence: str
    actor: str
    previous_hash: str
    hash: str


class EntriesPage(BaseModel):
    """Entries of one stream by number; `next` is the `after_seq` of the next page."""

    stream: StreamView
    items: list[LedgerEntry]
    next: str | None


@router.get("/streams/{stream_id}/entries", responses=REFUSALS)
async def get_entries(
    services: Services,
    caller: Caller,
    stream_id: Annotated[UUID, Path()],
    after_seq: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    limit: Limit = 100,
    cursor: Annotated[int | None, Query(ge=0, lt=2**62, description="The same as `after_seq`")] = None,
) -> EntriesPage:
    """Return the entries of a stream."""
    after = after_seq if cursor is None else cursor
    async with services.reading() as connection:
        page = await read_entries(connection, caller.tenant, stream_id, after, limit)
    if page is None:
        raise not_found(f"stream {stream_id}")
    return EntriesPage(
        stream=stream_view(page.key),
        items=[_entry(told) for told in page.items],
        next=None if page.next is None else str(page.next),
    )


def stream_view(key: StreamKey) -> StreamView:
    """Show what a stream is."""
    return StreamView(
        stream_id=key.stream_id,
        sku=key.sku,
        site=key.place.site,
        location_id=key.place.location_id,
        lot=key.lot or None,
        serial_number=key.serial_number or None,
        stock_status=key.stock_status,
    )


def _entry(told: EntryTold) -> LedgerEntry:
    entry, words = told.entry, told.words
    return LedgerEntry(
        seq=entry.seq,
        posting_id=entry.posting_id,
        reason=entry.reason,
        reason_code=entry.reason_code,
        reason_text=words.reason,
        note=words.note,
        order_no=order_no_of(entry.order_ref),
        line_no=entry.line_no,
        on_hand_delta=entry.on_hand_delta,
        reserved_delta=entry.reserved_delta,
        on_hand=entry.on_hand,
        reserved=entry.reserved,
        occurred_at=entry.occurred_at,
        recorded_at=entry.recorded_at,
        evidence=entry.evidence,
        actor=entry.actor,
        previous_hash=entry.previous_hash.hex(),
        hash=entry.hash.hex(),
    )
