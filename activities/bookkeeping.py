"""What follows from a posting for the orders that it touches, in the posting's own transaction.

Also for orders that it was not about: one that was served from the queue, and one whose hold a fact displaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import capacity, parcels
from activities.messages import OrderId
from activities.packing import cancelled_goods
from domain.erp import ErpMessageKind
from domain.orders import OrderLine, OrderStatus, status_of
from domain.packing import Row, merged, row_of, unnamed
from domain.packing import quantities as totals
from domain.units import from_base
from ledger.balances import order_lines
from ledger.requests import AmendOrder, ExpireStock, ReceiveStock, Request
from ledger.writer import Outcome
from records import discrepancies, messages, orders, outbox, shipments
from records.discrepancies import Found, Kind

HOLD_STEP: Final = "hold"
"""What a person is needed for where a fact took what an order held."""


def parcel_step(tracking_number: str) -> str:
    """Name what a person is needed for where a parcel goes wrong."""
    return f"parcel/{tracking_number}"


def replaced_step(shipment_no: str) -> str:
    """Name what a person is needed for where the carrier has a parcel under a label that was replaced."""
    return f"replaced/{shipment_no}"


OrderName = tuple[str, str]
"""A tenant, and an order_ref in it."""


class OrderBookkeeping:
    """The ledger's companion: keeps orders' status, attention, ERP feed and outbox in step with the ledger."""

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


async def refresh_status(connection: AsyncConnection, names: Collection[OrderName]) -> None:
    """Compute the status of orders, whose rows the caller has locked, from their lines and labels."""
    by_tenant: dict[str, list[str]] = defaultdict(list)
    for tenant, order_ref in names:
        by_tenant[tenant].append(order_ref)
    for tenant, order_refs in by_tenant.items():
        lines = await order_lines(connection, tenant, order_refs)
        statuses = {ref: status_of(lines.get(ref, ()), {}) for ref in order_refs}
        # Only what is picked can be labeled, too; most orders need not be asked about it.
        picked = [ref for ref, status in statuses.items() if status is OrderStatus.PICKED]
        labeled = await _labeled(connection, tenant, picked) if picked else {}
        statuses |= {ref: status_of(lines[ref], labeled[ref]) for ref in picked}
        await orders.set_statuses(connection, tenant, {ref: status.value for ref, status in statuses.items()})


async def _labeled(connection: AsyncConnection, tenant: str, order_refs: list[str]) -> dict[str, dict[int, int]]:
    """Sum what is labeled and not handed over, by order and line."""
    labeled: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for box in await shipments.waiting_parcels(connection, tenant, order_refs):
        for line in box["lines"]:
            labeled[box["order_ref"]][line["line_no"]] += line["quantity"]
    return labeled


async def _tell_served(connection: AsyncConnection, outcome: Outcome, known: Collection[OrderName]) -> None:
    """Tell orders that got stock from their place in the queue, and their ERP."""
    tenant = outcome.request.tenant
    about = set(outcome.request.orders())
    for order_ref in sorted(outcome.served - about):
        if (tenant, order_ref) in known:
            lines = [line for line in outcome.lines if line.order_ref == order_ref and line.reserved]
            await messages.append(connection, tenant, order_ref, "reserved", {"lines": erp_lines(lines, "reserved")})
            await outbox.put(connection, tenant, order_ref, "stock_allocated")


async def _tell_displaced(connection: AsyncConnection, outcome: Outcome, known: Collection[OrderName]) -> None:
    """Tell orders whose hold had to give way to a fact; a person must look at them."""
    tenant = outcome.request.tenant
    for order_ref in sorted(outcome.displaced):
        if (tenant, order_ref) not in known:
            continue
        lines = [line for line in outcome.lines if line.order_ref == order_ref]
        unpicked = [part for part in outcome.unpicked if part.order_ref == order_ref]
        await parcels.name_again(connection, OrderId(tenant=tenant, order_ref=order_ref), unpicked)
        await orders.set_fields(
            connection,
            tenant,
            order_ref,
            needs_attention=True,
            attention=attention_row(
                f"Stock that it held {_fate(outcome.request)}; "
                "what could not be reserved elsewhere waits in the queue at its old place.",
                ("accept_short", "release_hold", "retry_step"),
                HOLD_STEP,
                outcome.recorded_at.isoformat(),
            ),
        )
        if any(line.backordered for line in lines):
            waiting = erp_lines([line for line in lines if line.backordered], "backordered")
            await messages.append(connection, tenant, order_ref, "backordered", {"lines": waiting})
        await outbox.put(connection, tenant, order_ref, "hold_displaced")


_BY_DATE: Final = (ExpireStock, ReceiveStock)
"""Facts about when a lot expires: holds give way in it, and what is picked of it is to be put back."""


def _fate(request: Request) -> str:
    """Say what became of a hold that gave way."""
    if not isinstance(request, _BY_DATE):
        return f"is gone ({request.posting_reason().replace('_', ' ')})"
    fate = "has expired" if isinstance(request, ExpireStock) else "expires sooner than was known"
    return f"{fate}; what of it is picked is to be put back"


def attention_row(reason: str, actions: Sequence[str], step: str, since: str) -> dict[str, Any]:
    """Write down what is stuck, why, since when, and which named actions unstick it."""
    return {"reason": reason, "since": since, "actions": list(actions), "step": step}


ErpRow = dict[str, Any]
"""A line of an ERP message, or what it says of one lot of it."""


def erp_lines(lines: Iterable[OrderLine], quantity: str) -> list[ErpRow]:
    """Return lines as an ERP message tells them, `quantity` naming what the message is about."""
    return [_erp_row(line, getattr(line, quantity)) for line in lines]


def _erp_row(line: OrderLine, quantity: int) -> ErpRow:
    """Return so much of a line as an ERP message tells it; the message has the base unit where it has the line's."""
    return {
        "line_no": line.line_no,
        "sku": line.sku,
        "quantity": quantity,
        "ordered": line.ordered,
        "uom": line.uom,
        "line_quantity": from_base(quantity, line.factor),
        "line_uom": line.uom,
    }


