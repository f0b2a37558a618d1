"""What each request does to the book. Pure: a rule fills a draft or refuses; it reads no clock and no database.

Reserve and release, pick and put back, issue and return live side by side and look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial, singledispatch
from typing import Any, Final
from uuid import UUID

from stockbridge.domain.allocation import first_expiry_first, take
from stockbridge.domain.errors import Fault, InvariantViolated, Rejected
from stockbridge.domain.orders import OrderLine, ShortagePolicy
from stockbridge.domain.stock import (
    PHYSICAL,
    Place,
    PlaceKind,
    PoolKey,
    StockStatus,
    StreamKey,
    adjustment,
    customer,
    supplier,
    transit,
)
from stockbridge.ledger.book import Draft, LineKey, Stream, line_key
from stockbridge.ledger.requests import (
    AdjustStock,
    AmendOrder,
    CancelLines,
    ChangeStockStatus,
    ConfirmPick,
    DeliverParcel,
    Demand,
    IssueGoods,
    LineQuantity,
    MoveStock,
    PickedLine,
    PutBack,
    ReceiveStock,
    Request,
    ReturnGoods,
)

BINS: Final = frozenset({PlaceKind.STORAGE})
STAGING: Final = frozenset({PlaceKind.STAGING})

Answer = dict[str, Any]

_EVER: Final = datetime.min.replace(tzinfo=UTC)


def decide(request: Request, draft: Draft) -> Answer:
    """Fill the draft with what the request does, serve whoever waits for what it freed, and answer.

    Raises `Rejected` with a fault for each line; the draft is then to be dropped.
    """
    answer = _decide(request, draft)
    _serve_queues(draft)
    return answer


@singledispatch
def _decide(request: Request, draft: Draft) -> Answer:
    raise InvariantViolated(f"the ledger has no rule for {type(request).__name__} ({draft.tenant})")


# -- stock in --------------------------------------------------------------------------------------------------------


@_decide.register
def _receive(request: ReceiveStock, draft: Draft) -> Answer:
    source = supplier(request.place.site)
    for index, line in enumerate(request.lines):
        if line.serial_numbers and len(set(line.serial_numbers)) != line.quantity:
            detail = f"{line.quantity} of {line.sku} came with {len(set(line.serial_numbers))} serial numbers."
            fault = Fault(f"/lines/{index}/serial_numbers", "serials_do_not_match", detail)
            raise Rejected(fault.code, detail, [fault])
        for serial in line.serial_numbers or ("",):
            quantity = 1 if serial else line.quantity
            to = draft.stream(StreamKey(request.tenant, line.sku, request.place, line.lot, serial, line.stock_status))
            if to.expires_on is None:
                to.expires_on = line.expires_on
            out = draft.stream(StreamKey(request.tenant, line.sku, source, line.lot, serial))
            if serial and draft.on_hand(out) <= -1:
                raise Rejected("serial_known", f"Serial number {serial} of {line.sku} was received before.", status=409)
            draft.move(out, -quantity, 0)
            draft.move(to, quantity, 0)
    return {"received": [{"sku": line.sku, "quantity": line.quantity} for line in request.lines]}


# -- the promise: reserve, amend, cancel -----------------------------------------------------------------------------


@_decide.register
def _amend(request: AmendOrder, draft: Draft) -> Answer:
    """Act on the difference to what was last accepted: first what frees, then what takes, netted into one posting."""
    wanted = {_key(request, demand): demand for demand in request.lines}
    known = draft.lines_of(request.order_ref)
    draft.reason = "amendment" if known else "reservation"
    faults: list[Fault] = []
    for line in known:
        if line_key(line) not in wanted:
            _collect(faults, request, line.line_no, partial(_lower, draft, line, line.ordered))
    for key, demand in wanted.items():
        _collect(faults, request, demand.line_no, partial(_take_terms, draft, draft.line(key), request, demand))
    if not faults:
        for key, demand in wanted.items():
            line = draft.line(key) or draft.add_line(_new_line(request, demand))
            _collect(faults, request, demand.line_no, partial(_raise, draft, line, demand.ordered - line.ordered))
    if faults:
        raise _refusal(faults)
    return {"lines": [_quantities(line) for line in draft.lines_of(request.order_ref)]}


def _refusal(faults: list[Fault]) -> Rejected:
    detail = faults[0].detail if len(faults) == 1 else f"{len(faults)} lines can't be met."
    return Rejected(faults[0].code, detail, faults, status=409 if faults[0].code == "already_shipped" else 422)


def _take_terms(draft: Draft, line: OrderLine | None, request: AmendOrder, demand: Demand) -> None:
    """Bring a known line to the new terms, as far as that frees stock; what it lacks then is taken afterwards."""
    if line is None:
        return
    line.priority, line.shortage_policy = request.priority, request.shortage_policy
    line.uom, line.factor = demand.uom, demand.factor
    _forget_cancelled(line, line.ordered - demand.ordered)
    if demand.lot != line.lot:
        _change_lot(draft, line, demand.lot)
    if demand.ordered < line.ordered:
        _lower(draft, line, line.ordered - demand.ordered)


def _key(request: AmendOrder, demand: Demand) -> LineKey:
    pool_id = PoolKey(request.tenant, demand.site, demand.sku).pool_id
    return request.tenant, request.order_ref, demand.line_no, pool_id


def _new_line(request: AmendOrder, demand: Demand) -> OrderLine:
    return OrderLine(
        tenant=request.tenant,
        order_ref=request.order_ref,
        line_no=demand.line_no,
        sku=demand.sku,
        site=demand.site,
        lot=demand.lot,
        uom=demand.uom,
        factor=demand.factor,
        priority=request.priority,
        shortage_policy=request.shortage_policy,
    )


def _collect(faults: list[Fault], request: AmendOrder, line_no: int, step: Callable[[], None]) -> None:
    """Run a line's step; keep its refusal with the place in the request, so that all faults come in one answer."""
    try:
        step()
    except Rejected as refusal:
        index = next((i for i, demand in enumerate(request.lines) if demand.line_no == line_no), None)
        pointer = "/lines" if index is None else f"/lines/{index}/quantity"
        faults.append(Fault(pointer, refusal.code, refusal.detail))


