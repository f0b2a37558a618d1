"""What a receipt does."""

from __future__ import annotations

from stockbridge.domain.errors import Fault, Rejected
from stockbridge.domain.stock import StreamKey, supplier
from stockbridge.ledger.book import Draft
from stockbridge.ledger.requests import ReceiveStock
from stockbridge.ledger.rules.holding import Answer


def receive(request: ReceiveStock, draft: Draft) -> Answer:
    """Bring stock from the supplier."""
    source = supplier(request.place.site)
    for index, line in enumerate(request.lines):
        if line.serial_numbers and len(set(line.serial_numbers)) != line.quantity:
            detail = f"{line.quantity} of {line.sku} came with {len(set(line.serial_numbers))} serial numbers."
            fault = Fault(f"/lines/{index}/serial_numbers", "serials_do_not_match", detail)
            raise Rejected(fault.code, detail, [fault])
        for serial in line.serial_numbers or ("",):
            quantity = 1 if serial else line.quantity
            to = draft.arriving(StreamKey(request.tenant, line.sku, request.place, line.lot, serial, line.stock_status))
            if to.expires_on is None:
                to.expires_on = line.expires_on
            out = draft.stream(StreamKey(request.tenant, line.sku, source, line.lot, serial))
            if serial and draft.on_hand(out) <= -1:
                raise Rejected("serial_known", f"Serial number {serial} of {line.sku} was received before.", status=409)
            draft.move(out, -quantity, 0)
            draft.move(to, quantity, 0)
    return {"received": [{"sku": line.sku, "quantity": line.quantity} for line in request.lines]}
