"""The ERP port: what the hub needs of any ERP."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from adapters.erp.language.values import Value
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


# -- what comes in ---------------------------------------------------------------------------------------------------

InboundKind = Literal["orders", "products"]


@dataclass(frozen=True)
class Found:
    """A document as a poll tells of it: its id there, when it changed last, in UTC, and its row, as JSON can say it."""

    their_id: str
    stamp: datetime
    row: Value


@dataclass(frozen=True)
class Page:
    """A part of a pass through what changed, and where it goes on: None after the last one.

    `following` is opaque. It has no secrets and no address in it, and fits this mapping only: with another one the pass
    begins anew.
    """

    found: tuple[Found, ...]
    following: str | None


@dataclass(frozen=True)
class Polling:
    """How often changes are asked for, how much is asked for again each time, and how often for all that there is."""

    every_s: int
    overlap_s: int
    sweep_s: int | None


@dataclass(frozen=True)
class GivesOrder:
    """An order as it should be now: the hub's push as JSON, without a revision unless the ERP counts them."""

    body: Value


@dataclass(frozen=True)
class GivesCancel:
    """The cancelling of an order, and why."""

    order_no: str
    reason: str


@dataclass(frozen=True)
class GivesProduct:
    """A product as JSON."""

    body: Value


@dataclass(frozen=True)
class GivesNothing:
    """Nothing that is for the hub, and why."""

    why: str


@dataclass(frozen=True)
class GivesAttention:
    """Something that a person decides, and why."""

    why: str


Gives: TypeAlias = GivesOrder | GivesCancel | GivesProduct | GivesNothing | GivesAttention


@dataclass(frozen=True)
class Hint:
    """What an ERP's own call says: this document changed. It is read no sooner than after `settle_s`.

    What else the call says is from before the ERP's own commit, perhaps, and counts for nothing.
    """

    kind: InboundKind
    their_id: str
    settle_s: int


class ErpSource(Protocol):
    """An ERP that orders and products come from. It is read only: nothing here changes anything there.

    Calls block and are made from a thread. What is JSON here is a `Value` without times and days, which are texts, and
    equals what it is after having been written as JSON and read again (`to_json`, `from_json`).

    `page` and `read` raise `Unavailable` where they may be asked again, `NotThereYet` among them, and `Rejected` where
    a person has to mend something there, or in the mapping.
    """

    @property
    def digest(self) -> str:
        """Return what names the mapping: the SHA-256 of its text, in hex."""
        ...

    def polling(self) -> Mapping[InboundKind, Polling]:
        """Return the kinds that are polled, and how."""
        ...

    def page(self, kind: InboundKind, since: datetime, following: str | None) -> Page:
        """Return the first page of what changed since then, or the one that follows another.

        A pass keeps its `since`. Some documents come more than once in a pass, and the later one counts; each that was
        there all the time comes, whatever changes meanwhile. What changes behind the pass has a stamp from after its
        beginning: so the next one is asked for what changed since then, or since the latest stamp of this pass if that
        is earlier, less `Polling.overlap_s`.
        """
        ...

    def read(self, kind: InboundKind, their_id: str, row: Value | None) -> Value | None:
        """Return all that `gives` needs of a document as a tree, or None where it isn't there any more.

        `row` is what a poll told of it, None where it was hinted at. A mapping that has to have it says so: `Rejected`.
        """
        ...

    def gives(self, kind: InboundKind, document: Value, *, known: bool) -> Gives:
        """Return what a document that was read is here. It calls nobody. `known`: the hub has it already."""
        ...

    def heard(
        self, headers: Mapping[str, str], body: bytes, secret_in_path: str | None, *, now: datetime
    ) -> Hint | None:
        """Return what an ERP's own call hints at, None where it is about nothing that comes in.

        `Rejected` as unproven where it doesn't prove who it is from, before anything in it is looked at; as malformed
        where it can't be read.
        """
        ...

    def answer(self) -> tuple[str, bytes] | None:
        """Return the media type and the body that the ERP wants to hear when its call was taken, if it does."""
        ...
