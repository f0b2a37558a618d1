"""The queue of a pool: who waits gets what becomes free."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.orders import OrderLine
from ledger.book import Draft, line_key
from ledger.rules.holding import reserve


@dataclass(frozen=True)
class Turn:
    """A part of what a line waits for, with its place; None for what this very posting lets wait."""

    line: OrderLine
    since: datetime | None
    quantity: int


def serve_queues(draft: Draft) -> None:
    """Give freed stock to whoever waits for it, in the order of their places, in this very posting."""
    for pool_id in sorted(draft.freed_pools):
        draft.book.need_queue(pool_id)
        for turn in turns(draft.waiting_in(pool_id)):
            if not any(draft.free_stock(pool_id)):
                break
            if any(draft.buckets(turn.line)) and (line := draft.line(line_key(turn.line))):
                line.wait_less(reserve(draft, line, turn.quantity), since=turn.since)
                draft.served.add(line.order_ref)


def turns(lines: Iterable[OrderLine]) -> list[Turn]:
    """Return what lines wait for, in the order of their places."""
    waiting = [Turn(line, since, quantity) for line in lines for since, quantity in line.waiting()]
    return sorted(waiting, key=_place)


def _place(turn: Turn) -> tuple[int, bool, float, str, int]:
    line, since = turn.line, turn.since
    return -line.priority, since is None, since.timestamp() if since else 0.0, line.order_ref, line.line_no