def _raise(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Add demand: take back what lies in staging, then reserve, then what the shortage policy says."""
    if quantity <= 0:
        return
    line.ordered += quantity
    back = min(quantity, _to_take_back(draft, line))
    line.to_put_back -= back
    line.reserved += back
    line.picked += back
    _short(draft, line, quantity - back - _reserve(draft, line, quantity - back))


def _to_take_back(draft: Draft, line: OrderLine) -> int:
    """Count what lies in staging, no longer wanted, of the lot that is wanted now."""
    if not line.to_put_back or not line.lot:
        return line.to_put_back
    held = sum(held for stream, held in draft.holds(line, STAGING) if stream.key.lot == line.lot)
    return max(0, min(line.to_put_back, held - line.picked))


def _short(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Deal with demand that can't be reserved now."""
    if quantity <= 0:
        return
    if line.shortage_policy == ShortagePolicy.REJECT:
        raise Rejected(
            "insufficient_stock", f"Line {line.line_no}: {quantity} of {line.sku} more are wanted than are available."
        )
    if line.shortage_policy == ShortagePolicy.PARTIAL:
        line.cancelled += quantity
    else:
        draft.queue(line, quantity)


def _reserve(draft: Draft, line: OrderLine, quantity: int, *, excluding: UUID | None = None) -> int:
    """Promise free stock to a line, first expiry first. Returns how much there was."""
    if quantity <= 0:
        return 0
    reserved = 0
    candidates = list(draft.buckets(line_key(line)[3], line.lot, excluding=excluding))
    for bucket, part in take(first_expiry_first(candidates) if len(candidates) > 1 else candidates, quantity):
        draft.move(bucket.stream, 0, part, (line.order_ref, line.line_no))
        reserved += part
    line.reserved += reserved
    return reserved


def _release(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Give unpicked holds up, those that expire last first, so that what is kept is what should leave first."""
    for stream, held in reversed(draft.holds(line, BINS)):
        part = min(held, quantity)
        if part:
            draft.move(stream, 0, -part, (line.order_ref, line.line_no))
            line.reserved -= part
            quantity -= part
    if quantity:
        raise InvariantViolated(f"{line.order_ref} line {line.line_no} holds {quantity} less than its line says")


def _lower(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Take demand away: from what is cancelled, then what waits, then unpicked, then picked; never from shipped."""
    if line.ordered - quantity < line.shipped:
        raise Rejected(
            "already_shipped",
            f"Line {line.line_no}: {line.shipped} of {line.sku} have left; the least that can be ordered is that.",
            status=409,
        )
    forgotten = _forget_cancelled(line, quantity)
    line.ordered -= quantity - forgotten
    _give_up(draft, line, quantity - forgotten)


def _forget_cancelled(line: OrderLine, quantity: int) -> int:
    """Take demand away that was cancelled already, as far as there is any. Returns how much."""
    forgotten = min(max(quantity, 0), line.cancelled)
    line.cancelled -= forgotten
    line.ordered -= forgotten
    return forgotten


def _give_up(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Let go of what waits, then of unpicked holds; what is picked stays held until it is put back."""
    waiting = min(quantity, line.backordered)
    line.backordered -= waiting
    unpicked = min(quantity - waiting, line.unpicked)
    _release(draft, line, unpicked)
    picked = quantity - waiting - unpicked
    line.picked -= picked
    line.reserved -= picked
    line.to_put_back += picked


def _change_lot(draft: Draft, line: OrderLine, lot: str) -> None:
    """Move a line's demand to the lot that the customer names now: what it holds of others is demand to be met again.

    What waited for another lot may be met at once; so the demand leaves the line here, and `_raise` brings it back.
    """
    line.lot = lot
    again = line.backordered
    line.backordered = 0
    for stream, held in draft.holds(line) if lot else ():
        if stream.key.lot == lot:
            continue
        wanted = held
        if stream.key.place.kind is PlaceKind.STAGING:
            wanted = min(held, line.picked)  # the rest is to be put back already
            line.picked -= wanted
            line.to_put_back += wanted
        else:
            draft.move(stream, 0, -held, (line.order_ref, line.line_no))
        line.reserved -= wanted
        again += wanted
    line.ordered -= again


@_decide.register
def _cancel(request: CancelLines, draft: Draft) -> Answer:
    for index, asked in enumerate(request.lines):
        line = _line(request, asked, draft)
        possible = line.backordered if request.only_backordered else line.unshipped
        quantity = possible if asked.quantity is None else asked.quantity
        if quantity > possible:
            raise _too_much(index, asked, "cancel", quantity, possible, "not_cancellable")
        _give_up(draft, line, quantity)
        line.cancelled += quantity
    return {"lines": [_quantities(line) for line in draft.lines_of(request.order_ref)]}


def _line(request: Any, asked: LineQuantity, draft: Draft) -> OrderLine:
    key = (request.tenant, request.order_ref, asked.line_no, PoolKey(request.tenant, asked.site, asked.sku).pool_id)
    line = draft.line(key)
    if line is None:
        raise Rejected("unknown_line", f"The order has no line {asked.line_no} of {asked.sku}.")
    return line


def _too_much(index: int, asked: LineQuantity, verb: str, quantity: int, possible: int, code: str) -> Rejected:
    detail = f"Line {asked.line_no}: {quantity} of {asked.sku} to {verb}, but only {possible} are left to {verb}."
    return Rejected(code, detail, [Fault(f"/lines/{index}/quantity", code, detail)])


def _quantities(line: OrderLine) -> dict[str, Any]:
    return {"line_no": line.line_no, "sku": line.sku, **line.quantities()}


# -- the floor: pick, put back, move ---------------------------------------------------------------------------------


@_decide.register
def _pick(request: ConfirmPick, draft: Draft) -> Answer:
    for index, asked in enumerate(request.lines):
        line = _line(request, asked, draft)
        if (asked.quantity or 0) > line.unpicked:
            raise _too_much(index, asked, "pick", asked.quantity or 0, line.unpicked, "more_than_held")
        _pick_line(draft, line, asked, request.staging_of(line.site))
    if request.short:
        for asked in request.lines:
            _set_aside_the_rest(draft, _line(request, asked, draft), asked)
    return {"lines": [_quantities(line) for line in draft.lines_of(request.order_ref)]}


def _pick_line(draft: Draft, line: OrderLine, asked: PickedLine, staging: Place) -> None:
    holder = (line.order_ref, line.line_no)
    for stream, part in _sources(draft, line, asked):
        to = draft.stream(StreamKey(line.tenant, line.sku, staging, stream.key.lot, stream.key.serial_number))
        to.expires_on = stream.expires_on
        draft.move(stream, -part, -part, holder)
        draft.move(to, part, part, holder)
        line.picked += part


def _sources(draft: Draft, line: OrderLine, asked: PickedLine) -> list[tuple[Stream, int]]:
    """Name the streams that a pick takes from. What it takes beside the line's hold changes places with the hold."""
    quantity = asked.quantity or 0
    named = _matching(draft.holds(line, BINS), asked)
    sources: list[tuple[Stream, int]] = []
    for stream, held in named:
        part = min(held, quantity)
        if part:
            sources.append((stream, part))
            quantity -= part
    if quantity and asked.place is not None:
        swapped = _reallocate(draft, line, asked, quantity, dict.fromkeys(s.stream_id for s, _ in sources))
        sources = _merge(sources, swapped)
        quantity -= sum(part for _, part in swapped)
    if quantity:
        where = asked.place.location_id if asked.place else "its bins"
        raise Rejected(
            "more_than_held",
            f"Line {line.line_no}: {quantity} of {line.sku} more were picked at {where} than are held or free there.",
        )
    return sources


def _merge(sources: list[tuple[Stream, int]], more: list[tuple[Stream, int]]) -> list[tuple[Stream, int]]:
    total: dict[UUID, tuple[Stream, int]] = {}
    for stream, part in (*sources, *more):
        total[stream.stream_id] = (stream, part + total.get(stream.stream_id, (stream, 0))[1])
    return list(total.values())


def _matching(holds: list[tuple[Stream, int]], asked: PickedLine) -> list[tuple[Stream, int]]:
    """Keep the holds at the place, and of the lot and serial numbers, that the request names."""
    return [
        (stream, held)
        for stream, held in holds
        if (asked.place is None or stream.key.place.location_id == asked.place.location_id)
        and (not asked.lot or stream.key.lot == asked.lot)
        and (not asked.serial_numbers or stream.key.serial_number in asked.serial_numbers)
    ]


def _of(asked: LineQuantity) -> PickedLine:
    """Ask for the same lot and serial numbers, wherever they are."""
    return PickedLine(0, "", "", None, asked.lot, asked.serial_numbers)


def _reallocate(
    draft: Draft, line: OrderLine, asked: PickedLine, quantity: int, own: Iterable[UUID]
) -> list[tuple[Stream, int]]:
    """Take free stock where the picker took it, and give the same amount of the line's hold elsewhere up."""
    holder = (line.order_ref, line.line_no)
    lot = asked.lot or line.lot
    here = [
        bucket
        for bucket in draft.buckets(line_key(line)[3], lot)
        if asked.place is not None
        and bucket.stream.key.place.location_id == asked.place.location_id
        and (not asked.serial_numbers or bucket.stream.key.serial_number in asked.serial_numbers)
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


def _set_aside_the_rest(draft: Draft, line: OrderLine, asked: PickedLine) -> None:
    """Put what was not found aside as `inspection`, so that nobody is promised it again, and make up for it."""
    holder = (line.order_ref, line.line_no)
    for stream, held in _matching(draft.holds(line, BINS), asked):
        key = stream.key
        aside = draft.stream(
            StreamKey(key.tenant, key.sku, key.place, key.lot, key.serial_number, StockStatus.INSPECTION)
        )
        draft.move(stream, -held, -held, holder)
        draft.move(aside, held, 0)
        line.reserved -= held
        missing = held - _reserve(draft, line, held, excluding=stream.stream_id)
        if line.shortage_policy == ShortagePolicy.PARTIAL:
            line.cancelled += missing
        else:
            line.backordered += missing  # at its old place: it was promised before


@_decide.register
def _put_back(request: PutBack, draft: Draft) -> Answer:
    for index, asked in enumerate(request.lines):
        line = _line(request, asked, draft)
        quantity = line.to_put_back if asked.quantity is None else asked.quantity
        if quantity > line.to_put_back:
            raise _too_much(index, asked, "put back", quantity, line.to_put_back, "more_than_to_put_back")
        if asked.place is None:
            raise InvariantViolated("a put-back names the bin")
        line.to_put_back -= quantity
        for stream, held in _matching(draft.holds(line, STAGING), _of(asked)):
            part = min(held, quantity)
            if part:
                key = stream.key
                to = draft.stream(StreamKey(key.tenant, key.sku, asked.place, key.lot, key.serial_number))
                to.expires_on = stream.expires_on
                draft.move(stream, -part, -part, (line.order_ref, line.line_no))
                draft.move(to, part, 0)
                quantity -= part
        if quantity:
            raise Rejected("more_than_held", f"Line {line.line_no}: staging does not hold {quantity} of that lot.")
    return {"lines": [_quantities(line) for line in draft.lines_of(request.order_ref)]}


@_decide.register
def _move(request: MoveStock, draft: Draft) -> Answer:
    stream = draft.stream(request.stream)
    key = stream.key
    if request.to.site != key.place.site:
        raise Rejected("other_site", f"{request.to.location_id} is at another site: that is a transfer.", status=409)
    _need_on_hand(draft, stream, request.quantity)
    to = draft.stream(StreamKey(key.tenant, key.sku, request.to, key.lot, key.serial_number, key.stock_status))
    to.expires_on = stream.expires_on
    free = min(request.quantity, draft.free(stream))
    draft.move(stream, -free, 0)
    draft.move(to, free, 0)
    if free < request.quantity:
        _move_holds(draft, stream, to, request.quantity - free)
    return {"moved": request.quantity, "from": str(stream.stream_id), "to": str(to.stream_id)}


def _move_holds(draft: Draft, stream: Stream, to: Stream, quantity: int) -> None:
    """Move what is promised, its reservations with it."""
    if stream.key.place.kind is not to.key.place.kind:
        raise Rejected("held_stock", "What is promised goes to staging by a pick, and back by a put-back.", status=409)
    for line, held in _holders(draft, stream):
        part = min(held, quantity)
        if part:
            draft.move(stream, -part, -part, (line.order_ref, line.line_no))
            draft.move(to, part, part, (line.order_ref, line.line_no))
            quantity -= part


def _need_physical(stream: Stream) -> None:
    """Refuse to count or restate what is outside the house: it changes by what happens to its order."""
    if stream.key.place.kind not in PHYSICAL:
        raise Rejected("virtual_location", f"{stream.key.place.location_id} is not a place in a warehouse.")


def _need_on_hand(draft: Draft, stream: Stream, quantity: int) -> None:
    _need_physical(stream)
    if quantity > draft.on_hand(stream):
        place = stream.key.place.location_id
        raise Rejected(
            "insufficient_stock",
            f"{quantity} of {stream.key.sku} are asked for, but {draft.on_hand(stream)} are on hand at {place}.",
            [Fault("/quantity", "insufficient_stock", f"only {draft.on_hand(stream)} are on hand")],
        )


# -- facts about stock: status, counts -------------------------------------------------------------------------------


@_decide.register
def _change_status(request: ChangeStockStatus, draft: Draft) -> Answer:
    stream = draft.stream(request.stream)
    _need_on_hand(draft, stream, request.quantity)
    _displace(draft, stream, request.quantity - draft.free(stream))
    key = stream.key
    to = draft.stream(StreamKey(key.tenant, key.sku, key.place, key.lot, key.serial_number, request.to))
    to.expires_on = stream.expires_on
    draft.move(stream, -request.quantity, 0)
    draft.move(to, request.quantity, 0)
    return {"changed": request.quantity, "from": str(stream.stream_id), "to": str(to.stream_id)}


@_decide.register
def _adjust(request: AdjustStock, draft: Draft) -> Answer:
    stream = draft.stream(request.stream)
    _need_physical(stream)
    if draft.on_hand(stream) + request.delta < 0:
        raise Rejected(
            "count_outdated",
            f"{stream.key.place.location_id} has {draft.on_hand(stream)} of {stream.key.sku} now: "
            f"{-request.delta} can't be missing. Count again.",
        )
    _displace(draft, stream, -request.delta - draft.free(stream))
    key = stream.key
    other = draft.stream(StreamKey(key.tenant, key.sku, adjustment(key.place.site), key.lot, key.serial_number))
    if key.serial_number and draft.on_hand(other) < request.delta:
        raise Rejected("serial_not_missing", f"Serial number {key.serial_number} was never missed here.", status=409)
    draft.move(stream, request.delta, 0)
    draft.move(other, -request.delta, 0)
    return {"delta": request.delta, "stream_id": str(stream.stream_id), "on_hand": draft.on_hand(stream)}


def _holders(draft: Draft, stream: Stream) -> list[tuple[OrderLine, int]]:
    """Return who holds what in a stream, the latest promise first."""
    draft.book.need_holders(stream.key.pool.pool_id)
    found = []
    for line in draft.lines_in(stream.key.pool.pool_id):
        held = sum(q for s, q in draft.holds(line) if s is stream)
        if held:
            found.append((line, held))
    return sorted(found, key=lambda f: (f[0].queued_at or _EVER, f[0].order_ref, f[0].line_no), reverse=True)


def _displace(draft: Draft, stream: Stream, quantity: int, *, keep: OrderLine | None = None) -> int:
    """Make holds give way to a fact, the latest promise first. Returns how much gave way.

    A displaced hold is reserved elsewhere, else it goes back to the queue with its old place.
    """
    gone = 0
    for line, held in _holders(draft, stream) if quantity > 0 else ():
        part = min(held, quantity - gone)
        if part <= 0 or line is keep:
            continue
        draft.move(stream, 0, -part, (line.order_ref, line.line_no))
        gone += part
        if stream.key.place.kind is PlaceKind.STAGING:
            unwanted = min(part, line.to_put_back)
            line.to_put_back -= unwanted
            line.picked -= part - unwanted
            part -= unwanted
        line.reserved -= part
        line.backordered += part - _reserve(draft, line, part, excluding=stream.stream_id)
        draft.displaced.add(line.order_ref)
    return gone


# -- out of the house: issue, deliver, return ------------------------------------------------------------------------


@_decide.register
def _issue(request: IssueGoods, draft: Draft) -> Answer:
    for asked in request.lines:
        line = _line(request, asked, draft)
        to = transit(request.shipment_no, line.site)
        missing = _issue_own(draft, line, to, asked)
        missing = _issue_free(draft, line, to, missing)
        if missing:
            missing = _issue_others(draft, line, to, missing)
        if missing:
            _issue_unaccounted(draft, line, to, missing)
    return {"lines": [_quantities(line) for line in draft.lines_of(request.order_ref)]}


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
    wanted = _of(asked)
    for kinds in (STAGING, BINS):
        holds = draft.holds(line, kinds)
        named = _matching(holds, wanted)
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
    line.backordered -= waiting
    held = min(quantity - waiting, line.unpicked)
    _release(draft, line, held)
    cancelled = min(quantity - waiting - held, line.cancelled)
    line.cancelled -= cancelled
    line.ordered += quantity - waiting - held - cancelled


def _issue_free(draft: Draft, line: OrderLine, to: Place, quantity: int) -> int:
    for bucket, part in take(first_expiry_first(draft.buckets(line_key(line)[3], line.lot)), quantity):
        _leave(draft, line, bucket.stream, to, part, 0)
        _absorb(draft, line, part)
        quantity -= part
    return quantity


def _issue_others(draft: Draft, line: OrderLine, to: Place, quantity: int) -> int:
    """Take what others hold, unpicked before picked: the goods have left, so those promises can't be kept here."""
    pool_id = line_key(line)[3]
    draft.book.need_holders(pool_id)
    physical = [s for s in draft.book.streams.values() if s.key.pool.pool_id == pool_id and draft.reserved(s)]
    for kind in (PlaceKind.STORAGE, PlaceKind.STAGING):
        for stream in (s for s in physical if s.key.place.kind is kind):
            part = _displace(draft, stream, quantity, keep=line) if quantity else 0
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


@_decide.register
def _deliver(request: DeliverParcel, draft: Draft) -> Answer:
    for asked in request.lines:
        line = _line(request, asked, draft)
        to = customer(request.order_ref, request.order_site)
        underway = line.shipped - line.delivered
        quantity = underway if asked.quantity is None else min(asked.quantity, underway)
        for stream, part in _underway(draft, request, asked, f"transit/{request.shipment_no}"):
            part = min(part, quantity)  # noqa: PLW2901 - the part that is wanted
            if part:
                key = stream.key
                there = draft.stream(StreamKey(key.tenant, key.sku, to, key.lot, key.serial_number))
                draft.move(stream, -part, 0, (line.order_ref, line.line_no))
                draft.move(there, part, 0, (line.order_ref, line.line_no))
                line.delivered += part
                quantity -= part
    return {"lines": [_quantities(line) for line in draft.lines_of(request.order_ref)]}


def _underway(draft: Draft, request: Request, asked: LineQuantity, location_id: str) -> list[tuple[Stream, int]]:
    """Return what of a line's sku lies at a virtual location, the named lot and serials first."""
    here = [
        (stream, draft.on_hand(stream))
        for stream in draft.book.streams.values()
        if stream.key.tenant == request.tenant
        and stream.key.sku == asked.sku
        and stream.key.place.location_id == location_id
        and draft.on_hand(stream) > 0
    ]
    wanted = _of(asked)
    named = _matching(here, wanted)
    return named + [hold for hold in here if hold not in named]


@_decide.register
def _return(request: ReturnGoods, draft: Draft) -> Answer:
    location_id = next(iter(request.locations()))
    for index, asked in enumerate(request.lines):
        line = _line(request, asked, draft)
        quantity = asked.quantity or 0
        possible = line.shipped - line.delivered if request.shipment_no else line.delivered - line.returned
        there = _underway(draft, request, asked, location_id)
        if asked.lot:
            there = [(s, q) for s, q in there if s.key.lot == asked.lot]
        possible = min(possible, sum(q for _, q in there))
        if quantity > possible:
            detail = f"Line {asked.line_no}: {quantity} came back, but only {possible} can come back of {asked.sku}."
            raise Rejected("over_return", detail, [Fault(f"/lines/{index}/quantity", "over_return", detail)])
        _come_back(draft, line, request, asked, there)
    return {"lines": [_quantities(line) for line in draft.lines_of(request.order_ref)]}


def _come_back(
    draft: Draft, line: OrderLine, request: ReturnGoods, asked: Any, there: list[tuple[Stream, int]]
) -> None:
    quantity = asked.quantity or 0
    for stream, held in there:
        part = min(held, quantity)
        if part:
            key = stream.key
            to = draft.stream(
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


# -- the queue -------------------------------------------------------------------------------------------------------


def _serve_queues(draft: Draft) -> None:
    """Give freed stock to whoever waits for it, in the order of their places, in this very posting."""
    for pool_id in sorted(draft.freed_pools):
        draft.book.need_queue(pool_id)
        for line in _waiting(draft, pool_id):
            got = _reserve(draft, line, line.backordered)
            line.backordered -= got
            if got:
                draft.served.add(line.order_ref)


def _waiting(draft: Draft, pool_id: UUID) -> list[OrderLine]:
    lines = [line for line in draft.lines_in(pool_id) if line.backordered]
    newcomers = draft.newly_queued
    return sorted(
        lines,
        key=lambda line: (
            -line.priority,
            line_key(line) in newcomers,
            line.queued_at.timestamp() if line.queued_at else 0.0,
            line.order_ref,
            line.line_no,
        ),
    )
