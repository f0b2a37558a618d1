"""Parcels that are wanted back while the carrier has them."""

from __future__ import annotations

from collections.abc import Mapping

from commands.context import CommandContext, lock_open_order
from domain.errors import Kind, Rejected
from domain.payloads import KeptIntercept
from domain.shipping.parcels import Parcel
from domain.shipping.underway import underway
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.shipping import intercepts, shipments
from records.shipping.shipments import Step


async def intercept(context: CommandContext, row: InboxRow[KeptIntercept]) -> None:
    """Have the carrier asked to send back the parcels that were named. Nothing moves before it has done so."""
    async with context.engine.begin() as connection:
        await lock_open_order(connection, row)
        state = await shipments.find(connection, row.order, row.payload.shipment_no)
        found = underway(state, row.payload, instead="cancel it, or what is in it")
        known = await intercepts.latest(connection, row.order, row.payload.shipment_no)
        wanted = [box for box in found.named if not _comes_back(box, known)]
        _check_numbers(wanted)
        for box in wanted:
            before = known.get(box.parcel_no)
            await intercepts.intend(connection, box, before.version + 1 if before else 1, found.carrier)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done" if wanted else "unchanged"})


def _comes_back(box: Parcel, known: Mapping[int, Step]) -> bool:
    """Say whether a parcel is on its way back, will be, or the carrier has yet to say so."""
    if box.is_sent_back or box.intercepted_at is not None:
        return True
    step = known.get(box.parcel_no)
    return step is not None and step.state in shipments.OPEN


def _check_numbers(boxes: list[Parcel]) -> None:
    """Refuse what the carrier can't be asked about."""
    for box in boxes:
        if box.tracking_number is None:
            detail = f"Parcel {box.parcel_no} of {box.shipment_no} has no label that the carrier knows it by."
            raise Rejected("not_labeled", detail, kind=Kind.CONFLICT)
