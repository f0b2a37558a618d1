"""What arrived, as it was said, and what of that was taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from records.tables import goods_receipt, goods_receipt_reversal


@dataclass(frozen=True)
class ReceivedLine:
    """What arrived of a line, in base units. `line_no` is of the purchase order, where one was named."""

    sku: str
    quantity: int
    lot: str | None
    expires_on: str | None
    expiry_computed: bool
    produced_on: str | None
    serial_numbers: tuple[str, ...]
    stock_status: str
    line_no: int | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> ReceivedLine:
        """Read what was written down."""
        read = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        return cls(**{**read, "serial_numbers": tuple(row["serial_numbers"])})

    def as_row(self) -> dict[str, Any]:
        """Write it down."""
        told = {**vars(self), "serial_numbers": list(self.serial_numbers)}
        return {name: value for name, value in told.items() if name != "line_no" or value is not None}


@dataclass(frozen=True)
class Receipt:
    """A receipt. `po_no` is empty where no purchase order was named; `lines` are as they were answered."""

    po_no: str
    receipt_no: str
    location_id: str
    supplier: str | None
    lines: tuple[ReceivedLine, ...]
    posting_id: UUID
    recorded_at: datetime

    def by_line(self) -> dict[int, int]:
        """Sum what arrived of each line of the purchase order."""
        totals: Counter[int] = Counter()
        for line in self.lines:
            if line.line_no is not None:
                totals[line.line_no] += line.quantity
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
    kept = {**vars(receipt), "lines": [line.as_row() for line in receipt.lines]}
    await connection.execute(insert(goods_receipt).values(tenant=tenant, **kept))


async def add_reversal(connection: AsyncConnection, tenant: str, reversal: Reversal) -> None:
    """Keep that a receipt was taken back, in the transaction of the posting that did."""
    await connection.execute(insert(goods_receipt_reversal).values(tenant=tenant, **vars(reversal)))


async def get(connection: AsyncConnection, tenant: str, po_no: str, receipt_no: str) -> Receipt | None:
    """Return a receipt; None where there was none, or an older build took it in."""
    told = goods_receipt.c
    query = select(*(told[name] for name in Receipt.__dataclass_fields__)).where(
        told.tenant == tenant, told.po_no == po_no, told.receipt_no == receipt_no
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return Receipt(**{**row, "lines": tuple(map(ReceivedLine.of_row, row["lines"]))}) if row else None


async def reversal_of(connection: AsyncConnection, tenant: str, po_no: str, receipt_no: str) -> Reversal | None:
    """Return how a receipt was taken back, if it was."""
    told = goods_receipt_reversal.c
    query = select(*(told[name] for name in Reversal.__dataclass_fields__)).where(
        told.tenant == tenant, told.po_no == po_no, told.receipt_no == receipt_no
    )
    row = (await connection.execute(query)).one_or_none()
    return Reversal(*row) if row else None
