"""Receipts: what arrived of what was expected, or without a purchase order where the site takes it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Body, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import answer_posted
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Utc
from api.door.request_body import Said
from api.door.services import ApiServices, Services
from commands.inbound.receive import receive_goods
from commands.inbound.receive_unordered import receive_unordered_goods
from commands.inbound.receiving import AnyReceipt, kept_receipt
from commands.posting import Posted
from domain.commands import Key
from domain.lot_numbers import Arrival, LotPattern
from domain.refusals import not_found
from domain.shapes import Receipt, UnorderedReceipt
from domain.stock import StockStatus
from ledger.reads import lots
from records.inbound import receipts

router = behind_the_door("/api/orders/inbound", "stock in")


unordered = behind_the_door("/api/inventory/receipts", "stock in")


class ReceivedGoodsView(BaseModel):
    """What arrived of a sku, in base units. `stock_status` is what it became where it was put.

    `expires_on` is when its lot expires by all that is known. `expiry_computed` says that this follows from the
    product's shelf life, since nobody told it.
    """

    sku: str
    quantity: int
    lot: str | None
    expires_on: str | None
    expiry_computed: bool
    produced_on: str | None
    serial_numbers: list[str]
    stock_status: StockStatus


class ReceivedView(ReceivedGoodsView):
    """What arrived of a line, in base units."""

    line_no: int


class ReversalView(BaseModel):
    """How a receipt was taken back, and why."""

    reversal_no: str
    reason: str
    actor: str
    posting_id: UUID
    recorded_at: Utc


class UnorderedReceiptView(BaseModel):
    """A receipt without a purchase order."""

    receipt_no: str
    location_id: str
    supplier: str | None
    posting_id: str
    recorded_at: Utc
    lines: list[ReceivedGoodsView]
    reversal: ReversalView | None


class ReceiptView(BaseModel):
    """A receipt."""

    receipt_no: str
    po_no: str
    location_id: str
    posting_id: str
    recorded_at: Utc
    lines: list[ReceivedView]
    reversal: ReversalView | None


@router.post("/{po_no}/receipts", status_code=201, responses=same_again(ReceiptView))
async def receive(
    services: Services,
    caller: Caller,
    response: Response,
    po_no: Annotated[Key, Path()],
    said: Annotated[Said[Receipt], Body(examples=[examples.RECEIPT])],
) -> ReceiptView:
    """Take stock in. More than is still expected is refused, unless `allow_over` says that it is meant.

    A sku that is tracked by lots gets a lot of its own where the supplier names none. When a lot expires may be told
    once, by any of its receipts; one that contradicts that is refused. Until then it is computed from the product's
    shelf life: from the day that the lot was produced, or first came.

    What is put into a location of type `quarantine` is quarantined there, what is put into one of type `returns` is to
    be inspected.
    """
    outcome = await receive_goods(services, caller, po_no, said)
    answer_posted(response, outcome)
    async with services.reading() as connection:
        kept = await _kept(connection, caller.tenant, po_no, said.settle(), outcome)
        return await _shown(connection, caller.tenant, kept, ReceiptView)


@unordered.post("", status_code=201, responses=same_again(UnorderedReceiptView))
async def receive_unordered(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[UnorderedReceipt], Body(examples=[examples.UNORDERED_RECEIPT])],
) -> UnorderedReceiptView:
    """Take stock in that no purchase order names, where the site does: its location says so.

    Lots, and when they expire, are as with any receipt.
    """
    outcome = await receive_unordered_goods(services, caller, said)
    answer_posted(response, outcome)
    async with services.reading() as connection:
        kept = await _kept(connection, caller.tenant, "", said.settle(), outcome)
        return await _shown(connection, caller.tenant, kept, UnorderedReceiptView)


# -- what was received before ----------------------------------------------------------------------------------------


async def _kept(
    connection: AsyncConnection, tenant: str, po_no: str, body: AnyReceipt, outcome: Posted
) -> receipts.Receipt:
    """Return a receipt as it was kept; one that an older build took in, as the posting's answer has it."""
    kept = await receipts.get(connection, tenant, po_no, body.receipt_no)
    if kept is not None:
        return kept
    return kept_receipt(po_no, body, await _lots_then(connection, tenant, po_no, body, outcome), outcome)


async def _lots_then(
    connection: AsyncConnection, tenant: str, po_no: str, body: AnyReceipt, outcome: Posted
) -> list[str | None]:
    """Return the lot of each line, as the posting's answer has it.

    An older build kept no lots there: one of its own bears the receipt's name.
    """
    lots_then = []
    for number, (told, received) in enumerate(zip(body.lines, outcome.answer["received"], strict=True), 1):
        lot = received.get("lot", told.lot)
        if "lot" not in received and lot is None:
            sku = received["sku"]
            own = LotPattern().lot_of(Arrival(po_no, body.receipt_no, number, sku, date.min))
            lot = own if await lots.find_lot(connection, tenant, sku, own) else None
        lots_then.append(lot)
    return lots_then


_View = TypeVar("_View", ReceiptView, UnorderedReceiptView)


async def _shown(connection: AsyncConnection, tenant: str, receipt: receipts.Receipt, view: type[_View]) -> _View:
    """Show a receipt, with how it was taken back if it was."""
    reversal = await receipts.reversal_of(connection, tenant, receipt.po_no, receipt.receipt_no)
    shown = {**vars(receipt), "posting_id": str(receipt.posting_id), "reversal": reversal}
    return view.model_validate(shown, from_attributes=True)


@router.get("/{po_no}/receipts/{receipt_no}", responses=REFUSALS)
async def get_receipt(
    services: Services, caller: Caller, po_no: Annotated[Key, Path()], receipt_no: Annotated[Key, Path()]
) -> ReceiptView:
    """Return a receipt as it was answered, and how it was taken back if it was."""
    return await _found(services, caller.tenant, po_no, receipt_no, ReceiptView)


@unordered.get("/{receipt_no}", responses=REFUSALS)
async def get_unordered_receipt(
    services: Services, caller: Caller, receipt_no: Annotated[Key, Path()]
) -> UnorderedReceiptView:
    """Return a receipt without a purchase order, and how it was taken back if it was."""
    return await _found(services, caller.tenant, "", receipt_no, UnorderedReceiptView)


async def _found(services: ApiServices, tenant: str, po_no: str, receipt_no: str, view: type[_View]) -> _View:
    async with services.reading() as connection:
        receipt = await receipts.get(connection, tenant, po_no, receipt_no)
        if receipt is None:
            raise not_found(f"receipt {receipt_no}")
        return await _shown(connection, tenant, receipt, view)
