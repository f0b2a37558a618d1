"""Receipts that are taken back: a posting of its own lets go of all that one brought."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples
from api.auth import BEARER, Caller, Door, actor_of
from api.bodies import ReceiptReversal
from api.created import answer_posted
from api.described import same_again
from api.inbound import ReversalView
from api.posting import Keyed, Posted, once, posted, said_by
from api.problems import not_found
from api.said import Said
from api.services import ApiServices, Services
from api.times import time_faults
from domain.commands import Key
from domain.errors import Conflict
from domain.inbound import share_out
from ledger.receipts import PostedReceipt, find_receipt, receipt_key
from ledger.requests import ReverseReceipt
from ledger.writer import Attachment, Outcome
from records import inbound, receipts
from records.keys import ApiKey

router = APIRouter(prefix="/api", tags=["stock in"], route_class=Door, dependencies=[BEARER])


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
    return await _Reversing(services, caller, po_no, receipt_no).reverse(said, response)


@router.post("/inventory/receipts/{receipt_no}/reversal", status_code=201, responses=same_again(ReversedView))
async def reverse_unordered_receipt(
    services: Services,
    caller: Caller,
    response: Response,
    receipt_no: Annotated[Key, Path()],
    said: ReversalBody,
) -> ReversedView:
    """Take a receipt without a purchase order back while all of it is still at its place with its status."""
    return await _Reversing(services, caller, "", receipt_no).reverse(said, response)


class _Reversing:
    """A receipt that is to be taken back. `po_no` is empty where no purchase order was named."""

    def __init__(self, services: ApiServices, caller: ApiKey, po_no: str, receipt_no: str) -> None:
        self._services = services
        self._caller = caller
        self._po_no = po_no
        self._receipt_no = receipt_no
        self._key = receipt_key(po_no, receipt_no)

    async def reverse(self, said: Said[ReceiptReversal], response: Response) -> ReversedView:
        """Let the goods go back to the supplier."""
        async with self._services.reading() as connection:
            received = await find_receipt(connection, self._caller.tenant, self._key)
            if received is None:
                raise not_found(f"receipt {self._receipt_no}")
            self._check_number(said.body, await self._reversal(connection))
        keyed = Keyed[ReceiptReversal](ReverseReceipt, lambda _: f"reversal/{self._key}")
        outcome = await once(self._services, self._caller, said, keyed, lambda: self._post(received, said))
        answer_posted(response, outcome)
        async with self._services.reading() as connection:
            reversal = await self._reversal(connection)
        assert reversal is not None
        return _view(received, reversal, outcome)

    async def _reversal(self, connection: AsyncConnection) -> receipts.Reversal | None:
        return await receipts.reversal_of(connection, self._caller.tenant, self._po_no, self._receipt_no)

    def _check_number(self, body: ReceiptReversal | None, before: receipts.Reversal | None) -> None:
        """Refuse to take back by another number what was taken back before."""
        if body is not None and before is not None and before.reversal_no != body.reversal_no:
            detail = f"Receipt {self._receipt_no} was taken back by {before.reversal_no}."
            raise Conflict(detail, code="already_reversed")

    async def _post(self, received: PostedReceipt, said: Said[ReceiptReversal]) -> Outcome:
        async with self._services.reading() as connection:
            body = said.settle(await time_faults(connection, said.part, self._services.window))
        request = ReverseReceipt(
            **said_by(self._caller, body),
            key=f"reversal/{self._key}",
            occurred_at=body.occurred_at,
            goods=received.goods,
        )
        return await self._services.ledger.post(request, self._attachment(received, body))

    def _attachment(self, received: PostedReceipt, body: ReceiptReversal) -> Attachment:
        """Return what commits with the posting: why, and that the goods are expected again."""

        async def keep(connection: AsyncConnection, outcome: Outcome) -> None:
            if self._po_no:
                await self._expect_again(connection, received)
            reversal = receipts.Reversal(
                po_no=self._po_no,
                receipt_no=self._receipt_no,
                reversal_no=body.reversal_no,
                reason=body.reason,
                actor=actor_of(self._caller, body.actor),
                posting_id=posted(outcome),
                recorded_at=outcome.recorded_at,
            )
            await receipts.add_reversal(connection, self._caller.tenant, reversal)

        return keep

    async def _expect_again(self, connection: AsyncConnection, received: PostedReceipt) -> None:
        """Take what a receipt brought from what has arrived of each line, under the purchase order's lock."""
        tenant = self._caller.tenant
        order = await inbound.lock(connection, tenant, self._po_no)
        if order is None:
            raise not_found(f"inbound order {self._po_no}")
        receipt = await receipts.get(connection, tenant, self._po_no, self._receipt_no)
        arrived = receipt.by_line() if receipt else share_out(order.lines, received.of_skus())
        less = {line_no: -quantity for line_no, quantity in arrived.items()}
        await inbound.add_received(connection, tenant, self._po_no, less)


def _view(received: PostedReceipt, reversal: receipts.Reversal, outcome: Posted) -> ReversedView:
    return ReversedView(
        **{**vars(reversal), "po_no": reversal.po_no or None},
        goods=[
            ReversedGoodsView(
                sku=key.sku,
                location_id=key.place.location_id,
                lot=key.lot or None,
                serial_number=key.serial_number or None,
                stock_status=key.stock_status,
                quantity=quantity,
            )
            for key, quantity in received.goods
        ],
        displaced=outcome.answer["displaced"],
    )
