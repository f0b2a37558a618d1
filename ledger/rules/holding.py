"""Holds of order lines: promised, given up, and made to give way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import UUID

from domain.allocation import allocate
from domain.errors import Fault, InvariantViolated, Rejected
from domain.linked_lines import Component, LinkedLine, Proportion, beyond, whole_kits
from domain.orders import OrderLine
from domain.stock import PlaceKind, StreamKey
from ledger.book import Draft, LineKey, Stream, line_key
from ledger.outcomes import Unpicked
from ledger.requests import ArrivedLine, LineQuantity, NamesGoods, PickedLine

BINS: Final = frozenset({PlaceKind.STORAGE})
STAGING: Final = frozenset({PlaceKind.STAGING})

Answer = dict[str, Any]

_EVER: Final = datetime.min.replace(tzinfo=UTC)


def reserve(draft: Draft, line: OrderLine, quantity: int, *, excluding: UUID | None = None) -> int:
    """Promise free stock to a line, in the order of its policy. Returns how much there was."""
    if quantity <= 0:
        return 0
    reserved = 0
    holder = (line.order_ref, line.line_no)
    for bucket, part in allocate(line.allocation_policy, draft.buckets(line, excluding=excluding), quantity):
        draft.move(bucket.stream, 0, part, holder)
        reserved += part
    line.reserved += reserved
    return reserved


def release(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Give unpicked holds up: what was only taken in this draft, what does not suit, then what expires last.

    So what is kept is what should leave first, and nothing is let go of that was taken again (I8).
    """
    if not quantity:
        return
    holder = (line.order_ref, line.line_no)
    left = dict(draft.holds(line, BINS)[::-1])
    latest_first = sorted(left, key=lambda stream: draft.suits(line, stream))
    taken_now = [(stream, draft.taken(stream, holder)) for stream in latest_first]
    for stream, most in (*taken_now, *((stream, left[stream]) for stream in latest_first)):
        part = min(most, left[stream], quantity)
        if part > 0:
            draft.move(stream, 0, -part, holder)
            left[stream] -= part
            line.reserved -= part
            quantity -= part
    if quantity:
        raise InvariantViolated(f"{line.order_ref} line {line.line_no} holds {quantity} less than its line says")


