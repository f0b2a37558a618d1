"""Stock goes to another location of its site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import Answer, Keyed, Posted, counted_in, once, said_by, why
from commands.resolving import Faults, named, stocked_product
from commands.times import time_faults
from domain.errors import Conflict, Fault
from domain.reasons import code_of
from domain.said import Part, Said
from domain.shapes import Move
from domain.stock import StreamKey
from ledger.requests import MoveStock
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey
from records.catalog import Location, Product

_MOVE: Final = Keyed[Move](MoveStock, lambda body: f"move/{body.move_no}")


@dataclass(frozen=True)
class Moved(Answer):
    """How much was moved, and what it is where it lies now."""

    moved: int
    stock_status: str | None = None


async def move_stock(context: CommandContext, caller: ApiKey, said: Said[Move]) -> Posted:
    """Post a move, once under its number."""
    return await once(context, caller, said, _MOVE, lambda: _move(context, caller, said))


async def _move(context: CommandContext, caller: ApiKey, said: Said[Move]) -> Outcome:
    async with context.reading() as connection:
        faults, products, moved = await _resolve_move(connection, caller.tenant, said.part)
        faults += await time_faults(connection, said.part, context.window)
    body = said.settle(faults)
    request = _move_request(caller, body, *moved)
    words = why(request.key, request.tenant, body.reason)
    return await context.ledger.post(request, counted_in(caller.tenant, products, words))


async def _resolve_move(
    connection: AsyncConnection, tenant: str, part: Part
) -> tuple[list[Fault], dict[str, Product], Any]:
    """Return what is wrong with a move by the catalog, its product, and where it goes from and to with how much."""
    faults = Faults()
    source, target = part.part("from"), part.part("to")
    known = await catalog.locations(connection, tenant, named([source, target], "location_id"))
    places = [faults.stock_location(end, "location_id", known, staging=True) for end in (source, target)]
    products = await catalog.products(connection, tenant, named([part], "sku"))
    product = stocked_product(faults, part, products)
    quantity = faults.base_units(part, product) if product else None
    if product:
        faults.serials(part, product, quantity)
        faults.lot(source, product)
    if not faults.found and None not in places:
        _check_ends(faults, target, *(place for place in places if place is not None))
    return faults.found, products, (*places, quantity)


def _check_ends(faults: Faults, target: Part, source_place: Location, target_place: Location) -> None:
    if source_place.site != target_place.site:
        detail = f"{source_place.location_id} and {target_place.location_id} are in different sites: make a transfer."
        raise Conflict(detail, code="transfer_between_sites")
    if source_place == target_place:
        faults.add(target, "location_id", "same_location", "is where the stock lies already")


def _move_request(caller: ApiKey, body: Move, source: Location, target: Location, quantity: int) -> MoveStock:
    return MoveStock(
        **said_by(caller, body),
        key=_MOVE.key(body),
        occurred_at=body.occurred_at,
        stream=StreamKey(caller.tenant, body.sku, source.place, body.source.lot or "", "", body.source.stock_status),
        to=target.place,
        quantity=quantity,
        serial_numbers=body.serial_numbers,
        reason_code=code_of(body.reason),
    )
