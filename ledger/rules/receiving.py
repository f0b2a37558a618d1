"""What a receipt does, and what takes it back."""

from __future__ import annotations

from domain.days import expiry_of
from domain.errors import Fault, Kind, Rejected
from domain.stock import StreamKey, supplier
from ledger.book import UNDATED, Draft, LotDate, Stream
from ledger.requests import ReceivedLine, ReceiveStock, ReverseReceipt, supplied
from ledger.rules.holding import Answer, carry_away, reconsider


def receive(request: ReceiveStock, draft: Draft) -> Answer:
    """Bring stock from the supplier, and learn when its lots expire."""
    _learn_dates(request, draft)
    source = supplier(request.place.site)
    received = []
    for index, line in enumerate(request.lines):
        if line.serial_numbers and len(set(line.serial_numbers)) != line.quantity:
            detail = f"{line.quantity} of {line.sku} came with {len(set(line.serial_numbers))} serial numbers."
            fault = Fault(f"/lines/{index}/serial_numbers", "serials_do_not_match", detail)
            raise Rejected(fault.code, detail, [fault])
        for serial in line.serial_numbers or ("",):
            quantity = 1 if serial else line.quantity
            to = draft.arriving(StreamKey(request.tenant, line.sku, request.place, line.lot, serial, line.stock_status))
            out = draft.stream(StreamKey(request.tenant, line.sku, source, line.lot, serial))
            if serial and draft.on_hand(out) <= -1:
                raise Rejected(
                    "serial_known", f"Serial number {serial} of {line.sku} was received before.", kind=Kind.CONFLICT
                )
            draft.move(out, -quantity, 0)
            draft.move(to, quantity, 0)
        received.append(_received(draft, request, line) | {"stock_status": to.key.stock_status.value})
    _act_on_dates(draft)
    return {"received": received}


def _received(draft: Draft, request: ReceiveStock, line: ReceivedLine) -> Answer:
    """Say what came of a line, and when its lot expires by all that is known now."""
    known = draft.lot((request.tenant, line.sku, line.lot)) or UNDATED
    return {
        "sku": line.sku,
        "quantity": line.quantity,
        "lot": line.lot,
        "expires_on": known.expires_on and known.expires_on.isoformat(),
        "expiry_computed": known.computed,
    }


def reverse(request: ReverseReceipt, draft: Draft) -> Answer:
    """Let what a receipt brought go back to the supplier, if all of it is still there; holds on it give way."""
    goods = [(draft.stream(key), quantity) for key, quantity in request.goods]
    gone = [_gone(draft, stream, quantity) for stream, quantity in goods if draft.on_hand(stream) < quantity]
    if gone:
        raise Rejected(gone[0].code, gone[0].detail, gone, kind=Kind.CONFLICT)
    carry_away(draft, [(stream, draft.stream(supplied(stream.key)), quantity) for stream, quantity in goods])
    return {"reversed": sum(quantity for _, quantity in goods), "displaced": sorted(draft.displaced)}


def _gone(draft: Draft, stream: Stream, quantity: int) -> Fault:
    key = stream.key
    names = "/".join(part for part in (key.sku, key.lot, key.serial_number) if part)
    there = f"{draft.on_hand(stream)} of {names} are {key.stock_status} at {key.place.location_id}"
    return Fault("/path/receipt_no", "not_at_its_place", f"{there}, and {quantity} came.")


# -- when lots expire ------------------------------------------------------------------------------------------------


def _learn_dates(request: ReceiveStock, draft: Draft) -> None:
    """Take up when the lots that came expire. What was told before stands: who tells otherwise is refused."""
    faults: list[Fault] = []
    for index, line in enumerate(request.lines):
        if not line.lot:
            continue
        lot = (request.tenant, line.sku, line.lot)
        known = draft.lot(lot)
        if _contradicts(line, known):
            detail = f"Lot {line.lot} of {line.sku} expires on {known and known.expires_on}, not on {line.expires_on}."
            faults.append(Fault(f"/lines/{index}/expires_on", "expiry_contradicts", detail))
        elif (now := _date_of(line, known)) != known:
            draft.lots[lot] = now
    if faults:
        raise Rejected(faults[0].code, faults[0].detail, faults)


def _contradicts(line: ReceivedLine, known: LotDate | None) -> bool:
    told = known is not None and known.expires_on is not None and not known.computed
    return told and line.expires_on not in {None, known and known.expires_on}


def _date_of(line: ReceivedLine, known: LotDate | None) -> LotDate:
    """Say when a lot expires: as told now, as known, or so long after it was produced; a new one, after it came."""
    if line.expires_on is not None:
        return LotDate(line.expires_on, computed=False)
    if known is not None and known.expires_on is not None:
        return known
    since = line.produced_on or (line.came_on if known is None else None)
    if since is None or line.shelf_life_days is None:
        return known or UNDATED
    return LotDate(expiry_of(since, line.shelf_life_days), computed=True)


def _act_on_dates(draft: Draft) -> None:
    """Have holds give way in lots that expire on another day than was known; who waits may get what keeps longer."""
    book = draft.book
    changed = [lot for lot, date in draft.lots.items() if book.lots.get(lot, UNDATED).expires_on != date.expires_on]
    streams = [stream for lot in changed for stream in book.of_lot(lot)]
    reconsider(draft, [stream for stream in streams if draft.reserved(stream)])
    draft.freed_pools.update(stream.pool_id for stream in streams if stream.allocatable and draft.free(stream) > 0)
