"""The ERP's push, first or amended, and the cancellation of what was pushed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import parcels
from activities.bookkeeping import HOLD_STEP, cancelled_changes, cancelled_lines, erp_lines, replaced_step
from activities.deciding.replacing import check_original, check_same_original
from activities.desk import (
    Desk,
    Order,
    clear_attention,
    linked_of,
    open_order,
    quantities,
    read_lines,
    read_linked,
)
from activities.messages import OrderId
from activities.packing import cancelled_goods
from domain.erp import ErpMessageKind
from domain.errors import Fault, Rejected, Unavailable
from domain.orders import HAS_LEFT, OrderLine, status_of
from domain.reasons import code_of
from ledger.requests import AmendOrder, CancelLines, Demand
from ledger.writer import Outcome
from records import first_push, inbox, messages, orders, shipments, tracking
from records.inbox import InboxRow


async def submit(desk: Desk, row: InboxRow) -> None:
    """Bring an order to a revision: its first one makes it, a later one amends it."""
    push = row.payload
    former = [] if row.of_new_order else await _former(desk, row)
    if not former and (original := push.get("replaces")):
        await check_original(desk, row, original)
    request = AmendOrder(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        order_ref=row.order_ref,
        priority=push["priority"],
        shortage_policy=push["shortage_policy"],
        lines=tuple(_demand(line) for line in push["resolved"]),
        former=tuple({(line.site, line.sku): None for line in former}),
        linked=linked_of(push),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await (_amend(connection, row, former) if former else _begin(connection, row, outcome))

    await desk.ledger.post(request, attach)


def _demand(line: dict[str, Any]) -> Demand:
    least_expiry = line.get("least_expiry")
    return Demand(**{**line, "least_expiry": date.fromisoformat(least_expiry) if least_expiry else None})


async def _former(desk: Desk, row: InboxRow) -> list[OrderLine]:
    async with desk.reading.connect() as connection:
        return await read_lines(connection, row)


async def _begin(connection: AsyncConnection, row: InboxRow, outcome: Outcome) -> None:
    """Write a new order, with its status and what the ERP is to hear first."""
    push = row.payload
    lines = sorted((x for x in outcome.lines if x.order_ref == row.order_ref), key=lambda line: line.line_no)
    original = push.get("replaces") or {}
    said = _said([("accepted", lines), ("reserved", lines), ("backordered", lines), ("cancelled", lines)])
    if original:
        said = [(kind, {**told, "replaces": original["order_no"]}) for kind, told in said]
    new = {name: push.get(name) for name in _OF_A_NEW_ORDER} | {
        "ship_complete": push.get("ship_complete", False),
        "replaces": original.get("order_no"),
        "replaces_return": original.get("return_no"),
        "status": status_of(lines, {}).value,
    }
    answer = {"outcome": "accepted"}
    if not await first_push.write(connection, row.inbox_id, new, _content(push), row.digest, said, answer):
        raise Unavailable(f"{row.order_ref} was accepted meanwhile; what is asked is decided anew.")


async def _amend(connection: AsyncConnection, row: InboxRow, former: list[OrderLine]) -> None:
    """Bring a known order to a revision: its terms, its live shipments, and what the ERP is to hear."""
    known = (await orders.lock(connection, [(row.tenant, row.order_ref)]))[row.tenant, row.order_ref]
    orders.check_revision(known, row.payload["revision"])
    check_same_original(known, row.payload)
    fields = _order_fields(row.payload)
    pushed_address_id = fields["address_id"]
    fields["address_id"] = await _address_to_use(connection, known, pushed_address_id)
    changed = await _reads_otherwise(connection, known, fields)
    if changed:
        await check_is_here(connection, row, changed)
    await orders.set_fields(connection, row.tenant, row.order_ref, **fields)
    await orders.add_revision(
        connection,
        row.tenant,
        row.order_ref,
        row.payload["revision"],
        row.digest,
        _content(row.payload),
        pushed_address_id,
    )
    lines = await read_lines(connection, row)
    amended = _said([("amended", [x for x in lines if x.ordered] or lines)])
    order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
    for kind, payload in [*amended, *await cancelled_changes(connection, order, former, lines)]:
        await messages.append(connection, row.tenant, row.order_ref, kind, payload)
    await parcels.fit(connection, order, former, lines, relabel=bool(changed))
    if known["needs_attention"] and not outlives_an_amendment(known):
        await clear_attention(connection, row)
    await inbox.accept(connection, row.inbox_id, {"outcome": "amended"})


def outlives_an_amendment(order: Order) -> bool:
    """Say whether an order is flagged for what the ERP can't help with: stock that is gone, a parcel that left."""
    step = str((order["attention"] or {}).get("step"))
    return step == HOLD_STEP or step.startswith(replaced_step(""))


async def _address_to_use(connection: AsyncConnection, known: Order, pushed: UUID) -> UUID:
    """Return the address that an order goes to after a push: what a person chose stands while the ERP's is the same."""
    last = await orders.pushed_address(connection, known)
    if known["address_id"] == last:
        return pushed
    before, after = [(await orders.get_address(connection, each)).get("ship_to") for each in (last, pushed)]
    chosen: UUID = known["address_id"]
    return chosen if before == after else pushed


