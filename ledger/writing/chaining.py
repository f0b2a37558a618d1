"""Numbering, balancing and hashing the entries of accepted requests, each after the tail of its stream."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import orjson

from ledger.book import Entry, Stream, Tail
from ledger.canonical import entry_hash, posting_digest
from ledger.writing.decide_batch import Decision
from ledger.writing.loading import TICK


def chain(decisions: Iterable[Decision]) -> None:
    """Make the rows of every decision that is to be posted, in their order, and advance the streams' tails."""
    for decision in decisions:
        if decision.posting_id is not None:
            _chain(decision, decision.posting_id)


def _chain(decision: Decision, posting_id: UUID) -> None:
    entries = decision.entries
    tails = [stream.tail or _first_tail(stream) for stream, *_ in entries]
    decision.recorded_at = recorded_at = _recorded_at(decision.recorded_at, tails)
    numbered = [_advance(tail, entry) for tail, entry in zip(tails, entries, strict=True)]
    decision.answer["entries"] = [list(fields[:2]) for fields in numbered]
    decision.text = orjson.dumps(decision.answer).decode()
    decision.name = str(posting_id)
    digest = _digest(decision)
    of_posting = (decision.name, decision.request.tenant, str(recorded_at))
    for tail, (stream, *_), fields in zip(tails, entries, numbered, strict=True):
        tail.hash = entry_hash(tail.hash, digest, *fields)
        tail.recorded_at = recorded_at
        decision.rows.append((*fields, *of_posting, stream.floor, stream.serial, tail.hash.hex()))


def _first_tail(stream: Stream) -> Tail:
    """Return what the first entry of a stream chains to: its identity."""
    stream.tail = Tail(0, 0, 0, stream.key.identity_hash, None, was_open=False)
    return stream.tail


def _recorded_at(now: datetime, tails: list[Tail]) -> datetime:
    """Return one time for all entries of a posting: later than every entry before them, though the clock went back."""
    for tail in tails:
        if tail.recorded_at is not None and tail.recorded_at >= now:
            now = tail.recorded_at + TICK
    return now


def _advance(tail: Tail, entry: Entry) -> tuple[str, int, str, int, int, int, int, int]:
    """Give an entry its number and the balances after it: its own fields, as they are hashed."""
    stream, (order_ref, line_no), on_hand, reserved = entry
    tail.seq += 1
    stream.unchained -= 1
    tail.on_hand += on_hand
    tail.reserved += reserved
    return stream.name, tail.seq, order_ref, line_no, on_hand, reserved, tail.on_hand, tail.reserved


def _digest(decision: Decision) -> str:
    request = decision.request
    return posting_digest(
        decision.name,
        request.tenant,
        request.key,
        decision.digest,
        decision.reason,
        request.actor,
        decision.evidence,
        request.happened_at(decision.recorded_at),
        decision.recorded_at,
        decision.text,
    )
