"""Cutting the ledger into parts that can be checked one by one, and on several connections at once.

A part is a range of keys: of postings with their entries, which is a part of the ledger's time, so that its rows lie
side by side; of streams; of one tenant's orders. Its keys go from `low` up to, but not with, `high`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from ledger.verifying import verification_queries as queries

ROWS_A_PART: Final = 30_000
"""Few enough for a part's hash tables to stay near the processor, and enough that most entries find the one before them
in their own part."""


class Kind(StrEnum):
    """What a part is of."""

    POSTINGS = "postings"
    STREAMS = "streams"
    ORDERS = "orders"


@dataclass(frozen=True)
class Part:
    """A range of keys. `high` is None where it has no end; `tenant` is whose orders these are."""

    kind: Kind
    low: str
    high: str | None
    tenant: str = ""

    @property
    def keys(self) -> dict[str, str | None]:
        """Name the range as queries do."""
        return {"low": self.low, "high": self.high, "tenant": self.tenant}


@dataclass(frozen=True)
class Count:
    """How much a part has: entries, and postings, streams or order lines."""

    entries: int
    rows: int


_NEXT: Final = {
    Kind.POSTINGS: queries.NEXT_POSTINGS,
    Kind.STREAMS: queries.NEXT_STREAMS,
    Kind.ORDERS: queries.NEXT_ORDERS,
}
_FIRST_ID: Final = str(UUID(int=0))


def parts_of(connection: Connection, known: Iterable[Part], size: int = ROWS_A_PART) -> Iterator[Part]:
    """Cut the ledger into parts of about so many postings, streams or order lines; those that are known stay whole.

    Each is cut off when it is asked for, so there is never a list of all.
    """
    before = {(part.kind, part.tenant, part.low): part for part in known}
    yield from _cut(connection, before, Kind.POSTINGS, "", size)
    yield from _cut(connection, before, Kind.STREAMS, "", size)
    for tenant in _tenants(connection):
        yield from _cut(connection, before, Kind.ORDERS, tenant, size)


def _tenants(connection: Connection) -> Iterator[str]:
    tenant = ""
    while (tenant := _one(connection, queries.NEXT_TENANT, tenant=tenant)) is not None:
        yield tenant


def _cut(
    connection: Connection, before: dict[tuple[Kind, str, str], Part], kind: Kind, tenant: str, size: int
) -> Iterator[Part]:
    starts = [low for of_kind, of_tenant, low in before if (of_kind, of_tenant) == (kind, tenant)]
    low: str | None = "" if kind is Kind.ORDERS else _FIRST_ID
    while low is not None:
        part = before.get((kind, tenant, low))
        if part is None:
            high = _one(connection, _NEXT[kind], low=low, size=size, tenant=tenant, starts=starts)
            part = Part(kind, low, None if high is None else str(high), tenant)
        yield part
        low = part.high


def _one(connection: Connection, query: str, **asked: Any) -> Any:
    row = connection.execute(query, asked).fetchone()
    return row[0] if row else None
