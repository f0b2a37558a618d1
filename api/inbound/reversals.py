"""Receipts that are taken back: a posting of its own lets go of all that one brought."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path, Response
from pydantic import BaseModel

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import answer_posted
from api.door.openapi import same_again
from api.door.request_body import Said
from api.door.services import Services
from api.inbound.receipts import ReversalView
from commands.inbound.reverse_receipt import Reversed
from commands.inbound.reverse_receipt import reverse_receipt as taking_back
from domain.commands import Key
from domain.shapes import ReceiptReversal

router = behind_the_door("/api", "stock in")


class ReversedGoodsView(BaseModel):
    """What went back to the supplier, and from where, in base units."""

    sku: str
    location_id: str
    lot: str | None
    serial_number: str | None
    stock_status: str
    quantity: int


class ReversedView(ReversalView):
    """A receipt that was taken back, and the orders whose holds on it had to give way."""

    receipt_no: str
    po_no: str | None
    goods: list[ReversedGoodsView]
    displaced: list[str]


ReversalBody = Annotated[Said[ReceiptReversal], Body(examples=[examples.RECEIPT_REVERSAL])]


@router.post(
    "/orders/inbound/{po_no}/receipts/{receipt_no}/reversal", status_code=201, responses=same_again(ReversedView)
)
async def reverse_receipt(
    services: Services,
    caller: Caller,
    response: Response,
    po_no: Annotated[Key, Path()],
    receipt_no: Annotated[Key, Path()],
    said: ReversalBody,
) -> ReversedView:
    """Take a receipt back while all of it is still at its place with its status; its goods are expected again.

    Holds on it give way: they are reserved elsewhere, or wait in the queue at their old places.
    """
    return _answered(response, await taking_back(services, caller, po_no, receipt_no, said))


@router.post("/inventory/receipts/{receipt_no}/reversal", status_code=201, responses=same_again(ReversedView))
async def reverse_unordered_receipt(
    services: Services,
    caller: Caller,
    response: Response,
    receipt_no: Annotated[Key, Path()],
    said: ReversalBody,
) -> ReversedView:
    """Take a receipt without a purchase order back while all of it is still at its place with its status."""
    return _answered(response, await taking_back(services, caller, "", receipt_no, said))


def _answered(response: Response, taken_back: Reversed) -> ReversedView:
    answer_posted(response, taken_back.outcome)
    return _view(taken_back)


def _view(taken_back: Reversed) -> ReversedView:
    return ReversedView(
        **{**vars(taken_back.reversal), "po_no": taken_back.reversal.po_no or None},
        goods=[
            ReversedGoodsView(
                sku=key.sku,
                location_id=key.place.location_id,
                lot=key.lot or None,
                serial_number=key.serial_number or None,
                stock_status=key.stock_status,
                quantity=quantity,
            )
            for key, quantity in taken_back.received.goods
        ],
        displaced=taken_back.outcome.answer["displaced"],
    )
