"""Numbering, balancing and hashing the entries of accepted requests, each after the tail of its stream."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from stockbridge.domain.stock import MAY_GO_NEGATIVE, PlaceKind, StreamKey
from stockbridge.ledger.book import Entry, Stream, Tail
from stockbridge.ledger.canonical import entry_hash, posting_digest
from stockbridge.ledger.deciding import TICK, Decision

_encoded: Final = json.JSONEncoder(separators=(",", ":")).encode


def chain(decisions: Iterable[Decision]) -> None:
    """Make the rows of every decision that is to be posted, in their order, and advance the streams' tails."""
    for decision in decisions:
        if decision.posting_id is not None:
            _chain(decision, decision.posting_id)


def _chain(decision: Decision, posting_id: UUID) -> None:
    tails = [_tail(stream) for stream, *_ in decision.entries]
    decision.recorded_at = recorded_at = _recorded_at(decision.recorded_at, tails)
    balanced = [_advance(tail, entry) for tail, entry in zip(tails, decision.entries, strict=True)]
    decision.answer["entries"] = [
        [str(entry[0].stream_id), seq] for entry, (seq, *_) in zip(decision.entries, balanced, strict=True)
    ]
    decision.text = _encoded(decision.answer)
    digest = _digest(decision, posting_id)
    decision.rows = [
        _row(decision, digest, recorded_at, tail, entry, balance)
        for tail, entry, balance in zip(tails, decision.entries, balanced, strict=True)
    ]


def _tail(stream: Stream) -> Tail:
    """Return the tail that a stream's next entry chains to: its identity, where it has no entry yet."""
    if stream.tail is None:
        stream.tail = Tail(0, 0, 0, stream.key.identity_hash, None, was_open=False)
    return stream.tail


def _recorded_at(now: datetime, tails: list[Tail]) -> datetime:
    """Return one time for all entries of a posting: later than every entry before them, though the clock went back."""
    return max([now, *(tail.recorded_at + TICK for tail in tails if tail.recorded_at is not None)])


def _advance(tail: Tail, entry: Entry) -> tuple[int, int, int]:
    """Give an entry its number and the balances after it."""
    tail.seq += 1
    tail.on_hand += entry[2]
    tail.reserved += entry[3]
    return tail.seq, tail.on_hand, tail.reserved


def _digest(decision: Decision, posting_id: UUID) -> str:
    request = decision.request
    return posting_digest(
        posting_id,
        request.tenant,
        request.key,
        decision.digest,
        decision.reason,
        request.actor,
        request.evidence,
        request.occurred_at or decision.recorded_at,
        decision.recorded_at,
        decision.text,
    )


def _row(
    decision: Decision,
    digest: str,
    recorded_at: datetime,
    tail: Tail,
    entry: Entry,
    balance: tuple[int, int, int],
) -> tuple[Any, ...]:
    stream, (order_ref, line_no), on_hand_delta, reserved_delta = entry
    seq, on_hand, reserved = balance
    fields = (stream.stream_id, seq, order_ref, line_no, on_hand_delta, reserved_delta, on_hand, reserved)
    tail.hash = entry_hash(tail.hash, digest, *fields)
    tail.recorded_at = recorded_at
    return (
        *(stream.stream_id, seq, decision.posting_id, decision.request.tenant, order_ref, line_no),
        *(on_hand_delta, reserved_delta, on_hand, reserved),
        *(floor_of(stream.key), bool(stream.key.serial_number), recorded_at, tail.hash.hex()),
    )


def floor_of(key: StreamKey) -> int:
    """Return 1 where the stream may go below zero: the world outside, but for single serials that were not received."""
    if key.serial_number:
        return int(key.place.kind is PlaceKind.SUPPLIER)
    return int(key.place.kind in MAY_GO_NEGATIVE)