async def _reads_otherwise(connection: AsyncConnection, known: Order, fields: dict[str, Any]) -> list[str]:
    """Name what has changed of what a label says: the address, the carrier, the service."""
    changed = [name for name in ("carrier", "service_level") if known[name] != fields[name]]
    if known["address_id"] != fields["address_id"]:
        before = await orders.get_address(connection, known["address_id"])
        after = await orders.get_address(connection, fields["address_id"])
        changed += ["ship_to"] if before.get("ship_to") != after.get("ship_to") else []
    return changed


async def check_is_here(connection: AsyncConnection, row: InboxRow, changed: list[str]) -> None:
    """Refuse to change what the labels of parcels say that have left."""
    boxes = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
    gone = {box["shipment_no"] for box in boxes if box["delivered_at"] is not None or tracking.is_underway(box)}
    left = [
        shipment["shipment_no"]
        for shipment in await shipments.of_order(connection, row.tenant, row.order_ref)
        if shipment["handed_over_at"] is not None and shipment["shipment_no"] in gone
    ]
    if left:
        words = f"can't change any more: shipment {left[0]} has left already; a new order can go elsewhere."
        faults = [Fault(f"/{name}", "already_shipped", f"{name} {words}") for name in changed]
        raise Rejected("already_shipped", faults[0].detail, faults, status=409)


async def cancel(desk: Desk, row: InboxRow) -> None:
    """Cancel the lines that were named, or all that has not left."""
    async with desk.reading.connect() as connection:
        await open_order(connection, row)
        lines = await read_lines(connection, row)
        linked = await read_linked(connection, row)
    asked = row.payload.get("resolved") or all_unshipped(lines)
    request = CancelLines(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        order_ref=row.order_ref,
        lines=quantities(asked),
        linked=linked,
        reason_code=code_of(row.payload.get("reason")),
    )
    await post_cancel(desk, row, request)


async def post_cancel(desk: Desk, row: InboxRow, request: CancelLines) -> None:
    """Post a cancellation, with its parcels and what the ERP is to hear. The order needs no person any more."""
    order = OrderId(tenant=row.tenant, order_ref=row.order_ref)

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        lines = await read_lines(connection, row)
        about = {line.line_no for line in outcome.lines if line.order_ref == row.order_ref}
        cancelled = [x for x in lines if x.line_no in about and x.cancelled]
        if cancelled:
            told = cancelled_lines(cancelled, await cancelled_goods(connection, order, cancelled))
            await messages.append(connection, row.tenant, row.order_ref, "cancelled", {"lines": told})
        await parcels.fit(connection, order, lines, lines)
        await _need_no_person(connection, row)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    await desk.ledger.post(request, attach)


_TRIED_AGAIN: Final = ("label/", "void/", "intercept/", "erp/", "house")
"""The steps that the order's workflow tries again after a cancellation, and flags again where that does not help."""


async def _need_no_person(connection: AsyncConnection, row: InboxRow) -> None:
    """Take the flag off, but for that of a parcel that left under a label which was replaced: nobody has said what of.

    Where a deadline passed, nobody has looked: then only that of a step that is tried again.
    """
    order = await open_order(connection, row)
    step = str((order["attention"] or {}).get("step"))
    if step.startswith(_TRIED_AGAIN) or not (row.payload.get("backorder_until") or step.startswith(replaced_step(""))):
        await clear_attention(connection, row)


def _order_fields(push: dict[str, Any]) -> dict[str, Any]:
    requested, deadline = push.get("requested_delivery"), push.get("backorder_until")
    return {
        "revision": push["revision"],
        "priority": push["priority"],
        "shortage_policy": push["shortage_policy"],
        "customer_no": push.get("customer_no"),
        "requested_delivery": datetime.fromisoformat(requested).date() if requested else None,
        "carrier": push["carrier"],
        "service_level": push["service_level"],
        "address_id": UUID(push["address_id"]),
        "ordered_at": datetime.fromisoformat(push["ordered_at"]),
        "ship_complete": push.get("ship_complete", False),
        "backorder_until": datetime.fromisoformat(deadline) if deadline else None,
    }


_OF_A_NEW_ORDER: Final = (
    "source",
    "order_no",
    "site",
    "revision",
    "priority",
    "shortage_policy",
    "customer_no",
    "requested_delivery",
    "carrier",
    "service_level",
    "address_id",
    "ordered_at",
    "backorder_until",
)
"""What a push says of the order itself."""


def _content(push: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a revision: people's data is kept apart."""
    return {name: said for name, said in push.items() if name not in {"ship_to", "note"}}


_TOLD_OF: Final = {"accepted": "ordered", "amended": "reserved"}
"""Which quantity of a line a message tells, where it is not the one that it is named for."""


def _said(about: Iterable[tuple[ErpMessageKind, list[OrderLine]]]) -> list[messages.Said]:
    """Write messages about lines, each about those that it has something to say of; none about nothing."""
    said: list[messages.Said] = []
    for kind, lines in about:
        quantity = _TOLD_OF.get(kind, kind)
        told = [x for x in lines if getattr(x, quantity) or kind == "amended"]
        if told:
            said.append((kind, {"lines": erp_lines(told, quantity)}))
    return said


def all_unshipped(lines: list[OrderLine]) -> list[dict[str, Any]]:
    """Return what is to be cancelled of an order as a whole. Raises `Rejected` where all of it has left."""
    asked = [
        {"line_no": line.line_no, "sku": line.sku, "site": line.site, "quantity": None}
        for line in lines
        if line.unshipped
    ]
    if not asked and any(line.shipped for line in lines):
        raise Rejected("already_shipped", f"All that was not cancelled has left. {HAS_LEFT}", status=409)
    return asked
