"""What a line of an order lets go of and another line of the same order wants: it never was free (I8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domain.orders import OrderLine
from ledger.book import Draft, Stream, line_key, pool_of
from ledger.rules.holding import STAGING, reserve
from ledger.rules.queue import turns


def serve_own_lines(draft: Draft, order_ref: str) -> None:
    """Give what the order let go of in this draft to its own waiting lines, before anybody else in their pools.

    Nothing else is free there that they can use, but what they wait for in another lot's stead from now on.
    """
    lines = draft.lines_of(order_ref)
    if not any(line.backordered for line in lines) or not draft.lines_changed():
        return
    for turn in turns(lines):
        if line := draft.line(line_key(turn.line)):
            line.wait_less(take_back(draft, line, turn.quantity), since=turn.since)
    unwanted = [line for line in lines if line.to_put_back]
    for turn in turns(lines):
        if line := draft.line(line_key(turn.line)):
            got = take_over(draft, line, turn.quantity, unwanted)
            line.wait_less(got + reserve(draft, line, turn.quantity - got), since=turn.since)


def take_back(draft: Draft, line: OrderLine, quantity: int) -> int:
    """Let a line want again what lies in staging for it, to be put back, as far as it suits. Returns how much."""
    if not line.to_put_back:
        return 0
    held = sum(held for stream, held in draft.holds(line, STAGING) if draft.suits(line, stream))
    back = max(0, min(quantity, line.to_put_back, held - line.picked))
    line.to_put_back -= back
    line.reserved += back
    line.picked += back
    return back


def take_over(draft: Draft, line: OrderLine, quantity: int, others: Iterable[OrderLine]) -> int:
    """Let a line have what lies in staging for others of its order, to be put back. Returns how much.

    It stays where it is, held by the order all the time.
    """
    taken = 0
    for other in others if quantity > 0 else ():
        if other is line or pool_of(other) != pool_of(line):
            continue
        for stream, unwanted in list(_to_put_back(draft, other)):
            part = min(unwanted, quantity - taken) if draft.suits(line, stream) else 0
            if part > 0:
                draft.move(stream, 0, -part, (other.order_ref, other.line_no))
                draft.move(stream, 0, part, (line.order_ref, line.line_no))
                other.to_put_back -= part
                taken += part
    line.reserved += taken
    line.picked += taken
    return taken


def _to_put_back(draft: Draft, line: OrderLine) -> Iterator[tuple[Stream, int]]:
    """Yield what of a line in staging is not wanted any more: what does not suit it, then what expires last."""
    left = line.to_put_back
    latest_first = draft.holds(line, STAGING)[::-1]
    for stream, quantity in sorted(latest_first, key=lambda hold: draft.suits(line, hold[0])):
        part = min(quantity, left)
        if part:
            yield stream, part
        left -= part