def amounts(lines: Iterable[OrderLine], goods: Iterable[Row]) -> list[ErpRow]:
    """Return lines as an ERP message tells them that is about so much of each: as much as there is of its goods.

    One row a lot, with its serial numbers; together they are the line's.
    """
    by_line: dict[int, list[Row]] = defaultdict(list)
    for row in merged(goods):
        by_line[row["line_no"]].append(row)
    return [_of_goods(line, row) for line in lines if line.ordered for row in by_line[line.line_no]]


def _of_goods(line: OrderLine, row: Row) -> ErpRow:
    named = {"lot": row["lot"] or None, "serial_numbers": row["serial_numbers"]}
    return {**_erp_row(line, row["quantity"]), **named}


async def shipped_lines(
    connection: AsyncConnection, order: OrderId, boxes: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what parcels hold as an ERP message tells it, by line, lot and serial numbers."""
    lines = (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
    return amounts(lines, [content for box in boxes for content in box["lines"]])


def cancelled_lines(lines: Iterable[OrderLine], goods: Iterable[Row]) -> list[ErpRow]:
    """Return how much of lines is cancelled as an ERP message tells it, with what is known of the goods."""
    every, known = list(lines), list(goods)
    named = totals(known)
    for line in every:
        rest = line.cancelled - named.get((line.line_no, line.sku, line.site), 0)
        if rest < 0:  # more is to be put back, or sent again, than was cancelled: which of it was, nobody knows
            known = [row for row in known if row["line_no"] != line.line_no]
            rest = line.cancelled
        known.append(unnamed(row_of(line), rest))
    return amounts(every, known)


def changes(kind: ErpMessageKind, before: Iterable[OrderLine], after: Iterable[OrderLine]) -> list[messages.Said]:
    """Write a message about the lines of which there is now more, or less, of what it is named for."""
    changed = _changed(kind, before, after)
    return [(kind, {"lines": erp_lines(changed, kind)})] if changed else []


def _changed(kind: ErpMessageKind, before: Iterable[OrderLine], after: Iterable[OrderLine]) -> list[OrderLine]:
    known = {(line.line_no, line.site, line.sku): getattr(line, kind) for line in before}
    return [x for x in after if getattr(x, kind) != known.get((x.line_no, x.site, x.sku), 0)]


async def cancelled_changes(
    connection: AsyncConnection, order: OrderId, before: Sequence[OrderLine], after: Sequence[OrderLine]
) -> list[messages.Said]:
    """Write a message about the lines of which more, or less, is cancelled now, with what is known of the goods."""
    changed = _changed("cancelled", before, after)
    if not changed:
        return []
    goods = await cancelled_goods(connection, order, after)
    return [("cancelled", {"lines": cancelled_lines(changed, goods) if goods else erp_lines(changed, "cancelled")})]


async def demand_changes(
    connection: AsyncConnection, order: OrderId, before: Sequence[OrderLine], after: Sequence[OrderLine]
) -> list[messages.Said]:
    """Write messages about what of the demand is met otherwise now: cancelled, waiting, reserved."""
    return [
        *await cancelled_changes(connection, order, before, after),
        *changes("backordered", before, after),
        *changes("reserved", before, after),
    ]
