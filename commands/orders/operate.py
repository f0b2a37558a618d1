"""What a person does about a stuck order, and how one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import (
    CommandContext,
    accept_alone,
    clear_attention,
    lock_open_order,
    open_order,
    read_lines,
    read_linked,
)
from commands.orders.cancel import all_unshipped, post_cancel
from commands.orders.submit import outlives_an_amendment
from commands.orders.use_address import use_address
from commands.shipping import repack, replaced_labels
from domain.attention import Flag, parcel_step, replaced_step
from domain.carriers import GONE_WRONG, TrackingStatus
from domain.errors import Fault, Kind, Rejected
from domain.labels import matched_as
from domain.orders import OrderLine
from domain.payloads import KeptAct
from domain.reasons import code_of
from ledger.requests import CancelLines, LineQuantity
from records.erp import messages
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow
from records.shipping import shipments

GIVING_UP: Final = {
    "accept_short": "waits for stock",
    "release_hold": "is held or waits",
    "cancel_order": "is held or waits",
}
"""Verbs that cancel, and what there must be for them."""


async def operate(context: CommandContext, row: InboxRow[KeptAct]) -> None:
    """Do what a person chose: give up what is not shipped, skip a step, tell the ERP again, or just go on.

    Another address does as much for what is stuck as an amendment.
    """
    verb = row.payload.verb
    if verb in GIVING_UP:
        await _give_up(context, row, only_backordered=verb == "accept_short")
        return
    async with context.engine.begin() as connection:
        order = await lock_open_order(connection, row)
        _expect_flag(row, order)
        if verb in {"retry_step", "use_address"}:
            await _expect_step(connection, row, order)
        target = row.payload.target or order.stuck_at
        if verb != "use_address" or not outlives_an_amendment(order):
            await clear_attention(connection, row.order)
        if verb == "skip_step":
            await _skip(connection, row, target)
        elif verb == "use_address":
            await use_address(connection, row, order)
        elif verb == "resend_to_erp":
            await _resend(connection, row, target)
        elif target:
            await _try_again(connection, row, target)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done", "verb": verb, "target": target})


async def _give_up(context: CommandContext, row: InboxRow[KeptAct], *, only_backordered: bool) -> None:
    async with context.reading() as connection:
        order = await open_order(connection, row)
        await _expect_step(connection, row, order)
        lines = await read_lines(connection, row.order)
        linked = await read_linked(connection, row)
    if _expires_nothing(row, order, lines):
        await accept_alone(context, row, "unchanged")
        return
    _expect_flag(row, order)
    verb = row.payload.verb
    if verb == "cancel_order":
        all_unshipped(lines)
    if not order.needs_attention and not any(x.backordered if only_backordered else x.unshipped for x in lines):
        raise Rejected("nothing_to_give_up", f"{verb}: nothing of the order {GIVING_UP[verb]}.", kind=Kind.CONFLICT)
    request = CancelLines(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        order_ref=row.order_ref,
        only_backordered=only_backordered,
        linked=linked,
        reason_code=code_of(row.payload.reason),
        lines=tuple(
            LineQuantity(x.line_no, x.sku, x.site, None)
            for x in lines
            if (x.backordered if only_backordered else x.unshipped)
        ),
    )
    await post_cancel(context, row, request, by_deadline=row.payload.backorder_until is not None)


def _expires_nothing(row: InboxRow[KeptAct], order: OrderRow, lines: Sequence[OrderLine]) -> bool:
    """Say whether a deadline passed in vain: all that waited has come since, or the order has another deadline now."""
    deadline = row.payload.backorder_until
    if deadline is None:
        return False
    amended = order.backorder_until != deadline
    return amended or not any(line.backordered for line in lines)


def _expect_flag(row: InboxRow[KeptAct], order: OrderRow) -> None:
    """Refuse an act of a batch where the order needs a person for something else by now, or for nothing any more.

    Whoever sent the batch looked at a flag; one that came since, nobody has looked at.
    """
    if not row.payload.was_for_a_flag:
        return
    seen, now = row.payload.flag, order.flag
    if now != seen:
        words = f"The batch was for an order {_flagged(seen)}; now it is one {_flagged(now)}."
        raise Rejected("flag_changed", words, kind=Kind.CONFLICT)


def _flagged(flag: Flag | None) -> str:
    return f"stuck at {flag.step} ({flag.reason.rstrip('.')})" if flag else "that needs nobody"


async def _expect_step(connection: AsyncConnection, row: InboxRow[KeptAct], order: OrderRow) -> None:
    """Refuse an act that names a step which does not wait: whoever named it means another one, or another order."""
    target = row.payload.target
    if not target or target == order.stuck_at:
        return
    name = (connection, row.order)
    steps = {step.step_id for step in await shipments.steps_of(*name) if step.state in shipments.OPEN}
    told = {f"erp/{message.number}" for message in await messages.waiting(*name)}
    replaced = {replaced_step(made.shipment_no) for made in await shipments.of_order(*name)}
    if target in steps | told | replaced:
        return
    if not any(_is_of(target, number) for number in await _gone_wrong(connection, row)):
        raise _no_step(target)


async def _gone_wrong(connection: AsyncConnection, row: InboxRow[KeptAct]) -> set[str]:
    """Name the parcels that a person was asked about, though the order may be flagged for something else since."""
    boxes = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
    wrong = (box.tracking_number for box in boxes if box.tracking_status in GONE_WRONG)
    return {number for number in wrong if number is not None}


def _no_step(target: str) -> Rejected:
    detail = f"The order has no step {target!r} that waits."
    return Rejected("unknown_step", detail, [Fault("/target", "unknown_step", detail)], kind=Kind.UNKNOWN)


async def _try_again(connection: AsyncConnection, row: InboxRow[KeptAct], target: str) -> None:
    """Buy another label where the carrier has cancelled one, or go on with a former one that it has scanned.

    Other steps are tried again by the order's workflow.
    """
    order = row.order
    if target.startswith(replaced_step("")):
        await replaced_labels.try_again(connection, order, target.removeprefix(replaced_step("")))
    for box in await shipments.parcels_of(connection, row.tenant, [row.order_ref]):
        label = box.tracking_number
        if label and _is_of(target, label) and box.tracking_status == TrackingStatus.CANCELLED:
            await repack.buy_again(connection, order, box.shipment_no)


def _is_of(target: str, tracking_number: str) -> bool:
    """Say whether a step is about a parcel, however its number is written."""
    return matched_as(target) == matched_as(parcel_step(tracking_number))


async def _skip(connection: AsyncConnection, row: InboxRow[KeptAct], target: str | None) -> None:
    """Never do a step: a person has dealt with it outside, and says so."""
    if not target:
        raise Rejected(
            "unknown_step", "Name the step as target: label/<shipment>/<n>, or erp/<number>.", kind=Kind.UNKNOWN
        )
    for step in await shipments.steps_of(connection, row.order):
        if step.step_id == target and step.state in shipments.OPEN:
            await shipments.move_step(connection, row.order, step.step_id, "skipped")
            return
    for message in await messages.waiting(connection, row.order):
        if target == f"erp/{message.number}":
            await messages.skip(connection, row.order, message.number)
            return
    order = row.order
    if await replaced_labels.take_note(connection, order, target.removeprefix(replaced_step(""))):
        return
    raise _no_step(target)


async def _resend(connection: AsyncConnection, row: InboxRow[KeptAct], target: str | None) -> None:
    """Tell the ERP a message again: in its place, or at the end of the feed if it was told before."""
    number = (target or "").removeprefix("erp/")
    if not number.isdigit():
        raise Rejected("unknown_step", "Name the message as target: erp/<number>.", kind=Kind.UNKNOWN)
    message = await messages.get(connection, row.order, int(number))
    if message is None:
        raise Rejected("unknown_step", f"The feed has no message {number}.", kind=Kind.UNKNOWN)
    if message.state in {"done", "skipped"}:
        await messages.append(connection, row.order, message.kind, message.payload)
    else:
        await messages.renew(connection, message)
