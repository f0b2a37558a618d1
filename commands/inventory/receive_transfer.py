"""What was sent to a site arrives there."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.inventory.transfer import quantity_of
from commands.posting import Keyed, Posted, counted_in, once, said_by
from commands.resolving import Faults, named
from commands.times import time_faults
from domain.errors import Fault
from domain.said import Part, Said
from domain.shapes import TransferReceipt
from ledger.reads.transfers import SentTransfer, transfer_key
from ledger.requests import ArrivedLine, ReceiveTransfer
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey
from records.catalog import Location, Product


async def receive_transfer(
    context: CommandContext, caller: ApiKey, transfer: SentTransfer, said: Said[TransferReceipt]
) -> Posted:
    """Post what arrived of a transfer, once under the receipt's number."""
    keyed = Keyed[TransferReceipt](
        ReceiveTransfer, lambda body: f"{transfer_key(transfer.transfer_no)}/receipt/{body.receipt_no}"
    )
    return await once(context, caller, said, keyed, lambda: _receive(context, caller, transfer, said, keyed))


async def _receive(
    context: CommandContext,
    caller: ApiKey,
    transfer: SentTransfer,
    said: Said[TransferReceipt],
    keyed: Keyed[TransferReceipt],
) -> Outcome:
    async with context.reading() as connection:
        products = await catalog.products(connection, caller.tenant, named(said.part.parts("lines"), "sku"))
        faults, place, quantities = await _resolve_receipt(connection, caller.tenant, transfer, said.part, products)
        faults += await time_faults(connection, said.part, context.window)
    body = said.settle(faults)
    assert place is not None
    request = ReceiveTransfer(
        **said_by(caller, body),
        key=keyed.key(body),
        occurred_at=body.occurred_at,
        transfer_no=transfer.transfer_no,
        site=transfer.site,
        sent=tuple(sorted({line.sku for line in transfer.lines})),
        place=place.place,
        lines=tuple(
            ArrivedLine(line.sku, quantity, line.lot or "", line.serial_numbers, line.stock_status)
            for line, quantity in zip(body.lines, quantities, strict=True)
        ),
        complete=body.complete,
    )
    return await context.ledger.post(request, counted_in(caller.tenant, products))


async def _resolve_receipt(
    connection: AsyncConnection, tenant: str, transfer: SentTransfer, part: Part, products: dict[str, Product]
) -> tuple[list[Fault], Location | None, list[int]]:
    """Return what is wrong with a receipt by the transfer and the catalog, where the goods are, and how many."""
    faults = Faults()
    lines = list(part.parts("lines"))
    sent = {line.sku for line in transfer.lines}
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    place = faults.stock_location(part, "location_id", known, transfer.to_site)
    quantities = [quantity_of(faults, line, products, lot_needed=False) for line in lines]
    for line in lines:
        faults.kept_as(line, "stock_status", place)
        sku = line.get("sku")
        if sku in products and sku not in sent:
            faults.add(line, "sku", "not_sent", f"{sku} was not sent with {transfer.transfer_no}")
    return faults.found, place, [quantity for quantity in quantities if quantity is not None]
