"""Goods leave the house: what is named, wherever it lies; the rest in a fixed order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from domain.allocation import first_expiry_first, take
from domain.orders import OrderLine
from domain.stock import PHYSICAL, Place, PlaceKind, StockStatus, StreamKey, adjustment, transit
from ledger.book import Draft, Stream, pool_of
from ledger.requests import IssueGoods, LineQuantity
from ledger.rules.holding import (
    BINS,
    STAGING,
    Answer,
    Found,
    Goods,
    chooses,
    displace,
    line_of,
    matching,
    names,
    quantities,
    release,
    same_goods,
    told,
)


def issue(request: IssueGoods, draft: Draft) -> Answer:
    """Let the goods of a shipment leave, and say what left, for each line that was named.

    What is named leaves. The rest comes from the own hold, from free stock, from others, or from nowhere we know: what
    is picked before what is not; what expires first first, then by place, lot and serial number. Where that chooses
    among several units, it is a guess.
    """
    leaving = [_Leaving.of(draft, request, asked) for asked in request.lines]
    for asked, goods in zip(request.lines, leaving, strict=True):
        if asked.is_named:
            _issue_named(goods, asked)
    for asked, goods in zip(request.lines, leaving, strict=True):
        if goods.missing:
            _issue_any(goods, asked, request.kept)
    lines = [quantities(line) for line in draft.lines_of(request.order_ref)]
    return {"left": [told(goods.gone) for goods in leaving], "lines": lines}


def _issue_named(leaving: _Leaving, asked: LineQuantity) -> None:
    """Issue the lot or the serial numbers that are named: from the own hold, or from wherever they lie at the site."""
    for kinds in (STAGING, BINS):
        leaving.from_own(matching(leaving.draft.holds(leaving.line, kinds), same_goods(asked)))
    for stream in _elsewhere(leaving.draft, leaving.line, asked):
        leaving.from_others(stream)
    if leaving.missing and not asked.serial_numbers:
        leaving.from_nowhere(asked.lot)


def _elsewhere(draft: Draft, line: OrderLine, asked: LineQuantity) -> list[Stream]:
    """Find what is named where it lies: what may be sold first, and of that what is free."""
    here = [s for s in _in_the_house(draft, line) if draft.on_hand(s) > 0 and names(asked, s.key)]
    return sorted(here, key=lambda s: (s.key.stock_status is not StockStatus.AVAILABLE, not draft.free(s), _place(s)))


def _in_the_house(draft: Draft, line: OrderLine) -> list[Stream]:
    pool_id = pool_of(line)
    return [s for s in draft.book.streams.values() if s.pool_id == pool_id and s.key.place.kind in PHYSICAL]


def _place(stream: Stream) -> tuple[bool, str]:
    place = stream.key.place
    return place.kind is PlaceKind.STAGING, place.location_id


def _issue_any(leaving: _Leaving, asked: LineQuantity, kept: tuple[LineQuantity, ...]) -> None:
    """Issue what nobody named, or what is not there. What other parcels name goes only if nothing else is held."""
    draft, line = leaving.draft, leaving.line
    if asked.is_named:
        leaving.guess(leaving.missing)
    for kinds in (STAGING, BINS):
        leaving.from_own(_but_for(draft.holds(line, kinds), line, kept))
    for kinds in (STAGING, BINS):
        leaving.from_own(draft.holds(line, kinds))
    leaving.from_free()
    if leaving.missing:
        draft.book.need_holders(pool_of(line))
        held = [s for s in _in_the_house(draft, line) if draft.reserved(s)]
        for kind in (PlaceKind.STORAGE, PlaceKind.STAGING):
            for stream in (s for s in held if s.key.place.kind is kind):
                leaving.from_holds(stream)
    if leaving.missing:
        leaving.from_nowhere(line.lot)


def _but_for(holds: Found, line: OrderLine, kept: tuple[LineQuantity, ...]) -> Found:
    """Leave to other parcels what they name."""
    left: Found = []
    named = Counter(
        {
            (asked.lot, serial): 1 if serial else asked.quantity or 0
            for asked in kept
            if (asked.line_no, asked.sku, asked.site) == (line.line_no, line.sku, line.site)
            for serial in asked.serial_numbers or ("",)
        }
    )
    for stream, held in holds:
        goods = (stream.key.lot, stream.key.serial_number)
        part = min(held, named[goods])
        named[goods] -= part
        if held > part:
            left.append((stream, held - part))
    return left


@dataclass
class _Leaving:
    """Goods of a line on their way out: what is still missing, and what has gone."""

    draft: Draft
    line: OrderLine
    to: Place
    missing: int
    gone: Goods = field(default_factory=list)

    @classmethod
    def of(cls, draft: Draft, request: IssueGoods, asked: LineQuantity) -> _Leaving:
        line = line_of(request, asked, draft)
        return cls(draft, line, transit(request.shipment_no, line.site), asked.quantity or 0)

    def from_own(self, holds: Found) -> None:
        """Issue from the line's own hold."""
        if chooses(self.missing, holds):
            self.guess(self.missing)
        for stream, held in sorted(holds, key=lambda hold: not self.draft.suits(self.line, hold[0])):
            part = min(held, self.missing)
            if part:
                self._leave(stream, part, part)
                self._hold_less(stream, part)

    def _hold_less(self, stream: Stream, part: int) -> None:
        line = self.line
        if stream.key.place.kind is not PlaceKind.STAGING:
            line.reserved -= part
            return
        picked = min(part, line.picked)
        line.picked -= picked
        line.reserved -= picked
        line.to_put_back -= part - picked
        absorb(self.draft, line, part - picked)

    def from_others(self, stream: Stream) -> None:
        """Issue what is named from where it lies: what nobody was promised, then what others hold."""
        part = min(self.missing, self.draft.on_hand(stream))
        free = min(part, self.draft.free(stream))
        self._leave_beside(stream, free + displace(self.draft, stream, part - free, keep=self.line))

    def from_free(self) -> None:
        """Issue free stock of the lot that the customer named, if one is named."""
        line = self.line
        here = (b for b in self.draft.free_stock(pool_of(line)) if not line.lot or b.stream.key.lot == line.lot)
        likely = sorted(first_expiry_first(here), key=lambda bucket: self.draft.expired(bucket.stream))
        for bucket, part in take(likely, self.missing):
            self._guess_at(bucket.stream, part)
            self._leave_beside(bucket.stream, part)

    def from_holds(self, stream: Stream) -> None:
        """Issue what others hold: the goods have left, so those promises can't be kept here."""
        part = displace(self.draft, stream, self.missing, keep=self.line) if self.missing else 0
        self._guess_at(stream, part)
        self._leave_beside(stream, part)

    def from_nowhere(self, lot: str) -> None:
        """Book what left though the ledger never had it: it comes from the adjustment location, as a discrepancy."""
        line, quantity = self.line, self.missing
        self._leave_beside(self.draft.stream(StreamKey(line.tenant, line.sku, adjustment(line.site), lot)), quantity)
        self.draft.unaccounted.append((line.sku, line.site, quantity))

    def guess(self, quantity: int) -> None:
        """Say that it is not known which units these are."""
        self.draft.guessed.append((self.line.sku, self.line.site, quantity))

    def _guess_at(self, stream: Stream, quantity: int) -> None:
        if quantity and (stream.key.lot or stream.key.serial_number):
            self.guess(quantity)

    def _leave_beside(self, stream: Stream, quantity: int) -> None:
        if quantity:
            self._leave(stream, quantity, 0)
            absorb(self.draft, self.line, quantity, instead=True)

    def _leave(self, stream: Stream, quantity: int, reserved: int) -> None:
        """Move goods of the line out of a stream, on their way to the customer."""
        key = stream.key
        out = self.draft.stream(StreamKey(key.tenant, key.sku, self.to, key.lot, key.serial_number))
        out.expires_on = stream.expires_on
        holder = (self.line.order_ref, self.line.line_no)
        self.draft.move(stream, -quantity, -reserved, holder)
        self.draft.move(out, quantity, 0, holder)
        self.line.shipped += quantity
        self.missing -= quantity
        self.gone.append((key, quantity))
        if self.draft.expired(stream) and not self.line.allow_expired:
            self.draft.expired_issues.append((self.line.sku, self.line.site, quantity))


def absorb(draft: Draft, line: OrderLine, quantity: int, *, instead: bool = False) -> None:
    """Account for goods that left beyond the line's hold: what waited, was cancelled, or was never ordered.

    What the order still holds in bins for the same demand is given up: it has its goods; where they left `instead` of
    what is picked, that too.
    """
    waiting = min(quantity, line.backordered)
    line.wait_less(waiting)
    held = min(quantity - waiting, line.unpicked)
    release(draft, line, held)
    picked = min(quantity - waiting - held, line.picked) if instead else 0
    line.picked -= picked
    line.reserved -= picked
    line.to_put_back += picked
    cancelled = min(quantity - waiting - held - picked, line.cancelled)
    line.cancelled -= cancelled
    line.ordered += quantity - waiting - held - picked - cancelled
