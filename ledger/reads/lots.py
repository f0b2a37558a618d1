"""Lots and serial numbers: where they are, who has them, and where they have been."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.sql import SQL
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock import StreamKey
from ledger.reading import key_of
from postgres.statements import composed


@dataclass(frozen=True)
class Lot:
    """What is known of a lot. `block_no` is the recall's that blocks it; `sites` are those that have known the sku.

    `expiry_computed` says that nobody told when it expires: that follows from a shelf life.
    """

    expires_on: date | None
    expiry_computed: bool
    block_no: str | None
    sites: tuple[str, ...]


@dataclass(frozen=True)
class Traced:
    """A lot of a sku, or a serial number."""

    tenant: str
    sku: str
    lot: str = ""
    serial_number: str = ""


@dataclass(frozen=True)
class Whereabouts:
    """What of a lot or serial number is at one place. `order_ref` is whose it is, outside of the house."""

    key: StreamKey
    on_hand: int
    reserved: int
    order_ref: str | None
    since: datetime


@dataclass(frozen=True)
class Movement:
    """What came to a stream (`quantity` above 0) or left it, and why. `order_ref` is None where it is for no order."""

    key: StreamKey
    seq: int
    posting_id: UUID
    reason: str
    order_ref: str | None
    quantity: int
    on_hand: int
    occurred_at: datetime
    recorded_at: datetime
    evidence: str
    actor: str

    @property
    def position(self) -> tuple[datetime, UUID, UUID, int]:
        """Where it stands in a history."""
        return self.recorded_at, self.posting_id, self.key.stream_id, self.seq


_LOTS: Final = text(
    """
    select l.sku, l.lot, l.expires_on, l.expiry_computed, l.block_no,
           array(select p.site from ledger.pool p where p.tenant = l.tenant and p.sku = l.sku order by p.site) as sites
    from ledger.lot l
    where l.tenant = :tenant
      and (l.sku, l.lot) in (select * from unnest(cast(:skus as text[]), cast(:lots as text[])))
    """
)

_RECALL: Final = text(
    """
    select answer::json ->> 'sku', answer::json ->> 'lot' from ledger.posting
    where tenant = :tenant and idempotency_key = :key and reason = 'lot_block'
    """
)

_KEY: Final = SQL("s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status")
_KEY_WIDTH: Final = 8

# A lot or a serial number is found by its own index; where both are named, by either.
_OF_LOT: Final = SQL("s.tenant = :tenant and s.sku = :sku and s.lot = :lot and s.lot <> ''")
_OF_SERIAL: Final = SQL(
    "s.tenant = :tenant and s.sku = :sku and s.serial_number = :serial_number and s.serial_number <> ''"
)
_TRACED: Final = {
    ("lot",): _OF_LOT,
    ("serial_number",): _OF_SERIAL,
    ("lot", "serial_number"): SQL("{lot} and {serial}").format(lot=_OF_LOT, serial=_OF_SERIAL),
}


def _tracing(template: LiteralString) -> dict[tuple[str, ...], TextClause]:
    """Write a statement for each way to name what is traced."""
    return {named: text(composed(template, key=_KEY, traced=traced)) for named, traced in _TRACED.items()}


_WHEREABOUTS: Final = _tracing("""
select {key}, e.on_hand, e.reserved, nullif(e.order_ref, ''), e.recorded_at
from ledger.stream s
cross join lateral (
  select on_hand, reserved, order_ref, recorded_at from ledger.entry where stream_id = s.stream_id
  order by seq desc limit 1
) e
where s.open and {traced}
order by s.kind, s.site, s.location_id, s.lot, s.serial_number, s.stock_status
""")

_HISTORY: Final = _tracing("""
select {key}, e.seq, e.posting_id, p.reason, nullif(e.order_ref, ''), e.on_hand_delta, e.on_hand, p.occurred_at,
       e.recorded_at, p.evidence, p.actor
