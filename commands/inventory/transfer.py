"""Stock leaves for another site."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import Keyed, Posted, counted_in, once, said_by
from commands.resolving import Faults, named, stocked_product
from commands.times import time_faults
from domain.errors import Fault
from domain.said import Part, Said
from domain.shapes import Transfer
from ledger.reads.transfers import transfer_key
from ledger.requests import SendTransfer, SentLine
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey
from records.catalog import Location, Product

_SENDING: Final = Keyed[Transfer](SendTransfer, lambda body: transfer_key(body.transfer_no))


async def transfer_stock(context: CommandContext, caller: ApiKey, said: Said[Transfer]) -> Posted:
    """Post that stock left for another site, once under the transfer's number."""
    return await once(context, caller, said, _SENDING, lambda: _send(context, caller, said))


async def _send(context: CommandContext, caller: ApiKey, said: Said[Transfer]) -> Outcome:
    async with context.reading() as connection:
        products = await catalog.products(connection, caller.tenant, named(said.part.parts("lines"), "sku"))
        faults, places, quantities = await _resolve_sending(connection, caller.tenant, said.part, products)
        faults += await time_faults(connection, said.part, context.window)
    body = said.settle(faults)
    request = SendTransfer(
        **said_by(caller, body),
        key=_SENDING.key(body),
        occurred_at=body.occurred_at,
        transfer_no=body.transfer_no,
        site=places[0].site,
        to_site=body.to_site,
        lines=tuple(
            SentLine(line.sku, place.place, quantity, line.lot or "", line.serial_numbers, line.stock_status)
            for line, place, quantity in zip(body.lines, places, quantities, strict=True)
        ),
    )
    return await context.ledger.post(request, counted_in(caller.tenant, products))


async def _resolve_sending(
    connection: AsyncConnection, tenant: str, part: Part, products: dict[str, Product]
) -> tuple[list[Fault], list[Location], list[int]]:
    """Return what is wrong with a transfer by the catalog, and where each line leaves with how much."""
    faults = Faults()
    lines = list(part.parts("lines"))
    known = await catalog.locations(connection, tenant, named(lines, "location_id"))
    sites = await catalog.sites_with_staging(connection, tenant, named([part], "to_site"))
    places = [faults.stock_location(line, "location_id", known) for line in lines]
    quantities = [quantity_of(faults, line, products, lot_needed=True) for line in lines]
    _check_sites(faults, part, lines, [place.site if place else None for place in places], sites)
    return (
        faults.found,
        [place for place in places if place is not None],
        [quantity for quantity in quantities if quantity is not None],
    )


def quantity_of(faults: Faults, line: Part, products: dict[str, Product], *, lot_needed: bool) -> int | None:
    """Return how much of a sku a line is about, in base units; None where that can't be told."""
    product = stocked_product(faults, line, products)
    if product is None:
        return None
    quantity = faults.base_units(line, product)
    faults.serials(line, product, quantity)
    if lot_needed:
        faults.lot(line, product)
    return quantity


def _check_sites(
    faults: Faults, part: Part, lines: list[Part], leaving: list[str | None], sites: dict[str, bool]
) -> None:
    to_site = part.get("to_site")
    if to_site is not None and to_site not in sites:
        faults.add(part, "to_site", "unknown_site", f"There is no site {to_site}")
    first = next((site for site in leaving if site is not None), None)
    for line, site in zip(lines, leaving, strict=True):
        if site is not None and site != first:
            faults.add(line, "location_id", "two_sites", f"is in {site}, and the first line leaves {first}")
    if first is not None and first == to_site:
        faults.add(part, "to_site", "same_site", f"The stock is in {to_site} already: that is a move")
