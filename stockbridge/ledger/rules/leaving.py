"""Out of the house: issue, deliver, lose, return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from stockbridge.domain.allocation import first_expiry_first, take
from stockbridge.domain.errors import Fault, Rejected
from stockbridge.domain.orders import OrderLine
from stockbridge.domain.stock import Place, PlaceKind, StreamKey, adjustment, customer, transit
from stockbridge.ledger.book import Draft, Stream, pool_of
from stockbridge.ledger.requests import (
    DeliverLostParcel,
    DeliverParcel,
    IssueGoods,
    LineQuantity,
    LoseParcel,
    ReturnedLine,
    ReturnGoods,
)
from stockbridge.ledger.rules.holding import (
    BINS,
    STAGING,
    Answer,
    displace,
    line_of,
    matching,
    quantities,
    release,
    same_goods,
)


def issue(request: IssueGoods, draft: Draft) -> Answer:
    """Let the goods of a shipment leave: from the own hold, from free stock, from others, or from nowhere we know."""
    for asked in request.lines:
        line = line_of(request, asked, draft)
        to = transit(request.shipment_no, line.site)
        missing = _issue_own(draft, line, to, asked)
        missing = _issue_free(draft, line, to, missing)
        if missing:
            missing = _issue_others(draft, line, to, missing)
        if missing:
            _issue_unaccounted(draft, line, to, missing)
    return {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}


def _leave(draft: Draft, line: OrderLine, stream: Stream, to: Place, quantity: int, reserved: int) -> None:
    """Move goods of a line out of a stream, on their way to the customer."""
    key = stream.key
    out = draft.stream(StreamKey(key.tenant, key.sku, to, key.lot, key.serial_number))
    out.expires_on = stream.expires_on
    holder = (line.order_ref, line.line_no)
    draft.move(stream, -quantity, -reserved, holder)
    draft.move(out, quantity, 0, holder)
    line.shipped += quantity


def _issue_own(draft: Draft, line: OrderLine, to: Place, asked: LineQuantity) -> int:
    """Issue from the line's own hold: what is in staging first. Returns what is still missing."""
    quantity = asked.quantity or 0
    wanted = same_goods(asked)
    for kinds in (STAGING, BINS):
        holds = draft.holds(line, kinds)
        named = matching(holds, wanted)
        rest = [hold for hold in holds if hold not in named]
        for stream, held in (*named, *rest):
            part = min(held, quantity)
            if part:
                _leave(draft, line, stream, to, part, part)
                quantity -= part
                if kinds is STAGING:
                    picked = min(part, line.picked)
                    line.picked -= picked
                    line.reserved -= picked
                    line.to_put_back -= part - picked
                    _absorb(draft, line, part - picked)
                else:
                    line.reserved -= part
    return quantity


