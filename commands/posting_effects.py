"""What follows from a posting for the orders that it touches, in the posting's own transaction.

Also for orders that it was not about: one that was served from the queue, and one whose hold a fact displaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.inventory import capacity
from commands.order_status import OrderName, refresh_status
from commands.shipping import repack
from domain.attention import HOLD_STEP, Attention
from domain.erp_lines import erp_lines
from domain.messages import OrderId
from ledger.requests import AmendOrder, ExpireStock, ReceiveStock, Request
from ledger.writing.writer import Outcome
from records.erp import messages
from records.inventory import discrepancies
from records.inventory.discrepancies import Found, Kind
from records.orders import orders, outbox


class PostingEffects:
    """The ledger's hook: keeps orders' status, attention, ERP feed and outbox in step with the ledger."""

    async def prepare(self, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> Collection[OrderName]:
        """Lock every order that a batch is about or touched, and return those that were there before it.

        One that is new has no row to lock yet; where somebody else was faster, its attachment says so. One whose hold
        went elsewhere as a whole has the same quantities, and must be told all the same. Before that, lock every
        location that takes only so much and got some of it, and refuse what is too much.
        """
        await capacity.check(connection, outcomes)
        about = {(outcome.request.tenant, ref) for outcome in outcomes for ref in outcome.request.orders()}
        touched = {(line.tenant, line.order_ref) for outcome in outcomes for line in outcome.lines}
        displaced = {(outcome.request.tenant, ref) for outcome in outcomes for ref in outcome.displaced}
        known = (about | touched | displaced) - {name for outcome in outcomes for name in _new_order(outcome.request)}
        return (await orders.lock(connection, known)).keys() if known else ()

    async def write(
        self, connection: AsyncConnection, outcomes: Sequence[Outcome], prepared: Collection[OrderName]
    ) -> None:
        """Bring the orders of a batch to their status, and tell those that others' postings touched.

        An order that is new in this batch came with its status.
        """
        for outcome in outcomes:
            await _tell_served(connection, outcome, prepared)
            await _tell_displaced(connection, outcome, prepared)
            for found in _discrepancies(outcome):
                await discrepancies.add(connection, found)
        await refresh_status(connection, prepared)


def _discrepancies(outcome: Outcome) -> Iterable[Found]:
    """Write down in what the ledger was behind what happened."""
    kinds: tuple[tuple[Kind, Sequence[tuple[str, str, int]]], ...] = (
        ("unaccounted_issue", outcome.unaccounted),
        ("guessed_units", outcome.guessed),
        ("expired_issue", outcome.expired),
    )
    for kind, goods in kinds:
        for sku, site, quantity in goods:
            yield Found(
                tenant=outcome.request.tenant,
                kind=kind,
                order_ref=outcome.request.only_order(),
                sku=sku,
                site=site,
                quantity=quantity,
                detail=discrepancies.WORDS[kind],
                posting_id=outcome.posting_id,
            )


def _new_order(request: Request) -> Iterable[OrderName]:
    """Name the order that a request is the first of."""
    return [(request.tenant, request.order_ref)] if isinstance(request, AmendOrder) and not request.former else []


async def _tell_served(connection: AsyncConnection, outcome: Outcome, known: Collection[OrderName]) -> None:
    """Tell orders that got stock from their place in the queue, and their ERP."""
    tenant = outcome.request.tenant
    about = set(outcome.request.orders())
    for order_ref in sorted(outcome.served - about):
        if (tenant, order_ref) in known:
            order = OrderId(tenant=tenant, order_ref=order_ref)
            lines = [line for line in outcome.lines if line.order_ref == order_ref and line.reserved]
            await messages.append(connection, order, "reserved", {"lines": erp_lines(lines, "reserved")})
            await outbox.put(connection, order, "stock_allocated")


async def _tell_displaced(connection: AsyncConnection, outcome: Outcome, known: Collection[OrderName]) -> None:
    """Tell orders whose hold had to give way to a fact; a person must look at them."""
    tenant = outcome.request.tenant
    for order_ref in sorted(outcome.displaced):
        if (tenant, order_ref) not in known:
            continue
        order = OrderId(tenant=tenant, order_ref=order_ref)
        lines = [line for line in outcome.lines if line.order_ref == order_ref]
        unpicked = [part for part in outcome.unpicked if part.order_ref == order_ref]
        await repack.name_again(connection, order, unpicked)
        attention = Attention(
            f"Stock that it held {_fate(outcome.request)}; "
            "what could not be reserved elsewhere waits in the queue at its old place.",
            outcome.recorded_at.isoformat(),
            ("accept_short", "release_hold", "retry_step"),
            HOLD_STEP,
        )
        await orders.set_attention(connection, order, attention)
        if any(line.backordered for line in lines):
            waiting = erp_lines([line for line in lines if line.backordered], "backordered")
            await messages.append(connection, order, "backordered", {"lines": waiting})
        await outbox.put(connection, order, "hold_displaced")


_BY_DATE: Final = (ExpireStock, ReceiveStock)
"""Facts about when a lot expires: holds give way in it, and what is picked of it is to be put back."""


def _fate(request: Request) -> str:
    """Say what became of a hold that gave way."""
    if not isinstance(request, _BY_DATE):
        return f"is gone ({request.posting_reason().replace('_', ' ')})"
    fate = "has expired" if isinstance(request, ExpireStock) else "expires sooner than was known"
    return f"{fate}; what of it is picked is to be put back"
