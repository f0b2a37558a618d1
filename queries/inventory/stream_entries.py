"""The entries of a stream, with what was said in words about their postings."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock import StreamKey
from ledger.reads.balances import stream_entries
from ledger.reads.views import EntryView
from records import people
from records.people import Words


@dataclass(frozen=True)
class EntryTold:
    """An entry, and the words that came with its posting."""

    entry: EntryView
    words: Words


@dataclass(frozen=True)
class StreamEntries:
    """Entries of one stream by number. `next` is the `after_seq` of the next page, or None."""

    key: StreamKey
    items: list[EntryTold]
    next: int | None


async def read_entries(
    connection: AsyncConnection, tenant: str, stream_id: UUID, after_seq: int, limit: int
) -> StreamEntries | None:
    """Return entries of a stream, from the one after `after_seq`. None where the tenant has no such stream."""
    page = await stream_entries(connection, tenant, stream_id, after_seq, limit)
    if page is None:
        return None
    words = await people.words_about(connection, tenant, {entry.key for entry in page.items})
    return StreamEntries(page.key, [EntryTold(x, words.get(x.key, Words())) for x in page.items], page.next)
