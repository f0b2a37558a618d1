"""A scan of a label that was replaced: the parcel left under it, or a person is asked which of two did.

Which it is follows from all that was scanned (`domain.labels`), so that scans commute. Callers hold the order's lock.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import ask_for_a_person, clear_attention
from commands.shipping import repack
from domain.errors import Unavailable
from domain.messages import OrderId
from domain.shipping import stuck
from domain.shipping.replaced import ask_about_strays, over_once_told, without_cancellations
from domain.shipping.shipment_state import ShipmentState
from records.orders import orders
from records.shipping import carrier_events, labels, shipments


async def leave_under(connection: AsyncConnection, order: OrderId, shipment_no: str, version: int) -> ShipmentState:
    """Let a shipment go by another of its labels, which proved to be the one that left; the flag that it had is off.

    Returns the shipment as it left. Raises `Unavailable` where it was packed anew since it was looked at.
    """
    state = await shipments.get(connection, order, shipment_no)
    known = await labels.of_shipment(connection, state)
    if not known.fits(version):
        raise Unavailable(f"{shipment_no} was packed anew meanwhile; its scans are looked at again.")
    await shipments.save(connection, state, without_cancellations(state))
    await repack.go_by(connection, order, state, known, version)
    numbers = [label.tracking_number for label in known.bought if label.version == version]
    await carrier_events.hear_again(connection, order, numbers)
    locked = await orders.lock_one(connection, order)
    if locked.stuck_at in over_once_told(shipment_no, known):
        await clear_attention(connection, order)
    return await shipments.get(connection, order, shipment_no)


async def look(connection: AsyncConnection, order: OrderId, shipment_no: str) -> bool:
    """Ask for a person where the carrier has scanned labels that a shipment does not go by. Says whether it has."""
    state = await shipments.find(connection, order, shipment_no)
    ask = ask_about_strays(shipment_no, await labels.of_shipment(connection, state)) if state else None
    if ask is not None:
        await ask_for_a_person(connection, order, ask)
    return ask is not None


async def try_again(connection: AsyncConnection, order: OrderId, shipment_no: str) -> None:
    """Go on with a label that was scanned, where its parcels hold what they held then: a person has looked.

    What has not left is handed over by its scans, which are heard again; what has goes by that label from now on,
    unless the carrier has scanned the other, too. Where neither helps, the order is flagged again.
    """
    state = await shipments.find(connection, order, shipment_no)
    if state is None:
        return
    known = await labels.of_shipment(connection, state)
    if state.shipment.handed_over_at is None:
        await labels.compare_again(connection, state)
        numbers = [stray.tracking_number for stray in known.strays]
        await carrier_events.hear_again(connection, order, numbers)
        return
    if known.newest_scanned is not None and not known.is_scanned(known.in_use):
        await leave_under(connection, order, shipment_no, known.newest_scanned)
    await look(connection, order, shipment_no)


async def take_note(connection: AsyncConnection, order: OrderId, shipment_no: str) -> bool:
    """Note that a person has dealt with labels that were scanned though they were replaced. Says no without one."""
    state = await shipments.find(connection, order, shipment_no)
    strays = (await labels.of_shipment(connection, state)).strays if state else []
    if state is None or not strays:
        return False
    await labels.take_note(connection, order, [stray.tracking_number for stray in strays])
    ask = stuck.first_of(state.shipment, state.parcels)
    if ask is not None:
        await ask_for_a_person(connection, order, ask)
    return True
