"""What follows from a posting for the orders that it touches, in the posting's own transaction.

Also for orders that it was not about: one that was served from the queue, and one whose hold a fact displaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.domain.orders import OrderLine, status_of
from stockbridge.ledger.balances import order_lines
from stockbridge.ledger.writer import Outcome
from stockbridge.records import discrepancies, messages, orders, outbox, shipments


class OrderBookkeeping:
    """The ledger's companion: keeps orders' status, attention, ERP feed and outbox in step with the ledger."""

    async def write(self, connection: AsyncConnection, outcomes: Sequence[Outcome]) -> None:
        """Bring every order that a batch touched to its status, and tell those that others' postings touched."""
        touched = {(line.tenant, line.order_ref) for outcome in outcomes for line in outcome.lines}
        known = await orders.lock(connection, sorted(touched)) if touched else {}
        for outcome in outcomes:
            await _tell_served(connection, outcome, known.keys())
            await _tell_displaced(connection, outcome, known.keys())
            for sku, site, quantity in outcome.unaccounted:
                await discrepancies.add(
                    connection, outcome.request.tenant, "unaccounted_issue", sku, site, quantity, outcome.posting_id
                )
        await refresh_status(connection, known)


async def refresh_status(connection: AsyncConnection, known: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Compute the status of orders, whose rows the caller has locked, from their lines and labels."""
    by_tenant: dict[str, list[str]] = defaultdict(list)
    for tenant, order_ref in known:
        by_tenant[tenant].append(order_ref)
    for tenant, order_refs in by_tenant.items():
        lines = await order_lines(connection, tenant, order_refs)
        labeled = await _labeled(connection, tenant, order_refs)
        for order_ref in order_refs:
            status = status_of(lines.get(order_ref, ()), labeled.get(order_ref, {}))
            await orders.set_fields(connection, tenant, order_ref, status=status.value)


async def _labeled(connection: AsyncConnection, tenant: str, order_refs: list[str]) -> dict[str, dict[int, int]]:
    """Sum what is labeled and not handed over, by order and line."""
    gone = set()
    parcels = await shipments.parcels_of(connection, tenant, order_refs)
    for order_ref in {p["order_ref"] for p in parcels}:
        for row in await shipments.of_order(connection, tenant, order_ref):
            if row["handed_over_at"] or row["dissolved_at"]:
                gone.add((order_ref, row["shipment_no"]))
    labeled: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for box in parcels:
        if box["tracking_number"] and (box["order_ref"], box["shipment_no"]) not in gone:
            for line in box["lines"]:
                labeled[box["order_ref"]][line["line_no"]] += line["quantity"]
    return labeled


async def _tell_served(connection: AsyncConnection, outcome: Outcome, known: Iterable[tuple[str, str]]) -> None:
    """Tell orders that got stock from their place in the queue, and their ERP."""
    tenant = outcome.request.tenant
    about = set(outcome.request.orders())
    for order_ref in sorted(outcome.served - about):
        if (tenant, order_ref) in known:
            lines = [line for line in outcome.lines if line.order_ref == order_ref and line.reserved]
            await messages.append(connection, tenant, order_ref, "reserved", {"lines": erp_lines(lines, "reserved")})
            await outbox.put(connection, tenant, order_ref, "stock_allocated")


async def _tell_displaced(connection: AsyncConnection, outcome: Outcome, known: Iterable[tuple[str, str]]) -> None:
    """Tell orders whose hold had to give way to a fact; a person must look at them."""
    tenant = outcome.request.tenant
    for order_ref in sorted(outcome.displaced):
        if (tenant, order_ref) not in known:
            continue
        lines = [line for line in outcome.lines if line.order_ref == order_ref]
        await orders.set_fields(
            connection,
            tenant,
            order_ref,
            needs_attention=True,
            attention=attention_row(
                f"Stock that it held is gone ({outcome.request.posting_reason().replace('_', ' ')}); "
                "what could not be reserved elsewhere waits in the queue at its old place.",
                ("accept_short", "release_hold", "retry_step"),
                "hold",
                outcome.recorded_at.isoformat(),
            ),
        )
        if any(line.backordered for line in lines):
            waiting = erp_lines([line for line in lines if line.backordered], "backordered")
            await messages.append(connection, tenant, order_ref, "backordered", {"lines": waiting})
        await outbox.put(connection, tenant, order_ref, "hold_displaced")


def attention_row(reason: str, actions: Sequence[str], step: str, since: str) -> dict[str, Any]:
    """Write down what is stuck, why, since when, and which named actions unstick it."""
    return {"reason": reason, "since": since, "actions": list(actions), "step": step}


def erp_lines(lines: Iterable[OrderLine], quantity: str) -> list[dict[str, Any]]:
    """Return lines as an ERP message tells them, `quantity` naming what the message is about."""
    return [
        {
            "line_no": line.line_no,
            "sku": line.sku,
            "quantity": getattr(line, quantity),
            "ordered": line.ordered,
            "uom": line.uom,
        }
        for line in lines
    ]
