"""What each request does to the book. Pure: a rule fills a draft or refuses; it reads no clock and no database.

Reserve and release, pick and put back, issue and return live side by side and look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.errors import InvariantViolated
from ledger.book import Draft
from ledger.requests import (
    AdjustStock,
    AmendOrder,
    BlockLot,
    CancelLines,
    ChangeStockStatus,
    ConfirmPick,
    ConvertStock,
    CountMissing,
    DeliverLostParcel,
    DeliverParcel,
    ExpireStock,
    IssueGoods,
    LoseParcel,
    MoveStock,
    PutBack,
    ReceiveStock,
    ReceiveTransfer,
    Request,
    ReturnGoods,
    ReverseReceipt,
    SendTransfer,
    UnblockLot,
)
from ledger.rules.adjusting import adjust, change_status, convert, count_missing
from ledger.rules.holding import Answer
from ledger.rules.issuing import issue
from ledger.rules.lots import block, expire, unblock
from ledger.rules.picking import move, pick, put_back
from ledger.rules.queue import serve_queues
from ledger.rules.receiving import receive, reverse
from ledger.rules.reserving import amend, cancel
from ledger.rules.shipping import deliver, deliver_lost, lose, take_return
from ledger.rules.transferring import arrive, send

_RULES: Final[Mapping[type[Request], Callable[[Any, Draft], Answer]]] = {
    ReceiveStock: receive,
    ReverseReceipt: reverse,
    AmendOrder: amend,
    CancelLines: cancel,
    ConfirmPick: pick,
    PutBack: put_back,
    MoveStock: move,
    SendTransfer: send,
    ReceiveTransfer: arrive,
    ChangeStockStatus: change_status,
    ConvertStock: convert,
    AdjustStock: adjust,
    CountMissing: count_missing,
    IssueGoods: issue,
    DeliverParcel: deliver,
    DeliverLostParcel: deliver_lost,
    LoseParcel: lose,
    ReturnGoods: take_return,
    BlockLot: block,
    UnblockLot: unblock,
    ExpireStock: expire,
}


def decide(request: Request, draft: Draft) -> Answer:
    """Fill the draft with what the request does, serve whoever waits for what it freed, and answer.

    Raises `Rejected` with a fault for each line; the draft is then to be dropped.
    """
    rule = _RULES.get(type(request))
    if rule is None:
        raise InvariantViolated(f"the ledger has no rule for {type(request).__name__}")
    answer = rule(request, draft)
    serve_queues(draft)
    return {**answer, "reason_code": request.reason_code} if request.reason_code else answer
