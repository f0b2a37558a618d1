"""A batch: requests that share a transaction, and what it will have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import StockbridgeError
from ledger.book import Book
from ledger.outcomes import Outcome
from ledger.requests import Request
from ledger.writing.decide_batch import Decision, Verdict
from ledger.writing.loading import Needs

Attachment = Callable[[AsyncConnection, Outcome], Awaitable[None]]
"""Writes that must commit with a posting: an accepted revision, an answered command, an outbox row."""


@dataclass(slots=True)
class Waiting:
    """A request whose caller waits for the answer."""

    request: Request
    digest: bytes
    attachment: Attachment | None
    answer: asyncio.Future[Outcome]

    def succeed(self, outcome: Outcome) -> None:
        """Answer, unless the caller has gone."""
        if not self.answer.done():
            self.answer.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        """Answer with an error, unless the caller has gone."""
        with suppress(asyncio.InvalidStateError):
            self.answer.set_exception(error)


@dataclass(slots=True, eq=False)
class Batch:
    """Requests on their way. `decided` is done when the next batch may be decided on what this one will leave.

    The `changed_` fields say what it will change, once it is decided.
    """

    waiting: Sequence[Waiting]
    needs: Needs = field(init=False)
    decided: asyncio.Future[None] = field(init=False)
    changed_pools: set[UUID] = field(default_factory=set)
    changed_queues: set[UUID] = field(default_factory=set)
    changed_orders: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.needs = Needs.of([waiting.request for waiting in self.waiting])
        self.decided = asyncio.get_running_loop().create_future()

    def will_leave(self, book: Book, decisions: Sequence[Decision]) -> None:
        """Say what the batch will change."""
        self.changed_pools = book.changed_pools
        self.changed_queues = book.changed_queues
        self.changed_orders = {(line.tenant, line.order_ref) for decision in decisions for line in decision.lines}

    def depends_on(self, before: Batch) -> bool:
        """Say whether PostgreSQL must have written a batch before this one reads: it needs more than kept pools tell.

        Kept pools tell of free stock. Who waits for it, what an order has, stock outside of the house, and when lots
        expire that arrive are read.
        """
        if self.needs.pools.keys().isdisjoint(before.changed_pools):
            return False
        return (
            not self.needs.freeing.isdisjoint(before.changed_queues)
            or not self.needs.orders.isdisjoint(before.changed_orders)
            or bool(self.needs.lots)
            or any(True for request in self.needs.requests for _ in (*request.streams(), *request.locations()))
        )

    def has_attachments(self) -> bool:
        """Say whether anything is to commit with a posting."""
        return any(waiting.attachment for waiting in self.waiting)

    def accepted(self, verdicts: Sequence[Verdict]) -> Iterator[tuple[Waiting, Outcome]]:
        """Yield the requests that were accepted now, with what became of them."""
        for waiting, verdict in zip(self.waiting, verdicts, strict=True):
            if isinstance(verdict, Decision):
                yield waiting, verdict.outcome()

    def answer(self, verdicts: Sequence[Verdict]) -> None:
        """Tell each caller what became of its request."""
        for waiting, verdict in zip(self.waiting, verdicts, strict=True):
            if isinstance(verdict, StockbridgeError):
                waiting.fail(verdict)
            else:
                waiting.succeed(verdict.outcome())

    def is_decided(self) -> None:
        """Let the next batch be decided."""
        if not self.decided.done():
            self.decided.set_result(None)

    def leave(self) -> None:
        """Let nobody wait for a batch that has ended, however it ended."""
        self.is_decided()
        for waiting in self.waiting:
            waiting.answer.cancel()
