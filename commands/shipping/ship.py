"""A shipment is made of what is picked; its label is the next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, lock_open_order, open_order, read_lines
from commands.shipping.goods_issue import accept_handed_over, issue_request
from domain.errors import Fault, Kind, Rejected
from domain.packing import Content
from domain.payloads import Box, KeptShip
from domain.shipping.boxes import all_that_is_picked, check_complete, check_free, name_parcels, packed_in
from domain.shipping.parcels import NewShipment
from ledger.writing.writer import Outcome
from queries.shipping.packing import kept_for_others, live_shipments, read_held
from records import catalog
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow
from records.shipping import shipments
from records.shipping.shipments import NewParcel


@dataclass(frozen=True)
class _Packed:
    """A box, and what is in it."""

    box: Box
    lines: list[Content]


async def ship(context: CommandContext, row: InboxRow[KeptShip]) -> None:
    """Make the shipment; its label is the next step. Stock stays held, unless it was handed over already."""
    if not row.payload.handed_over:
        async with context.engine.begin() as connection:
            await _make_shipment(connection, row)
            await inbox.accept(connection, row.inbox_id, {"outcome": "done"})
        return
    async with context.reading() as connection:
        order = await open_order(connection, row)
        packed = await _pack(connection, row, order)
        kept = await kept_for_others(connection, row.order, None)

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await _make_shipment(connection, row, packed)
        made = await shipments.get(connection, row.order, row.payload.shipment_no)
        await accept_handed_over(connection, row, made, outcome)

    await context.ledger.post(issue_request(row, _contents(packed), kept), attach)


def _contents(packed: Iterable[_Packed]) -> list[Content]:
    return [content for its in packed for content in its.lines]


async def _pack(connection: AsyncConnection, row: InboxRow[KeptShip], order: OrderRow) -> list[_Packed]:
    """Return the parcels that were asked for, or one with all that is picked."""
    told, lines = row.payload, await read_lines(connection, row.order)
    alive = await live_shipments(connection, row.order)
    others = packed_in(alive)
    if told.parcels:
        held = await read_held(connection, row.order, lines)
        check_free(lines, told.resolved, others, held)
        contents = name_parcels(told.resolved, alive, held)
        packed = [_Packed(box, rows) for box, rows in zip(told.parcels, contents, strict=True)]
    else:
        picked = await read_held(connection, row.order, lines, picked_only=True)
        packed = [_Packed(Box(), all_that_is_picked(lines, others, picked))]
    if order.ship_complete:
        check_complete(lines, _contents(packed), others)
    if not _contents(packed):
        raise Rejected("nothing_picked", "Nothing is picked that is not in a shipment already.", kind=Kind.CONFLICT)
    return packed


async def _make_shipment(
    connection: AsyncConnection, row: InboxRow[KeptShip], packed: list[_Packed] | None = None
) -> None:
    shipment_no = row.payload.shipment_no
    order = await lock_open_order(connection, row)
    if await shipments.number_taken(connection, row.tenant, shipment_no):
        raise Rejected("shipment_exists", f"Shipment {shipment_no} exists already.", kind=Kind.CONFLICT)
    packed = packed or await _pack(connection, row, order)
    contents = _contents(packed)
    site = {content.site for content in contents}
    if len(site) > 1:
        detail = "A shipment leaves from one site; make one shipment for each."
        raise Rejected("several_sites", detail, [Fault("/parcels", "several_sites", detail)])
    weights = await catalog.weights(connection, row.tenant, {content.sku for content in contents})
    made = NewShipment(row.tenant, row.order_ref, shipment_no, site.pop(), order.carrier, order.service_level)
    await shipments.add(connection, made, [_parcel(number, each, weights) for number, each in enumerate(packed, 1)])


_SOME_WEIGHT_G: Final = 1000
"""What a parcel is said to weigh where neither the packer nor the catalog knows."""


def _weight(contents: Sequence[Content], weights: Mapping[str, int]) -> int:
    known = [weights.get(content.sku) for content in contents]
    if None in known:
        return _SOME_WEIGHT_G
    return sum(each * content.quantity for each, content in zip(known, contents, strict=True) if each)


def _parcel(number: int, packed: _Packed, weights: Mapping[str, int]) -> NewParcel:
    box = packed.box
    weight_g = box.weight_g or _weight(packed.lines, weights)
    return NewParcel(number, weight_g, box.length_mm, box.width_mm, box.height_mm, packed.lines)
