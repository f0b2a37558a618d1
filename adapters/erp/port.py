"""The ERP port: what the hub needs of any ERP."""

from __future__ import annotations

from typing import Protocol

from domain.erp import ErpMessage, ErpReceipt


class ErpPort(Protocol):
    """An ERP that can be told of an order's steps, and asked by our reference.

    Calls block (zeep is synchronous) and are made from a thread. Each has a timeout. No ERP is idempotent:
    `tell` must be preceded by `find` whenever an earlier attempt may have been carried out.

    Both raise `Rejected` (a business fault: never retried), `Unavailable` (down, busy, not understood before anything
    was done: retried) and `tell` also `OutcomeUnknown` (sent, but no usable answer: `find` first).
    """

    def tell(self, message: ErpMessage) -> ErpReceipt:
        """Tell the ERP one message. The receipt names the document that the ERP made of it."""
        ...

    def find(self, reference: str) -> ErpReceipt | None:
        """Return the receipt of the message with this reference, or None where the ERP has no such document."""
        ...
