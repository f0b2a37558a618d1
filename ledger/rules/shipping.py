"""Outside of the house: deliver, lose, return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from domain.errors import Fault, Kind, Rejected
from domain.orders import OrderLine
from domain.stock import Place, StreamKey, adjustment, customer
from ledger.book import Draft, Stream, by_expiry
from ledger.requests import DeliverLostParcel, DeliverParcel, LineQuantity, LoseParcel, ReturnedLine, ReturnGoods
from ledger.rules.holding import (
    Answer,
    Found,
    Goods,
    chooses,
    line_of,
    matching,
    named_first,
    not_there,
    quantities,
    refuse,
    same_goods,
    told,
    unsaid,
)
from ledger.rules.issuing import absorb


def deliver(request: DeliverParcel, draft: Draft) -> Answer:
    """Move a parcel's goods to the customer, as far as they are underway, and say what arrived, for each line.

    What is named arrives. The rest is what expires first, then by lot and serial number: a guess, where that chooses.
    """
    arrived: list[Goods] = [[] for _ in request.lines]
    to = _at(draft, customer(request.order_ref, request.order_site))
    for index, asked in named_first(request.lines):
        line = line_of(request, asked, draft)
        there = _underway(draft, asked, f"transit/{request.shipment_no}")
        quantity = _no_more_than_underway(line, asked)
        if chooses(quantity, there):
            draft.guessed.append((line.sku, line.site, quantity))
        arrived[index] = _bring(draft, line, there, quantity, to)
        line.delivered += sum(part for _, part in arrived[index])
    lines = [quantities(line) for line in draft.lines_of(request.order_ref)]
    return {"arrived": [told(goods) for goods in arrived], "lines": lines}


def _no_more_than_underway(line: OrderLine, asked: LineQuantity) -> int:
    return line.underway if asked.quantity is None else min(asked.quantity, line.underway)


def _underway(draft: Draft, asked: LineQuantity, location_id: str) -> Found:
    """Return what is named, or all of a line's sku, of what lies at a virtual location, what expires first first."""
    here = [(stream, draft.on_hand(stream)) for stream in draft.at(location_id) if stream.key.sku == asked.sku]
    return sorted(matching(here, same_goods(asked)), key=by_expiry)


def _at(draft: Draft, place: Place) -> Callable[[StreamKey], Stream]:
    """Return what finds the stream of the same goods at a place."""
    return lambda key: draft.stream(replace(key, place=place))


def _bring(
    draft: Draft,
    line: OrderLine,
    there: Found,
    quantity: int,
    to: Callable[[StreamKey], Stream],
) -> Goods:
    """Bring goods of a line from where they are to where each belongs. Returns what was brought, by where it was."""
    holder = (line.order_ref, line.line_no)
    brought: Goods = []
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
            raise Rejected("serial_elsewhere", detail, kind=Kind.CONFLICT)
        _bring(draft, line, [(source, quantity)], quantity, arrived)
        line.shipped += quantity
        line.delivered += quantity
        given_up = 0 if request.sent_again else min(quantity, line.cancelled)
        line.cancelled -= given_up
        absorb(draft, line, quantity - given_up)
    return {"lines": [quantities(line) for line in draft.lines_of(request.order_ref)]}


def lose(request: LoseParcel, draft: Draft) -> Answer:
    """Write off what is still underway of parcels, and say what it was, for each line that was named."""
    location_id = next(iter(request.locations()))
    lost: list[Goods] = [[] for _ in request.lines]
    faults: list[Fault] = []
    for index, asked in named_first(request.lines):
        line = line_of(request, asked, draft)
        there = _underway(draft, asked, location_id)
        quantity = _no_more_than_underway(line, asked)
        faults += unsaid(index, asked, quantity, there)
        lost[index] = _bring(draft, line, there, quantity, _at(draft, adjustment(line.site)))
        _never_arrives(draft, line, sum(part for _, part in lost[index]), resend=request.resend)
    refuse(faults)
    lines = [quantities(line) for line in draft.lines_of(request.order_ref)]
    return {"lost": [told(goods) for goods in lost], "lines": lines}


def _never_arrives(draft: Draft, line: OrderLine, quantity: int, *, resend: bool) -> None:
    """Take goods off what is shipped: they are cancelled, or wanted again."""
    line.shipped -= quantity
    if resend:
        draft.queue_again(line, quantity)
    else:
        line.cancelled += quantity


def take_return(request: ReturnGoods, draft: Draft) -> Answer:
    """Take goods back from the customer, or from a shipment that never arrived, and say what came, for each line."""
    location_id = next(iter(request.locations()))
    back: list[Goods] = [[] for _ in request.lines]
    faults: list[Fault] = []
    for index, asked in named_first(request.lines):
        line = line_of(request, asked, draft)
        there = _underway(draft, asked, location_id)
        wrong = _not_returnable(index, asked, line, there, request)
        if not wrong:
            back[index] = _come_back(draft, line, request, asked, there)
        faults += wrong
    refuse(faults)
    lines = [quantities(line) for line in draft.lines_of(request.order_ref)]
    became = [_became(draft, request, asked, goods) for asked, goods in zip(request.lines, back, strict=True)]
    return {"back": became, "lines": lines}


def _became(draft: Draft, request: ReturnGoods, asked: ReturnedLine, goods: Goods) -> list[dict[str, Any]]:
    """Say what came back, and what it became where it was put: of a blocked lot, nothing is available."""
    to = [draft.arriving(replace(key, place=request.place, stock_status=asked.condition)).key for key, _ in goods]
    return [{**part, "stock_status": key.stock_status.value} for part, key in zip(told(goods), to, strict=True)]


def _not_returnable(
    index: int, asked: ReturnedLine, line: OrderLine, there: Found, request: ReturnGoods
) -> list[Fault]:
    """Find out what is wrong with a return: more than can come back, another unit, or one of several without a name."""
    quantity, held = asked.quantity or 0, sum(q for _, q in there)
    possible = line.underway if request.shipment_no else line.delivered - line.returned
    if quantity <= min(possible, held):
        return unsaid(index, asked, quantity, there)
    if asked.serial_numbers and quantity <= possible:
        return [not_there(index, asked, f"Shipment {request.shipment_no}" if request.shipment_no else "The customer")]
    possible = min(possible, held)
    detail = f"Line {asked.line_no}: {quantity} came back, but only {possible} can come back of {asked.sku}."
    return [Fault(f"/lines/{index}/quantity", "over_return", detail)]


def _come_back(draft: Draft, line: OrderLine, request: ReturnGoods, asked: ReturnedLine, there: Found) -> Goods:
    def taken_in(key: StreamKey) -> Stream:
        return draft.arriving(replace(key, place=request.place, stock_status=asked.condition))

    quantity = asked.quantity or 0
    if request.shipment_no:
        _never_arrives(draft, line, quantity, resend=request.resend)
    else:
        line.returned += quantity
    return _bring(draft, line, there, quantity, taken_in)
