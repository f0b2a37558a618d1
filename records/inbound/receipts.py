"""What arrived, as it was said, and what of that was taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from records.tables import goods_receipt, goods_receipt_reversal


@dataclass(frozen=True)
class Receipt:
    """A receipt. `po_no` is empty where no purchase order was named; `lines` are as they were answered."""

    po_no: str
    receipt_no: str
    location_id: str
    supplier: str | None
    lines: list[dict[str, Any]]
    posting_id: UUID
    recorded_at: datetime

    def by_line(self) -> dict[int, int]:
        """Sum what arrived of each line of the purchase order."""
        totals: dict[int, int] = {}
        for line in self.lines:
            totals[line["line_no"]] = totals.get(line["line_no"], 0) + line["quantity"]
        return totals


@dataclass(frozen=True)
class Reversal:
    """How a receipt was taken back, and why."""

    po_no: str
    receipt_no: str
    reversal_no: str
    reason: str
    actor: str
    posting_id: UUID
    recorded_at: datetime


async def add(connection: AsyncConnection, tenant: str, receipt: Receipt) -> None:
    """Keep a receipt, in the transaction of its posting."""
    await connection.execute(insert(goods_receipt).values(tenant=tenant, **vars(receipt)))


async def add_reversal(connection: AsyncConnection, tenant: str, reversal: Reversal) -> None:
    """Keep that a receipt was taken back, in the transaction of the posting that did."""
    await connection.execute(insert(goods_receipt_reversal).values(tenant=tenant, **vars(reversal)))


async def get(connection: AsyncConnection, tenant: str, po_no: str, receipt_no: str) -> Receipt | None:
    """Return a receipt; None where there was none, or an older build took it in."""
    told = goods_receipt.c
    query = select(*(told[name] for name in Receipt.__dataclass_fields__)).where(
        told.tenant == tenant, told.po_no == po_no, told.receipt_no == receipt_no
    )
    row = (await connection.execute(query)).one_or_none()
    return Receipt(*row) if row else None


async def reversal_of(connection: AsyncConnection, tenant: str, po_no: str, receipt_no: str) -> Reversal | None:
    """Return how a receipt was taken back, if it was."""
    told = goods_receipt_reversal.c
    query = select(*(told[name] for name in Reversal.__dataclass_fields__)).where(
        told.tenant == tenant, told.po_no == po_no, told.receipt_no == receipt_no
    )
    row = (await connection.execute(query)).one_or_none()
    return Reversal(*row) if row else None
