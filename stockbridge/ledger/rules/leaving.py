"""Out of the house: issue, deliver, return."""

from __future__ import annotations

from typing import Any

from stockbridge.domain.allocation import first_expiry_first, take
from stockbridge.domain.errors import Fault, Rejected
from stockbridge.domain.orders import OrderLine
from stockbridge.domain.stock import Place, PlaceKind, StreamKey, adjustment, customer, transit
from stockbridge.ledger.book import Draft, Stream, pool_of
from stockbridge.ledger.requests import DeliverParcel, IssueGoods, LineQuantity, ReturnGoods
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
    for asked in request.lines:
        line = line_of(request, asked, draft)
        to = customer(request.order_ref, request.order_site)
        underway = line.shipped - line.delivered
        quantity = underway if asked.quantity is None else min(asked.quantity, underway)
        for stream, part in _underway(draft, asked, f"transit/{request.shipment_no}"):
            part = min(part, quantity)  # noqa: PLW2901 - the part that is wanted
            if part:
                key = stream.key
                there = draft.stream(StreamKey(key.tenant, key.sku, to, key.lot, key.serial_number))
                draft.move(stream, -part, 0, (line.order_ref, line.line_no))
                draft.move(there, part, 0, (line.order_ref, line.line_no))
                line.delivered += part
                quantity -= part
    return {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}


def _underway(draft: Draft, asked: LineQuantity, location_id: str) -> list[tuple[Stream, int]]:
    """Return what of a line's sku lies at a virtual location, the named lot and serials first."""
    here = [(stream, draft.on_hand(stream)) for stream in draft.at(location_id) if stream.key.sku == asked.sku]
    wanted = same_goods(asked)
    named = matching(here, wanted)
    return named + [hold for hold in here if hold not in named]


def take_return(request: ReturnGoods, draft: Draft) -> Answer:
    """Take goods back from the customer, or from a shipment that never arrived."""
    location_id = next(iter(request.locations()))
    for index, asked in enumerate(request.lines):
        line = line_of(request, asked, draft)
        quantity = asked.quantity or 0
        possible = line.shipped - line.delivered if request.shipment_no else line.delivered - line.returned
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
    draft: Draft, line: OrderLine, request: ReturnGoods, asked: Any, there: list[tuple[Stream, int]]
) -> None:
    quantity = asked.quantity or 0
    for stream, held in there:
        part = min(held, quantity)
        if part:
            key = stream.key
            to = draft.arriving(
                StreamKey(key.tenant, key.sku, request.place, key.lot, key.serial_number, asked.condition)
            )
            draft.move(stream, -part, 0, (line.order_ref, line.line_no))
            draft.move(to, part, 0, (line.order_ref, line.line_no))
            quantity -= part
    if request.shipment_no:
        line.shipped -= asked.quantity
        line.cancelled += asked.quantity
    else:
        line.returned += asked.quantity
