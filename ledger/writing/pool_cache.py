"""Open streams of pools that were written lately, kept in memory as the last batch leaves them.

A hot pool is then read once, and the next batch can be decided while the last is still being written. Nothing here is
trusted: a batch claims its pools by the marks that it knows (`queries.CLAIM_POOLS`), and one that was written by
anybody else in between fails the claim, is forgotten here, and is read again under its lock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from domain.stock import PHYSICAL
from ledger.book import Book, Stream

MOST: Final = 50_000
"""Pools and streams in all: some 40 MB."""
MOST_OF_A_POOL: Final = 512
"""A pool with more (of serial numbers, say) is read each time."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A pool: the mark of its last write, a time after which nothing was recorded in it, and its open streams."""

    mark: int
    newest: datetime
    streams: list[Stream]

    @property
    def size(self) -> int:
        """How much room it takes."""
        return 1 + len(self.streams)


class KeptPools:
    """The pools that were written last, by id; those that were written longest ago make room."""

    def __init__(self, most: int = MOST) -> None:
        self._pools: OrderedDict[UUID, Kept] = OrderedDict()
        self._size = 0
        self._most = most

    def __contains__(self, pool_id: UUID) -> bool:
        return pool_id in self._pools

    def take(self, pools: Iterable[UUID]) -> dict[UUID, Kept]:
        """Hand out what is kept of pools. It is kept no longer: a batch works on the streams themselves."""
        taken = {pool_id: kept for pool_id in pools if (kept := self._pools.pop(pool_id, None)) is not None}
        self._size -= sum(kept.size for kept in taken.values())
        return taken

    def keep(self, book: Book, marks: Mapping[UUID, int], newest: datetime) -> None:
        """Keep the pools of a batch that was decided and chained, as they will be once it is written."""
        self.forget(marks)
        streams: dict[UUID, list[Stream]] = {pool_id: [] for pool_id in marks}
        for stream in book.streams.values():
            if stream.on_hand and stream.key.place.kind in PHYSICAL and stream.pool_id in streams:
                streams[stream.pool_id].append(stream)
        for pool_id, mark in marks.items():
            # A new stream's lot may be known with another expiry: PostgreSQL knows.
            if all(stream.stored for stream in streams[pool_id]) and len(streams[pool_id]) <= MOST_OF_A_POOL:
                self._pools[pool_id] = Kept(mark, newest, streams[pool_id])
                self._size += self._pools[pool_id].size
        while self._size > self._most:
            self.forget([next(iter(self._pools))])

    def forget(self, pools: Iterable[UUID]) -> None:
        """Keep nothing of pools that are not as was thought."""
        self.take(pools)
