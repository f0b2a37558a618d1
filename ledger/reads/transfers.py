"""Transfers between sites: what was sent, and what is still on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock import StreamKey, transfer
from ledger.reading import key_of


@dataclass(frozen=True)
class SentGoods:
    """What was sent of a sku, in base units. `lot` is empty where none was named."""

    sku: str
    quantity: int
    lot: str


@dataclass(frozen=True)
class SentTransfer:
    """What was sent, line by line, and what of it is on the way, by stream."""

    transfer_no: str
    site: str
    to_site: str
    lines: list[SentGoods]
    sent_at: datetime
    on_the_way: list[tuple[StreamKey, int]]


_SENT: Final = text(
    """
    select answer::json, occurred_at from ledger.posting
    where tenant = :tenant and idempotency_key = :key and reason = 'transfer'
    """
)

_ON_THE_WAY: Final = text(
    """
    select s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status, t.on_hand
    from ledger.stream s
    cross join lateral (select on_hand from ledger.entry where stream_id = s.stream_id order by seq desc limit 1) t
    where s.tenant = :tenant and s.location_id = :location_id and s.open
    order by s.sku, s.lot, s.serial_number, s.stock_status
    """
)


def transfer_key(transfer_no: str) -> str:
    """Name the posting that a transfer was sent with."""
    return f"transfer/{transfer_no}"


async def find_transfer(connection: AsyncConnection, tenant: str, transfer_no: str) -> SentTransfer | None:
    """Return a transfer, or None where none was sent under this number."""
    sent = (await connection.execute(_SENT, {"tenant": tenant, "key": transfer_key(transfer_no)})).one_or_none()
    if sent is None:
        return None
    answer, sent_at = sent
    place = transfer(transfer_no, answer["site"])
    rows = await connection.execute(_ON_THE_WAY, {"tenant": tenant, "location_id": place.location_id})
    on_the_way = [(key_of(row[:-1]), row[-1]) for row in rows]
    lines = [SentGoods(line["sku"], line["quantity"], line["lot"]) for line in answer["lines"]]
    return SentTransfer(transfer_no, answer["site"], answer["to_site"], lines, sent_at, on_the_way)
