"""From site to site: sent, and arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from domain.errors import Fault
from domain.stock import StreamKey, adjustment, transfer
from ledger.book import Draft, Stream
from ledger.requests import ArrivedLine, ReceiveTransfer, SendTransfer, SentLine
from ledger.rules.holding import Answer, named_first, names, refuse, unsaid


def send(request: SendTransfer, draft: Draft) -> Answer:
    """Let stock leave that nobody was promised."""
    faults: list[Fault] = []
    for index, line in enumerate(request.lines):
        for stream, quantity in _named(draft, request, line):
            if draft.free(stream) < quantity:
                faults.append(_not_free(draft, index, stream, quantity))
                continue
            on_the_way = draft.stream(replace(stream.key, place=transfer(request.transfer_no, request.site)))
            draft.carry(stream, on_the_way, quantity)
    refuse(faults)
    lines = [{"sku": line.sku, "quantity": line.quantity, "lot": line.lot} for line in request.lines]
    return {"site": request.site, "to_site": request.to_site, "lines": lines}


def _named(draft: Draft, request: SendTransfer, line: SentLine) -> Iterator[tuple[Stream, int]]:
    for serial in line.serial_numbers or ("",):
        key = StreamKey(request.tenant, line.sku, line.place, line.lot, serial, line.stock_status)
        yield draft.stream(key), 1 if serial else line.quantity


def _not_free(draft: Draft, index: int, stream: Stream, quantity: int) -> Fault:
    key = stream.key
    goods = "/".join(part for part in (key.sku, key.lot, key.serial_number, key.stock_status.value) if part)
    detail = f"{key.place.location_id} has {draft.free(stream)} of {goods} that nobody was promised, not {quantity}."
    return Fault(f"/lines/{index}/quantity", "insufficient_stock", detail)


def arrive(request: ReceiveTransfer, draft: Draft) -> Answer:
    """Bring what arrived to its place; what is still missing when the transfer is complete was lost on the way."""
    faults: list[Fault] = []
    arrived: Counter[tuple[str, str, str]] = Counter()
    for index, line in named_first(request.lines):
        left = line.quantity
        there = _on_the_way(draft, request, line)
        faults += unsaid(index, line, left, [(stream, draft.on_hand(stream)) for stream in there])
        for stream in there:
            part = min(left, draft.on_hand(stream))
            if not part:
                break
            status = line.stock_status or stream.key.stock_status
            to = draft.arriving(replace(stream.key, place=request.place, stock_status=status))
            draft.carry(stream, to, part)
            arrived[to.key.sku, to.key.lot, to.key.stock_status.value] += part
            left -= part
        if left:
            detail = (
                f"{line.quantity - left} of {line.sku} are on the way, not {line.quantity}: count what is too much."
            )
            faults.append(Fault(f"/lines/{index}/quantity", "more_than_sent", detail))
    refuse(faults)
    return {"arrived": _told(arrived), "missing": _write_off(draft, request) if request.complete else []}


def _told(arrived: Counter[tuple[str, str, str]]) -> list[dict[str, object]]:
    names = ("sku", "lot", "stock_status", "quantity")
    return [dict(zip(names, (*goods, quantity), strict=True)) for goods, quantity in sorted(arrived.items())]


def _on_the_way(draft: Draft, request: ReceiveTransfer, line: ArrivedLine | None = None) -> list[Stream]:
    """Return what is on the way, of the lot and serial numbers that a line names, what expires first first."""
    (location_id,) = request.locations()
    found = [
        stream
        for stream in draft.at(location_id)
        if line is None or (stream.key.sku == line.sku and names(line, stream.key))
    ]
    return sorted(found, key=_first_expiry_first)


def _first_expiry_first(stream: Stream) -> tuple[date, str, str, str]:
    key = stream.key
    return stream.expires_on or date.max, key.sku, key.lot, key.serial_number


def _write_off(draft: Draft, request: ReceiveTransfer) -> list[dict[str, object]]:
    missing: list[dict[str, object]] = []
    for stream in _on_the_way(draft, request):
        key, quantity = stream.key, draft.on_hand(stream)
        lost = StreamKey(key.tenant, key.sku, adjustment(request.site), key.lot, key.serial_number)
        draft.carry(stream, draft.stream(lost), quantity)
        missing.append({"sku": key.sku, "quantity": quantity, "lot": key.lot, "serial_number": key.serial_number})
    return missing
