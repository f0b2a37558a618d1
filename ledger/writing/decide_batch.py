"""Deciding the requests of a batch in turn, each over what the ones before it left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.errors import Conflict, InvariantViolated, StockbridgeError
from domain.orders import OrderLine
from domain.stock import Evidence
from ledger.book import Book, Draft, Entry, apply, line_key
from ledger.days import Today
from ledger.outcomes import Outcome
from ledger.requests import Request
from ledger.rules import decide
from ledger.writing.loading import TICK, Loaded, Posted


class Asked(Protocol):
    """A request with its digest."""

    @property
    def request(self) -> Request:
        """What is asked."""
        ...

    @property
    def digest(self) -> bytes:
        """The request's digest."""
        ...


@dataclass(slots=True)
class Decision:
    """An accepted request: what it changes. `posting_id` is None where there is nothing to post.

    `recorded_at` and `answer` become final, and `name`, `text` and `rows` are made, when the entries are chained.
    """

    request: Request
    digest: bytes
    posting_id: UUID | None
    recorded_at: datetime
    reason: str
    answer: dict[str, Any]
    draft: Draft
    entries: list[Entry]
    lines: list[OrderLine]
    name: str = ""
    text: str = ""
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def outcome(self) -> Outcome:
        """Return what became of the request."""
        return Outcome(
            request=self.request,
            posting_id=self.posting_id,
            recorded_at=self.recorded_at,
            answer=self.answer,
            lines=tuple(self.lines),
            served=frozenset(self.draft.served),
            displaced=frozenset(self.draft.displaced),
            unaccounted=tuple(self.draft.unaccounted),
            guessed=tuple(self.draft.guessed),
            expired=tuple(self.draft.expired_issues),
            unpicked=tuple(self.draft.unpicked),
        )

    @property
    def evidence(self) -> Evidence:
        """How we know: what had to be guessed is inferred, however sure it is that something moved."""
        return Evidence.INFERRED if self.draft.guessed else self.request.evidence


@dataclass(slots=True)
class Repeat:
    """A request that was posted before: in an earlier transaction, or earlier in the same batch."""

    request: Request
    of: Posted | Decision

    def outcome(self) -> Outcome:
        """Return what became of the request the first time, though the world moved on."""
        first = self.of
        answer = json.loads(first.answer) if isinstance(first, Posted) else first.answer
        return Outcome(self.request, first.posting_id, first.recorded_at, answer, replayed=True)


Verdict = Decision | Repeat | StockbridgeError


def decide_batch(batch: Sequence[Asked], loaded: Loaded, today: Today) -> tuple[Book, list[Verdict]]:
    """Decide each request, accepted or not, in turn. Raises `NotLoaded` where a rule needs more."""
    book = loaded.book(today)
    posted: dict[tuple[str, str], Posted | Decision] = dict(loaded.posted)
    verdicts: list[Verdict] = []
    for number, asked in enumerate(batch):
        key = (asked.request.tenant, asked.request.key)
        try:
            verdict = _decide(asked, book, posted.get(key), loaded.clock + number * TICK)
        except InvariantViolated as bug:
            verdicts.append(bug)  # where it was found is worth what it holds
            continue
        except StockbridgeError as refusal:
            verdicts.append(refusal.with_traceback(None))  # it would hold the whole batch, in a circle
            continue
        if isinstance(verdict, Decision) and verdict.posting_id is not None:
            posted[key] = verdict
        verdicts.append(verdict)
    return book, verdicts


def _decide(asked: Asked, book: Book, first: Posted | Decision | None, now: datetime) -> Verdict:
    request = asked.request
    if first is not None:
        if first.digest != asked.digest:
            raise Conflict(f"{request.key} was posted before with other content.")
        return Repeat(request, first)
    draft = Draft(book, request.tenant)
    answer = decide(request, draft)
    entries, lines = draft.entries(), draft.lines_changed()
    posting_id = uuid7() if entries or request.posts_nothing_too or _moved(book, lines) else None
    _take_places(lines, now)
    apply(draft, entries, lines)
    reason = draft.reason or request.posting_reason()
    return Decision(request, asked.digest, posting_id, now, reason, answer, draft, entries, lines)


def _moved(book: Book, lines: list[OrderLine]) -> bool:
    """Say whether demand changed, though no stock did (all backordered, say)."""
    return any(
        known is None or known.quantities() != line.quantities()
        for line in lines
        for known in (book.lines.get(line_key(line)),)
    )


def _take_places(lines: list[OrderLine], now: datetime) -> None:
    """Give new demand its place in the queue: the time of the posting that first accepts it."""
    for line in lines:
        if line.queued_at is None:
            line.queued_at = now
        if line.queued_later and line.queued_later[-1][0] is None:
            line.queued_later = (*line.queued_later[:-1], (now, line.queued_later[-1][1]))