def _absorb(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Account for goods that left beyond the line's hold: what waited, was cancelled, or was never ordered.

    What the order still holds in bins for the same demand is given up: it has its goods.
    """
    waiting = min(quantity, line.backordered)
    line.wait_less(waiting)
    held = min(quantity - waiting, line.unpicked)
    release(draft, line, held)
    cancelled = min(quantity - waiting - held, line.cancelled)
    line.cancelled -= cancelled
    line.ordered += quantity - waiting - held - cancelled


def _issue_free(draft: Draft, line: OrderLine, to: Place, quantity: int) -> int:
    here = (bucket for bucket in draft.free_stock(pool_of(line)) if not line.lot or bucket.stream.key.lot == line.lot)
    for bucket, part in take(first_expiry_first(here), quantity):
        _leave(draft, line, bucket.stream, to, part, 0)
        _absorb(draft, line, part)
        quantity -= part
    return quantity


def _issue_others(draft: Draft, line: OrderLine, to: Place, quantity: int) -> int:
    """Take what others hold, unpicked before picked: the goods have left, so those promises can't be kept here."""
    pool_id = pool_of(line)
    draft.book.need_holders(pool_id)
    physical = [s for s in draft.book.streams.values() if s.pool_id == pool_id and draft.reserved(s)]
    for kind in (PlaceKind.STORAGE, PlaceKind.STAGING):
        for stream in (s for s in physical if s.key.place.kind is kind):
            part = displace(draft, stream, quantity, keep=line) if quantity else 0
            if part:
                _leave(draft, line, stream, to, part, 0)
                _absorb(draft, line, part)
                quantity -= part
    return quantity


def _issue_unaccounted(draft: Draft, line: OrderLine, to: Place, quantity: int) -> None:
    """Book what left though the ledger never had it: it comes from the adjustment location, as a discrepancy."""
    source = draft.stream(StreamKey(line.tenant, line.sku, adjustment(line.site), line.lot))
    _leave(draft, line, source, to, quantity, 0)
    _absorb(draft, line, quantity)
    draft.unaccounted.append((line.sku, line.site, quantity))


def deliver(request: DeliverParcel, draft: Draft) -> Answer:
    """Move a parcel's goods to the customer, as far as they are underway."""
    arrived = _at(draft, customer(request.order_ref, request.order_site))
    for asked in request.lines:
        line = line_of(request, asked, draft)
        there = _underway(draft, asked, f"transit/{request.shipment_no}")
        goods = _bring(draft, line, there, _no_more_than_underway(line, asked), arrived)
        line.delivered += sum(part for _, part in goods)
    return {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}


def _no_more_than_underway(line: OrderLine, asked: LineQuantity) -> int:
    return line.underway if asked.quantity is None else min(asked.quantity, line.underway)


def _underway(draft: Draft, asked: LineQuantity, location_id: str) -> list[tuple[Stream, int]]:
    """Return what of a line's sku lies at a virtual location, the named lot and serials first."""
    here = [(stream, draft.on_hand(stream)) for stream in draft.at(location_id) if stream.key.sku == asked.sku]
    wanted = same_goods(asked)
    named = matching(here, wanted)
    return named + [hold for hold in here if hold not in named]


def _at(draft: Draft, place: Place) -> Callable[[StreamKey], Stream]:
    """Return what finds the stream of the same goods at a place."""
    return lambda key: draft.stream(replace(key, place=place))


def _bring(
    draft: Draft,
    line: OrderLine,
    there: list[tuple[Stream, int]],
    quantity: int,
    to: Callable[[StreamKey], Stream],
) -> list[tuple[StreamKey, int]]:
    """Bring goods of a line from where they are to where each belongs. Returns what was brought, by where it was."""
    holder = (line.order_ref, line.line_no)
    brought: list[tuple[StreamKey, int]] = []
    for stream, held in there:
        part = min(held, quantity)
        if part:
            other = to(stream.key)
            other.expires_on = stream.expires_on
            draft.move(stream, -part, 0, holder)
            draft.move(other, part, 0, holder)
            brought.append((stream.key, part))
            quantity -= part
    return brought


def deliver_lost(request: DeliverLostParcel, draft: Draft) -> Answer:
    """Move what arrived after all to the customer, from where it was written off to."""
    arrived = _at(draft, customer(request.order_ref, request.order_site))
    for asked in request.lines:
        line, quantity = line_of(request, asked, draft), asked.quantity or 0
        source = draft.stream(request.written_off(asked))
        if source.serial and not draft.on_hand(source):
            detail = f"Serial number {source.key.serial_number} of {asked.sku} was found elsewhere."
            raise Rejected("serial_elsewhere", detail, status=409)
        _bring(draft, line, [(source, quantity)], quantity, arrived)
        line.shipped += quantity
        line.delivered += quantity
        given_up = 0 if request.sent_again else min(quantity, line.cancelled)
        line.cancelled -= given_up
        _absorb(draft, line, quantity - given_up)
    return {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}


def lose(request: LoseParcel, draft: Draft) -> Answer:
    """Write off what is still underway of parcels, and say what it was, for each line that was named."""
    location_id = next(iter(request.locations()))
    lost = []
    for asked in request.lines:
        line = line_of(request, asked, draft)
        there = _underway(draft, asked, location_id)
        written_off = _at(draft, adjustment(line.site))
        goods = _bring(draft, line, there, _no_more_than_underway(line, asked), written_off)
        _never_arrives(draft, line, sum(part for _, part in goods), resend=request.resend)
        lost.append([{"lot": key.lot, "serial_number": key.serial_number, "quantity": part} for key, part in goods])
    return {"lost": lost, "lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}


def _never_arrives(draft: Draft, line: OrderLine, quantity: int, *, resend: bool) -> None:
    """Take goods off what is shipped: they are cancelled, or wanted again."""
    line.shipped -= quantity
    if resend:
        draft.queue_again(line, quantity)
    else:
        line.cancelled += quantity


def take_return(request: ReturnGoods, draft: Draft) -> Answer:
    """Take goods back from the customer, or from a shipment that never arrived."""
    location_id = next(iter(request.locations()))
    for index, asked in enumerate(request.lines):
        line = line_of(request, asked, draft)
        quantity = asked.quantity or 0
        possible = line.underway if request.shipment_no else line.delivered - line.returned
        there = _underway(draft, asked, location_id)
        if asked.lot:
            there = [(s, q) for s, q in there if s.key.lot == asked.lot]
        possible = min(possible, sum(q for _, q in there))
        if quantity > possible:
            detail = f"Line {asked.line_no}: {quantity} came back, but only {possible} can come back of {asked.sku}."
            raise Rejected("over_return", detail, [Fault(f"/lines/{index}/quantity", "over_return", detail)])
        _come_back(draft, line, request, asked, there)
    return {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}


def _come_back(
    draft: Draft, line: OrderLine, request: ReturnGoods, asked: ReturnedLine, there: list[tuple[Stream, int]]
) -> None:
    def taken_in(key: StreamKey) -> Stream:
        return draft.arriving(replace(key, place=request.place, stock_status=asked.condition))

    quantity = asked.quantity or 0
    _bring(draft, line, there, quantity, taken_in)
    if request.shipment_no:
        _never_arrives(draft, line, quantity, resend=request.resend)
    else:
        line.returned += quantity
