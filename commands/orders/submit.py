"""The ERP's push: the first one makes an order, a later one amends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, clear_attention, read_lines
from commands.orders.relabeling import check_is_here
from commands.orders.replacement import check_original, check_same_original
from commands.shipping import repack
from domain.attention import HOLD_STEP, replaced_step
from domain.erp import ErpMessageKind, Said
from domain.erp_lines import erp_lines
from domain.errors import Unavailable
from domain.orders import OrderLine, status_of
from domain.payloads import KeptPush
from domain.revisions import came_along
from ledger.requests import AmendOrder, Demand
from ledger.writing.writer import Outcome
from queries.orders.erp_changes import cancelled_changes
from records import people
from records.erp import messages
from records.orders import first_push, inbox, orders
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow


async def submit(context: CommandContext, row: InboxRow[KeptPush]) -> None:
    """Bring an order to a revision: its first one makes it, a later one amends it."""
    push = row.payload
    former = [] if row.of_new_order else await _former(context, row)
    if not former and push.replaces:
        await check_original(context, row, push.replaces)
    request = AmendOrder(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        order_ref=row.order_ref,
        priority=push.priority,
        shortage_policy=push.shortage_policy,
        lines=tuple(Demand(**vars(line)) for line in push.resolved),
        former=tuple({(line.site, line.sku): None for line in former}),
        linked=came_along(row.document),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await (_amend(connection, row, former) if former else _begin(connection, row, outcome))

    await context.ledger.post(request, attach)


async def _former(context: CommandContext, row: InboxRow[KeptPush]) -> list[OrderLine]:
    async with context.reading() as connection:
        return await read_lines(connection, row.order)


async def _begin(connection: AsyncConnection, row: InboxRow[KeptPush], outcome: Outcome) -> None:
    """Write a new order, with its status and what the ERP is to hear first."""
    push = row.payload
    lines = sorted((x for x in outcome.lines if x.order_ref == row.order_ref), key=lambda line: line.line_no)
    original = push.replaces
    said = _said([("accepted", lines), ("reserved", lines), ("backordered", lines), ("cancelled", lines)])
    if original:
        said = [(kind, {**told, "replaces": original.order_no}) for kind, told in said]
    new = {name: row.document.get(name) for name in _OF_A_NEW_ORDER} | {
        "ship_complete": push.ship_complete,
        "replaces": original and original.order_no,
        "replaces_return": original and original.return_no,
        "status": status_of(lines, {}).value,
    }
    answer = {"outcome": "accepted"}
    if not await first_push.write(connection, row.inbox_id, new, _content(row), row.digest, said, answer):
        raise Unavailable(f"{row.order_ref} was accepted meanwhile; what is asked is decided anew.")


async def _amend(connection: AsyncConnection, row: InboxRow[KeptPush], former: list[OrderLine]) -> None:
    """Bring a known order to a revision: its terms, its live shipments, and what the ERP is to hear."""
    known, push = await orders.lock_one(connection, row.order), row.payload
    orders.check_revision(known, push.revision)
    check_same_original(known, push)
    address_id = await _address_to_use(connection, known, push.address_id)
    changed = await _reads_otherwise(connection, known, push, address_id)
    if changed:
        await check_is_here(connection, row, changed)
    terms = {name: getattr(push, name) for name in _OF_A_REVISION}
    await orders.set_fields(connection, row.order, **terms, address_id=address_id)
    await orders.add_revision(
        connection,
        row.order,
        push.revision,
        row.digest,
        _content(row),
        push.address_id,
    )
    lines = await read_lines(connection, row.order)
    amended = _said([("amended", [x for x in lines if x.ordered] or lines)])
    order = row.order
    for kind, payload in [*amended, *await cancelled_changes(connection, order, former, lines)]:
        await messages.append(connection, row.order, kind, payload)
    await repack.fit(connection, order, former, lines, relabel=bool(changed))
    if known.needs_attention and not outlives_an_amendment(known):
        await clear_attention(connection, row.order)
    await inbox.accept(connection, row.inbox_id, {"outcome": "amended"})


def outlives_an_amendment(order: OrderRow) -> bool:
    """Say whether an order is flagged for what the ERP can't help with: stock that is gone, a parcel that left."""
    step = order.stuck_at or ""
    return step == HOLD_STEP or step.startswith(replaced_step(""))


async def _address_to_use(connection: AsyncConnection, known: OrderRow, pushed: UUID) -> UUID:
    """Return the address that an order goes to after a push: what a person chose stands while the ERP's is the same."""
    last = await orders.pushed_address(connection, known)
    if known.address_id == last:
        return pushed
    is_same = await people.read_the_same(connection, known.tenant, last, pushed)
    return known.address_id if is_same else pushed


async def _reads_otherwise(connection: AsyncConnection, known: OrderRow, push: KeptPush, address_id: UUID) -> list[str]:
    """Name what has changed of what a label says: the address, the carrier, the service."""
    changed = [name for name in ("carrier", "service_level") if getattr(known, name) != getattr(push, name)]
    if known.address_id != address_id:
        is_same = await people.read_the_same(connection, known.tenant, known.address_id, address_id)
        changed += [] if is_same else ["ship_to"]
    return changed


_OF_A_REVISION: Final = (
    "revision",
    "priority",
    "shortage_policy",
    "customer_no",
    "requested_delivery",
    "carrier",
    "service_level",
    "ordered_at",
    "ship_complete",
    "backorder_until",
)
"""What a push changes of the order itself, beside where it goes."""

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


def _content(row: InboxRow[KeptPush]) -> dict[str, Any]:
    """Return what is kept of a revision: people's data is kept apart."""
    return {name: said for name, said in row.document.items() if name not in {"ship_to", "note"}}


_TOLD_OF: Final = {"accepted": "ordered", "amended": "reserved"}
"""Which quantity of a line a message tells, where it is not the one that it is named for."""


def _said(about: Iterable[tuple[ErpMessageKind, list[OrderLine]]]) -> list[Said]:
    """Write messages about lines, each about those that it has something to say of; none about nothing."""
    said: list[Said] = []
    for kind, lines in about:
        quantity = _TOLD_OF.get(kind, kind)
        told = [x for x in lines if getattr(x, quantity) or kind == "amended"]
        if told:
            said.append((kind, {"lines": erp_lines(told, quantity)}))
    return said
