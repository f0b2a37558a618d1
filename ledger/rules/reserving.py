"""The promise: reserve, amend, cancel."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import Fault, Kind, Rejected
from domain.linked_lines import main_line_of
from domain.orders import HAS_LEFT, OrderLine, ShortagePolicy
from ledger.book import Draft, LineKey, line_key
from ledger.requests import AmendOrder, CancelLines, Demand
from ledger.rules.holding import Answer, follow, give_up, let_go, line_of, quantities, reserve, too_much
from ledger.rules.own_lines import serve_own_lines, take_back, take_over


def amend(request: AmendOrder, draft: Draft) -> Answer:
    """Act on the difference to what was last accepted: first what frees, then what takes, netted into one posting."""
    wanted = {_key(request, demand): demand for demand in request.lines}
    known = draft.lines_of(request.order_ref)
    draft.reason = "amendment" if known else "reservation"
    faults: list[Fault] = []
    for line in known:
        try:
            _free(draft, line, request, wanted.get(line_key(line)))
        except Rejected as refusal:
            faults.append(_fault(request, line.line_no, refusal))
    if not faults:
        raised = [
            (line, _raise(draft, line, demand.ordered - line.ordered))
            for key, demand in wanted.items()
            for line in (draft.line(key) or draft.add_line(key, _new_line(request, demand)),)
        ]
        unwanted = [line for line in known if line.to_put_back]
        for line, quantity in raised:
            try:
                _meet(draft, line, quantity, unwanted)
            except Rejected as refusal:
                faults.append(_fault(request, line.line_no, refusal))
    if faults:
        raise _refusal(faults)
    return _settled(draft, request)


def _settled(draft: Draft, request: AmendOrder | CancelLines) -> Answer:
    """Let linked lines follow, and what the order has let go of serve its own lines that wait; say how it is now."""
    follow(draft, request.order_ref, request.linked)
    serve_own_lines(draft, request.order_ref)
    return {"lines": [_stated(line) for line in draft.lines_of(request.order_ref)]}


def _stated(line: OrderLine) -> Answer:
    """Return a line as the answer shows it, with what it waits for: PostgreSQL checks by it that nothing was let go."""
    if not line.backordered:
        return quantities(line)
    terms = {"lot": line.lot, "least_expiry": line.least_expiry.isoformat() if line.least_expiry else ""}
    return {**quantities(line), "waits_for": {"site": line.site, **{k: v for k, v in terms.items() if v}}}


def _refusal(faults: list[Fault]) -> Rejected:
    detail = faults[0].detail if len(faults) == 1 else f"{len(faults)} lines can't be met."
    kind = Kind.CONFLICT if faults[0].code == "already_shipped" else Kind.INVALID
    return Rejected(faults[0].code, detail, faults, kind)


def _fault(request: AmendOrder, line_no: int, refusal: Rejected) -> Fault:
    """Keep a line's refusal with the place in the request, so that all faults come in one answer.

    Of a linked line that is the place of its main line, or of the component that stands for a kit: it was not asked
    for by itself.
    """
    asked = main_line_of(line_no) or line_no
    index = next((i for i, x in enumerate(request.lines) if asked in {x.line_no, main_line_of(x.line_no)}), None)
    pointer = "/lines" if index is None else f"/lines/{index}/quantity"
    return Fault(pointer, refusal.code, refusal.detail)


def _free(draft: Draft, line: OrderLine, request: AmendOrder, demand: Demand | None) -> None:
    """Let go of what a line is not to have any more."""
    if demand is None:
        _lower(draft, line, line.ordered)
    else:
        _take_terms(draft, line, request, demand)


def _take_terms(draft: Draft, line: OrderLine, request: AmendOrder, demand: Demand) -> None:
    """Bring a known line to the new terms, as far as that frees stock; what it lacks then is taken afterwards."""
    _need_something_left(line, demand)
    line.priority, line.shortage_policy = request.priority, request.shortage_policy
    line.uom, line.factor = demand.uom, demand.factor
    _forget_cancelled(line, line.ordered - demand.ordered)
    line.allocation_policy = demand.allocation_policy
    goods = (demand.lot, demand.least_expiry, demand.allow_expired)
    if goods != (line.lot, line.least_expiry, line.allow_expired):
        line.lot, line.least_expiry, line.allow_expired = goods
        _change_goods(draft, line)
    if demand.ordered < line.ordered:
        _lower(draft, line, line.ordered - demand.ordered)


def _need_something_left(line: OrderLine, demand: Demand) -> None:
    """Refuse what asks for more of a line, or for another lot, when all of it has left: nobody works on it any more."""
    if line.shipped and not line.unshipped and (demand.ordered > line.ordered or demand.lot != line.lot):
        raise Rejected(
            "already_shipped",
            f"Line {line.line_no}: all {line.shipped} of {line.sku} have left already; what is wanted beside that "
            "needs a line of its own.",
            kind=Kind.CONFLICT,
        )


def _key(request: AmendOrder, demand: Demand) -> LineKey:
    return request.tenant, request.order_ref, demand.line_no, demand.site, demand.sku


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
        allocation_policy=demand.allocation_policy,
        least_expiry=demand.least_expiry,
        allow_expired=demand.allow_expired,
    )


def _raise(draft: Draft, line: OrderLine, quantity: int) -> int:
    """Add demand, met first by what lies in staging for the line and was no longer wanted. Returns what is missing.

    Every line takes its own back before another one takes it over: nothing is let go of and taken again (I8).
    """
    if quantity <= 0:
        return 0
    line.ordered += quantity
    return quantity - take_back(draft, line, quantity)


def _meet(draft: Draft, line: OrderLine, quantity: int, unwanted: Sequence[OrderLine]) -> None:
    """Meet demand by what other lines do not want any more, then by what is free, then as the policy says."""
    quantity -= take_over(draft, line, quantity, unwanted)
    _short(draft, line, quantity - reserve(draft, line, quantity))


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


def _lower(draft: Draft, line: OrderLine, quantity: int) -> None:
    """Take demand away: from what is cancelled, then what waits, then unpicked, then picked; never from shipped."""
    if line.ordered - quantity < line.shipped:
        raise Rejected(
            "already_shipped",
            f"Line {line.line_no}: {line.shipped} of {line.ordered} have left already; the least is {line.shipped}.",
            kind=Kind.CONFLICT,
        )
    forgotten = _forget_cancelled(line, quantity)
    line.ordered -= quantity - forgotten
    give_up(draft, line, quantity - forgotten)


def _forget_cancelled(line: OrderLine, quantity: int) -> int:
    """Take demand away that was cancelled already, as far as there is any. Returns how much."""
    forgotten = min(max(quantity, 0), line.cancelled)
    line.cancelled -= forgotten
    line.ordered -= forgotten
    return forgotten


def _change_goods(draft: Draft, line: OrderLine) -> None:
    """Let go of what a line holds that does not suit it any more: that is demand to be met again.

    It leaves the line here, and `_raise` brings it back. What waited goes on waiting, for what it wants now.
    """
    again = let_go(draft, line)
    line.ordered -= again
    draft.returning[line_key(line)] = again


def cancel(request: CancelLines, draft: Draft) -> Answer:
    """Give up what is not shipped."""
    for index, asked in enumerate(request.lines):
        line = line_of(request, asked, draft)
        possible = line.backordered if request.only_backordered else line.unshipped
        quantity = possible if asked.quantity is None else asked.quantity
        if quantity > possible or (asked.quantity is None and not possible):
            instead = HAS_LEFT if line.underway else ""
            raise too_much(index, asked, "cancel", quantity, possible, "not_cancellable", instead)
        give_up(draft, line, quantity)
        line.cancelled += quantity
    return _settled(draft, request)
