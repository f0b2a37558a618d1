"""Receipts: what each brought, and where it was put."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock import StreamKey
from ledger.reading import key_of


@dataclass(frozen=True)
class PostedReceipt:
    """What a receipt brought, by the streams that it went to."""

    posting_id: UUID
    goods: tuple[tuple[StreamKey, int], ...]

    def of_skus(self) -> dict[str, int]:
        """Sum what came of each sku."""
        totals: dict[str, int] = {}
        for key, quantity in self.goods:
            totals[key.sku] = totals.get(key.sku, 0) + quantity
        return totals


_RECEIPT: Final = text(
    """
    select p.posting_id, s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status,
           e.on_hand_delta
    from ledger.posting p
    join ledger.entry e on e.posting_id = p.posting_id and e.on_hand_delta > 0
    join ledger.stream s on s.stream_id = e.stream_id and s.kind = 'storage'
    where p.tenant = :tenant and p.idempotency_key = :key and p.reason = 'goods_receipt'
    order by s.sku, s.lot, s.serial_number, s.stock_status
    """
)


def receipt_key(po_no: str, receipt_no: str) -> str:
    """Name the posting of a receipt; `po_no` is empty where no purchase order was named."""
    return f"receipt/{po_no}/{receipt_no}" if po_no else f"receipt/{receipt_no}"


async def find_receipt(connection: AsyncConnection, tenant: str, key: str) -> PostedReceipt | None:
    """Return what a receipt brought, or None where there was none under this key."""
    rows = (await connection.execute(_RECEIPT, {"tenant": tenant, "key": key})).all()
    if not rows:
        return None
    return PostedReceipt(rows[0][0], tuple((key_of(row[1:-1]), row[-1]) for row in rows))
