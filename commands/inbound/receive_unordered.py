"""Stock comes in that no purchase order names."""

from __future__ import annotations

from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.inbound.receiving import Receiving, day_of_arrival, goods_of, lots_of, post_receipt
from commands.posting import Keyed, Posted, once
from commands.resolving import Faults, named, stocked_product
from domain.said import Said
from domain.shapes import UnorderedReceipt
from ledger.reads.receipts import receipt_key
from ledger.requests import ReceiveStock
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey


async def receive_unordered_goods(context: CommandContext, caller: ApiKey, said: Said[UnorderedReceipt]) -> Posted:
    """Post a receipt without a purchase order, once under its number."""

    async def ask() -> Outcome:
        async with context.reading() as connection:
            receiving = await _receiving_unordered(context, connection, caller.tenant, said)
        return await post_receipt(context, caller, receiving, said.settle(receiving.faults.found))

    keyed = Keyed[UnorderedReceipt](ReceiveStock, lambda body: receipt_key("", body.receipt_no))
    return await once(context, caller, said, keyed, ask)


async def _receiving_unordered(
    context: CommandContext, connection: AsyncConnection, tenant: str, said: Said[UnorderedReceipt]
) -> Receiving:
    """Check a receipt without a purchase order by the site and the catalog."""
    faults, part = Faults(), said.part
    parts = list(part.parts("lines"))
    products = await catalog.products(connection, tenant, named(parts, "sku"))
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known)
    if location is not None and not await catalog.takes_without_order(connection, tenant, location.site):
        faults.add(part, "location_id", "order_required", f"{location.site} takes nothing in without a purchase order")
    site = location.site if location else ""
    came_on = await day_of_arrival(context, connection, tenant, site, said, faults)
    lot_of = lots_of(context, tenant, said.body, came_on)
    resolved = [
        goods_of(faults, line, product, None, partial(lot_of, number))
        for number, line in enumerate(parts, 1)
        if (product := stocked_product(faults, line, products)) is not None
    ]
    for line in parts:
        faults.kept_as(line, "stock_status", location)
    return Receiving(None, faults, products, location, [line for line in resolved if line is not None], came_on)
