"""An order's live shipments are brought to what it wants and holds: labels are voided, and bought again if need be.

What a parcel is to hold is decided by `domain.shipping.repacking`. Callers hold the order's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.labels import Labels
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import Content, pack
from domain.shipping.parcels import contents_of
from domain.shipping.repacking import Repacked, Wanted, repacked, to_be_labeled, unpicked_by_line
from domain.shipping.shipment_state import ShipmentState
from ledger.outcomes import Unpicked
from ledger.reads.balances import order_lines
from queries.shipping.packing import live_shipments, read_held
from records import catalog, restorations
from records.orders import orders
from records.shipping import labels, shipments
from records.shipping.shipments import Step


async def fit(
    connection: AsyncConnection,
    order: OrderId,
    former: Iterable[OrderLine],
    lines: Sequence[OrderLine],
    *,
    relabel: bool = False,
    unpicked: Iterable[Unpicked] = (),
) -> None:
    """Bring live shipments to what the order wants and holds now; `relabel` where address, carrier or service changed.

    What is no longer wanted leaves its parcel, and so does what is to be put back (`unpicked`). What an amendment adds
    to a line joins the parcel that has the line, if it could be reserved.
    """
    alive = await live_shipments(connection, order)
    boxes = [box for state in alive for box in state.parcels]
    if not boxes:
        return
    put_back = unpicked_by_line(((part.line_no, part.sku, part.site), part.lot, part.quantity) for part in unpicked)
    weights = await catalog.weights(connection, order.tenant, {line.sku for line in lines})
    wanted = Wanted.of(former, lines, put_back, weights)
    filled = iter(pack([wanted.fill(box.lines) for box in boxes], await read_held(connection, order, lines)))
    for state in alive:
        its: list[list[Content]] = [next(filled) for _ in state.parcels]
        await _repack(connection, order, state, repacked(state, its, wanted, relabel=relabel))


async def name_again(connection: AsyncConnection, order: OrderId, unpicked: Iterable[Unpicked] = ()) -> None:
    """Bring live shipments to what the order holds now, wanting what it wanted; `unpicked` is to be put back of it."""
    if any(contents_of(state.parcels) for state in await live_shipments(connection, order)):
        lines = (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
        await fit(connection, order, lines, lines, unpicked=unpicked)


async def _repack(connection: AsyncConnection, order: OrderId, before: ShipmentState, now: Repacked) -> None:
    shipment_no = before.shipment.shipment_no
    if now.needs_label:
        await _put_away(connection, order, before)
    await shipments.save(connection, before, now.state)
    if now.is_off:
        await _withdraw_label(connection, order, shipment_no)
        await shipments.dissolve(connection, order, shipment_no)
    elif now.needs_label:
        await _buy_another(connection, order, now.state)


async def buy_again(connection: AsyncConnection, order: OrderId, shipment_no: str) -> None:
    """Void a shipment's label and buy another one, unless it has left."""
    state = await shipments.find(connection, order, shipment_no)
    if state is not None and state.shipment.is_here:
        await _put_away(connection, order, state)
        await _buy_another(connection, order, state)


async def _buy_another(connection: AsyncConnection, order: OrderId, state: ShipmentState) -> None:
    """Void a shipment's label where it was bought, and buy another of the carrier that the order has now."""
    version = await _withdraw_label(connection, order, state.shipment.shipment_no)
    now = await orders.lock_one(connection, order)
    await shipments.intend(connection, state.shipment, "label", version + 1, now.carrier)
    await shipments.save(connection, state, to_be_labeled(state, now.carrier, now.service_level))


async def _put_away(connection: AsyncConnection, order: OrderId, state: ShipmentState) -> None:
    """Keep the labels that parcels go by until now, as they were bought: one of them may be the one that leaves."""
    bought = await _steps(connection, order, "label", state.shipment.shipment_no)
    await labels.put_away(connection, state.parcels, bought[-1].version if bought else 1)


async def _steps(connection: AsyncConnection, order: OrderId, kind: str, shipment_no: str) -> list[Step]:
    """Return the steps by which a shipment's labels are bought, or voided, the latest at the end."""
    steps = await shipments.steps_of(connection, order)
    its = (step for step in steps if (step.kind, step.shipment_no) == (kind, shipment_no))
    return sorted(its, key=lambda step: step.version)


async def _withdraw_label(connection: AsyncConnection, order: OrderId, shipment_no: str) -> int:
    """Withdraw the shipment's latest label. Returns its version."""
    bought = await _steps(connection, order, "label", shipment_no)
    if not bought:
        return 0
    await _withdraw(connection, order, bought[-1])
    return bought[-1].version


async def _withdraw(connection: AsyncConnection, order: OrderId, label: Step) -> None:
    """Skip a label if it was surely not asked for, else intend its void."""
    locked = await shipments.get_step(connection, order, label.step_id, locked=True)
    asks_first = (await restorations.memory(connection)).asks_first(locked.created_at)
    if locked.state == "intended" and not locked.attempts and not asks_first:
        await shipments.move_step(connection, order, label.step_id, "skipped")
    elif locked.state not in {"undone", "skipped"}:
        await shipments.intend(connection, label, "void", label.version, label.carrier)


async def go_by(connection: AsyncConnection, order: OrderId, state: ShipmentState, known: Labels, version: int) -> None:
    """Let a shipment go by a label that was replaced: it left under that.

    What was bought in its place is withdrawn, and its own void is not sent any more.
    """
    shipment_no = state.shipment.shipment_no
    bought = await _steps(connection, order, "label", shipment_no)
    await labels.put_away(connection, state.parcels, known.in_use or bought[-1].version)
    scanned = {label.version for label in known.bought if label.scanned}
    voids = {step.version for step in await _steps(connection, order, "void", shipment_no)}
    for label in bought:
        if label.version not in {version, *scanned, *voids}:
            await _withdraw(connection, order, label)
    if version in voids:
        await _keep_label(connection, order, shipment_no, version)
    await labels.go_by(connection, state.shipment, version)


async def _keep_label(connection: AsyncConnection, order: OrderId, shipment_no: str, version: int) -> None:
    """Send the void of a label no more, if it was not answered."""
    step_id = f"void/{shipment_no}/{version}"
    void = await shipments.get_step(connection, order, step_id, locked=True)
    if void.state in shipments.OPEN:
        await shipments.move_step(connection, order, step_id, "skipped")
