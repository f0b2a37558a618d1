"""An order that is sent in place of another one: which it may replace, and that it goes on to replace that one."""

from __future__ import annotations

from typing import Final

from commands.context import CommandContext
from domain.errors import Fault, Kind, Rejected
from domain.payloads import KeptPush, Original
from records.orders import replacements
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow

_ORDER_NO: Final = "/replaces/order_no"
_RETURN_NO: Final = "/replaces/return_no"


async def check_original(context: CommandContext, row: InboxRow[KeptPush], original: Original) -> None:
    """Refuse to replace what is not there, what has not left, or what is not back though the push says so.

    Nothing of that is ever taken back, so no lock is needed between this look and the decision.
    """
    order_no, return_no = original.order_no, original.return_no
    async with context.reading() as connection:
        found = await replacements.original(connection, row.tenant, row.payload.source, order_no, return_no)
    if found is None:
        raise _refused(
            Fault(_ORDER_NO, "unknown_order", f"There is no accepted order {order_no} to be replaced."), Kind.INVALID
        )
    if not found.has_left:
        why = f"Nothing of {order_no} has left the house, so there is nothing to replace"
        detail = f"{why}: amend that one, or push an order that replaces none."
        raise _refused(Fault(_ORDER_NO, "nothing_shipped", detail), Kind.CONFLICT)
    if return_no is not None and not found.has_return:
        detail = f"{order_no} has no return {return_no}: push it once that is in, or without return_no to send it now."
        raise _refused(Fault(_RETURN_NO, "unknown_return", detail), Kind.INVALID)


def check_same_original(known: OrderRow, push: KeptPush) -> None:
    """Refuse a revision that names another original than the first one did; it may leave it out."""
    original = push.replaces
    if original is None or (original.order_no, original.return_no) == (known.replaces, known.replaces_return):
        return
    at = _RETURN_NO if original.order_no == known.replaces else _ORDER_NO
    detail = f"{_standing(known)}, since its first revision: that can't change."
    raise _refused(Fault(at, "replaces_otherwise", detail), Kind.CONFLICT)


def _standing(known: OrderRow) -> str:
    if known.replaces is None:
        return f"{known.order_no} replaces no order"
    which = f"return {known.replaces_return}" if known.replaces_return else "no return in particular"
    return f"{known.order_no} replaces {known.replaces}, for {which}"


def _refused(fault: Fault, kind: Kind) -> Rejected:
    return Rejected(fault.code, fault.detail, [fault], kind)
