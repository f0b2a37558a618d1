"""A receipt is taken back: a posting of its own lets go of all that it brought."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import Keyed, Posted, once, posted, said_by
from commands.times import time_faults
from domain.errors import Conflict
from domain.inbound import share_out
from domain.refusals import not_found
from domain.said import Said
from domain.shapes import ReceiptReversal
from ledger.reads.receipts import PostedReceipt, find_receipt, receipt_key
from ledger.requests import ReverseReceipt
from ledger.writing.writer import Attachment, Outcome
from records.access.api_keys import ApiKey, actor_of
from records.inbound import purchase_orders, receipts


@dataclass(frozen=True)
class Reversed:
    """A receipt that was taken back: what it had brought, how it went back, and the posting by which it did."""

    received: PostedReceipt
    reversal: receipts.Reversal
    outcome: Posted


async def reverse_receipt(
    context: CommandContext, caller: ApiKey, po_no: str, receipt_no: str, said: Said[ReceiptReversal]
) -> Reversed:
    """Post that a receipt is taken back, once. `po_no` is empty where no purchase order was named."""
    return await _Reversing(context, caller, po_no, receipt_no).reverse(said)


class _Reversing:
    """A receipt that is to be taken back. `po_no` is empty where no purchase order was named."""

    def __init__(self, context: CommandContext, caller: ApiKey, po_no: str, receipt_no: str) -> None:
        self._context = context
        self._caller = caller
        self._po_no = po_no
        self._receipt_no = receipt_no
        self._key = receipt_key(po_no, receipt_no)

    async def reverse(self, said: Said[ReceiptReversal]) -> Reversed:
        """Let the goods go back to the supplier."""
        async with self._context.reading() as connection:
            received = await find_receipt(connection, self._caller.tenant, self._key)
            if received is None:
                raise not_found(f"receipt {self._receipt_no}")
            self._check_number(said.body, await self._reversal(connection))
        keyed = Keyed[ReceiptReversal](ReverseReceipt, lambda _: f"reversal/{self._key}")
        outcome = await once(self._context, self._caller, said, keyed, lambda: self._post(received, said))
        async with self._context.reading() as connection:
            reversal = await self._reversal(connection)
        assert reversal is not None
        return Reversed(received, reversal, outcome)

    async def _reversal(self, connection: AsyncConnection) -> receipts.Reversal | None:
        return await receipts.reversal_of(connection, self._caller.tenant, self._po_no, self._receipt_no)

    def _check_number(self, body: ReceiptReversal | None, before: receipts.Reversal | None) -> None:
        """Refuse to take back by another number what was taken back before."""
        if body is not None and before is not None and before.reversal_no != body.reversal_no:
            detail = f"Receipt {self._receipt_no} was taken back by {before.reversal_no}."
            raise Conflict(detail, code="already_reversed")

    async def _post(self, received: PostedReceipt, said: Said[ReceiptReversal]) -> Outcome:
        async with self._context.reading() as connection:
            body = said.settle(await time_faults(connection, said.part, self._context.window))
        request = ReverseReceipt(
            **said_by(self._caller, body),
            key=f"reversal/{self._key}",
            occurred_at=body.occurred_at,
            goods=received.goods,
        )
        return await self._context.ledger.post(request, self._attachment(received, body))

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
        order = await purchase_orders.lock(connection, tenant, self._po_no)
        if order is None:
            raise not_found(f"inbound order {self._po_no}")
        receipt = await receipts.get(connection, tenant, self._po_no, self._receipt_no)
        arrived = receipt.by_line() if receipt else share_out(order.lines, received.of_skus())
        less = {line_no: -quantity for line_no, quantity in arrived.items()}
        await purchase_orders.add_received(connection, tenant, self._po_no, less)
