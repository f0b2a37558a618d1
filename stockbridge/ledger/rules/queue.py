"""The queue of a pool: who waits gets what becomes free."""

from __future__ import annotations

from uuid import UUID

from stockbridge.domain.orders import OrderLine
from stockbridge.ledger.book import Draft, line_key
from stockbridge.ledger.rules.holding import reserve


def serve_queues(draft: Draft) -> None:
    """Give freed stock to whoever waits for it, in the order of their places, in this very posting."""
    for pool_id in sorted(draft.freed_pools):
        draft.book.need_queue(pool_id)
        for waiting in _waiting(draft, pool_id):
            if not any(draft.buckets(pool_id, "")):
                break
            if any(draft.buckets(pool_id, waiting.lot)) and (line := draft.line(line_key(waiting))):
                line.backordered -= reserve(draft, line, line.backordered)
                draft.served.add(line.order_ref)


def _waiting(draft: Draft, pool_id: UUID) -> list[OrderLine]:
    newcomers = draft.newly_queued
    return sorted(
        draft.waiting_in(pool_id),
        key=lambda line: (
            -line.priority,
            line_key(line) in newcomers,
            line.queued_at.timestamp() if line.queued_at else 0.0,
            line.order_ref,
            line.line_no,
        ),
    )
