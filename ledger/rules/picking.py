"""The floor: pick, put back, move."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.allocation import first_expiry_first, take
from domain.errors import Fault, InvariantViolated, Kind, Rejected
from domain.orders import OrderLine, ShortagePolicy
from domain.stock import Place, StockStatus, StreamKey
from ledger.book import Draft, Stream, pool_of
from ledger.requests import ConfirmPick, MoveStock, PickedLine, PutBack
from ledger.rules.adjusting import need_on_hand
from ledger.rules.holding import (
    BINS,
    STAGING,
    Answer,
    Found,
    displace,
    follow,
    holders,
    let_go,
    line_of,
    make_up,
    matching,
    named_first,
    names,
    not_there,
    quantities,
    refuse,
    reserve,
    same_goods,
    too_much,
    unsaid,
)


def pick(request: ConfirmPick, draft: Draft) -> Answer:
    """Move stock to staging, its reservation with it; put aside what was not found."""
    for index, asked in enumerate(request.lines):
        line = line_of(request, asked, draft)
        if (asked.quantity or 0) > line.unpicked:
            raise too_much(index, asked, "pick", asked.quantity or 0, line.unpicked, "more_than_held")
        _pick_line(draft, line, index, asked, request.staging_of(line.site))
    missing = _put_aside_the_rest(draft, request) if request.short else []
    follow(draft, request.order_ref, request.linked)
    answer = {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}
    return {**answer, "missing": missing} if missing else answer


def _pick_line(draft: Draft, line: OrderLine, index: int, asked: PickedLine, staging: Place) -> None:
    holder = (line.order_ref, line.line_no)
    for stream, part in _sources(draft, line, index, asked):
        to = draft.stream(StreamKey(line.tenant, line.sku, staging, stream.key.lot, stream.key.serial_number))
        to.expires_on = stream.expires_on
        draft.move(stream, -part, -part, holder)
        draft.move(to, part, part, holder)
        line.picked += part


def _sources(draft: Draft, line: OrderLine, index: int, asked: PickedLine) -> list[tuple[Stream, int]]:
    """Name the streams that a pick takes from. What it takes beside the line's hold changes places with the hold.

    A serial number says where it lies; anything else is taken beside the hold only where the picker says that it was.
    """
    quantity = asked.quantity or 0
    named = [hold for hold in matching(draft.holds(line, BINS), asked) if draft.suits(line, hold[0])]
    sources: list[tuple[Stream, int]] = []
    for stream, held in named:
        part = min(held, quantity)
        if part:
            sources.append((stream, part))
            quantity -= part
    if quantity and (asked.place is not None or asked.serial_numbers):
        swapped = _reallocate(draft, line, asked, quantity, dict.fromkeys(s.stream_id for s, _ in sources))
        sources = _merge(sources, swapped)
        quantity -= sum(part for _, part in swapped)
    if quantity:
        _refuse_expired(draft, line, index, asked)
        where = asked.place.location_id if asked.place else "its bins"
        field = "serial_numbers" if asked.serial_numbers else "lot" if asked.lot else "quantity"
        detail = (
            f"Line {line.line_no}: {quantity} of {line.sku} more were picked at {where} than are held or free there."
        )
        raise Rejected("more_than_held", detail, [Fault(f"/lines/{index}/{field}", "more_than_held", detail)])
    return sources


def _refuse_expired(draft: Draft, line: OrderLine, index: int, asked: PickedLine) -> None:
    """Refuse to pick what has expired, of the line's hold or beside it, where the order does not allow it."""
    free = [(bucket.stream, bucket.free) for bucket in draft.free_stock(pool_of(line)) if asked.place is not None]
    for stream, _ in matching([*draft.holds(line, BINS), *free], asked):
        if draft.expired(stream) and not line.allow_expired:
            key = stream.key
            goods = f"Lot {key.lot} of {key.sku} at {key.place.location_id} expired on {draft.expires_on(stream)}"
            detail = f"Line {line.line_no}: {goods}: it is not picked, unless the order allows expired stock."
            raise Rejected("expired", detail, [Fault(f"/lines/{index}/quantity", "expired", detail)])


def _merge(sources: list[tuple[Stream, int]], more: list[tuple[Stream, int]]) -> list[tuple[Stream, int]]:
    total: dict[UUID, tuple[Stream, int]] = {}
    for stream, part in (*sources, *more):
        total[stream.stream_id] = (stream, part + total.get(stream.stream_id, (stream, 0))[1])
    return list(total.values())


def _reallocate(
    draft: Draft, line: OrderLine, asked: PickedLine, quantity: int, own: Iterable[UUID]
) -> list[tuple[Stream, int]]:
    """Take free stock where the picker took it, and give the same amount of the line's hold elsewhere up."""
    holder = (line.order_ref, line.line_no)
    here = [
        bucket
        for bucket in draft.buckets(line)
        if asked.place in {None, bucket.stream.key.place} and names(asked, bucket.stream.key)
    ]
    taken = take(first_expiry_first(here), quantity)
    places = {bucket.stream.stream_id for bucket, _ in taken} | set(own)
    give_up = sum(part for _, part in taken)
    for stream, held in reversed(draft.holds(line, BINS)):
        if stream.stream_id not in places and give_up:
            part = min(held, give_up)
            draft.move(stream, 0, -part, holder)
            give_up -= part
    for bucket, part in taken:
        draft.move(bucket.stream, 0, part, holder)
    return [(bucket.stream, part) for bucket, part in taken]


