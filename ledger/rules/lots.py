"""Lots that may not be sold: blocked, and let go again, or expired."""

from __future__ import annotations

from dataclasses import replace

from domain.errors import Kind, Rejected
from domain.stock import PHYSICAL, StockStatus
from ledger.book import Draft, Stream
from ledger.requests import BlockLot, ExpireStock, UnblockLot
from ledger.rules.holding import Answer, carry_away, promised, reconsider


def block(request: BlockLot, draft: Draft) -> Answer:
    """Quarantine what is available of a lot; who was promised it gets other stock, or waits at the old place."""
    if request.named in draft.book.blocked_lots:
        raise Rejected("lot_blocked", f"Lot {request.lot} of {request.sku} is blocked already.", kind=Kind.CONFLICT)
    draft.lots_marked[request.named] = request.block_no
    goods = [
        (stream, draft.stream(replace(stream.key, stock_status=StockStatus.QUARANTINED)), draft.on_hand(stream))
        for stream in _available(draft, request)
    ]
    carry_away(draft, goods)
    return {
        **_said(request),
        "quarantined": sum(quantity for *_, quantity in goods),
        "displaced": sorted(draft.displaced),
    }


def unblock(request: UnblockLot, draft: Draft) -> Answer:
    """Let what arrives of a lot be sold again. Nothing moves: who let it go, and why, is on record."""
    if request.named not in draft.book.blocked_lots:
        raise Rejected("lot_not_blocked", f"Lot {request.lot} of {request.sku} is not blocked.", kind=Kind.CONFLICT)
    draft.lots_marked[request.named] = None
    return _said(request)


def expire(request: ExpireStock, draft: Draft) -> Answer:
    """Have holds in what has expired give way to the day that has begun; whoever allows it keeps them."""
    (pool,) = request.pools()
    reconsider(draft, [stream for stream in promised(draft, pool.pool_id) if draft.expired(stream)])
    return {"sku": request.sku, "day": request.day.isoformat(), "displaced": sorted(draft.displaced)}


def _available(draft: Draft, request: BlockLot) -> list[Stream]:
    found = [
        stream
        for stream in draft.book.streams.values()
        if (stream.key.tenant, stream.key.sku, stream.key.lot) == request.named
        and stream.key.stock_status is StockStatus.AVAILABLE
        and stream.key.place.kind in PHYSICAL
        and draft.on_hand(stream)
    ]
    return sorted(found, key=lambda stream: stream.name)


def _said(request: BlockLot | UnblockLot) -> Answer:
    return {"sku": request.sku, "lot": request.lot, "block_no": request.block_no, "cause": request.cause}