from ledger.stream s
join ledger.entry e on e.stream_id = s.stream_id
join ledger.posting p on p.posting_id = e.posting_id
where {traced} and e.on_hand_delta <> 0
  and (e.recorded_at, e.posting_id, e.stream_id, e.seq) > (:recorded_at, :posting_id, :stream_id, :seq)
order by e.recorded_at, e.posting_id, e.stream_id, e.seq limit :limit
""")

# What a site holds for orders, or is to put back, of lots whose last day was before a day.
_HELD_THOUGH_EXPIRED: Final = text(
    """
    select distinct s.sku
    from ledger.pool p
    join ledger.stream s on s.pool_id = p.pool_id and s.kind in ('storage', 'staging') and s.open and s.lot <> ''
    join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot and l.expires_on < :day
    cross join lateral (
      select e.reserved from ledger.entry e where e.stream_id = s.stream_id order by e.seq desc limit 1
    ) e
    where p.tenant = :tenant and p.site = :site and s.stock_status = 'available' and e.reserved > 0
    order by s.sku
    """
)

_BEGINNING: Final = (datetime.fromisoformat("0001-01-02T00:00:00+00:00"), UUID(int=0), UUID(int=0), 0)


async def find_lot(connection: AsyncConnection, tenant: str, sku: str, lot: str) -> Lot | None:
    """Return what is known of a lot, or None where nothing of it ever came."""
    return (await find_lots(connection, tenant, [(sku, lot)])).get((sku, lot))


async def find_lots(
    connection: AsyncConnection, tenant: str, named: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Lot]:
    """Return what is known of lots, each named with its sku; of those of which anything ever came."""
    if not named:
        return {}
    skus, names = zip(*named, strict=True)
    rows = await connection.execute(_LOTS, {"tenant": tenant, "skus": list(skus), "lots": list(names)})
    return {
        (row.sku, row.lot): Lot(row.expires_on, row.expiry_computed, row.block_no, tuple(row.sites)) for row in rows
    }


async def held_though_expired(connection: AsyncConnection, tenant: str, site: str, day: date) -> list[str]:
    """Name the skus of which a site holds something that has expired by a day."""
    asked = {"tenant": tenant, "site": site, "day": day}
    return list((await connection.execute(_HELD_THOUGH_EXPIRED, asked)).scalars())


async def lot_of_recall(connection: AsyncConnection, tenant: str, key: str) -> tuple[str, str] | None:
    """Return the sku and the lot that the posting under this key blocked, or None where there is no such posting."""
    row = (await connection.execute(_RECALL, {"tenant": tenant, "key": key})).one_or_none()
    return None if row is None else (row[0], row[1])


async def whereabouts(connection: AsyncConnection, traced: Traced) -> list[Whereabouts]:
    """Return where all of a lot or serial number is: in the house, on the road, with customers, and where it came from.

    What suppliers sent and counts corrected is negative there; so the quantities add up to zero (I4).
    """
    rows = await connection.execute(_WHEREABOUTS[tuple(_given(traced))], _named(traced))
    return [Whereabouts(key_of(row[:_KEY_WIDTH]), *row[_KEY_WIDTH:]) for row in rows]


async def history(
    connection: AsyncConnection,
    traced: Traced,
    limit: int,
    after: tuple[datetime, UUID, UUID, int] | None = None,
) -> list[Movement]:
    """Return the movements of a lot or serial number as they were recorded, from receipt to customer and back.

    `after` is the position of the last one of the page before.
    """
    position = dict(zip(("recorded_at", "posting_id", "stream_id", "seq"), after or _BEGINNING, strict=True))
    rows = await connection.execute(_HISTORY[tuple(_given(traced))], {**_named(traced), **position, "limit": limit})
    return [Movement(key_of(row[:_KEY_WIDTH]), *row[_KEY_WIDTH:]) for row in rows]


def _named(traced: Traced) -> dict[str, Any]:
    return {"tenant": traced.tenant, "sku": traced.sku, **_given(traced)}


def _given(traced: Traced) -> dict[str, str]:
    both = {"lot": traced.lot, "serial_number": traced.serial_number}
    return {name: value for name, value in both.items() if value}