def _put_aside_the_rest(draft: Draft, request: ConfirmPick) -> list[dict[str, Any]]:
    """Put what was not found aside as `inspection`, so that nobody is promised it again, and make up for it.

    Returns what was not found, by stream. All of it is known before any of it is made up for: what is reserved instead
    may lie in the same place. Serial numbers that were named are those that were found.
    """
    gone = {
        (asked.line_no, stream.stream_id): (line, stream, held)
        for asked in request.lines
        for line in (line_of(request, asked, draft),)
        for stream, held in matching(draft.holds(line, BINS), replace(asked, serial_numbers=()))
    }
    for line, stream, held in gone.values():
        _put_aside(draft, line, stream, held)
    return [_missing(*each) for each in gone.values()]


def _put_aside(draft: Draft, line: OrderLine, stream: Stream, held: int) -> None:
    key = stream.key
    aside = draft.stream(StreamKey(key.tenant, key.sku, key.place, key.lot, key.serial_number, StockStatus.INSPECTION))
    draft.move(stream, -held, -held, (line.order_ref, line.line_no))
    draft.move(aside, held, 0)
    line.reserved -= held
    missing = held - reserve(draft, line, held, excluding=stream.stream_id)
    if line.shortage_policy == ShortagePolicy.PARTIAL:
        line.cancelled += missing
    else:
        line.backordered += missing  # at its old place: it was promised before


def _missing(line: OrderLine, stream: Stream, quantity: int) -> dict[str, Any]:
    key = stream.key
    return {
        "line_no": line.line_no,
        "sku": key.sku,
        "site": key.place.site,
        "location_id": key.place.location_id,
        "lot": key.lot,
        "serial_number": key.serial_number,
        "quantity": quantity,
    }


def put_back(request: PutBack, draft: Draft) -> Answer:
    """Move what is no longer wanted from staging to a bin, free."""
    faults: list[Fault] = []
    for index, asked in named_first(request.lines):
        line = line_of(request, asked, draft)
        quantity = line.to_put_back if asked.quantity is None else asked.quantity
        if quantity > line.to_put_back:
            raise too_much(index, asked, "put back", quantity, line.to_put_back, "more_than_to_put_back")
        there = matching(draft.holds(line, STAGING), same_goods(asked))
        if quantity > sum(held for _, held in there):
            faults.append(not_there(index, asked, "Staging"))
        faults += unsaid(index, asked, quantity, there)
        _put_back(draft, line, asked, quantity, there)
        if again := let_go(draft, line):
            make_up(draft, [(line, again)])
    refuse(faults)
    answer = {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}
    places = {asked.place for asked in request.lines if asked.place is not None}
    became = {place.location_id: place.keeps.value for place in places if place.keeps is not StockStatus.AVAILABLE}
    return {**answer, "became": became} if became else answer


def _put_back(draft: Draft, line: OrderLine, asked: PickedLine, quantity: int, there: Found) -> None:
    if asked.place is None:
        raise InvariantViolated("a put-back names the bin")
    line.to_put_back -= quantity
    for stream, held in there:
        part = min(held, quantity)
        if part:
            key = stream.key
            to = draft.stream(StreamKey(key.tenant, key.sku, asked.place, key.lot, key.serial_number).as_kept)
            to.expires_on = stream.expires_on
            draft.move(stream, -part, -part, (line.order_ref, line.line_no))
            draft.move(to, part, 0)
            quantity -= part


def move(request: MoveStock, draft: Draft) -> Answer:
    """Move stock inside its site: free units first, then reservations along, or they give way."""
    if request.to.site != request.stream.place.site:
        raise Rejected(
            "other_site", f"{request.to.location_id} is at another site: that is a transfer.", kind=Kind.CONFLICT
        )
    each = 1 if request.serial_numbers else request.quantity
    moves = [_move(draft, draft.stream(key), request.to, each) for key in request.streams()]
    ids = [(str(stream.stream_id), str(to.stream_id)) for stream, to in moves]
    (became,) = {to.key.stock_status.value for _, to in moves}
    return {"moved": request.quantity, "from": ids[0][0], "to": ids[0][1], "stock_status": became}


def _move(draft: Draft, stream: Stream, place: Place, quantity: int) -> tuple[Stream, Stream]:
    need_on_hand(draft, stream, quantity)
    to = draft.stream(replace(stream.key, place=place).as_kept)
    held = quantity - min(quantity, draft.free(stream))
    if held and stream.allocatable and to.key.stock_status is not stream.key.stock_status:
        held -= displace(draft, stream, held)
    draft.carry(stream, to, quantity - held)
    if held:
        _move_holds(draft, stream, to, held)
    return stream, to


def _move_holds(draft: Draft, stream: Stream, to: Stream, quantity: int) -> None:
    """Move what is promised, its reservations with it."""
    if stream.key.place.kind is not to.key.place.kind:
        raise Rejected(
            "held_stock", "What is promised goes to staging by a pick, and back by a put-back.", kind=Kind.CONFLICT
        )
    for line, held in holders(draft, stream):
        part = min(held, quantity)
        if part:
            draft.move(stream, -part, -part, (line.order_ref, line.line_no))
            draft.move(to, part, part, (line.order_ref, line.line_no))
            quantity -= part
