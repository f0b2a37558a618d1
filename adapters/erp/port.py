"""The ERP port: what the hub needs of any ERP."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from domain.connections import Flow
from domain.erp import ErpMessage, ErpReceipt
from domain.errors import Unavailable


class NotThereYet(Unavailable):
    """The ERP is to make what a message needs, and hasn't.

    It is looked for again for `wait_s`, then a person is asked.
    """

    def __init__(self, detail: str, *, wait_s: int) -> None:
        super().__init__(detail)
        self.wait_s = wait_s


class ErpPort(Protocol):
    """An ERP that can be told of an order's steps, and asked by our reference.

    Calls block and are made from a thread. Each has a timeout. No ERP is idempotent, so it is the port that is: every
    time a message is told it looks first what is done of it already.

    Both raise `Rejected` (a business fault: never retried), `Unavailable` (down, busy, not understood before anything
    was done: retried) and `tell` also `OutcomeUnknown` (sent, but no usable answer: tell it again) and `NotThereYet`.
    """

    @property
    def digest(self) -> str:
        """Return what names the mapping by which it is told: the SHA-256 of its text, in hex."""
        ...

    def tell(self, message: ErpMessage) -> ErpReceipt:
        """Tell the ERP one message, unless it has it. The receipt names the document that it made, if any."""
        ...

    def find(self, reference: str) -> ErpReceipt | None:
        """Return the receipt of the message with this reference, or None where the ERP has no such document."""
        ...


class Erps(Protocol):
    """The ERPs of all tenants, by their connections as they are now."""

    def of(self, tenant: str, source: str, least: Flow = Flow.BOTH) -> AbstractContextManager[ErpPort]:
        """Lend the port of the ERP that a tenant's source is, for the calls of one piece of work.

        Raises `Rejected` with code `unknown_source` where there is none, and `Unavailable` where what needs the flow
        `least` does not go through its connection now.
        """
        ...
