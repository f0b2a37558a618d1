"""Open streams of pools that were written lately, kept in memory as the last batch leaves them.

A hot pool is then read once, and the next batch can be decided while the last is still being written. Nothing here is
trusted: a batch claims its pools by the marks that it knows (`queries.CLAIM_POOLS`), and one that was written by
anybody else in between fails the claim, is forgotten here, and is read again under its lock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from stockbridge.domain.stock import PHYSICAL
from stockbridge.ledger.book import Book, Stream

MAX_POOLS: Final = 4096
MAX_STREAMS: Final = 512
"""Of one pool: one with more (of serial numbers, say) is read each time."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A pool: the mark of its last write, a time after which nothing was recorded in it, and its open streams."""

    mark: int
    newest: datetime
    streams: list[Stream]


class KeptPools:
    """The pools that were written last, by id."""

    def __init__(self) -> None:
        self._pools: OrderedDict[UUID, Kept] = OrderedDict()

    def __contains__(self, pool_id: UUID) -> bool:
        return pool_id in self._pools

    def take(self, pools: Iterable[UUID]) -> dict[UUID, Kept]:
        """Hand out what is kept of pools. It is kept no longer: a batch works on the streams themselves."""
        return {pool_id: kept for pool_id in pools if (kept := self._pools.pop(pool_id, None)) is not None}

    def keep(self, book: Book, marks: Mapping[UUID, int], newest: datetime) -> None:
        """Keep the pools of a batch that was decided and chained, as they will be once it is written."""
        streams: dict[UUID, list[Stream]] = {pool_id: [] for pool_id in marks}
        for stream in book.streams.values():
            if stream.on_hand and stream.key.place.kind in PHYSICAL and stream.pool_id in streams:
                streams[stream.pool_id].append(stream)
        for pool_id, mark in marks.items():
            # A new stream's lot may be known with another expiry: PostgreSQL knows.
            if all(stream.stored for stream in streams[pool_id]) and len(streams[pool_id]) <= MAX_STREAMS:
                self._pools[pool_id] = Kept(mark, newest, streams[pool_id])
        while len(self._pools) > MAX_POOLS:
            self._pools.popitem(last=False)

    def forget(self, pools: Collection[UUID]) -> None:
        """Keep nothing of pools that are not as was thought."""
        self.take(pools)
