"""What arrives of what a purchase order expects."""

from __future__ import annotations

from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.inbound.expected import found_order
from commands.inbound.receiving import Arriving, OwnLot, Receiving, day_of_arrival, goods_of, lots_of, post_receipt
from commands.posting import Keyed, Posted, anew, once
from commands.resolving import Faults, named
from domain.said import Part, Said
from domain.shapes import Receipt
from ledger.reads.receipts import receipt_key
from ledger.requests import ReceiveStock
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey
from records.catalog import Product
from records.inbound.purchase_orders import InboundOrder

_LOOKS: Final = 10
"""How often a receipt looks at a purchase order that is being amended meanwhile."""


async def receive_goods(context: CommandContext, caller: ApiKey, po_no: str, said: Said[Receipt]) -> Posted:
    """Post a receipt, once under its number in its purchase order. Raises `Rejected` where there is no such order."""

    async def ask() -> Outcome:
        async with context.reading() as connection:
            order = await found_order(connection, caller.tenant, po_no)
            receiving = await _receiving(context, connection, caller.tenant, order, said)
        return await post_receipt(context, caller, receiving, said.settle(receiving.faults.found))

    keyed = Keyed[Receipt](ReceiveStock, lambda body: receipt_key(po_no, body.receipt_no))
    return await once(context, caller, said, keyed, lambda: anew("order_amended", _LOOKS, ask))


async def _receiving(
    context: CommandContext, connection: AsyncConnection, tenant: str, order: InboundOrder, said: Said[Receipt]
) -> Receiving:
    """Check a receipt by the order and the catalog."""
    faults, part = Faults(), said.part
    parts = list(part.parts("lines"))
    products = await catalog.products(connection, tenant, {line.sku for line in order.lines})
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, order.site)
    came_on = await day_of_arrival(context, connection, tenant, order.site, said, faults)
    lot_of = lots_of(context, tenant, said.body, came_on, order.po_no)
    resolved = [
        _received(faults, line, order, products, partial(lot_of, number)) for number, line in enumerate(parts, 1)
    ]
    for line in parts:
        faults.kept_as(line, "stock_status", location)
    return Receiving(order, faults, products, location, [line for line in resolved if line is not None], came_on)


def _received(
    faults: Faults, part: Part, order: InboundOrder, products: dict[str, Product], own_lot: OwnLot
) -> Arriving | None:
    """Check a line. `own_lot` is its lot where the supplier names none of a sku that is tracked by lots."""
    line_no = part.get("line_no")
    if line_no is None:
        return None
    line = order.line(line_no)
    if line is None:
        faults.add(part, "line_no", "unknown_line", f"The inbound order has no line {line_no}")
        return None
    product = products[line.sku]
    faults.stocked(part, product, "line_no")
    factor = line.factor if part.readable("uom") and part.get("uom") == line.uom else None
    return goods_of(faults, part, product, factor, own_lot, line_no)