def give_up(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Let go of what waits, then of unpicked holds; what is picked stays held until it is put back."""
    waiting = min(quantity, line.backordered)
    line.wait_less(waiting)
    unpicked = min(quantity - waiting, line.unpicked)
    release(draft, line, unpicked)
    picked = quantity - waiting - unpicked
    line.picked -= picked
    line.reserved -= picked
    line.to_put_back += picked


def follow(draft: Draft, order_ref: str, linked: Iterable[LinkedLine]) -> None:
    """Cancel what linked lines have beyond what their main lines are still to get.

    A kit's main line is not in the ledger: as many kits are kept as can be whole.
    """
    lines = {line.line_no: line for line in draft.lines_of(order_ref) if line.ordered}
    brought: dict[int, list[Component]] = {}
    for link in linked:
        if link.line_no in lines:
            brought.setdefault(link.main_line_no, []).append((lines[link.line_no], link.proportion))
    for main_line_no, its_lines in brought.items():
        own = [(main, Proportion(1))] if (main := lines.get(main_line_no)) else its_lines
        kept = whole_kits(own, lambda line: line.ordered - line.cancelled)
        for line, proportion in its_lines:
            quantity = beyond(line, kept, proportion)
            give_up(draft, line, quantity)
            line.cancelled += quantity


def holders(draft: Draft, stream: Stream) -> list[tuple[OrderLine, int]]:
    """Return who holds what in a stream, the latest promise first."""
    draft.book.need_holders(stream.key.pool.pool_id)
    lines = draft.lines_in(stream.key.pool.pool_id)
    found = [(line, held) for line in lines if (held := draft.held(line, stream)) > 0]
    return sorted(found, key=lambda f: (f[0].queued_at or _EVER, f[0].order_ref, f[0].line_no), reverse=True)


def displace(draft: Draft, stream: Stream, quantity: int, *, keep: OrderLine | None = None) -> int:
    """Make holds give way to a fact, the latest promise first. Returns how much gave way.

    A displaced hold is reserved elsewhere, else it goes back to the queue with its old place.
    """
    gone, lost = take_away(draft, stream, quantity, keep=keep)
    make_up(draft, lost, excluding=stream.stream_id)
    return gone


def take_away(
    draft: Draft, stream: Stream, quantity: int, *, keep: OrderLine | None = None, sound: set[LineKey] | None = None
) -> tuple[int, list[tuple[OrderLine, int]]]:
    """Take holds in a stream away, the latest promise first. Returns how much gave way, and what each line lacks now.

    In staging, what is to be put back gives way first: nobody wants it any more. Lines that are `sound` have been seen
    to hold nothing that does not suit them, and are not looked through again for each of ten thousand streams.
    """
    sound = set() if sound is None else sound
    gone = 0
    lost: list[tuple[OrderLine, int]] = []
    for line, held in holders(draft, stream) if quantity > 0 else ():
        part = min(held, quantity - gone)
        if part <= 0 or line is keep:
            continue
        draft.move(stream, 0, -part, (line.order_ref, line.line_no))
        gone += part
        unwanted = 0
        if stream.key.place.kind is PlaceKind.STAGING:
            unwanted = min(part, line.to_put_back)
            line.to_put_back -= unwanted
            line.picked -= part - unwanted
            part -= unwanted
        line.reserved -= part
        known = line_key(line) in sound and not unwanted
        lost.append((line, part if known else part + let_go(draft, line)))
        sound.add(line_key(line))
        draft.displaced.add(line.order_ref)
    return gone, lost


def make_up(draft: Draft, lost: list[tuple[OrderLine, int]], *, excluding: UUID | None = None) -> None:
    """Reserve elsewhere what lines lost, in the order of the queue; the rest waits there at its old place."""
    for line, part in sorted(lost, key=_place_in_queue):
        line.backordered += part - reserve(draft, line, part, excluding=excluding)


def carry_away(draft: Draft, goods: Iterable[tuple[Stream, Stream, int]]) -> None:
    """Bring goods from one stream to another, promised or not. Holds that give way are made up for when all is gone."""
    lost: dict[LineKey, tuple[OrderLine, int]] = {}
    sound: set[LineKey] = set()
    for stream, to, quantity in goods:
        for line, part in take_away(draft, stream, quantity - draft.free(stream), sound=sound)[1]:
            _, before = lost.get(line_key(line), (line, 0))
            lost[line_key(line)] = (line, before + part)
        draft.carry(stream, to, quantity)
    make_up(draft, list(lost.values()))


def _place_in_queue(lost: tuple[OrderLine, int]) -> tuple[int, datetime, str, int]:
    line, _ = lost
    return -line.priority, line.queued_at or _EVER, line.order_ref, line.line_no


def let_go(draft: Draft, line: OrderLine) -> int:
    """Give up what a line holds that does not suit it, and return how much: that is demand to be met again.

    What of it is picked is to be put back. Where some of a line is to be put back already, that is what does not suit.
    """
    holder = (line.order_ref, line.line_no)
    again = 0
    for stream, held in draft.holds(line, BINS):
        if not draft.suits(line, stream):
            draft.move(stream, 0, -held, holder)
            again += held
    staged = draft.holds(line, STAGING)
    unpicked = line.picked - sum(held for stream, held in staged if draft.suits(line, stream))
    for stream, held in staged:
        if unpicked > 0 and not draft.suits(line, stream):
            part = min(held, unpicked)
            draft.unpicked.append(Unpicked(*holder, line.sku, line.site, stream.key.lot, part))
            line.picked -= part
            line.to_put_back += part
            again += part
            unpicked -= part
    line.reserved -= again
    return again


def reconsider(draft: Draft, streams: Iterable[Stream]) -> None:
    """Have the holds in streams give way that don't suit their lines any more: as in `displace`, but for what suits."""
    lines = {line_key(line): line for stream in streams for line, _ in holders(draft, stream)}
    lost = [(line, again) for line in lines.values() if (again := let_go(draft, line))]
    draft.displaced.update(line.order_ref for line, _ in lost)
    make_up(draft, lost)


def promised(draft: Draft, pool_id: UUID) -> list[Stream]:
    """Return the streams of a pool in which something is held."""
    found = [s for s in draft.book.streams.values() if s.pool_id == pool_id and draft.reserved(s)]
    return sorted(found, key=attrgetter("name"))


def matching(holds: list[tuple[Stream, int]], asked: PickedLine) -> list[tuple[Stream, int]]:
    """Keep the holds at the place, and of the lot and serial numbers, that the request names."""
    return [
        (stream, held)
        for stream, held in holds
        if (asked.place is None or stream.key.place.location_id == asked.place.location_id) and names(asked, stream.key)
    ]


def names(asked: NamesGoods, key: StreamKey) -> bool:
    """Say whether a stream is of the lot and of the serial numbers that were named; of any, where none were."""
    return (not asked.lot or key.lot == asked.lot) and (
        not asked.serial_numbers or key.serial_number in asked.named_serials
    )


Found = list[tuple[Stream, int]]
"""How much of what a request is about lies in each of several streams."""


Goods = list[tuple[StreamKey, int]]
"""What a request moved, by the stream that it came from."""


def told(goods: Goods) -> list[dict[str, Any]]:
    """Return what was moved as an answer tells it."""
    return [{"lot": key.lot, "serial_number": key.serial_number, "quantity": part} for key, part in goods]


def chooses(quantity: int, there: Found) -> bool:
    """Say whether to take so much of what is there is to choose among several lots or serial numbers."""
    if not 0 < quantity < sum(held for _, held in there):
        return False
    return len({(stream.key.lot, stream.key.serial_number) for stream, _ in there}) > 1


def unsaid(index: int, asked: LineQuantity | ArrivedLine, quantity: int, there: Found) -> list[Fault]:
    """Find out whether it is left open which of several tracked units are meant: where not all of them are."""
    if not chooses(quantity, there):
        return []
    words = f"{quantity} of {asked.sku} could be one or the other of what is there: name the"
    if any(stream.key.serial_number for stream, _ in there):
        return [Fault(f"/lines/{index}/serial_numbers", "serials_required", f"{words} serial numbers.")]
    return [Fault(f"/lines/{index}/lot", "lot_required", f"{words} lot.")]


def not_there(index: int, asked: LineQuantity | ArrivedLine, where: str) -> Fault:
    """Say that a lot or serial number is not where it is to come from."""
    if asked.serial_numbers:
        field, what = "serial_numbers", f"serial number {', '.join(asked.serial_numbers)}"
    else:
        field, what = "lot", f"lot {asked.lot}"
    detail = f"{where} does not hold so much of {what} of {asked.sku}."
    return Fault(f"/lines/{index}/{field}", "not_there", detail)


def refuse(faults: Sequence[Fault]) -> None:
    """Refuse for all that is wrong, if anything is."""
    if faults:
        raise Rejected(faults[0].code, faults[0].detail, faults)


Line = TypeVar("Line", bound=LineQuantity | ArrivedLine)


def named_first(lines: Iterable[Line]) -> list[tuple[int, Line]]:
    """Return lines with their places in the request, those that name a lot or serial numbers before the others."""
    return sorted(enumerate(lines), key=lambda each: not each[1].is_named)


def same_goods(asked: LineQuantity) -> PickedLine:
    """Ask for the same lot and serial numbers, wherever they are."""
    return PickedLine(0, "", "", None, asked.lot, asked.serial_numbers)


def line_of(request: Any, asked: LineQuantity, draft: Draft) -> OrderLine:
    """Return the order line that a part of a request is about."""
    line = draft.line((request.tenant, request.order_ref, asked.line_no, asked.site, asked.sku))
    if line is None:
        detail = f"The order has no line {asked.line_no} of {asked.sku}."
        at = f"/lines/{request.lines.index(asked)}/line_no"
        raise Rejected("unknown_line", detail, [Fault(at, "unknown_line", detail)])
    return line


def quantities(line: OrderLine) -> dict[str, Any]:
    """Return a line as an answer shows it."""
    return {"line_no": line.line_no, "sku": line.sku, **line.quantities()}


def too_much(
    index: int, asked: LineQuantity, verb: str, quantity: int, possible: int, code: str, instead: str = ""
) -> Rejected:
    """Make the refusal of more than is left; `instead` is what can be done."""
    detail = f"Line {asked.line_no}: {quantity} of {asked.sku} to {verb}, but only {possible} are left to {verb}."
    if not possible:
        detail = f"Line {asked.line_no}: nothing of {asked.sku} is left to {verb}."
    detail = f"{detail} {instead}".rstrip()
    return Rejected(code, detail, [Fault(f"/lines/{index}/quantity", code, detail)])
