"""Facts about stock: changes of status, counts."""

from __future__ import annotations

from dataclasses import replace

from domain.errors import Fault, Kind, Rejected
from domain.stock import PHYSICAL, Place, StockStatus
from ledger.book import UNDATED, Draft, Stream, lot_of
from ledger.requests import AdjustStock, ChangeStockStatus, ConvertStock, CountMissing, lost_from
from ledger.rules.holding import Answer, carry_away, displace


def change_status(request: ChangeStockStatus, draft: Draft) -> Answer:
    """Make stock something else: free units first, then holds give way."""
    stream = draft.stream(request.stream)
    _need_its_status(request.stream.place, request.to)
    need_on_hand(draft, stream, request.quantity)
    displace(draft, stream, request.quantity - draft.free(stream))
    to = draft.becoming(replace(stream.key, stock_status=request.to))
    if to.key.stock_status is not request.to:
        raise Rejected(
            "lot_blocked",
            f"Lot {to.key.lot} of {to.key.sku} is blocked: lift the recall before it is sold.",
            kind=Kind.CONFLICT,
        )
    draft.carry(stream, to, request.quantity)
    return {"changed": request.quantity, "from": str(stream.stream_id), "to": str(to.stream_id)}


def convert(request: ConvertStock, draft: Draft) -> Answer:
    """Make what is available at a place what the place is for; who was promised it gets other stock, or waits."""
    goods = [
        (stream, draft.stream(replace(stream.key, place=request.place).as_kept), draft.on_hand(stream))
        for stream in _available_at(draft, request)
    ]
    converted = [
        {"sku": to.key.sku, "lot": to.key.lot, "serial_number": to.key.serial_number, "quantity": quantity}
        for _, to, quantity in goods
    ]
    carry_away(draft, goods)
    return {
        "stock_status": request.place.keeps.value,
        "converted": converted,
        "displaced": sorted(draft.displaced),
    }


def _available_at(draft: Draft, request: ConvertStock) -> list[Stream]:
    found = [
        stream
        for stream in draft.book.streams.values()
        if stream.key.tenant == request.tenant
        and stream.key.place == request.place
        and stream.key.sku in request.skus
        and stream.key.stock_status is StockStatus.AVAILABLE
        and draft.on_hand(stream)
    ]
    return sorted(found, key=lambda stream: (stream.key.sku, stream.key.lot, stream.key.serial_number))


def _need_its_status(place: Place, status: StockStatus) -> None:
    """Refuse to make stock available where its place says that nothing is."""
    if status is StockStatus.AVAILABLE and place.keeps is not status:
        detail = f"What lies at {place.location_id} is {place.keeps}: move it where it can be sold from first."
        raise Rejected("not_available_here", detail, [Fault("/to", "not_available_here", detail)])


def adjust(request: AdjustStock, draft: Draft) -> Answer:
    """Bring a stream to what was counted; the other side is the adjustment place."""
    stream = draft.stream(request.stream)
    _need_physical(stream)
    if request.compared_seq is not None and request.compared_seq != stream.seq:
        where = f"{stream.key.place.location_id} of {stream.key.sku}"
        raise Rejected(
            "count_overtaken", f"Something was posted at {where} since the count was compared.", kind=Kind.CONFLICT
        )
    if draft.on_hand(stream) + request.delta < 0:
        raise _outdated(request, draft.on_hand(stream))
    displace(draft, stream, -request.delta - draft.free(stream))
    key = stream.key
    to = draft.becoming(key) if request.delta > 0 else stream
    to.expires_on = stream.expires_on
    if request.delta > 0 and key.lot and draft.lot(lot_of(key)) is None:
        draft.lots[lot_of(key)] = UNDATED
    other = draft.stream(lost_from(key))
    if key.serial_number and draft.on_hand(other) < request.delta:
        raise Rejected(
            "serial_not_missing", f"Serial number {key.serial_number} was never missed here.", kind=Kind.CONFLICT
        )
    draft.move(to, request.delta, 0)
    draft.move(other, -request.delta, 0)
    return {
        "delta": request.delta,
        "stream_id": str(to.stream_id),
        "on_hand": draft.on_hand(to),
        "sku": key.sku,
        "site": key.place.site,
        "location_id": key.place.location_id,
        "kind": key.place.kind.value,
        "lot": key.lot,
        "serial_number": key.serial_number,
        "stock_status": to.key.stock_status.value,
    }


def _outdated(request: AdjustStock, on_hand: int) -> Rejected:
    """Make the refusal of a count, or a difference, that would leave less than nothing."""
    key = request.stream
    detail = f"{key.place.location_id} has {on_hand} of {key.sku} now: {-request.delta} can't be missing. Count again."
    at = "/delta" if request.compared_seq is None else "/counted"
    return Rejected("count_outdated", detail, [Fault(at, "count_outdated", detail)])


def count_missing(request: CountMissing, draft: Draft) -> Answer:
    """Make what was found available again, and write the rest off."""
    put_aside = [draft.stream(key) for key in request.put_aside()]
    each = 1 if request.serial_numbers else request.missing
    _need_put_aside(request, sum(min(each, draft.on_hand(stream)) for stream in put_aside))
    for stream in put_aside:
        serial = stream.key.serial_number
        found = int(serial in request.found_serials) if serial else request.found
        if found:
            available = replace(stream.key, place=request.stream.place, stock_status=StockStatus.AVAILABLE)
            draft.carry(stream, draft.arriving(available), found)
        if found < each:
            draft.carry(stream, draft.stream(lost_from(stream.key)), each - found)
    return {"found": request.found, "written_off": request.missing - request.found}


def _need_put_aside(request: CountMissing, there: int) -> None:
    """Refuse to count what somebody has moved, restated or adjusted meanwhile: they know more of it than the task."""
    if there < request.missing:
        key = request.stream
        raise Rejected(
            "not_put_aside",
            f"{there} of the {request.missing} of {key.sku} that were missing are still {key.stock_status} at "
            f"{key.place.location_id}: the others were moved, adjusted or given another status since. Take that back, "
            "so that they are there again, and send the count again.",
            kind=Kind.CONFLICT,
        )


def _need_physical(stream: Stream) -> None:
    """Refuse to count or restate what is outside the house: it changes by what happens to its order."""
    if stream.key.place.kind not in PHYSICAL:
        detail = f"{stream.key.place.location_id} is not a place in a warehouse."
        raise Rejected("virtual_location", detail, [Fault("/location_id", "virtual_location", detail)])


def need_on_hand(draft: Draft, stream: Stream, quantity: int) -> None:
    """Refuse to take more than is there."""
    _need_physical(stream)
    if quantity > draft.on_hand(stream):
        place = stream.key.place.location_id
        raise Rejected(
            "insufficient_stock",
            f"{quantity} of {stream.key.sku} are asked for, but {draft.on_hand(stream)} are on hand at {place}.",
            [Fault("/quantity", "insufficient_stock", f"only {draft.on_hand(stream)} are on hand")],
        )
